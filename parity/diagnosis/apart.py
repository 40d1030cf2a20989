"""The first layer whose output differs, of two models that are called with the same weights and inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from parity.calls import Call

__all__ = ["first_apart"]


def first_apart(ours: Mapping[str, Call], theirs: Mapping[str, Call], order: list[tuple[str, str]]) -> Iterator[str]:
    """A sentence that names it, or what stands before it.

    Args:
        ours: torch's calls, by path.
        theirs: linen's.
        order: pairs of paths, as torch calls them; of a stack of layers, one pair for each.
    """
    before, layers = "", {}
    for one, other in order:
        layers.setdefault(one, []).append(other)
    for one, others in layers.items():
        name = f"{', '.join(others) or 'the module'} (torch: {one or 'the module'})"
        taken = _seen(theirs, others[0], "taken")
        if not _has(taken, ours[one].taken):
            yield f"{before}what enters {name} differs already"
            return
        if not _has(_seen(theirs, others[-1], "given"), ours[one].given):
            entering = _entering(ours[one].taken, taken)
            yield f"{before}{name} is the first layer whose output differs; what enters it {entering}"
            return
        before = f"the layers agree up to {name}; "
    if before:
        yield f"{before}look behind it"


def _seen(calls: Mapping[str, Call], path: str, what: str) -> list[np.ndarray]:
    """What a call takes or gives; of one inside a scan, what the calls around it do."""
    own = getattr(calls[path], what)
    return list(own) or [
        array for outer in calls[path].around if outer in calls for array in getattr(calls[outer], what)
    ]


def _has(seen: list[np.ndarray], wanted: tuple[np.ndarray, ...]) -> bool:
    """Whether the first of torch's arrays is among linen's, in whatever layout."""
    return not wanted or any(_same(wanted[0], array) for array in seen)


def _entering(wanted: tuple[np.ndarray, ...], seen: list[np.ndarray]) -> str:
    """Whether the same numbers stand in the same order, where shapes can tell; in whatever layout of images."""
    alike = [array for array in seen if wanted and sorted(array.shape) == sorted(wanted[0].shape)]
    laid_out = [other for array in alike for other in _layouts(array) if other.shape == wanted[0].shape]
    if not laid_out or any(_within(wanted[0], array) for array in laid_out):
        return "agrees"
    for array in laid_out:
        for axis, length in enumerate(array.shape):
            for step in range(1, length):
                if _within(wanted[0], np.roll(array, step, axis)):
                    said = f"the first {step} along torch's axis {axis} stand last in JAX"
                    return f"has the same numbers, but {said}; look for the order of what is joined"
    return "has the same numbers in another order"


def _layouts(array: np.ndarray) -> list[np.ndarray]:
    """As it is; with the last axis as the second or the other way round; with the first two axes exchanged."""
    if array.ndim < 3:
        return [array]
    return [array, np.moveaxis(array, -1, 1), np.moveaxis(array, 1, -1), array.swapaxes(0, 1)]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.size == other.size and _within(np.sort(one, axis=None), np.sort(other, axis=None))


def _within(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max(initial=0.0) <= 1e-10 * float(np.abs(one).max(initial=1.0)))
