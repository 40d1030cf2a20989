"""Attention by several heads between projections, with the weights as PyTorch packs them."""

from typing import NamedTuple, TypedDict, Unpack

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from jax_impl._attention_products import _safe_softmax
from jax_impl.linear import linear_transform

__all__ = ["AttentionWeights", "MultiheadOptions", "multi_head_attention"]


class AttentionWeights(NamedTuple):
    """The weights of ``nn.MultiheadAttention``; what a layer does not have is None.

    ``in_proj_weight`` holds the projections of queries, keys and values one under the other, each with the heads one
    under the other; where keys or values have another width there are three of their own instead. ``bias_k`` and
    ``bias_v`` are one key and one value more, learned.
    """

    out_proj_weight: Float[Array, "embed embed"]
    in_proj_weight: Float[Array, "embeds embed"] | None = None
    in_proj_bias: Float[Array, " embeds"] | None = None
    out_proj_bias: Float[Array, " embed"] | None = None
    bias_k: Float[Array, "1 1 embed"] | None = None
    bias_v: Float[Array, "1 1 embed"] | None = None
    q_proj_weight: Float[Array, "embed embed"] | None = None
    k_proj_weight: Float[Array, "embed key_width"] | None = None
    v_proj_weight: Float[Array, "embed value_width"] | None = None


class MultiheadOptions(TypedDict, total=False):
    """Masks, layout and what is returned.

    ``key_padding_mask``: keys that nobody sees (true), or numbers that are added to their scores (none).
    ``attn_mask``: (queries, keys) or (batch times heads, queries, keys): what is *not* seen (true), or numbers (none).
    ``need_weights``: return the weights (true). ``average_attn_weights``: their mean over the heads (true).
    ``add_zero_attn``: one key and value of zeros more (false). ``batch_first``: (batch, time, embed) (false).
    """

    key_padding_mask: Bool[Array, "*#batch keys"] | Float[Array, "*#batch keys"] | None
    attn_mask: Bool[Array, "*#heads queries keys"] | Float[Array, "*#heads queries keys"] | None
    need_weights: bool
    average_attn_weights: bool
    add_zero_attn: bool
    batch_first: bool


def multi_head_attention(
    query: Float[Array, "*query_batch embed"],
    key: Float[Array, "*key_batch key_width"],
    value: Float[Array, "*key_batch value_width"],
    weights: AttentionWeights,
    num_heads: int,
    **options: Unpack[MultiheadOptions],
) -> tuple[Float[Array, "*query_batch embed"], Float[Array, "*weights queries keys"] | None]:
    """Let each head attend for itself, and project what the heads found side by side.

    (Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.)

    Args:
        query: (time, batch, embed), or without a batch.
        key: as many steps as ``value``.
        value: what is averaged.
        weights: of the projections.
        num_heads: of how many parts of the width each has one.
        **options: see `MultiheadOptions`.

    Returns:
        The attended, and the weights of each query, or None. A query that may look nowhere is NaN with weights, and
        the projection's bias without.

    Raises:
        ValueError: if the width is no multiple of the heads.

    Differs from its twin: no dropout. linen's ``MultiHeadDotProductAttention`` has a kernel (embed, heads, width) for
    each projection, masks that are true where to look, no further keys and one width for all.
    """
    embed = query.shape[-1]
    if embed % num_heads:
        raise ValueError(f"multi_head_attention: num_heads must divide the width {embed}, got {num_heads}.")
    lone, turned = query.ndim == 2, query.ndim == 3 and not options.get("batch_first", False)
    parts = [part[None] if lone else part.swapaxes(0, 1) if turned else part for part in (query, key, value)]
    projected = _projected(parts, weights)
    extra = (weights.bias_k is not None) + options.get("add_zero_attn", False)
    q, k, v = (_split(part, num_heads) for part in _lengthened(projected, weights, options))
    scores = q * (embed // num_heads) ** -0.5 @ k.mT
    mask = _merged(options, scores.shape, extra, scores.dtype)
    scores = scores if mask is None else scores + mask
    shown = options.get("need_weights", True)
    attention = jax.nn.softmax(scores, axis=-1) if shown else _safe_softmax(scores)
    joined = (attention @ v).swapaxes(1, 2).reshape(parts[0].shape)
    out = linear_transform(joined, weights.out_proj_weight, weights.out_proj_bias)
    out = out[0] if lone else out.swapaxes(0, 1) if turned else out
    if not shown:
        return out, None
    attention = attention.mean(1) if options.get("average_attn_weights", True) else attention
    return out, attention[0] if lone else attention


def _projected(parts: list[Array], weights: AttentionWeights) -> list[Array]:
    """Queries, keys and values, (batch, time, embed) each."""
    if weights.in_proj_weight is None:
        kernels = [weights.q_proj_weight, weights.k_proj_weight, weights.v_proj_weight]
    else:
        kernels = jnp.split(weights.in_proj_weight, 3)
    biases = [None] * 3 if weights.in_proj_bias is None else jnp.split(weights.in_proj_bias, 3)
    return [linear_transform(*each) for each in zip(parts, kernels, biases, strict=True)]  # pyright: ignore[reportArgumentType]


def _lengthened(projected: list[Array], weights: AttentionWeights, options: MultiheadOptions) -> list[Array]:
    """With the learned key and value, and those of zeros, at the end."""
    q, *pair = projected
    batch, embed = q.shape[0], q.shape[2]
    if weights.bias_k is not None and weights.bias_v is not None:
        learned = (jnp.broadcast_to(part, (batch, 1, embed)) for part in (weights.bias_k, weights.bias_v))
        pair = [jnp.concatenate(both, axis=1) for both in zip(pair, learned, strict=True)]
    if options.get("add_zero_attn", False):
        pair = [jnp.pad(part, ((0, 0), (0, 1), (0, 0))) for part in pair]
    return [q, *pair]


def _split(x: Array, num_heads: int) -> Array:
    return x.reshape(*x.shape[:2], num_heads, -1).swapaxes(1, 2)  # (batch, heads, time, width)


def _merged(options: MultiheadOptions, shape: tuple[int, ...], extra: int, dtype) -> Array | None:
    """Both masks as numbers to add to scores of this shape; the keys that came last are seen by all."""
    found = None
    padding, mask = options.get("key_padding_mask"), options.get("attn_mask")
    if padding is not None:
        found = _added(padding, extra, dtype).reshape(shape[0], 1, 1, shape[3])
    if mask is not None:
        numbers = _added(mask, extra, dtype)
        numbers = numbers.reshape(shape) if mask.ndim == 3 else numbers
        found = numbers if found is None else found + numbers
    return found


def _added(mask: Array, extra: int, dtype) -> Array:
    numbers = jnp.where(mask, -jnp.inf, 0).astype(dtype) if mask.dtype == bool else mask
    return jnp.pad(numbers, [(0, 0)] * (mask.ndim - 1) + [(0, extra)])
