"""Which value of a constant closes the gap: one that such constants usually have, else one that is solved for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from parity.diagnosis.guesses import guesses, named_value, trap_of
from parity.diagnosis.machines import Call, Edit, Edits
from parity.diagnosis.proposals import Proposal
from parity.diagnosis.screen import Screen, Values
from parity.diagnosis.sites import ADDED, BESIDE, SCALED, Constant
from parity.diagnosis.solver import Solver

__all__ = ["Tuned", "edits_of"]

_SECONDS = 1.0  # for guesses, and as many for what is solved
_POWERS = 12
_NEAR, _BEYOND = 0.02, 1e3  # of the way to a guess, further on; numbers that stand for infinity


class Tuned:
    """The constants of a program, as far as its outputs depend on them."""

    def __init__(self, screen: Screen, found: list[Constant]) -> None:
        self._screen, self._target = screen, screen.outputs
        self._until = screen.spent + _SECONDS
        alike = all(screen.start[path].shape == self._target.wanted[path].shape for path in self._target.wanted)
        self._found = [constant for constant in found if alike and self._slope_of(constant)]
        self._near: dict[int, float] = {}
        self._loose: list[tuple[Constant, float]] = []
        self._solver = Solver(screen)

    def _is_loose(self, constant: Constant, value: float) -> bool:
        """Whether a number near it does as well: a bound that nothing comes near, which any number beyond explains."""
        if constant.whole or not np.isfinite(constant.value) or abs(value) >= _BEYOND or value == 0:
            return False
        near = self._at(constant, value + _NEAR * (value - constant.value))
        return near is not None and self._target.passed_by(near)

    def loosely(self) -> Iterator[Proposal]:
        """Those of ``guessed`` that many numbers would do for, said so."""
        for constant, value in self._loose:
            text = f"{_changed(constant, value)}, or near it: other numbers do as well; a bound, a threshold, a shift"
            yield Proposal(text, _edits(constant, value))

    def guessed(self) -> Iterator[Proposal]:
        """Constants at usual values; of several, those that differ by a power of ten, or change sign, first."""
        found: list[tuple[bool, int, Proposal]] = []
        for number, constant in enumerate(self._found):
            best = (1.0, constant.value)
            for value in guesses(constant) if self._screen.spent < self._until else ():
                results = self._at(constant, value)
                if results is None:
                    continue
                if self._target.passed_by(results):
                    if self._is_loose(constant, value):
                        self._loose.append((constant, value))
                        break
                    found.append((not _like(constant.value, value), number, _proposal(constant, value)))
                    break
                if np.isfinite(value):
                    best = min(best, (self._target.left(results), value))
            self._near[number] = best[1]
            if len(found) > 1 and not all(far for far, *_ in found):
                break
        yield from (proposal for *_, proposal in sorted(found, key=lambda one: one[:2]))

    def coupled(self) -> Iterator[Proposal]:
        """A share a and what is left, 1 - a, and their powers: the decay of a moving average."""
        shares = {c.value for c in self._found if not c.whole and 0.5 <= c.value < 1}
        lines = dict.fromkeys(c.source for c in self._found if c.source and c.value in shares)
        for old in sorted(shares, reverse=True):
            for new in dict.fromkeys((0.999, 0.99, 0.9, 0.95, 0.98, 0.5, 0.1, 0.01, 1 - old)):
                for line in (*lines, "") if old != new else ():
                    edits = self._together(old, new, line)
                    results = self._screen.trial(edits) if len(edits) > 1 and self._has_rest(old) else None
                    if results is not None and self._target.passed_by(results):
                        yield _shared(old, new, line, edits)

    def shared(self) -> Iterator[Proposal]:
        """The same of whatever value closes the gap."""
        for old in sorted({c.value for c in self._found if not c.whole and 0 < c.value < 1}):
            value = self._solver.solved(lambda new, o=old: self._moved(o, new), old)
            if value is not None and 0 < value < 1 and self._has_rest(old):
                yield _shared(old, value, "", self._together(old, value))

    def _has_rest(self, share: float) -> bool:
        """Whether what is left of a share stands in the program too."""
        return any(np.isclose(c.value, 1 - share**k, rtol=1e-9, atol=0) for c in self._found for k in (1, 2, 3))

    def _moved(self, old: float, new: float) -> Values | None:
        return self._screen.start if new == old else self._screen.trial(self._together(old, new))

    def _together(self, old: float, new: float, line: str = "") -> Edits:
        changed = [(c, _coupled(c.value, old, new)) for c in self._found if c.source and line in ("", c.source)]
        return edits_of([(c, value) for c, value in changed if value is not None])

    def solved(self) -> Iterator[Proposal]:
        """Constants at whatever value closes the gap, the roundest first: 0.25 before 1.99992."""
        found: list[tuple[int, int, Proposal]] = []
        self._until = self._screen.spent + _SECONDS
        for number, constant in enumerate(self._found):
            start = self._near.get(number, constant.value)
            if self._screen.spent < self._until and not constant.whole and np.isfinite(start):
                value = self._solver.solved(lambda x, c=constant: self._at(c, x), start)
                if value is not None:
                    found.append((len(named_value(value)), number, _proposal(constant, value)))
        yield from (proposal for *_, proposal in sorted(found, key=lambda one: one[:2]))

    def _slope_of(self, constant: Constant) -> bool:
        """Whether anything changes with it."""
        step = 1.0 if constant.whole else 1e-3 * abs(constant.value) or 1e-3
        return not np.isfinite(constant.value) or self._at(constant, constant.value + step) is not None

    def _at(self, constant: Constant, value: float) -> Values | None:
        if value == constant.value:
            return self._screen.start
        return self._screen.trial(_edits(constant, value))


def _shared(old: float, new: float, line: str, edits: Edits) -> Proposal:
    where = f"at {line}" if line else "everywhere"
    text = f"{named_value(old)} {where} is {named_value(new)}, and {named_value(1 - old)}"
    return Proposal(f"{text} is {named_value(1 - new)} with it", edits)


def _narrowed(old: float, new: float) -> bool:
    return old != new and float(np.float32(new)) == old


def _like(old: float, new: float) -> bool:
    """Whether one is likely to be written for the other."""
    ratio = abs(new / old) if old and np.isfinite(old * new) else 0.0
    return ratio > 0 and bool(np.isclose(np.log10(ratio), np.round(np.log10(ratio)), atol=1e-9))


def _proposal(constant: Constant, value: float) -> Proposal:
    return Proposal(_changed(constant, value), _edits(constant, value), trap_of(constant, value))


def _coupled(value: float, old: float, new: float) -> float | None:
    """What becomes of a number that has to do with a decay that changes."""
    for power in range(1, _POWERS) if value != 1 else ():
        for own, other in ((old**power, new**power), (1 - old**power, 1 - new**power)):
            if np.isclose(value, own, rtol=1e-9, atol=0) or np.isclose(value, 1 / own, rtol=1e-9, atol=0):
                return other if np.isclose(value, own, rtol=1e-9, atol=0) else 1 / other
    return None


def _edits(constant: Constant, value: float) -> Edits:
    return edits_of([(constant, value)])


def edits_of(changed: list[tuple[Constant, float]]) -> Edits:
    """Several constants, each at another value."""
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
        if BESIDE in values:
            inputs[0] = inputs[0] + values[BESIDE]
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
    if operand == BESIDE:
        return f"{new} is added to what the {constant.used} {where} takes: a margin, an offset"
    if operand == ADDED:
        return f"{new} is added {_NOUNS[constant.used]} {where}"
    if old == new:
        old, new = repr(constant.value), repr(value)
    also = ", its negative: a sign" if value == -constant.value else ""
    also = ", added to counted places: a shift, a triangular mask's diagonal" if constant.used == "iota" else also
    return f"{old} {where} is {new}" + (", which was rounded to float32" if _narrowed(constant.value, value) else also)


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
