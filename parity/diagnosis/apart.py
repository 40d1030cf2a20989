"""The first layer whose output differs, of two models that are called with the same weights and inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from parity.calls import Call

__all__ = ["first_apart"]


def first_apart(ours: Mapping[str, Call], theirs: Mapping[str, Call], order: list[tuple[str, str]]) -> Iterator[str]:
    """A sentence that names it, or what stands before it.

    Args:
        ours: torch's calls, by path.
        theirs: linen's.
        order: pairs of paths, as torch calls them.
    """
    before = ""
    for one, other in order:
        name = f"{other or 'the module'} (torch: {one or 'the module'})"
        if not _same(ours[one].taken, theirs[other].taken):
            yield f"{before}what enters {name} differs already"
            return
        if not _same(ours[one].given, theirs[other].given):
            enters = _entering(ours[one].taken, theirs[other].taken)
            yield f"{before}{name} is the first layer whose output differs; what enters it {enters}"
            return
        before = f"the layers agree up to {name}; "
    if before:
        yield f"{before}look behind it"


def _entering(one: np.ndarray | None, other: np.ndarray | None) -> str:
    """Whether the same numbers stand in the same order, where shapes can tell."""
    rows = one is not None and other is not None and one.ndim < 3 and one.shape == other.shape
    return "has the same numbers in another order" if rows and not _within(one, other) else "agrees"


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """The same numbers, in whatever layout."""
    if one is None or other is None or one.size != other.size:
        return one is other
    return _within(np.sort(one, axis=None), np.sort(other, axis=None))


def _within(one: Any, other: Any) -> bool:
    return bool(np.abs(one - other).max(initial=0.0) <= 1e-10 * float(np.abs(one).max(initial=1.0)))
