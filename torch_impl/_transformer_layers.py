"""One layer of an encoder and of a decoder, post-norm or pre-norm.

Differs from its twin: the framework's own.
"""

from typing import TypedDict, Unpack

from torch import nn

from torch_impl._transformer_checks import check_layer

__all__ = ["LayerOptions", "encoder_layer", "decoder_layer"]


class LayerOptions(TypedDict, total=False):
    """How a layer is built; the defaults are PyTorch's.

    ``dim_feedforward``: the hidden width of the perceptron (2048). ``dropout``: how likely an element is to be dropped,
    of attention's weights too (0.1). ``activation``: ``"relu"`` or ``"gelu"``, the exact one (``"relu"``).
    ``layer_norm_eps``: what is added to the variance (1e-5). ``norm_first``: norm what goes into a block, not its sum
    with what comes out (false). ``bias``: of every projection and norm (true).
    """

    dim_feedforward: int
    dropout: float
    activation: str
    layer_norm_eps: float
    norm_first: bool
    bias: bool


def encoder_layer(d_model: int, nhead: int, **options: Unpack[LayerOptions]) -> nn.TransformerEncoderLayer:
    r"""Build a layer of an encoder: self attention, then a perceptron, each with a residual connection.

    $y = N(x + A(x)), \; z = N(y + F(y))$ with $F(y) = W_2 \, f(W_1 y + b_1) + b_2$ (Vaswani et al. 2017,
    arXiv:1706.03762, sections 3.1 and 3.3), or with the norms in front $y = x + A(N(x)), \; z = y + F(N(y))$
    (Xiong et al. 2020, arXiv:2002.04745, figure 1).

    Args:
        d_model: the width of inputs and outputs.
        nhead: how many heads the width is cut into; must divide it.
        **options: see `LayerOptions`.

    Returns:
        A layer over (batch, time, width), or without a batch.

    Raises:
        ValueError: if ``nhead`` does not divide ``d_model``, or there is no such activation.

    Differs from its twin: ``train`` and ``eval`` switch dropout, which is on unless told. In evaluation without
    gradients another kernel runs, which reads a mask that ``is_causal`` else replaces.
    """
    check_layer("encoder_layer", d_model, nhead, options.get("activation", "relu"))
    return nn.TransformerEncoderLayer(d_model, nhead, batch_first=True, **options)


def decoder_layer(d_model: int, nhead: int, **options: Unpack[LayerOptions]) -> nn.TransformerDecoderLayer:
    """Build a layer of a decoder: as an encoder's, with attention to the encoder's memory in between.

    (Vaswani et al. 2017, arXiv:1706.03762, section 3.1.)

    Args:
        d_model: the width of inputs, memory and outputs.
        nhead: how many heads the width is cut into; must divide it.
        **options: see `LayerOptions`.

    Returns:
        A layer over (batch, time, width), or without a batch.

    Raises:
        ValueError: if ``nhead`` does not divide ``d_model``, or there is no such activation.

    Differs from its twin: ``train`` and ``eval`` switch dropout.
    """
    check_layer("decoder_layer", d_model, nhead, options.get("activation", "relu"))
    return nn.TransformerDecoderLayer(d_model, nhead, batch_first=True, **options)
