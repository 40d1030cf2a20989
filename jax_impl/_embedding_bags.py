"""Sums, means and maxima over bags of rows, without the rows in between."""

from typing import TypedDict, Unpack

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from jax_impl._embedding_tables import _row, embedding

__all__ = ["BagOptions", "embedding_bag"]


class BagOptions(TypedDict, total=False):
    """Those of `embedding`: ``max_norm`` (None), ``norm_type`` (2) and ``scale_grad_by_freq`` (false); and one more.

    ``include_last_offset``: the last offset is the end of the last bag (false).
    """

    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    include_last_offset: bool


def embedding_bag(
    ids: Int[Array, "*shape"],
    weight: Float[Array, "rows features"],
    offsets: Int[Array, " offsets"] | None = None,
    *,
    mode: str = "mean",
    per_sample_weights: Float[Array, "*shape"] | None = None,
    padding_idx: int | None = None,
    **options: Unpack[BagOptions],
) -> Float[Array, "bags features"]:
    """Add up the rows of each bag of ids, or take their mean or maximum.

    Args:
        ids: (bags, ids) for bags of one size; else all bags in a row, cut at ``offsets``.
        weight: the table.
        offsets: where each bag starts, the first at 0; an empty bag is a row of zeros.
        mode: ``"sum"``, ``"mean"`` or ``"max"``. A maximum's gradient goes to the first row that has it.
        per_sample_weights: what each row is multiplied by, for sums only.
        padding_idx: an id that is left out of its bag, of a mean's count too; below 0 it counts from the end.
        **options: ``max_norm``, ``norm_type`` and ``scale_grad_by_freq`` as in `embedding` (a maximum takes no
            ``scale_grad_by_freq``); ``include_last_offset``, whether the last offset is the end of the last bag.

    Returns:
        One row a bag.

    Raises:
        ValueError: if there is no such mode, ``offsets`` are missing or too many, or a mean or maximum is weighted.

    Differs from its twin: the table stays as it is, and an id beyond it makes its bag NaN. With ``scale_grad_by_freq``
    each row's gradient is divided by its own count.
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode must be 'sum', 'mean' or 'max', got {mode!r}.")
    if (offsets is None) != (ids.ndim == 2):
        raise ValueError(f"embedding_bag: offsets must be given for ids in a row only, got {ids.ndim} axes.")
    if per_sample_weights is not None and mode != "sum":
        raise ValueError(f"embedding_bag: per_sample_weights must be None unless mode is 'sum', got mode {mode!r}.")
    padding = _row("embedding_bag", padding_idx, weight.shape[0])
    if offsets is None:
        offsets = jnp.arange(ids.shape[0]) * ids.shape[1]
    elif options.get("include_last_offset", False):
        offsets = offsets[:-1]
    flat, kept = ids.reshape(-1), jnp.ones(ids.size, bool) if padding is None else ids.reshape(-1) != padding
    bag = jnp.searchsorted(offsets, jnp.arange(flat.size), side="right") - 1
    known = {name: value for name, value in options.items() if name != "include_last_offset"}
    rows = embedding(flat, weight, **known)  # pyright: ignore[reportArgumentType]
    if mode == "max":
        return _largest(rows, kept, bag, offsets.shape[0])
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    total = jax.ops.segment_sum(jnp.where(kept[:, None], rows, 0), bag, offsets.shape[0])
    if mode == "sum":
        return total
    count = jax.ops.segment_sum(kept.astype(rows.dtype), bag, offsets.shape[0])
    return total / jnp.maximum(count, 1)[:, None]


def _largest(rows: Array, kept: Array, bag: Array, bags: int) -> Array:
    """The maximum of each bag; ``jax.ops.segment_max`` would share its gradient among equals."""
    held = jnp.where(kept[:, None], jax.lax.stop_gradient(rows), -jnp.inf)
    is_best = kept[:, None] & (held == jax.ops.segment_max(held, bag, bags)[bag])
    places = jnp.where(is_best, jnp.arange(rows.shape[0])[:, None], rows.shape[0])
    first = jax.ops.segment_min(places, bag, bags)
    empty = jax.ops.segment_max(kept.astype(int), bag, bags) < 1
    best = jnp.take_along_axis(rows, jnp.where(empty[:, None], 0, first), axis=0, mode="clip")
    return jnp.where(empty[:, None], 0, best)
