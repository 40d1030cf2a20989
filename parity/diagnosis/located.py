"""Where two sides differ, when that alone tells: at zeros, ties, bounds or masked places, at a border.

A place is named only if it holds every element that differs and none that agrees, and only if that would hardly happen
by chance: among the ways to choose so many elements, one in a thousand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from parity.diagnosis.findings import Finding, Gap
from parity.diagnosis.places import by_place

__all__ = ["located"]

_CHANCE = 1000  # ways to choose the elements that differ, below which a rule may fit by luck
_KINKS = (0, 1, -1, 0.5, -0.5)  # where functions usually have one
_KINK = 20  # the same where the rule is an exact value such as 0


def located(gap: Gap, apart: np.ndarray) -> Iterator[Finding]:
    """What the elements that differ have in common.

    Args:
        gap: the leaf.
        apart: which elements differ.
    """
    count = int(apart.sum())
    if not 0 < count < apart.size:
        return
    ways = math.comb(apart.size, count) if apart.size < 10_000 else math.inf
    share = f"({count} of {apart.size} elements)"
    for sentence, trap, needed, strong in (*_by_inputs(gap, apart), *by_place(apart)):
        if ways >= needed:
            yield Finding(f"they differ {sentence} {share}{_blocked(gap, apart)}", trap, strong)
            return


def _blocked(gap: Gap, apart: np.ndarray) -> str:
    for side, name in ((gap.left, "torch"), (gap.right, "jax")):
        there = side[apart]
        if not np.isfinite(there).any():
            return f"; {name} is not finite there"
        if not there.any():
            return f"; {name} is 0 there"
    return ""


Found = Iterator[tuple[str, str, int, bool]]
"""(sentence, trap, ways needed, whether it names a cause)."""


def _by_inputs(gap: Gap, apart: np.ndarray) -> Found:
    lengths = {length for array in gap.clues.inputs.values() for length in array.shape}
    kinds = {"b": 0, "i": 1, "u": 1}
    for path, array in sorted(gap.clues.inputs.items(), key=lambda item: kinds.get(item[1].dtype.kind, 2)):
        if array.dtype.kind == "c" or not array.ndim or array.shape != apart.shape[: array.ndim]:
            continue
        here = apart.reshape(*array.shape, -1)
        mask = np.asarray(here.any(axis=-1))
        if not np.array_equal(mask, here.all(axis=-1)):
            continue
        ways = math.comb(mask.size, int(mask.sum())) if mask.size < 10_000 else math.inf
        broken = not np.isfinite(gap.right[apart]).all()
        if array.dtype.kind == "b":
            found = _by_mask(path, array, mask)
        elif array.dtype.kind in "iu":
            found = _by_index(path, array, mask, lengths)
        else:
            found = (*_by_others(gap, path, mask), *_by_value(path, array, mask, gap.clues.gradient, broken))
        yield from (item for item in found if ways >= item[2])


def _by_mask(path: str, array: np.ndarray, mask: np.ndarray) -> Found:
    for value in (True, False):
        if np.array_equal(mask, array == value):
            yield f"exactly where {path} is {value}; look for how the mask is applied", "mask-polarity", _CHANCE, True


def _by_index(path: str, array: np.ndarray, mask: np.ndarray, lengths: set[int]) -> Found:
    there, elsewhere = array[mask], array[~mask]
    values = np.unique(there)
    if there.max() < 0 <= elsewhere.min():
        if values.size == 1:
            yield (
                f"exactly where {path} is {values[0]}; look for an index or a label treated apart",
                "ignore-index",
                2,
                True,
            )
        yield f"exactly where {path} is negative; look for how an index wraps", "negative-index-wraps", 2, True
    if any(elsewhere.max() < length <= there.min() for length in lengths):
        yield f"exactly where {path} is out of range (from {there.min()} on)", "embed-oob", _KINK, True
    if values.size == 1 and values[0] not in elsewhere and (there.size > 1 or values[0] == 0):
        needed = _KINK * np.unique(array).size
        text = f"exactly where {path} is {values[0]}; look for an index or a label treated apart"
        yield text, "padding-idx-gradient", needed, True


def _by_others(gap: Gap, path: str, mask: np.ndarray) -> Found:
    """Where an input holds a number that another one holds too: on the boundary of a bin, say."""
    array = gap.clues.inputs[path]
    for name, other in gap.clues.inputs.items():
        if (
            name != path
            and 0 < other.size < 1000
            and other.dtype.kind == "f"
            and np.array_equal(np.isin(array, other), mask)
        ):
            cause = "look for a boundary, a bin or a tie closed on the other side: < against <="
            yield f"exactly where {path} equals a number of {name}; {cause}", "", 2, True


def _by_value(path: str, array: np.ndarray, mask: np.ndarray, gradient: bool, broken: bool) -> Found:
    there, elsewhere = array[mask], array[~mask]
    values = np.unique(there)
    kink = "where-nan-grad" if broken else "relu-vs-maximum" if gradient else ""
    cause = "look for the derivative at a kink" if gradient else "look for the two sides of a comparison, < against <="
    if np.isin(array, (0, 1)).all():
        kink, cause = "", "look for a mask, a label or a class weight that is applied otherwise there"
    special = there.size > values.size or np.isin(values, _KINKS).all()
    if special and values.size <= 3 and not np.isin(values, elsewhere).any():
        shown = " or ".join(f"{value + 0.0:g}" for value in values)
        sure = np.isin(values, _KINKS).all() or (
            values.size < 3 and there.size >= 4 and 2 * len(set(array.flat)) > array.size
        )
        yield f"exactly where {path} is {shown}; {cause}", kink, _KINK, bool(sure)
    cause = "look for a clip, a threshold or a branch"
    for size, name in ((array, path), (np.abs(array), f"|{path}|")):
        inside, outside = size[~mask], size[mask]
        if outside.min() > inside.max():
            yield f"exactly where {name} > {_between(inside.max(), outside.min())}; {cause}", "", _CHANCE, False
        if outside.max() < inside.min():
            yield f"exactly where {name} < {_between(outside.max(), inside.min())}; {cause}", "", _CHANCE, False
    if np.array_equal(_tied(array), mask):
        yield f"exactly where values of {path} tie; look for what a maximum or a sort does", "max-ties-grad", 2, True


def _between(low: float, high: float) -> str:
    """The roundest number from ``low`` to ``high``."""
    near = (0.0, *(float(f"{end:.{digits}g}") for digits in range(1, 6) for end in (low, high)))
    return f"{next((value for value in near if low <= value <= high), high):g}"


def _tied(array: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
    return (counts[inverse] > 1).reshape(array.shape)
