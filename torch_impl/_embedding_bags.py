"""Sums, means and maxima over bags of rows, without the rows in between."""

from typing import TypedDict, Unpack

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from torch_impl._embedding_tables import _row

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
    ids: Int[Tensor, "*shape"],
    weight: Float[Tensor, "rows features"],
    offsets: Int[Tensor, " offsets"] | None = None,
    *,
    mode: str = "mean",
    per_sample_weights: Float[Tensor, "*shape"] | None = None,
    padding_idx: int | None = None,
    **options: Unpack[BagOptions],
) -> Float[Tensor, "bags features"]:
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

    Differs from its twin: with ``max_norm`` the table itself is shortened, in place. With ``scale_grad_by_freq``
    PyTorch 2.13 divides the k-th distinct id's gradient by the count of the k-th id in sorted order.
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode must be 'sum', 'mean' or 'max', got {mode!r}.")
    if (offsets is None) != (ids.ndim == 2):
        raise ValueError(f"embedding_bag: offsets must be given for ids in a row only, got {ids.ndim} axes.")
    if per_sample_weights is not None and mode != "sum":
        raise ValueError(f"embedding_bag: per_sample_weights must be None unless mode is 'sum', got mode {mode!r}.")
    padding = _row("embedding_bag", padding_idx, weight.shape[0])
    words = {"mode": mode, "per_sample_weights": per_sample_weights, "padding_idx": padding}
    return functional.embedding_bag(ids, weight, offsets, **words, **options)
