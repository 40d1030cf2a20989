"""Encoders and decoders of several layers, both in one transformer, and their weights by name.

Differs from its twin: each layer draws its own weights; PyTorch copies the first, so that all start equal.
"""

import re
from collections.abc import Mapping
from typing import Any, Unpack

import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jaxtyping import Float

from jax_impl._transformer_checks import check_depth
from jax_impl._transformer_layers import (
    DecoderLayer,
    DecoderMasks,
    EncoderLayer,
    LayerOptions,
    Mask,
    Padding,
    decoder_layer,
    encoder_layer,
)
from jax_impl.initializers import xavier_uniform
from jax_impl.normalization import layer_norm_layer

__all__ = ["encoder", "decoder", "transformer", "transformer_weights"]


class TransformerMasks(DecoderMasks, total=False):
    """A decoder's, and what the source's own steps may not see."""

    src_mask: Mask | None
    src_key_padding_mask: Padding | None
    src_is_causal: bool


class Encoder(nn.Module):
    """Layers of an encoder, and a norm.

    Attributes:
        layer: what each of them is a copy of.
        num_layers: how many.
        norm: the last step, or None.
    """

    layer: EncoderLayer
    num_layers: int
    norm: nn.LayerNorm | None = None

    def setup(self) -> None:
        self.layers = [self.layer.clone() for _ in range(self.num_layers)]

    def __call__(
        self,
        src: Float[Array, "*batch time width"],
        mask: Mask | None = None,
        src_key_padding_mask: Padding | None = None,
        *,
        is_causal: bool = False,
        deterministic: bool = True,
    ) -> Float[Array, "*batch time width"]:
        """Pass sequences on, under the masks of `EncoderLayer`."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, is_causal=is_causal, deterministic=deterministic)
        return src if self.norm is None else self.norm(src)


class Decoder(nn.Module):
    """Layers of a decoder, and a norm.

    Attributes:
        layer: what each of them is a copy of.
        num_layers: how many.
        norm: the last step, or None.
    """

    layer: DecoderLayer
    num_layers: int
    norm: nn.LayerNorm | None = None

    def setup(self) -> None:
        self.layers = [self.layer.clone() for _ in range(self.num_layers)]

    def __call__(
        self,
        tgt: Float[Array, "*batch time width"],
        memory: Float[Array, "*batch steps width"],
        *,
        deterministic: bool = True,
        **masks: Unpack[DecoderMasks],
    ) -> Float[Array, "*batch time width"]:
        """Pass sequences on, each beside its memory."""
        for layer in self.layers:
            tgt = layer(tgt, memory, deterministic=deterministic, **masks)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(nn.Module):
    """An encoder, and a decoder of what it makes of the source.

    Attributes:
        encoder: of the source.
        decoder: of the target.
    """

    encoder: Encoder
    decoder: Decoder

    def __call__(
        self,
        src: Float[Array, "*batch steps width"],
        tgt: Float[Array, "*batch time width"],
        *,
        deterministic: bool = True,
        **masks: Unpack[TransformerMasks],
    ) -> Float[Array, "*batch time width"]:
        """Encode the source, and decode the target beside it."""
        mask, padding = masks.pop("src_mask", None), masks.pop("src_key_padding_mask", None)
        causal = masks.pop("src_is_causal", False)
        memory = self.encoder(src, mask, padding, is_causal=causal, deterministic=deterministic)
        return self.decoder(tgt, memory, deterministic=deterministic, **masks)


def encoder(
    d_model: int, nhead: int, num_layers: int, *, norm: bool = False, **options: Unpack[LayerOptions]
) -> Encoder:
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

    Differs from its twin: padding is a mask and never more.
    """
    check_depth("encoder", num_layers)
    return Encoder(encoder_layer(d_model, nhead, **options), num_layers, _norm(d_model, norm, options))


def decoder(
    d_model: int, nhead: int, num_layers: int, *, norm: bool = False, **options: Unpack[LayerOptions]
) -> Decoder:
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
    return Decoder(decoder_layer(d_model, nhead, **options), num_layers, _norm(d_model, norm, options))


def transformer(
    d_model: int, nhead: int, *, num_layers: tuple[int, int] = (6, 6), **options: Unpack[LayerOptions]
) -> Transformer:
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

    Differs from its twin: masks come by keyword.
    """
    first = encoder(d_model, nhead, num_layers[0], norm=True, **options)
    second = decoder(d_model, nhead, num_layers[1], norm=True, **options)
    law: dict[str, Any] = {"law": xavier_uniform()}
    return Transformer(first.clone(layer=first.layer.clone(**law)), second.clone(layer=second.layer.clone(**law)))


def transformer_weights(parameters: Mapping[str, Array], nhead: int) -> dict:
    """Name the weights of a layer, a stack, a transformer or a language model as the modules here hold them.

    Args:
        parameters: by PyTorch's names, "layers.0.self_attn.in_proj_weight".
        nhead: of every layer.

    Returns:
        What the module is loaded with.

    Differs from its twin: linen's tree: kernels are transposed, and three of (embed, heads, width) where one
    matrix leads into attention.
    """
    tree: dict[str, Any] = {}
    for name, value in parameters.items():
        *path, leaf = re.sub(r"\.(\d+)\.", r"_\1.", name).split(".")  # layers.0.norm1 is layers_0/norm1
        for place, part in _held(path[-1:], leaf, value, nhead):
            *above, last = ("out" if word == "out_proj" else word for word in (*path, *place))
            branch = tree
            for word in above:
                branch = branch.setdefault(word, {})
            branch[last] = part
    return {"params": tree}


def _held(owner: list[str], leaf: str, value: Array, nhead: int) -> list[tuple[tuple[str, ...], Array]]:
    """One tensor as the leaves that hold it, by their places in the owner's part of the tree."""
    if leaf.startswith("in_proj"):
        kind, axes = ("bias", (nhead, -1)) if leaf.endswith("bias") else ("kernel", (value.shape[-1], nhead, -1))
        parts = zip(("query", "key", "value"), jnp.split(value, 3), strict=True)
        return [((name, kind), part.T.reshape(axes)) for name, part in parts]
    if owner == ["out_proj"] and leaf == "weight":
        return [(("kernel",), value.T.reshape(nhead, -1, len(value)))]
    if owner == ["embedding"]:
        return [(("embedding",), value)]
    if leaf == "weight":
        return [(("scale",), value) if value.ndim == 1 else (("kernel",), value.T)]
    return [((leaf,), value)]


def _norm(d_model: int, wanted: bool, options: LayerOptions) -> nn.LayerNorm | None:
    eps, bias = options.get("layer_norm_eps", 1e-5), options.get("bias", True)
    return layer_norm_layer((d_model,), eps=eps, bias=bias) if wanted else None
