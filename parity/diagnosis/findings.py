"""What a diagnosis is made of: a gap, a remedy that may close it, and the finding if it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

__all__ = ["Clues", "Explanation", "Finding", "Gap", "Remedy"]

_ENOUGH = 1e-3  # a remedy must leave at most this share of the gap
_FITTED = 1e-6  # the same for one that names no cause, and only fits a number
_EVIDENCE = 3  # numbers for each one that a remedy is free to choose; with fewer it explains anything
_FEW = 8  # round numbers, as 1/4 or -3
_COUNTED = 4096  # elements looked at to count how many numbers there are


@dataclass(frozen=True)
class Finding:
    """One explanation.

    Attributes:
        sentence: what explains the gap, in plain words.
        trap: the id of the known trap behind it; "" without one.
        strong: whether it names a cause. A weak one only describes the gap, and a better one is looked for.
        lone: whether it is weak for want of numbers alone: leaves that say the same make it strong.
    """

    sentence: str
    trap: str = ""
    strong: bool = True
    lone: bool = False

    def __str__(self) -> str:
        return f"{self.sentence} (see trap {self.trap})" if self.trap else self.sentence


@dataclass(frozen=True)
class Explanation:
    """What a report says about the cause of its failures.

    Attributes:
        sentences: the causes that explain the whole gap, the likeliest first.
        notes: what kind of difference it is, and how far the sides agree.
    """

    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Remedy:
    """A hypothesis: the right side, changed as it would be were it true.

    Attributes:
        finding: what to say if it closes the gap.
        remedied: the changed right side.
        freedom: how many numbers were fitted to the gap.
    """

    finding: Finding
    remedied: np.ndarray
    freedom: int = 0


@dataclass(frozen=True)
class Clues:
    """What is known around a leaf.

    Attributes:
        inputs: arrays and numbers that both sides were given, by path.
        gradient: whether the leaf is one.
        dtype: under test.
    """

    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    gradient: bool = False
    dtype: str = "float64"


@dataclass(frozen=True)
class Gap:
    """One leaf on both sides.

    Attributes:
        left: torch's values.
        right: JAX's; the shape may differ.
        limit: the allowance.
        clues: what is known around it.
    """

    left: np.ndarray
    right: np.ndarray
    limit: float
    clues: Clues = field(default_factory=Clues)

    @property
    def alike(self) -> bool:
        """Whether the shapes agree."""
        return self.left.shape == self.right.shape

    @property
    def open(self) -> bool:
        """Whether there is a gap at all: two dtypes may hold the same numbers."""
        return not (self.alike and bool((np.abs(self.left - 1.0 * self.right) <= self.limit).all()))

    @cached_property
    def evidence(self) -> int:
        """How many different numbers the leaf holds: a constant says no more than one number does."""
        return max(_different(self.left), _different(self.right))

    @cached_property
    def coincides(self) -> bool:
        """Whether its numbers are few and round: those equal each other for many reasons."""
        return self.evidence < _FEW and all(_is_round(side) for side in (self.left, self.right))

    @property
    def reverse(self) -> Gap:
        """The same with the sides exchanged."""
        return replace(self, left=self.right, right=self.left)

    def closed_by(self, remedy: Remedy) -> bool:
        """Whether the remedy brings the leaf within its allowance, or shrinks the gap a thousandfold, everywhere."""
        left, remedied = self.left, remedy.remedied
        if remedied.shape != left.shape or _EVIDENCE * remedy.freedom > self.evidence:
            return False
        after = np.abs(left - remedied)
        if not np.isfinite(after).all():
            return False
        scale = np.abs(left).max()
        before = np.abs(left - self.right) if self.alike else np.full(left.shape, scale)
        # One large element must not speak for all the others.
        better = (after <= 0.1 * before) | (after <= self.limit)
        if not remedy.finding.strong and before.max() < self.limit / _ENOUGH:
            return False  # a gap near the noise lets itself be fitted
        if after.max() <= self.limit:
            return True
        if self.evidence < _EVIDENCE:
            return False  # a thousandth is met by chance, among so many remedies
        enough = _ENOUGH if remedy.finding.strong else _FITTED
        return bool(after.max() <= enough * min(before.max(), scale) and better.mean() > 0.9)


def _different(data: np.ndarray) -> int:
    some = np.ravel(data)[:_COUNTED]
    scale = float(np.abs(np.where(np.isfinite(some), some, 0)).max(initial=0.0)) or 1.0
    return int(np.unique(np.round(some / scale, 9)).size)


def _is_round(data: np.ndarray) -> bool:
    """Whether every number is a multiple of 1/64, or has two digits at most."""
    numbers = np.unique(np.real(data[np.isfinite(data)]).reshape(-1)[:_COUNTED]).astype(float)
    short = np.array([float(f"{number:.2g}") for number in numbers])
    return bool(((64 * numbers == np.round(64 * numbers)) | np.isclose(numbers, short, rtol=1e-12, atol=0)).all())
