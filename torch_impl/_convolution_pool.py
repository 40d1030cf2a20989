"""Pooling by windows of one size: the largest value, the mean, the power sum."""

from typing import Any, TypedDict, Unpack

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

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
    x: Float[Tensor, "batch channels *space"],
    window: tuple[int, ...],
    *,
    dilation: int | tuple[int, ...] = 1,
    **options: Unpack[PoolOptions],
) -> Float[Tensor, "batch channels *places"]:
    """Take the largest value of each window; of equal ones the first gets the gradient.

    Args:
        x: images, or whatever has so many axes.
        window: its size, one number an axis.
        dilation: steps within the window.
        **options: see ``PoolOptions``; the padding is minus infinity.

    Returns:
        One value a window.

    Differs from its twin: channels are axis 1.
    """
    return getattr(functional, f"max_pool{len(window)}d")(x, window, dilation=dilation, **options)


def max_pool_with_indices(
    x: Float[Tensor, "batch channels *space"],
    window: tuple[int, ...],
    *,
    dilation: int | tuple[int, ...] = 1,
    **options: Unpack[PoolOptions],
) -> tuple[Float[Tensor, "batch channels *places"], Int[Tensor, "batch channels *places"]]:
    """Take the largest value of each window, and say where it stood.

    Args:
        x: images, or whatever has so many axes.
        window: its size, one number an axis.
        dilation: steps within the window.
        **options: see ``PoolOptions``; the padding is minus infinity.

    Returns:
        One value a window, and its place in the flattened image, the first of equal ones.

    Differs from its twin: channels are axis 1.
    """
    return getattr(functional, f"max_pool{len(window)}d")(x, window, dilation=dilation, return_indices=True, **options)


def avg_pool(
    x: Float[Tensor, "batch channels *space"],
    window: tuple[int, ...],
    *,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    **options: Unpack[PoolOptions],
) -> Float[Tensor, "batch channels *places"]:
    """Take the mean of each window.

    Args:
        x: images, or whatever has so many axes.
        window: its size, one number an axis.
        count_include_pad: whether the padding's zeros count; what ``ceil_mode`` adds never does.
        divisor_override: what to divide the sum by instead.
        **options: see ``PoolOptions``.

    Returns:
        One value a window.

    Differs from its twin: channels are axis 1.
    """
    rest: dict[str, Any] = {"count_include_pad": count_include_pad, **options}
    if len(window) > 1:
        rest["divisor_override"] = divisor_override  # which avg_pool1d does not take
    return getattr(functional, f"avg_pool{len(window)}d")(x, window, **rest)


def lp_pool(
    x: Float[Tensor, "batch channels *space"],
    norm_type: float,
    window: tuple[int, ...],
    **options: Unpack[PoolOptions],
) -> Float[Tensor, "batch channels *places"]:
    r"""Take the power sum of each window: $(\sum x^p)^{1/p}$, not of absolute values.

    Args:
        x: images, or whatever has so many axes.
        norm_type: $p$.
        window: its size, one number an axis.
        **options: see ``PoolOptions``; PyTorch has no padding here.

    Returns:
        One value a window.

    Differs from its twin: channels are axis 1.
    """
    return getattr(functional, f"lp_pool{len(window)}d")(x, norm_type, window, **options)
