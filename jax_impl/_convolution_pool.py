"""Pooling by windows of one size: the largest value, the mean, the power sum."""

import math
from typing import TypedDict, Unpack

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array, lax
from jaxtyping import Float, Int

from jax_impl._convolution_adaptive import _largest
from jax_impl._convolution_checks import per_axis, pooled_axis

__all__ = ["PoolOptions", "max_pool", "max_pool_with_indices", "avg_pool", "lp_pool"]


class PoolOptions(TypedDict, total=False):
    """Where the windows stand; one number stands for every axis.

    Attributes:
        stride: between two windows; their size by default.
        padding: at both ends of each axis, 0, at most half a window.
        ceil_mode: whether the last window may be cut short, False.
    """

    stride: int | tuple[int, ...] | None
    padding: int | tuple[int, ...]
    ceil_mode: bool


def max_pool(
    x: Float[Array, "batch *space channels"],
    window: tuple[int, ...],
    *,
    dilation: int | tuple[int, ...] = 1,
    **options: Unpack[PoolOptions],
) -> Float[Array, "batch *places channels"]:
    """Take the largest value of each window; of equal ones the first gets the gradient.

    Args:
        x: images, or whatever has so many axes.
        window: its size, one number an axis.
        dilation: steps within the window.
        **options: see ``PoolOptions``; the padding is minus infinity.

    Returns:
        One value a window.

    Differs from its twin: channels are the last axis.
    """
    if dilation != 1:
        return max_pool_with_indices(x, window, dilation=dilation, **options)[0]
    stride, edges = _frames(x, window, options)
    return nn.pooling.pool(x, -jnp.inf, lax.max, window, stride, edges)


def max_pool_with_indices(
    x: Float[Array, "batch *space channels"],
    window: tuple[int, ...],
    *,
    dilation: int | tuple[int, ...] = 1,
    **options: Unpack[PoolOptions],
) -> tuple[Float[Array, "batch *places channels"], Int[Array, "batch *places channels"]]:
    """Take the largest value of each window, and say where it stood.

    Args:
        x: images, or whatever has so many axes.
        window: its size, one number an axis.
        dilation: steps within the window.
        **options: see ``PoolOptions``; the padding is minus infinity.

    Returns:
        One value a window, and its place in the flattened image, the first of equal ones.

    Differs from its twin: channels are the last axis.
    """
    dilation = per_axis(dilation, len(window))
    reach = tuple(d * (size - 1) + 1 for d, size in zip(dilation, window, strict=True))
    stride, edges = _frames(x, window, options, reach)
    places = []
    for axis, size in enumerate(x.shape[1:-1]):
        count = (size + sum(edges[axis]) - reach[axis]) // stride[axis] + 1
        steps = np.arange(window[axis]) * dilation[axis] - edges[axis][0]
        place = np.arange(count)[:, None] * stride[axis] + steps
        places.append(np.where((place < 0) | (place >= size), -1, place))
    return _largest(x, places)


def avg_pool(
    x: Float[Array, "batch *space channels"],
    window: tuple[int, ...],
    *,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    **options: Unpack[PoolOptions],
) -> Float[Array, "batch *places channels"]:
    """Take the mean of each window.

    Args:
        x: images, or whatever has so many axes.
        window: its size, one number an axis.
        count_include_pad: whether the padding's zeros count; what ``ceil_mode`` adds never does.
        divisor_override: what to divide the sum by instead.
        **options: see ``PoolOptions``.

    Returns:
        One value a window.

    Differs from its twin: channels are the last axis.
    """
    stride, edges = _frames(x, window, options)
    total = nn.pooling.pool(x, 0.0, lax.add, window, stride, edges)
    if divisor_override is not None:
        return total / divisor_override
    counts = np.ones(())
    for axis, (count, size) in enumerate(zip(total.shape[1:-1], x.shape[1:-1], strict=True)):
        before = edges[axis][0]
        start = np.arange(count) * stride[axis] - before
        end = np.minimum(start + window[axis], size + before)
        if not count_include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, size)
        counts = np.multiply.outer(counts, end - start)
    return total / jnp.asarray(counts, x.dtype)[..., None]


def lp_pool(
    x: Float[Array, "batch *space channels"],
    norm_type: float,
    window: tuple[int, ...],
    **options: Unpack[PoolOptions],
) -> Float[Array, "batch *places channels"]:
    r"""Take the power sum of each window: $(\sum x^p)^{1/p}$, not of absolute values.

    Args:
        x: images, or whatever has so many axes.
        norm_type: $p$.
        window: its size, one number an axis.
        **options: see ``PoolOptions``; PyTorch has no padding here.

    Returns:
        One value a window.

    Differs from its twin: channels are the last axis.
    """
    mean = avg_pool(x**norm_type, window, **options)
    # As torch writes it: a negative sum of odd powers has no root. Not jax.nn.relu, whose gradient at NaN is 0.
    magnitude = jnp.abs(mean)
    magnitude = jnp.where(magnitude <= 0, 0, magnitude)
    return (jnp.sign(mean) * magnitude * math.prod(window)) ** (1 / norm_type)


def _frames(
    x: Array, window: tuple[int, ...], options: PoolOptions, reach: tuple[int, ...] | None = None
) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    """The stride, and what is added before and behind each axis."""
    axes, ceil = len(window), options.get("ceil_mode", False)
    stride = per_axis(options.get("stride") or window, axes)
    padding = per_axis(options.get("padding", 0), axes)
    sizes = zip(x.shape[1:-1], reach or window, stride, padding, strict=True)
    return stride, [(before, pooled_axis(*each, ceil)[1]) for before, each in zip(padding, sizes, strict=True)]
