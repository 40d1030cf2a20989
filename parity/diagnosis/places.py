"""Where in a leaf the elements stand that differ: at a border, in a triangle, from a step on, in a few slices."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TypeAlias

import numpy as np

__all__ = ["by_place"]

_KINK = 20  # ways to choose the elements, below which a place may fit by luck
_PARTS = 0.5  # of a border that differ

Found: TypeAlias = Iterator[tuple[str, str, int, bool]]
"""(sentence, trap, ways needed, whether it names a cause)."""


def by_place(apart: np.ndarray) -> Found:
    """A description, not a cause: a better explanation is looked for.

    Args:
        apart: which elements differ.
    """
    yield from _triangle(apart)
    for axis in range(apart.ndim):
        yield from _slices(apart, axis)
    yield from _border(apart)


def _slices(apart: np.ndarray, axis: int) -> Found:
    length, others = apart.shape[axis], tuple(a for a in range(apart.ndim) if a != axis)
    rows = np.flatnonzero(apart.any(axis=others))
    if not rows.size < length or length < 3:
        return
    first, last, count = rows[0], rows[-1], rows.size
    needed = 2 if apart.ndim == 1 else _KINK
    if count == 1:
        yield f"only at index {first} of {length} along axis {axis}", "", needed, False
    elif last - first + 1 == count and last == length - 1:
        cause = "look for a short batch, padding or a border"
        if axis == 0 and count > 1:
            cause += f", or for what step {first} carries over from step {first - 1}: a state, a momentum, a schedule"
        yield f"only in the last {count} of {length} along axis {axis}; {cause}", "", _KINK, False
    elif last - first + 1 == count and first == 0:
        cause = "look for a short batch, padding or a border"
        yield f"only in the first {count} of {length} along axis {axis}; {cause}", "", _KINK, False
    elif count == 2 and first == 0 and last == length - 1:
        yield f"only at both ends of axis {axis}; look for padding or a border", "", _KINK, False
    elif count <= length // 2 and count <= 4:
        shown = ", ".join(map(str, rows))
        yield f"only at indices {shown} of {length} along axis {axis}", "", 1000, False


def _border(apart: np.ndarray) -> Found:
    """Everything within one or two of the ends of some axes, and nothing inside."""
    long = [axis for axis, length in enumerate(apart.shape) if length > 2]
    for axes in (combo for count in (1, 2, 3) for combo in combinations(long, count)):
        for low, high in ((1, 1), (0, 1), (1, 0), (2, 2)):
            inner = np.zeros(apart.shape, bool)
            place = [slice(None)] * apart.ndim
            for axis in axes:
                place[axis] = slice(low, apart.shape[axis] - high)
            inner[tuple(place)] = True
            if inner.any() and not apart[inner].any() and apart[~inner].mean() >= _PARTS and not inner.all():
                named = f"axis {axes[0]}" if len(axes) == 1 else f"axes {' and '.join(map(str, axes))}"
                ends = "both ends" if low and high else "the end" if high else "the start"
                yield (
                    f"only within {max(low, high)} of {ends} of {named}; look for padding, or a border",
                    "",
                    _KINK,
                    False,
                )
                return


def _triangle(apart: np.ndarray) -> Found:
    """Of the last two axes: on the diagonal, above it or below."""
    if apart.ndim < 2 or min(apart.shape[-2:]) < 3:
        return
    flat = apart.reshape(-1, *apart.shape[-2:])
    whole = flat.any(axis=0)
    ones = np.ones(apart.shape[-2:], bool)
    kinds = {"on the diagonal": np.tril(ones) & np.triu(ones)}
    for offset in (0, 1, -1):
        beside = f" (offset {offset:+d})" if offset else ""
        kinds[f"on and above the diagonal{beside}"] = np.triu(ones, offset)
        kinds[f"on and below the diagonal{beside}"] = np.tril(ones, offset)
    for name, kind in kinds.items():
        if np.array_equal(kind, whole) and flat[:, kind].mean() >= 0.9:
            cause = "look for a causal mask, its offset, or a matrix taken for a triangular one"
            yield f"only {name} of the last two axes; {cause}", "", _KINK, False
            return
