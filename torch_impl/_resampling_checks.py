"""What can be wrong with a request to resample, and which sizes and scales it leads to."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["check_interpolate", "sizes_and_scales", "check_word"]

MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "trilinear": (3,),
}


def check_interpolate(space: int, size: Any, scale_factor: Any, mode: str, options: Mapping[str, Any]) -> None:
    """Raise unless one of size and scale is given, and the mode and its options fit the axes.

    Args:
        space: how many axes of space there are.
        size: of the result, or None.
        scale_factor: how much larger, or None.
        mode: by name.
        options: of the function.

    Raises:
        ValueError: if they do not.
    """
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: size or scale_factor must be given alone, got {size} and {scale_factor}.")
    if space not in MODES.get(mode, ()):
        known = ", ".join(name for name, axes in MODES.items() if space in axes)
        raise ValueError(f"interpolate: mode must be one of {known} for {space} axes, got {mode}.")
    if options.get("align_corners", False) and "linear" not in mode and mode != "bicubic":
        raise ValueError(f"interpolate: align_corners must be false in mode {mode}, got True.")
    if options.get("antialias", False) and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"interpolate: antialias must be false in mode {mode}, got True.")


def sizes_and_scales(
    old: Sequence[int],
    size: int | Sequence[int] | None,
    scale_factor: float | Sequence[float] | None,
    recompute: bool,
) -> tuple[list[int], list[float]]:
    """Settle how large each axis grows, and how far apart its samples lie on the old one.

    Args:
        old: size of each axis.
        size: of the result, of each axis or of all.
        scale_factor: how much larger, of each axis or of all.
        recompute: whether the distance follows from the sizes, though a scale is given.

    Returns:
        The new sizes, and the distances.
    """
    if size is not None:
        sizes = [size] * len(old) if isinstance(size, int) else list(size)
        return sizes, [before / after for before, after in zip(old, sizes, strict=True)]
    factors = list(scale_factor) if isinstance(scale_factor, Sequence) else [scale_factor] * len(old)
    sizes = [math.floor(before * factor) for before, factor in zip(old, factors, strict=True)]  # pyright: ignore
    if recompute:
        return sizes, [before / after for before, after in zip(old, sizes, strict=True)]
    return sizes, [1 / factor for factor in factors]  # pyright: ignore


def check_word(function: str, known: Sequence[str], argument: str, got: str) -> None:
    """Raise unless a word is one of those that there are.

    Args:
        function: who complains.
        known: the words that there are.
        argument: which of its words is meant.
        got: as given.

    Raises:
        ValueError: if it is another.
    """
    if got not in known:
        raise ValueError(f"{function}: {argument} must be one of {', '.join(known)}, got {got}.")
