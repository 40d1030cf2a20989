"""Attention as one product after another, and positions as rotations."""

from typing import TypedDict, Unpack

import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor
from torch.nn import functional

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
    query: Float[Tensor, "*batch queries width"],
    key: Float[Tensor, "*key_batch keys width"],
    value: Float[Tensor, "*key_batch keys value_width"],
    attn_mask: Bool[Tensor, "*#mask_batch #queries #keys"] | Float[Tensor, "*#mask_batch #queries #keys"] | None = None,
    **options: Unpack[AttentionOptions],
) -> Float[Tensor, "*batch queries value_width"]:
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
    """
    if attn_mask is not None and options.get("is_causal", False):
        raise ValueError("scaled_dot_product_attention: attn_mask must be None where is_causal is true, got a mask.")
    if options.get("enable_gqa", False):
        _check_heads(query, key, value)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask, **options)


def _check_heads(query: Tensor, *shared: Tensor) -> None:
    for name, part in zip(("key", "value"), shared, strict=True):
        if query.shape[-3] % part.shape[-3]:
            raise ValueError(
                f"scaled_dot_product_attention: {name} must have heads that divide the query's {query.shape[-3]},"
                f" got {part.shape[-3]}."
            )


def rotary_positions(
    x: Float[Tensor, "*batch time width"],
    positions: Real[Tensor, " time"],
    *,
    base: float = 10000.0,
    interleaved: bool = False,
) -> Float[Tensor, "*batch time width"]:
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
    wide = torch.promote_types(x.dtype, torch.float32)
    rates = base ** (-torch.arange(0, width, 2, dtype=wide, device=x.device) / width)
    angles = positions.to(wide)[:, None] * rates
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = (x[..., ::2], x[..., 1::2]) if interleaved else x.chunk(2, dim=-1)
    turned = (a * cosine - b * sine, b * cosine + a * sine)
    return torch.stack(turned, dim=-1).flatten(-2) if interleaved else torch.cat(turned, dim=-1)
