"""Tensors: make them, reshape them, index them, reduce them, hand them over.

Differs from its twin: arrays never change, and 64-bit dtypes become 32-bit unless ``jax_enable_x64`` is on.
"""

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int, Shaped

from jax_impl._tensors_make import (
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


def norm(x: Float[Array, "..."]) -> Float[Array, ""]:
    r"""Measure the length of all elements as one vector.

    $\|x\| = \sqrt{\sum_i x_i^2}$, for a matrix its Frobenius norm.

    Args:
        x: any shape, empty too.

    Returns:
        The norm; where it is zero, so is its gradient.
    """
    # The norm alone has a NaN gradient at zero: keep the zero vector away from it, not only from its result.
    is_zero = jnp.all(x == 0)
    return jnp.where(is_zero, 0.0, jnp.linalg.vector_norm(jnp.where(is_zero, 1.0, x)))


def column_means(x: Float[Array, "rows columns"]) -> Float[Array, " columns"]:
    r"""Average each column, that is, over the 0th dimension.

    $m_j = \tfrac1n \sum_i x_{ij}$

    Args:
        x: a matrix of floats; integers have no mean of their own dtype.

    Returns:
        The means $m$.

    Differs from its twin: the axis is called ``axis``.
    """
    return x.mean(axis=0)


def sample_std(x: Float[Array, "rows columns"]) -> Float[Array, " columns"]:
    r"""Estimate each column's standard deviation from a sample.

    $s_j = \sqrt{\tfrac{1}{n-1} \sum_i (x_{ij} - m_j)^2}$ (Bessel's correction)

    Args:
        x: at least two rows; of one row the deviation is NaN.

    Returns:
        The deviations $s$; where one is zero, so is its gradient.
    """
    variance = x.var(axis=0, ddof=1)
    # jnp.std has a NaN gradient where a column is constant.
    is_constant = variance == 0
    return jnp.where(is_constant, 0.0, jnp.sqrt(jnp.where(is_constant, 1.0, variance)))


def lower_median(x: Float[Array, " values"]) -> Float[Array, ""]:
    r"""Pick the middle value, the lower of the two where there are two.

    $x_{(k)}$ with $k = \lfloor (n-1)/2 \rfloor$, the sorted values counted from 0.

    Args:
        x: at least one value, all finite.

    Returns:
        The median; values that tie with it share its gradient evenly.
    """
    median = lax.stop_gradient(jnp.quantile(x, 0.5, method="lower"))
    ties = x == median
    # The second term is zero; it carries the gradient, which the quantile alone would give to one of the ties.
    return median + jnp.sum(jnp.where(ties, x - median, 0.0)) / jnp.sum(ties)


def flatten_pixels(x: Shaped[Array, "batch channels height width"]) -> Shaped[Array, "batch channels height*width"]:
    """Lay the pixels of each channel out in one row.

    Args:
        x: images, channels first.

    Returns:
        The same numbers in the same order; ``x`` keeps its shape.

    Differs from its twin: the result is an array of its own, whatever the layout of ``x``.
    """
    _, channels, height, width = x.shape
    # -1 stands for the batch: beside an empty batch the size of another axis could not be inferred.
    return x.reshape(-1, channels, height * width)


def swap_axes(x: Shaped[Array, "..."], first: int, second: int) -> Shaped[Array, "..."]:
    """Exchange two axes.

    Args:
        x: any shape.
        first: one axis; negative counts from the end.
        second: the other axis.

    Returns:
        ``x`` with the two axes exchanged.
    """
    return jnp.swapaxes(x, first, second)


def permute(x: Shaped[Array, "..."], order: tuple[int, ...]) -> Shaped[Array, "..."]:
    """Reorder all axes.

    Args:
        x: any shape.
        order: for each axis of the result, the axis of ``x`` that it was.

    Returns:
        ``x`` with its axes in that order.
    """
    return jnp.permute_dims(x, order)


def broadcast_add(x: Float[Array, "*#shape"], y: Float[Array, "*#shape"]) -> Float[Array, "*#shape"]:
    """Add two arrays that are stretched to one shape.

    Counted from the last axis, sizes must be equal, or one of them is 1, or one of them does not exist.

    Args:
        x: the one summand.
        y: the other summand.

    Returns:
        The sum; the gradient of a summand is summed over the axes that were stretched.
    """
    return x + y


def set_row(x: Shaped[Array, "rows *row"], index: int, value: Shaped[Array, "*row"]) -> Shaped[Array, "rows *row"]:
    """Replace one row.

    Args:
        x: the rows.
        index: which row; negative counts from the end.
        value: the new row.

    Returns:
        The rows with the new one among them.

    Differs from its twin: ``x`` stays as it is; an index out of range changes nothing and says nothing.
    """
    return x.at[index].set(value)


def add_rows(
    x: Float[Array, "rows *row"], indices: Int[Array, " picks"], values: Float[Array, "picks *row"]
) -> Float[Array, "rows *row"]:
    r"""Add values to chosen rows; a row chosen twice grows twice.

    $y_r = x_r + \sum_{k:\, i_k = r} v_k$

    Args:
        x: the rows.
        indices: $i$, the row to which each value goes, counted from 0.
        values: $v$, one row each.

    Returns:
        The sums $y$.

    Differs from its twin: ``x`` stays as it is; a value whose index is out of range is dropped.
    """
    return x.at[indices].add(values, mode="drop", wrap_negative_indices=False)


def take_rows(x: Float[Array, "rows *row"], indices: Int[Array, " picks"]) -> Float[Array, "picks *row"]:
    """Read chosen rows, never one that is not there.

    Args:
        x: the rows.
        indices: which rows, counted from 0; a negative index is out of range.

    Returns:
        One row for each index.

    Differs from its twin: an index out of range gives a row of NaN, because compiled code cannot raise; the plain
    ``x[indices]`` would read the nearest row instead.
    """
    return x.at[indices].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
