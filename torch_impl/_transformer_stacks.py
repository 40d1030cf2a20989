"""Encoders and decoders of several layers, both in one transformer, and their weights by name.

Differs from its twin: the framework's own, which copies one layer, weights and all, so that all start equal.
"""

from collections.abc import Mapping
from typing import Unpack

from torch import Tensor, nn

from torch_impl._transformer_checks import check_depth
from torch_impl._transformer_layers import LayerOptions, decoder_layer, encoder_layer

__all__ = ["encoder", "decoder", "transformer", "transformer_weights"]


def encoder(
    d_model: int, nhead: int, num_layers: int, *, norm: bool = False, **options: Unpack[LayerOptions]
) -> nn.TransformerEncoder:
    """Build an encoder: equal layers one after another, each with weights of its own.

    Args:
        d_model: the width of inputs and outputs.
        nhead: how many heads the width is cut into; must divide it.
        num_layers: how many layers; at least 1.
        norm: whether a layer norm comes last, which pre-norm layers need.
        **options: see `LayerOptions`.

    Returns:
        A module over (batch, time, width), or without a batch.

    Raises:
        ValueError: if there is no layer, ``nhead`` does not divide ``d_model``, or there is no such activation.

    Differs from its twin: no nested tensors: with them padded steps come out as 0 in evaluation without
    gradients, and as numbers in training.
    """
    check_depth("encoder", num_layers)
    layer = encoder_layer(d_model, nhead, **options)
    return nn.TransformerEncoder(layer, num_layers, _norm(d_model, norm, options), enable_nested_tensor=False)


def decoder(
    d_model: int, nhead: int, num_layers: int, *, norm: bool = False, **options: Unpack[LayerOptions]
) -> nn.TransformerDecoder:
    """Build a decoder: equal layers one after another, each of which sees the same memory.

    Args:
        d_model: the width of inputs, memory and outputs.
        nhead: how many heads the width is cut into; must divide it.
        num_layers: how many layers; at least 1.
        norm: whether a layer norm comes last, which pre-norm layers need.
        **options: see `LayerOptions`.

    Returns:
        A module over (batch, time, width), or without a batch.

    Raises:
        ValueError: if there is no layer, ``nhead`` does not divide ``d_model``, or there is no such activation.
    """
    check_depth("decoder", num_layers)
    return nn.TransformerDecoder(decoder_layer(d_model, nhead, **options), num_layers, _norm(d_model, norm, options))


def transformer(
    d_model: int, nhead: int, *, num_layers: tuple[int, int] = (6, 6), **options: Unpack[LayerOptions]
) -> nn.Transformer:
    """Build an encoder and a decoder that sees what the encoder made of the source, both with a last norm.

    Every matrix is drawn by Glorot's uniform law, unlike those of a layer that is built alone.
    (Vaswani et al. 2017, arXiv:1706.03762, figure 1; there is no last norm.)

    Args:
        d_model: the width of both.
        nhead: how many heads the width is cut into; must divide it.
        num_layers: of the encoder, and of the decoder; at least 1.
        **options: see `LayerOptions`.

    Returns:
        A module that takes source and target, (batch, time, width) or without a batch.

    Raises:
        ValueError: if there is no layer, ``nhead`` does not divide ``d_model``, or there is no such activation.

    Differs from its twin: the framework's own around the two of this file.
    """
    first = encoder(d_model, nhead, num_layers[0], norm=True, **options)
    second = decoder(d_model, nhead, num_layers[1], norm=True, **options)
    own = {"custom_encoder": first, "custom_decoder": second}
    return nn.Transformer(d_model, nhead, batch_first=True, **own)


def transformer_weights(parameters: Mapping[str, Tensor], nhead: int) -> dict:
    """Name the weights of a layer, a stack, a transformer or a language model as the modules here hold them.

    Args:
        parameters: by PyTorch's names, "layers.0.self_attn.in_proj_weight".
        nhead: of every layer.

    Returns:
        What the module is loaded with.

    Differs from its twin: a state dict as it is.
    """
    return dict(parameters)


def _norm(d_model: int, wanted: bool, options: LayerOptions) -> nn.LayerNorm | None:
    eps, bias = options.get("layer_norm_eps", 1e-5), options.get("bias", True)
    return nn.LayerNorm(d_model, eps, bias=bias) if wanted else None
