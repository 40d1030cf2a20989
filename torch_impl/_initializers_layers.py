r"""The laws with which the layers of ``torch.nn`` are born, by parameter.

Differs from its twin: each function returns what its layer's ``named_parameters`` has, a law by name:
``for name, law in laws.items(): law(layer.get_parameter(name), generator=generator)``.
"""

import math
from collections.abc import Callable, Sequence

from torch import Generator, Tensor, nn

from torch_impl._initializers_fills import constant, ones, zeros
from torch_impl.linear import bias_law, weight_law

Laws = dict[str, Callable[..., Tensor]]

__all__ = [
    "linear_laws",
    "bilinear_laws",
    "conv_laws",
    "conv_transpose_laws",
    "embedding_laws",
    "recurrent_laws",
    "attention_laws",
    "norm_laws",
    "prelu_laws",
]


def linear_laws(in_features: int) -> Laws:
    r"""Return the laws of ``nn.Linear``: weight and bias $U(-1/\sqrt{in}, 1/\sqrt{in})$.

    Args:
        in_features: $in$, which the shape of a bias does not tell.

    Returns:
        An initializer for each parameter.
    """
    return {"weight": weight_law(), "bias": bias_law(in_features)}


def bilinear_laws(in1_features: int) -> Laws:
    r"""Return the laws of ``nn.Bilinear``: weight and bias $U(-1/\sqrt{in_1}, 1/\sqrt{in_1})$, whatever $in_2$.

    Args:
        in1_features: $in_1$.

    Returns:
        An initializer for each parameter.
    """
    return {"weight": bias_law(in1_features), "bias": bias_law(in1_features)}


def conv_laws(in_channels: int, kernel_size: Sequence[int], groups: int = 1) -> Laws:
    r"""Return the laws of ``nn.Conv1d`` to ``3d``: weight and bias $U(-1/\sqrt{fan}, 1/\sqrt{fan})$ of the fan in.

    Args:
        in_channels: of the input.
        kernel_size: the window, one entry an axis.
        groups: what divides the channels; each output sees one group.

    Returns:
        An initializer for each parameter.
    """
    return {"weight": weight_law(), "bias": bias_law(in_channels // groups * math.prod(kernel_size))}


def conv_transpose_laws(out_channels: int, kernel_size: Sequence[int], groups: int = 1) -> Laws:
    r"""Return the laws of ``nn.ConvTranspose1d`` to ``3d``: weight and bias $U(-1/\sqrt{fan}, 1/\sqrt{fan})$.

    The weight lies as that of the convolution it transposes, so the fan is of the outputs: their channels times the
    window.

    Args:
        out_channels: of the output.
        kernel_size: the window, one entry an axis.
        groups: what divides the channels.

    Returns:
        An initializer for each parameter.
    """
    return {"weight": weight_law(), "bias": bias_law(out_channels // groups * math.prod(kernel_size))}


def embedding_laws(padding_idx: int | None = None) -> Laws:
    r"""Return the law of ``nn.Embedding`` and ``nn.EmbeddingBag``: $N(0, 1)$ whatever the width.

    Args:
        padding_idx: the row that is zero; None for none.

    Returns:
        An initializer for the parameter.
    """

    def law(tensor: Tensor, generator: Generator | None = None) -> Tensor:
        nn.init.normal_(tensor, generator=generator)
        if padding_idx is not None:
            nn.init.zeros_(tensor[padding_idx])
        return tensor

    return {"weight": law}


def recurrent_laws(hidden_size: int) -> Laws:
    r"""Return the laws of ``nn.RNN``, ``nn.LSTM``, ``nn.GRU`` and their cells: all $U(-1/\sqrt h, 1/\sqrt h)$.

    Args:
        hidden_size: $h$.

    Returns:
        An initializer for each parameter.
    """
    return dict.fromkeys(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), bias_law(hidden_size))


def attention_laws(embed_dim: int, kdim: int | None = None, vdim: int | None = None) -> Laws:
    r"""Return the laws of ``nn.MultiheadAttention``: Xavier's for what comes in, ``nn.Linear``'s for the output.

    Where query, key and value are equally wide their three matrices are drawn as one of shape $(3E, E)$: the bound is
    $\sqrt{6 / 4E}$, not $\sqrt{6 / 2E}$. All biases are zero, also the output's.

    Args:
        embed_dim: $E$, the width of the query.
        kdim: the width of the key; None for $E$.
        vdim: the width of the value; None for $E$.

    Returns:
        An initializer for each parameter.

    Differs from its twin: with ``add_bias_kv`` there are two more, ``bias_k`` and ``bias_v``, by ``xavier_normal``.
    """
    widths = {embed_dim, embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim}
    incoming = ("in_proj_weight",) if len(widths) == 1 else ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    laws = dict.fromkeys(incoming, nn.init.xavier_uniform_)
    return {"out_proj.weight": weight_law(), **laws, "in_proj_bias": zeros(), "out_proj.bias": zeros()}


def norm_laws() -> Laws:
    """Return the laws of the norms, batch, layer, group and instance: ones and zeros.

    Returns:
        An initializer for each parameter.
    """
    return {"weight": ones(), "bias": zeros()}


def prelu_laws(init: float = 0.25) -> Laws:
    """Return the law of ``nn.PReLU``: one slope.

    Args:
        init: the slope.

    Returns:
        What the layer is told.

    Differs from its twin: an initializer for the parameter.
    """
    return {"weight": constant(init)}
