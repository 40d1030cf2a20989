"""What two different shapes of one leaf tell: a broadcast, a border that only one side has, padding on another axis."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from parity.diagnosis.findings import Finding, Gap

__all__ = ["shapes"]

_BORDER = 6  # elements on each side, at most
_FEWEST = 3  # different numbers inside the border


def shapes(gap: Gap) -> Iterator[Finding]:
    """Findings about leaves whose shapes differ."""
    if not gap.alike:
        for one, other, names in ((gap.left, gap.right, ("torch", "jax")), (gap.right, gap.left, ("jax", "torch"))):
            yield from _broadcast(one, other, names)
            yield from _cropped(one, other, names, gap.limit)
        yield from _padded(gap)


def _broadcast(one: np.ndarray, other: np.ndarray, names: tuple[str, str]) -> Iterator[Finding]:
    """A broadcast that should not have been: (n,) met (n, 1) and became (n, n)."""
    if one.ndim == 1 and other.shape == (*one.shape, *one.shape) and one.size > 1:
        n = one.size
        sentence = f"{names[1]} is {[n, n]} where {names[0]} is {[n]}: an array of shape ({n},) met one of ({n}, 1)"
        yield Finding(f"{sentence}, and both were broadcast")


def _cropped(one: np.ndarray, other: np.ndarray, names: tuple[str, str], limit: float) -> Iterator[Finding]:
    """One side is the other without some of its ends, or every second element of it."""
    if one.ndim != other.ndim or np.unique(one).size < _FEWEST:
        return
    extra = [b - a for a, b in zip(one.shape, other.shape, strict=True)]
    if min(extra) >= 0 and max(extra) <= _BORDER:
        for start in product(*(range(more + 1) for more in extra)):
            part = other[tuple(slice(s, s + n) for s, n in zip(start, one.shape, strict=True))]
            if np.abs(part - one).max() <= max(limit, 1e-9 * np.abs(one).max()):
                cut = ", ".join(
                    f"{s} and {more - s} along axis {a}"
                    for a, (s, more) in enumerate(zip(start, extra, strict=True))
                    if more
                )
                yield Finding(
                    f"{names[0]} == {names[1]} without a border of {cut}; look for padding, or a slice",
                    "conv-default-padding",
                )
                return
    for step in (2, 3, 4):
        for axes in product((1, step), repeat=one.ndim):
            part = other[tuple(slice(None, None, every) for every in axes)]
            if max(axes) > 1 and part.shape == one.shape and np.abs(part - one).max() <= 1e-9 * np.abs(one).max():
                cause = "look for a stride, a dilation or a pooling on one side only"
                yield Finding(f"{names[0]} == every {step}th element of {names[1]}; {cause}")
                return


def _padded(gap: Gap) -> Iterator[Finding]:
    """Both are longer than an input, on other axes."""
    for path, array in gap.clues.inputs.items():
        if array.ndim != gap.left.ndim or array.ndim != gap.right.ndim or array.ndim < 2:
            continue
        more = [tuple(int(n) for n in np.subtract(side.shape, array.shape)) for side in (gap.left, gap.right)]
        if (
            min(*more[0], *more[1]) >= 0
            and max(more[0]) > 0
            and more[0] != more[1]
            and sorted(more[0]) == sorted(more[1])
        ):
            sentence = f"torch is longer than {path} by {more[0]}, jax by {more[1]}"
            yield Finding(f"{sentence}; look for padding that names the axes from the other end")
            return
