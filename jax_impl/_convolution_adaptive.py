"""Pooling by windows of several sizes, and its undoing."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

__all__ = ["adaptive_avg_pool", "adaptive_max_pool", "fractional_max_pool", "max_unpool"]


def adaptive_avg_pool(
    x: Float[Array, "batch *space channels"], size: tuple[int | None, ...]
) -> Float[Array, "batch *places channels"]:
    """Take the mean of as many windows as there shall be values: from floor(i n / m) to ceil((i + 1) n / m).

    Args:
        x: images, or whatever has so many axes.
        size: of the output, one number an axis; None keeps the axis.

    Returns:
        One value a window.

    Differs from its twin: channels are the last axis.
    """
    for axis, count in enumerate(size, 1):
        if count is not None:
            place = _adaptive(x.shape[axis], count)
            weights = (place[..., None] == np.arange(x.shape[axis])).sum(1) / (place >= 0).sum(1, keepdims=True)
            x = jnp.moveaxis(jnp.tensordot(x, jnp.asarray(weights, x.dtype), (axis, 1)), -1, axis)
    return x


def adaptive_max_pool(
    x: Float[Array, "batch *space channels"], size: tuple[int | None, ...]
) -> tuple[Float[Array, "batch *places channels"], Int[Array, "batch *places channels"]]:
    """Take the largest value of as many windows as there shall be values: from floor(i n / m) to ceil((i + 1) n / m).

    Args:
        x: images, or whatever has so many axes.
        size: of the output, one number an axis; None keeps the axis.

    Returns:
        One value a window, and its place in the flattened image.

    Differs from its twin: channels are the last axis.
    """
    shape = x.shape[1:-1]
    return _largest(x, [_adaptive(whole, count or whole) for whole, count in zip(shape, size, strict=True)])


def fractional_max_pool(
    x: Float[Array, "batch *space channels"],
    window: tuple[int, ...],
    size: tuple[int, ...],
    samples: Float[Array, "batch channels axes"],
) -> tuple[Float[Array, "batch *places channels"], Int[Array, "batch *places channels"]]:
    """Take the largest value of windows whose steps vary (arXiv:1412.6071).

    Args:
        x: images of two or three axes.
        window: its size, one number an axis.
        size: of the output, one number an axis.
        samples: from 0 to 1, one for each axis of each channel; of two axes the columns' come first.

    Returns:
        One value a window, and its place in the flattened image.

    Differs from its twin: channels are the last axis.
    """
    order = slice(None, None, -1) if len(window) == 2 else slice(None)

    def channel(plane: Array, samples: Array) -> tuple[Array, Array]:
        axes = zip(plane.shape, window, size, list(samples)[order], strict=True)
        places = [_varying(whole, each, count, sample) for whole, each, count, sample in axes]
        values, indices = _largest(plane[None, ..., None], places)
        return values[0, ..., 0], indices[0, ..., 0]

    return jax.vmap(jax.vmap(channel, (-1, 0), -1))(x, samples)


def max_unpool(
    x: Float[Array, "batch *places channels"], indices: Int[Array, "batch *places channels"], size: tuple[int, ...]
) -> Float[Array, "batch *space channels"]:
    """Put each value where a largest one stood, and zeros elsewhere.

    Args:
        x: the values.
        indices: their places in the flattened image.
        size: of the image, one number an axis.

    Returns:
        The images.

    Differs from its twin: channels are the last axis.
    """
    values, places = (leaf.reshape(x.shape[0], -1, x.shape[-1]) for leaf in (x, indices))
    examples, channels = jnp.arange(x.shape[0])[:, None, None], jnp.arange(x.shape[-1])
    flat = jnp.zeros((x.shape[0], math.prod(size), x.shape[-1]), x.dtype)
    return flat.at[examples, places, channels].set(values).reshape(x.shape[0], *size, x.shape[-1])


def _adaptive(whole: int, count: int) -> np.ndarray:
    """The elements of each window, (windows, elements), -1 where a window is shorter than the longest."""
    start = np.arange(count) * whole // count
    end = -(-(np.arange(count) + 1) * whole // count)
    place = start[:, None] + np.arange(max(end - start, default=0))
    return np.where(place < end[:, None], place, -1)


def _varying(whole: int, window: int, count: int, sample: Array) -> Array:
    """The elements of windows that lie (whole - window) / (count - 1) apart on the average; the last one ends last."""
    step = (whole - window) / max(count - 1, 1)
    start = jnp.floor((jnp.arange(count) + sample) * step) - jnp.floor(sample * step)
    start = start.at[-1].set(whole - window)
    return start.astype(int)[:, None] + jnp.arange(window)


@jax.jit  # called by itself it would be some twenty programs an axis
def _largest(
    x: Float[Array, "batch *space channels"], places: Sequence[ArrayLike]
) -> tuple[Float[Array, "batch *places channels"], Int[Array, "batch *places channels"]]:
    """Take the largest value of each window, and say where it stood.

    Args:
        x: images, or whatever has so many axes.
        places: the windows' elements on each axis, (windows, elements); -1 where a window has no more.

    Returns:
        One value a window, and its place in the flattened image, the first of equal ones.

    """
    index, inside, space = jnp.zeros((), int), jnp.ones((), bool), len(places)
    for axis, place in enumerate(map(jnp.asarray, places)):
        index = index[..., None, None] * x.shape[2 * axis + 1] + place
        inside = inside[..., None, None] & (place >= 0)
        x = jnp.take(x, jnp.maximum(place, 0), 2 * axis + 1)
    # (batch, windows, elements, ..., channels) to (batch, *windows, all elements, channels)
    order = [*range(0, 2 * space, 2), *range(1, 2 * space, 2)]
    shape = index.shape[::2]
    index, inside = (leaf.transpose(order).reshape(*shape, -1) for leaf in (index, inside))
    x = x.transpose(0, *(1 + axis for axis in order), x.ndim - 1).reshape(x.shape[0], *shape, -1, x.shape[-1])
    first = jnp.where(inside[..., None], x, -jnp.inf).argmax(-2, keepdims=True)
    values = jnp.take_along_axis(x, first, -2).squeeze(-2)
    return values, jnp.take_along_axis(jnp.broadcast_to(index[..., None], x.shape), first, -2).squeeze(-2)
