"""Which value of a constant closes the gap: one that such constants usually have, else one that is solved for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from parity.diagnosis.guesses import guesses, named_value, rounder, trap_of
from parity.diagnosis.machines import Call, Edit, Edits
from parity.diagnosis.proposals import Proposal
from parity.diagnosis.screen import Screen, Values
from parity.diagnosis.sites import ADDED, SCALED, Constant

__all__ = ["Tuned"]

_STEPS = 8
_SECONDS = 1.0  # for guesses, and as many for what is solved
_EVIDENCE = 3
_POWERS = 12


class Tuned:
    """The constants of a program, as far as its outputs depend on them."""

    def __init__(self, screen: Screen, found: list[Constant]) -> None:
        self._screen, self._target = screen, screen.outputs
        self._until = screen.spent + _SECONDS
        alike = all(screen.start[path].shape == self._target.wanted[path].shape for path in self._target.wanted)
        self._found = [constant for constant in found if alike and self._slope_of(constant)]
        self._near: dict[int, float] = {}
        self._size = sum(self._target.wanted[path].size for path in self._target.failing)

    def guessed(self) -> Iterator[Proposal]:
        """Constants at usual values."""
        for number, constant in enumerate(self._found):
            best = (1.0, constant.value)
            for value in guesses(constant) if self._screen.spent < self._until else ():
                results = self._at(constant, value)
                if results is None:
                    continue
                if self._target.passed_by(results):
                    yield _proposal(constant, value)
                    break
                if np.isfinite(value):
                    best = min(best, (self._target.left(results), value))
            self._near[number] = best[1]

    def coupled(self) -> Iterator[Proposal]:
        """A share a and what is left, 1 - a, and their powers: the decay of a moving average."""
        shares = {c.value for c in self._found if not c.whole and 0.5 <= c.value < 1}
        for old in sorted(shares, reverse=True):
            for new in dict.fromkeys((0.999, 0.99, 0.9, 0.95, 0.98, 0.5, 0.1, 0.01, 1 - old)):
                changed = [(c, _coupled(c.value, old, new)) for c in self._found if c.source]
                edits = _many([(c, value) for c, value in changed if value is not None])
                if old != new and len(edits) > 1:
                    results = self._screen.trial(edits)
                    if results is not None and self._target.passed_by(results):
                        text = f"{named_value(old)} everywhere is {named_value(new)}, and {named_value(1 - old)}"
                        yield Proposal(f"{text} is {named_value(1 - new)} with it", edits)

    def solved(self) -> Iterator[Proposal]:
        """Constants at whatever value closes the gap."""
        self._until = self._screen.spent + _SECONDS
        for number, constant in enumerate(self._found):
            start = self._near.get(number, constant.value)
            if self._screen.spent < self._until and not constant.whole and np.isfinite(start):
                value = self._solved(constant, start)
                if value is not None:
                    yield _proposal(constant, value)

    def _slope_of(self, constant: Constant) -> bool:
        """Whether anything changes with it."""
        step = 1.0 if constant.whole else 1e-3 * abs(constant.value) or 1e-3
        return not np.isfinite(constant.value) or self._at(constant, constant.value + step) is not None

    def _at(self, constant: Constant, value: float) -> Values | None:
        if value == constant.value:
            return self._screen.start
        return self._screen.trial(_edits(constant, value))

    @np.errstate(all="ignore")
    def _solved(self, constant: Constant, value: float) -> float | None:
        """Gauss-Newton in one unknown: the gap as a function of the constant."""
        best = (np.inf, value)
        for _ in range(_STEPS):
            step = 1e-6 * abs(value) or 1e-6
            here, there = self._at(constant, value), self._at(constant, value + step)
            if here is None or there is None:
                break
            best = min(best, (self._target.left(here), value))
            slope, gap = (self._flat(there) - self._flat(here)) / step, self._gap(here)
            denominator = float(slope @ slope)
            if self._target.passed_by(here) or not np.isfinite(denominator + gap.sum()) or denominator == 0:
                break
            value += float(slope @ gap) / denominator
        return self._rounded(constant, best[1])

    def _rounded(self, constant: Constant, value: float) -> float | None:
        """The roundest number that does as well; one that is not round needs more numbers to speak for it."""
        exact = self._at(constant, value)
        if exact is None or not self._target.met_by(exact):
            return None
        for near in rounder(value):
            results = self._at(constant, near)
            if results is not None and (self._target.passed_by(results) or self._as_good(results, exact)):
                return near
        return value if self._size >= _EVIDENCE else None

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


def _proposal(constant: Constant, value: float) -> Proposal:
    return Proposal(_changed(constant, value), _edits(constant, value), trap_of(constant, value))


def _coupled(value: float, old: float, new: float) -> float | None:
    """What becomes of a number that has to do with a decay that changes."""
    for power in range(1, _POWERS):
        for own, other in ((old**power, new**power), (1 - old**power, 1 - new**power)):
            if np.isclose(value, own, rtol=1e-9, atol=0) or np.isclose(value, 1 / own, rtol=1e-9, atol=0):
                return other if np.isclose(value, own, rtol=1e-9, atol=0) else 1 / other
    return None


def _edits(constant: Constant, value: float) -> Edits:
    return _many([(constant, value)])


def _many(changed: list[tuple[Constant, float]]) -> Edits:
    places: dict[int, dict[int, float]] = {}
    for constant, value in changed:
        for step, operand in constant.keys:
            places.setdefault(step, {})[operand] = value
    return {step: _edit(values) for step, values in places.items()}


def _edit(values: dict[int, float]) -> Edit:
    def edit(call: Call) -> list[Any]:
        inputs = list(call.inputs)
        for operand, value in values.items():
            if operand >= 0:
                inputs[operand] = call.xp.asarray(value, inputs[operand].dtype)
        if ADDED in values:
            inputs[-1] = inputs[-1] + values[ADDED]
        outputs = call.run(inputs)
        return [outputs[0] * values[SCALED], *outputs[1:]] if SCALED in values else outputs

    return edit


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
