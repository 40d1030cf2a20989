"""Pooling by windows of several sizes, and its undoing."""

import math

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

__all__ = ["adaptive_avg_pool", "adaptive_max_pool", "fractional_max_pool", "max_unpool"]


def adaptive_avg_pool(
    x: Float[Tensor, "batch channels *space"], size: tuple[int | None, ...]
) -> Float[Tensor, "batch channels *places"]:
    """Take the mean of as many windows as there shall be values: from floor(i n / m) to ceil((i + 1) n / m).

    Args:
        x: images, or whatever has so many axes.
        size: of the output, one number an axis; None keeps the axis.

    Returns:
        One value a window.

    Differs from its twin: channels are axis 1.
    """
    return getattr(functional, f"adaptive_avg_pool{len(size)}d")(x, size)


def adaptive_max_pool(
    x: Float[Tensor, "batch channels *space"], size: tuple[int | None, ...]
) -> tuple[Float[Tensor, "batch channels *places"], Int[Tensor, "batch channels *places"]]:
    """Take the largest value of as many windows as there shall be values: from floor(i n / m) to ceil((i + 1) n / m).

    Args:
        x: images, or whatever has so many axes.
        size: of the output, one number an axis; None keeps the axis.

    Returns:
        One value a window, and its place in the flattened image.

    Differs from its twin: channels are axis 1.
    """
    sizes = [whole if count is None else count for count, whole in zip(size, x.shape[2:], strict=True)]
    return getattr(functional, f"adaptive_max_pool{len(size)}d")(x, sizes, return_indices=True)


def fractional_max_pool(
    x: Float[Tensor, "batch channels *space"],
    window: tuple[int, ...],
    size: tuple[int, ...],
    samples: Float[Tensor, "batch channels axes"],
) -> tuple[Float[Tensor, "batch channels *places"], Int[Tensor, "batch channels *places"]]:
    """Take the largest value of windows whose steps vary (arXiv:1412.6071).

    Args:
        x: images of two or three axes.
        window: its size, one number an axis.
        size: of the output, one number an axis.
        samples: from 0 to 1, one for each axis of each channel; of two axes the columns' come first.

    Returns:
        One value a window, and its place in the flattened image.

    Differs from its twin: channels are axis 1.
    """
    pool = getattr(functional, f"fractional_max_pool{len(window)}d")
    return pool(x, window, size, return_indices=True, _random_samples=samples)


def max_unpool(
    x: Float[Tensor, "batch channels *places"], indices: Int[Tensor, "batch channels *places"], size: tuple[int, ...]
) -> Float[Tensor, "batch channels *space"]:
    """Put each value where a largest one stood, and zeros elsewhere.

    Args:
        x: the values.
        indices: their places in the flattened image.
        size: of the image, one number an axis.

    Returns:
        The images.

    Differs from its twin: channels are axis 1.
    """
    flat = x.new_zeros(*x.shape[:2], math.prod(size))
    return flat.scatter(2, indices.flatten(2), x.flatten(2)).reshape(*x.shape[:2], *size)
