"""Remedies tried on the JAX program itself: a constant of another value, an equation of another kind.

A constant is tried at the values that such a constant usually has, then solved for. A remedy counts if every leaf that
differs passes, or its gap falls a thousandfold, and no leaf that agreed breaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from parity.findings import Finding
from parity.guesses import guesses, named_value, rounder, trap_of
from parity.jaxprs import dtypes_of, size_of
from parity.sites import ADDED, SCALED, Constant, constants, missing_constants
from parity.swaps import Swap, gradient_swaps, value_swaps
from parity.traced import Target, Traced, Trial

__all__ = ["remedies_tried"]

_CONSTANTS, _ALTERNATIVES = 60, 120  # tried at most
_LARGEST = 3_000_000  # numbers that a program may compute and still be run over and over
_STEPS = 8
_EVIDENCE = 3

Results = Mapping[str, np.ndarray]


def remedies_tried(traced: Traced, target: Target) -> Iterator[Finding]:
    """What closes the gap, a finding for each remedy."""
    if size_of(traced.program) > _LARGEST:
        return
    outputs_differ = any(not path.startswith("grad/") for path in target.failing)
    written, missing = constants(traced.program), missing_constants(traced.program)
    found = [*written[:_CONSTANTS], *missing[:_CONSTANTS]] if outputs_differ else []
    swaps = (value_swaps if outputs_differ else gradient_swaps)(traced.program)[:_ALTERNATIVES]
    narrows = bool(dtypes_of(traced.program) & {"float32", "bfloat16", "float16", "complex64"})
    yield from _Search(Trial(traced, found, []), target, found, narrows).by_constants()
    yield from _Search(Trial(traced, [], swaps), target, [], narrows).by_swaps(swaps)


class _Search:
    """Trials of one kind, held against the target."""

    def __init__(self, trial: Trial, target: Target, found: list[Constant], narrows: bool) -> None:
        self._trial, self._found = trial, found
        self._start = trial.swap(-1)
        # Run in float64 throughout: a program that narrows nowhere may pass too, as other rules derive its gradient.
        self._widened = bool(target.failing) and target.met_by(self._start)
        self._narrows = narrows
        self._target = target.within(self._start)

    def by_constants(self) -> Iterator[Finding]:
        """The whole program in float64, then every constant in turn."""
        if self._widened and self._narrows:
            sentence = "the gap vanishes if every step of the JAX program runs in float64: it narrows inside"
            yield Finding(sentence, "x64-float32-leaks")
        elif self._target.failing and not self._widened:
            for number, constant in enumerate(self._found):
                value = self._value(number, constant)
                if value is not None:
                    yield Finding(f"the gap vanishes if {_changed(constant, value)}", trap_of(constant, value))

    def by_swaps(self, swaps: list[Swap]) -> Iterator[Finding]:
        """Every alternative in turn."""
        for number, swap in enumerate(swaps if self._target.failing and not self._widened else []):
            if self._closed_by(self._trial.swap(number)):
                yield Finding(f"the gap vanishes if at {swap.source or 'one place'} {swap.sentence}", swap.trap)

    def _closed_by(self, results: Results) -> bool:
        """A thousandth of a lone number's gap is met by chance, among so many alternatives: it has to pass."""
        return self._target.met_by(results) if self._size >= _EVIDENCE else self._target.passed_by(results)

    def _as_good(self, results: Results, exact: Results) -> bool:
        return self._target.left(results) <= 2 * self._target.left(exact)

    @property
    def _size(self) -> int:
        return sum(self._target.wanted[path].size for path in self._target.failing)

    def _value(self, number: int, constant: Constant) -> float | None:
        """Which value of a constant closes the gap."""
        step = 1.0 if constant.whole else 1e-6 * abs(constant.value) or 1e-6
        moved = self._trial.constant(number, constant.value + step)
        if np.isfinite(constant.value) and not self._slope(self._start, moved, step).any():
            return None
        best = (self._target.left(self._start), constant.value)
        for value in guesses(constant):
            results = self._trial.constant(number, value)
            if self._target.passed_by(results):
                return value
            if np.isfinite(value):
                best = min(best, (self._target.left(results), value))
        return None if constant.whole or not np.isfinite(best[1]) else self._solved(number, best[1])

    def _solved(self, number: int, value: float) -> float | None:
        """Gauss-Newton in one unknown: the gap as a function of the constant."""
        best = (np.inf, value)
        for _ in range(_STEPS):
            step = 1e-6 * abs(value) or 1e-6
            here, there = (self._trial.constant(number, at) for at in (value, value + step))
            best = min(best, (self._target.left(here), value))
            slope, gap = self._slope(here, there, step), self._gap(here)
            denominator = float(slope @ slope)
            if self._target.passed_by(here) or not np.isfinite(denominator + gap.sum()) or denominator == 0:
                break
            value += float(slope @ gap) / denominator
        return self._rounded(number, best[1])

    def _rounded(self, number: int, value: float) -> float | None:
        """The roundest number that does as well; one that is not round needs more numbers to speak for it."""
        exact = self._trial.constant(number, value)
        if not self._target.met_by(exact):
            return None
        for near in rounder(value):
            results = self._trial.constant(number, near)
            if self._target.passed_by(results) or (self._size >= _EVIDENCE and self._as_good(results, exact)):
                return near
        return value if self._size >= _EVIDENCE else None

    def _slope(self, here: Results, there: Results, step: float) -> np.ndarray:
        return (self._flat(there) - self._flat(here)) / step

    def _gap(self, results: Results) -> np.ndarray:
        return self._flat(self._target.wanted) - self._flat(results)

    def _flat(self, results: Results) -> np.ndarray:
        """The leaves that differ in one row, each at its own scale."""
        rows = []
        for path in self._target.failing:
            scale = np.abs(self._target.wanted[path]).max(initial=0.0) or 1.0
            rows.append(np.real(results[path]).reshape(-1).astype(float) / scale)
        return np.concatenate(rows)


def _changed(constant: Constant, value: float) -> str:
    """What becomes of a constant, in words."""
    old, new, operand = named_value(constant.value), named_value(value), constant.keys[0][1]
    where = f"at {constant.source}" if constant.source else "everywhere"
    if operand == SCALED:
        root = f" (1/sqrt({round(1 / value**2)}))" if 0 < value < 1 and _whole(1 / value**2) else ""
        return f"the {_NOUNS[constant.used]} {where} is multiplied by {new}{root}"
    if operand == ADDED:
        return f"{new} is added {_NOUNS[constant.used]} {where}"
    if old == new:
        old, new = repr(constant.value), repr(value)
    return f"{old} {where} is {new}"


_NOUNS = {
    "dot_general": "product",
    "conv_general_dilated": "convolution",
    "reduce_sum": "sum",
    "sqrt": "under the root",
    "rsqrt": "under the root",
    "log": "inside the logarithm",
    "div": "to the divisor",
}


def _whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-9 * value
