"""What the sliding windows ask of their arguments, and how much they pad."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["per_axis", "same_padding", "pooled_axis"]


def per_axis(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """Give each axis its number.

    Args:
        value: one for all, or one for each.
        axes: how many.

    Returns:
        One for each.
    """
    return (value,) * axes if isinstance(value, int) else tuple(value)


def same_padding(window: Sequence[int], options: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """Say how much is added before and behind each axis.

    Args:
        window: the window's size.
        options: ``padding`` and ``dilation``, of a convolution.

    Returns:
        A pair an axis; where ``"same"`` is odd, one more stands behind.
    """
    padding, dilation = options.get("padding", 0), per_axis(options.get("dilation", 1), len(window))
    if padding == "same":
        total = [d * (size - 1) for d, size in zip(dilation, window, strict=True)]
        return tuple((whole // 2, whole - whole // 2) for whole in total)
    if padding == "valid":
        padding = 0
    return tuple((amount, amount) for amount in per_axis(padding, len(window)))


def pooled_axis(size: int, window: int, stride: int, padding: int, ceil_mode: bool) -> tuple[int, int]:
    """Count the windows on one axis.

    Args:
        size: of the axis.
        window: from its first element to its last, dilated.
        stride: between two windows.
        padding: at both ends.
        ceil_mode: whether a window may reach beyond the far padding, if it does not start there.

    Returns:
        How many, and how much is added at the far end that all may be whole.
    """
    free = size + 2 * padding - window
    count = (-(-free // stride) if ceil_mode else free // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    return count, max(0, (count - 1) * stride + window - size - padding)
