"""Inputs that come in otherwise: negated, in other units, as logarithms, clipped, or counted in epochs for steps.

What stands in front of a port, a division of pixels by 255, a clipping of gradients, is part of it: left out, it shows
nowhere in the program. So every input, and every tree of inputs as one, is tried as what it may have been meant to be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.multiples import round_number
from parity.diagnosis.proposals import Program, Proposal
from parity.diagnosis.screen import Screen

__all__ = ["Entered"]

Change: TypeAlias = Callable[[Any, Any], Any]

_FLOATS: dict[str, tuple[str, Change]] = {
    "with its sign changed: a climb for a descent, a maximum for a minimum": ("", lambda _, x: -x),
    "as its square: a deviation for a variance": ("", lambda _, x: x**2),
    "as its root: a variance for a deviation": ("", lambda xp, x: xp.sqrt(x)),
    "as its logarithm": ("nll-on-probabilities", lambda xp, x: xp.log(x)),
    "as its exp: it was a logarithm": ("nll-on-probabilities", lambda xp, x: xp.exp(x)),
    "as its logistic function: it was a logit": ("nll-on-probabilities", lambda xp, x: 1 / (1 + xp.exp(-x))),
    "as its softmax over the last axis": ("nll-on-probabilities", lambda xp, x: _softmax(xp, x)),
    "as its log_softmax over the last axis": ("nll-on-probabilities", lambda xp, x: xp.log(_softmax(xp, x))),
    "as 1 - x, its complement": ("mask-polarity", lambda _, x: 1 - x),
    "as its inverse, 1 / x": ("", lambda _, x: 1 / x),
    "as signs, -1 and 1, not 0 and 1": ("", lambda _, x: 2 * x - 1),
    "as 0 and 1, not as the signs -1 and 1": ("", lambda _, x: (x + 1) / 2),
    "divided by 255": ("totensor-scaling", lambda _, x: x / 255),
    "in radians, not in degrees": ("", lambda xp, x: x * (xp.pi / 180)),
    "at unit length along the last axis": ("", lambda xp, x: x / xp.sqrt((x**2).sum(-1, keepdims=True))),
    "less its mean over the last axis": ("", lambda _, x: x - x.mean(-1, keepdims=True)),
    "less its mean over the first axis": ("", lambda _, x: x - x.mean(0, keepdims=True)),
}
_EPOCHS = range(2, 13)
_SCALES = (2.0, 0.5, 10.0, 0.1, 3.0, 1 / 3, 4.0, 0.25, 5.0, 0.2, 100.0, 0.01, 1.702)
_NORMS = (1.0, 0.5, 5.0, 0.1, 10.0, 2.0, 0.25)


class Entered:
    """Remedies of the inputs of a program."""

    def __init__(self, screen: Screen, program: Program, names: Sequence[str]) -> None:
        self._screen, self._program = screen, program
        flat = program.flat
        self._slots = {name: slot for name, slot in zip(names, flat.inputs, strict=False) if slot in program.takers}

    def functions(self) -> Iterator[Proposal]:
        """Each input, and each tree of them, changed."""
        for name, slots in self._groups("f"):
            for text, (trap, change) in _FLOATS.items():
                yield Proposal(f"{_noun(name)} comes in {text}", self._edits(slots, change), trap)
        for name, slots in self._groups("iu"):
            for by in (1, -1):
                text = f"{_noun(name)} comes in counted from {by} where it is from 0: off by one"
                yield Proposal(text, self._edits(slots, lambda _, x, b=by: x + b))
            for size in sorted({length for step in self._program.steps for length in step.shape if length > 1})[:6]:
                text = f"{_noun(name)} comes in modulo {size}: negative numbers count from the end"
                yield Proposal(text, self._edits(slots, lambda _, x, s=size: x % s), "negative-index-wraps")
            for size in _EPOCHS:
                text = (
                    f"{_noun(name)} comes in divided by {size}, rounded down: epochs for steps, or blocks for elements"
                )
                yield Proposal(text, self._edits(slots, lambda _, x, s=size: x // s))

    def clipped(self) -> Iterator[Proposal]:
        """Gradients cut to a norm, of all leaves together or of each, of every step or of all at once."""
        for name, slots in self._groups("f"):
            for most, steps, alone in product(_NORMS, (True, False), (False, True)):
                if alone and len(slots) == 1:
                    continue
                which = f"{'every row (step) of ' * steps}{'every leaf of ' * alone}{name}"
                text = f"{which} comes in clipped to a norm of {most:g}: gradients clipped on one side only"
                edit = _cut(slots, most, steps=steps, alone=alone)
                takers = (taker for slot in slots for taker in self._program.takers[slot])
                yield Proposal(text, {taker.number: edit for taker in takers})

    def scaled(self) -> Iterator[Proposal]:
        """An input multiplied, and the result divided: a temperature, a beta, a unit."""
        for name, slots in self._groups("f"):
            for scale in _SCALES:
                edits = self._edits(slots, lambda _, x, c=scale: c * x)
                results = self._screen.trial(edits) or {}
                factor = _factor(self._screen.outputs.wanted, results, self._screen.outputs.failing)
                text = f"{_noun(name)} comes in multiplied by {scale:.6g}"
                if math.isclose(factor, 1, rel_tol=1e-9):
                    yield Proposal(f"{text}: a scale, a temperature", edits)
                elif round_number(factor):
                    yield from self._divided(f"{text} and the result by {round_number(factor)}", edits, factor)

    def _divided(self, text: str, edits: dict[int, Edit], factor: float) -> Iterator[Proposal]:
        makers = [self._program.maker.get(slot) for slot in self._program.flat.outputs]
        if len(makers) == 1 and makers[0] is not None and makers[0].number not in edits:
            edits[makers[0].number] = lambda call: [call.run()[0] * factor]
            yield Proposal(f"{text}: a beta or a temperature, a change of units", edits)

    def _groups(self, kinds: str) -> Iterator[tuple[str, list[int]]]:
        """Single inputs, and those under one name as one."""
        trees: dict[str, list[int]] = {}
        for name, slot in self._slots.items():
            taker = self._program.takers[slot][0]
            dtype = taker.eqn.invars[taker.inputs.index(slot)].aval.dtype
            if getattr(dtype, "kind", "") in kinds:
                yield name, [slot]
                trees.setdefault(name.partition("/")[0], []).append(slot)
        yield from ((name, slots) for name, slots in trees.items() if len(slots) > 1)

    def _edits(self, slots: Sequence[int], change: Change) -> dict[int, Edit]:
        edit = _changed(frozenset(slots), change)
        return {taker.number: edit for slot in slots for taker in self._program.takers[slot]}


def _noun(name: str) -> str:
    return f"the input {name}"


def _changed(slots: frozenset[int], change: Change) -> Edit:
    def edit(call: Call) -> list[Any]:
        pairs = zip(call.step.inputs, call.inputs, strict=True)
        return call.run([change(call.xp, x) if slot in slots else x for slot, x in pairs])

    return edit


def _cut(slots: Sequence[int], most: float, *, steps: bool, alone: bool) -> Edit:
    """torch's rule: times most / (norm + 1e-6), where that is less than 1."""

    def squares(xp: Any, x: Any) -> Any:
        return xp.reshape(x**2, (x.shape[0], -1)).sum(1) if steps else (x**2).sum()

    def edit(call: Call) -> list[Any]:
        xp, inputs = call.xp, list(call.inputs)
        whole = sum(squares(xp, call.known[slot]) for slot in slots)
        for place, slot in enumerate(call.step.inputs):
            if slot in slots:
                x = inputs[place]
                share = xp.minimum(1.0, most / (xp.sqrt(squares(xp, x) if alone else whole) + 1e-6))
                inputs[place] = x * xp.reshape(share, (-1,) + (1,) * (x.ndim - 1) if steps else ())
        return call.run(inputs)

    return edit


def _factor(wanted: Mapping[str, np.ndarray], results: Mapping[str, np.ndarray], paths: Sequence[str]) -> float:
    """What every leaf is to be multiplied by to come nearest what is wanted."""
    if not results or any(results[path].shape != wanted[path].shape for path in paths):
        return math.nan
    over = sum(float((wanted[path] * results[path]).sum()) for path in paths if wanted[path].dtype.kind == "f")
    under = sum(float((results[path] ** 2).sum()) for path in paths if wanted[path].dtype.kind == "f")
    return over / under if under > 0 else math.nan


def _softmax(xp: Any, x: Any) -> Any:
    top = xp.exp(x - x.max(-1, keepdims=True))
    return top / top.sum(-1, keepdims=True)
