"""Tensors: make them, reshape them, index them, reduce them, hand them over.

Differs from its twin: memory may be shared and written in place, and a dtype is kept as it comes.
"""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from torch_impl._tensors_make import (
    from_dlpack,
    from_list,
    from_numpy,
    normal,
    ones,
    promoted_dtype,
    to_numpy,
    zeros,
)

__all__ = [
    "from_list",
    "from_numpy",
    "from_dlpack",
    "to_numpy",
    "zeros",
    "ones",
    "normal",
    "promoted_dtype",
    "norm",
    "column_means",
    "sample_std",
    "lower_median",
    "flatten_pixels",
    "swap_axes",
    "permute",
    "broadcast_add",
    "set_row",
    "add_rows",
    "take_rows",
]


def norm(x: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    r"""Measure the length of all elements as one vector.

    $\|x\| = \sqrt{\sum_i x_i^2}$, for a matrix its Frobenius norm.

    Args:
        x: any shape, empty too.

    Returns:
        The norm; where it is zero, so is its gradient.
    """
    return torch.linalg.vector_norm(x)


def column_means(x: Float[Tensor, "rows columns"]) -> Float[Tensor, " columns"]:
    r"""Average each column, that is, over the 0th dimension.

    $m_j = \tfrac1n \sum_i x_{ij}$

    Args:
        x: a matrix of floats; integers have no mean of their own dtype.

    Returns:
        The means $m$.

    Differs from its twin: the axis is called ``dim``.
    """
    return x.mean(dim=0)


def sample_std(x: Float[Tensor, "rows columns"]) -> Float[Tensor, " columns"]:
    r"""Estimate each column's standard deviation from a sample.

    $s_j = \sqrt{\tfrac{1}{n-1} \sum_i (x_{ij} - m_j)^2}$ (Bessel's correction)

    Args:
        x: at least two rows; of one row the deviation is NaN.

    Returns:
        The deviations $s$; where one is zero, so is its gradient.
    """
    return x.std(dim=0, correction=1)


def lower_median(x: Float[Tensor, " values"]) -> Float[Tensor, ""]:
    r"""Pick the middle value, the lower of the two where there are two.

    $x_{(k)}$ with $k = \lfloor (n-1)/2 \rfloor$, the sorted values counted from 0.

    Args:
        x: at least one value, all finite.

    Returns:
        The median; values that tie with it share its gradient evenly.
    """
    return x.median()


def flatten_pixels(x: Shaped[Tensor, "batch channels height width"]) -> Shaped[Tensor, "batch channels height*width"]:
    """Lay the pixels of each channel out in one row.

    Args:
        x: images, channels first.

    Returns:
        The same numbers in the same order; ``x`` keeps its shape.

    Differs from its twin: the result is a view on the memory of ``x``, which must be contiguous in its last two axes.
    """
    _, channels, height, width = x.shape
    # -1 stands for the batch: beside an empty batch the size of another axis could not be inferred.
    return x.view(-1, channels, height * width)


def swap_axes(x: Shaped[Tensor, "..."], first: int, second: int) -> Shaped[Tensor, "..."]:
    """Exchange two axes.

    Args:
        x: any shape.
        first: one axis; negative counts from the end.
        second: the other axis.

    Returns:
        ``x`` with the two axes exchanged.
    """
    return x.transpose(first, second)


def permute(x: Shaped[Tensor, "..."], order: tuple[int, ...]) -> Shaped[Tensor, "..."]:
    """Reorder all axes.

    Args:
        x: any shape.
        order: for each axis of the result, the axis of ``x`` that it was.

    Returns:
        ``x`` with its axes in that order.
    """
    return x.permute(order)


def broadcast_add(x: Float[Tensor, "*#shape"], y: Float[Tensor, "*#shape"]) -> Float[Tensor, "*#shape"]:
    """Add two arrays that are stretched to one shape.

    Counted from the last axis, sizes must be equal, or one of them is 1, or one of them does not exist.

    Args:
        x: the one summand.
        y: the other summand.

    Returns:
        The sum; the gradient of a summand is summed over the axes that were stretched.
    """
    return x + y


def set_row(x: Shaped[Tensor, "rows *row"], index: int, value: Shaped[Tensor, "*row"]) -> Shaped[Tensor, "rows *row"]:
    """Replace one row.

    Args:
        x: the rows.
        index: which row; negative counts from the end.
        value: the new row.

    Returns:
        The rows with the new one among them.

    Differs from its twin: ``x`` itself is written and returned; an index out of range raises IndexError.
    """
    x[index] = value
    return x


def add_rows(
    x: Float[Tensor, "rows *row"], indices: Int[Tensor, " picks"], values: Float[Tensor, "picks *row"]
) -> Float[Tensor, "rows *row"]:
    r"""Add values to chosen rows; a row chosen twice grows twice.

    $y_r = x_r + \sum_{k:\, i_k = r} v_k$

    Args:
        x: the rows.
        indices: $i$, the row to which each value goes, counted from 0.
        values: $v$, one row each.

    Returns:
        The sums $y$.

    Differs from its twin: ``x`` itself is written and returned; an index out of range raises IndexError where rows
    are numbers, else RuntimeError. Not ``x[indices] += values``, which counts a repeated row once.
    """
    return x.index_add_(0, indices, values)


def take_rows(x: Float[Tensor, "rows *row"], indices: Int[Tensor, " picks"]) -> Float[Tensor, "picks *row"]:
    """Read chosen rows, never one that is not there.

    Args:
        x: the rows.
        indices: which rows, counted from 0; a negative index is out of range.

    Returns:
        One row for each index.

    Differs from its twin: an index out of range raises IndexError.
    """
    return x.index_select(0, indices)
