"""One unknown number of a program, solved for: where the gap closes, and the roundest number that does as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from parity.diagnosis.guesses import rounder
from parity.diagnosis.screen import Screen, Values

__all__ = ["Solver"]

_STEPS = 8
_EVIDENCE = 3
_SHORT = 2  # digits of the number that a lone output may ask for
Run: TypeAlias = Callable[[float], "Values | None"]


class Solver:
    """Gauss-Newton in one unknown: the gap as a function of it."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._target = screen, screen.outputs
        self._size = sum(self._target.wanted[path].size for path in self._target.failing)

    @np.errstate(all="ignore")
    def solved(self, at: Run, value: float) -> float | None:
        """From ``value`` on; None where no value closes the gap."""
        best = (np.inf, value)
        for _ in range(_STEPS):
            step = 1e-6 * abs(value) or 1e-6
            here, there = at(value), at(value + step)
            if here is None or there is None or not self._alike(here):
                break
            best = min(best, (self._target.left(here), value))
            slope, gap = (self._flat(there) - self._flat(here)) / step, self._gap(here)
            denominator = float(slope @ slope)
            if self._target.passed_by(here) or not np.isfinite(denominator + gap.sum()) or denominator == 0:
                break
            value += float(slope @ gap) / denominator
        return self._rounded(at, best[1])

    def _rounded(self, at: Run, value: float) -> float | None:
        """The roundest number that does as well; one that is not round needs more numbers to speak for it."""
        exact = at(value)
        if exact is None or not self._target.met_by(exact):
            return None
        for near in rounder(value):
            results = at(near)
            if results is not None and (self._target.passed_by(results) or self._as_good(results, exact)):
                return near if self._size >= _EVIDENCE or _is_short(near) else None
        return value if self._size >= _EVIDENCE else None

    def _alike(self, results: Values) -> bool:
        return all(results[path].shape == self._target.wanted[path].shape for path in self._target.failing)

    def _as_good(self, results: Values, exact: Values) -> bool:
        return self._size >= _EVIDENCE and self._target.left(results) <= 2 * self._target.left(exact)

    def _gap(self, results: Values) -> np.ndarray:
        return self._flat(self._target.wanted) - self._flat(results)

    def _flat(self, results: Any) -> np.ndarray:
        """The leaves that differ in one row, each at its own scale."""
        rows = []
        for path in self._target.failing:
            scale = np.abs(self._target.wanted[path]).max(initial=0.0) or 1.0
            rows.append(np.real(results[path]).reshape(-1).astype(float) / scale)
        return np.concatenate(rows)


def _is_short(value: float) -> bool:
    """Whether few digits write it, or its inverse."""
    return any(
        np.isclose(x, float(f"{x:.{_SHORT}g}"), rtol=1e-12, atol=0) for x in (value, 1 / value if value else 0.0)
    )
