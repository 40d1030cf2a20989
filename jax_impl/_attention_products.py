"""Attention as one product after another, and positions as rotations."""

from typing import TypedDict, Unpack

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Real

__all__ = ["AttentionOptions", "scaled_dot_product_attention", "rotary_positions"]


class AttentionOptions(TypedDict, total=False):
    """What a query may see, and how scores are scaled.

    ``is_causal``: query i sees the keys up to i, counted from the first of each (false). ``scale``: of the scores;
    None for one over the root of a head's width (None). ``enable_gqa``: neighbouring query heads share a key head
    (false).
    """

    is_causal: bool
    scale: float | None
    enable_gqa: bool


def scaled_dot_product_attention(
    query: Float[Array, "*batch queries width"],
    key: Float[Array, "*key_batch keys width"],
    value: Float[Array, "*key_batch keys value_width"],
    attn_mask: Bool[Array, "*#mask_batch #queries #keys"] | Float[Array, "*#mask_batch #queries #keys"] | None = None,
    **options: Unpack[AttentionOptions],
) -> Float[Array, "*batch queries value_width"]:
    r"""Average values, weighted by how well their keys fit a query.

    $\mathrm{softmax}(s \, Q K^\top + M) \, V$ with $s = 1/\sqrt{width}$ (Vaswani et al. 2017, arXiv:1706.03762, eq. 1).

    Args:
        query: $Q$; the heads are the last axis of the batch.
        key: $K$.
        value: $V$.
        attn_mask: booleans that say where to look (true), or numbers $M$ that are added to the scores.
        **options: see `AttentionOptions`.

    Returns:
        One average a query; that of a query that may look nowhere is 0.

    Raises:
        ValueError: if there is a mask and ``is_causal`` too, or shared heads do not divide the query's.

    Differs from its twin: written out. ``jax.nn.dot_product_attention`` wants (batch, time, heads, width), takes its
    softmax in float32 at any dtype, and gives the plain mean of all values to a query that may look nowhere.
    """
    if attn_mask is not None and options.get("is_causal", False):
        raise ValueError("scaled_dot_product_attention: attn_mask must be None where is_causal is true, got a mask.")
    if options.get("enable_gqa", False):
        _check_heads(query, key, value)
        key, value = (jnp.repeat(part, query.shape[-3] // part.shape[-3], axis=-3) for part in (key, value))
    if options.get("is_causal", False):
        attn_mask = jnp.tril(jnp.ones((query.shape[-2], key.shape[-2]), bool))
    scale = options.get("scale")
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if attn_mask is not None and attn_mask.dtype == bool:
        scores = jnp.where(attn_mask, scores, -jnp.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return _safe_softmax(scores) @ value


def _safe_softmax(scores: Array) -> Array:
    """The softmax of the last axis; 0 where all of it is minus infinity, of the gradient too."""
    nowhere = (scores == -jnp.inf).all(-1, keepdims=True)
    # At least float32: bfloat16 keeps 8 bits, too few for a sum over keys.
    wide = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    weights = jax.nn.softmax(jnp.where(nowhere, 0, wide), axis=-1)
    return jnp.where(nowhere, 0, weights).astype(scores.dtype)


def _check_heads(query: Array, *shared: Array) -> None:
    for name, part in zip(("key", "value"), shared, strict=True):
        if query.shape[-3] % part.shape[-3]:
            raise ValueError(
                f"scaled_dot_product_attention: {name} must have heads that divide the query's {query.shape[-3]},"
                f" got {part.shape[-3]}."
            )


def rotary_positions(
    x: Float[Array, "*batch time width"],
    positions: Real[Array, " time"],
    *,
    base: float = 10000.0,
    interleaved: bool = False,
) -> Float[Array, "*batch time width"]:
    r"""Turn pairs of features by an angle that grows with the position.

    $(a, b) \to (a \cos \theta - b \sin \theta, \; b \cos \theta + a \sin \theta)$ with $\theta = p \, base^{-2k/width}$
    for the k-th pair (Su et al. 2021, arXiv:2104.09864, eq. 34). Scores of turned queries and keys depend on the
    difference of their positions alone.

    Args:
        x: queries or keys; the width is even.
        positions: $p$ of each step.
        base: the larger, the slower the last pairs turn.
        interleaved: whether neighbours are pairs, as in the paper; else the first half is paired with the second.

    Returns:
        Vectors of the same lengths.

    Raises:
        ValueError: if the width is odd.
    """
    width = x.shape[-1]
    if width % 2:
        raise ValueError(f"rotary_positions: x must be of even width, got {width}.")
    # At least float32: bfloat16 counts to 256 only.
    wide = jnp.promote_types(x.dtype, jnp.float32)
    rates = base ** (-jnp.arange(0, width, 2, dtype=wide) / width)
    angles = positions.astype(wide)[:, None] * rates
    cosine, sine = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
    a, b = (x[..., ::2], x[..., 1::2]) if interleaved else jnp.split(x, 2, axis=-1)
    turned = (a * cosine - b * sine, b * cosine + a * sine)
    return jnp.stack(turned, axis=-1).reshape(x.shape) if interleaved else jnp.concatenate(turned, axis=-1)
