"""A wrong operand, a step too many, a term or a function too few: other wires between the same steps.

Many mistakes are of that kind: the wrong bias, the wrong state, weight decay added to the wrong term. There are many
such changes to a program, so they are tried last, and have to close the gap to the allowance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax import numpy as jnp

from parity.diagnosis.flat import Flat, Step, every_step
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.passed import at, is_float
from parity.diagnosis.proposals import Alternative, Program, Proposal
from parity.diagnosis.words import MOVES, WORDS

__all__ = ["Value", "Wires", "Wiring"]

_TERMS = {
    "{} is added": lambda u, v: u + v,
    "{} is multiplied in": lambda u, v: u * v,
    "{} is subtracted": lambda u, v: u - v,
    "the value is divided by {}": lambda u, v: u / v,
}


@dataclass(frozen=True)
class Value:
    """What a step may take instead: one slot for all occurrences of a place in code, or one for each."""

    slots: tuple[int, ...]
    name: str
    shapes: tuple[tuple[int, ...], ...]
    dtype: Any
    made: tuple[int, ...]

    def at(self, number: int) -> int:
        """For one occurrence."""
        return self.slots[number if len(self.slots) > 1 else 0]


class Wires:
    """Every value of a program and its name."""

    def __init__(self, program: Program, names: Mapping[int, str]) -> None:
        self.program, self._names = program, names
        self._order = {step.number: place for place, step in enumerate(program.steps)}
        self._home: dict[int, Flat] = {step.number: flat for step, flat in every_step(program.flat)}

    def is_residual(self, step: Step, place: int) -> bool:
        """Whether what is added to a value was made of the same one: x and f(x), or x and f(g(x))."""
        if step.name != "add" or step.shapes[0] != step.shapes[1]:
            return False
        own, front = {step.inputs[place]}, [step.inputs[1 - place]]
        maker = self.program.maker.get(step.inputs[place])
        own.update(maker.inputs if maker is not None and maker.name == "add" else ())
        seen: set[int] = set()
        while front and not own & seen:
            maker = self.program.maker.get(front.pop())
            fresh = [slot for slot in maker.inputs if slot not in seen] if maker is not None else []
            seen.update(fresh)
            front += fresh
        return bool(own & seen)

    def given(self, steps: list[Step]) -> list[Value]:
        """The inputs of the program or of the body that these steps stand in."""
        flat = self._home[steps[0].number]
        types = _types(flat)
        found = []
        for place, slot in enumerate(flat.inputs):
            if slot in types:
                name = self._names.get(slot, _unnamed(place, flat is self.program.flat))
                shape, dtype = types[slot]
                found.append(Value((slot,), name, (shape,), dtype, (-1,)))
        return found

    def earlier(self, steps: list[Step]) -> list[Value]:
        """What other places in code computed before, an occurrence for each of these; the nearest first."""
        home, found = self._home[steps[0].number], []
        mine = [self._order[step.number] for step in steps]
        for every in self.program.sites.values():
            if self._home[every[0].number] is not home or every[0].bodies:
                continue
            for others in _phases(every, len(steps)):
                made = tuple(self._order[other.number] for other in others)
                if all(made[k if len(made) > 1 else 0] < at for k, at in enumerate(mine)):
                    found += _values(others, made)
        return sorted(found, key=lambda value: -value.made[0])


def _phases(every: list[Step], count: int) -> list[list[Step]]:
    """One for each of so many: a place in code that is visited k times as often gives k values to each."""
    if len(every) % count:
        return [every] if len(every) == 1 else []
    ratio = len(every) // count
    return [every[phase::ratio] for phase in range(ratio)]


def _values(others: list[Step], made: tuple[int, ...]) -> list[Value]:
    found = []
    for place, var in enumerate(others[0].eqn.outvars):
        shapes = tuple(tuple(other.eqn.outvars[place].aval.shape) for other in others)
        slots = tuple(other.outputs[place] for other in others)
        found.append(Value(slots, _called(others[0]), shapes, var.aval.dtype, made))
    return found


def _unnamed(place: int, outermost: bool) -> str:
    return f"input {place}" if outermost else f"what the loop hands on as its input {place}"


def _types(flat: Flat) -> dict[int, tuple[tuple[int, ...], Any]]:
    found = {}
    for step in flat.steps:
        for slot, var in zip(step.inputs, step.eqn.invars, strict=True):
            if hasattr(var.aval, "shape"):
                found[slot] = (tuple(var.aval.shape), var.aval.dtype)
    return found


def _called(step: Step) -> str:
    """By what it is, and where: of a slice, which one."""
    if step.name == "slice":
        span = list(zip(step.eqn.params["start_indices"], step.eqn.params["limit_indices"], strict=True))
        return f"the slice {span} at {step.source}"
    return f"the {WORDS.get(step.name, step.name)} at {step.source}" if step.source else f"a {step.name}"


class Wiring:
    """The changes of wires that there are, the simplest first."""

    def __init__(self, wires: Wires) -> None:
        self._wires = wires
        self._sites = list(wires.program.sites.values())

    def left_out(self) -> Iterator[Alternative]:
        """A step that gives one of its inputs as it is."""
        for step in self._wires.program.steps:
            for place, shape in enumerate(step.shapes):
                if shape == step.shape and len(step.outputs) == 1 and not step.bodies and step.name not in MOVES:
                    same = step.eqn.invars[place].aval.dtype == step.eqn.outvars[0].aval.dtype
                    if same and step.literal(place) is None and step.name not in ("copy", "stop_gradient"):
                        text = f"the {WORDS.get(step.name, step.name)} is left out"
                        text += f": its operand {place} alone" if len(step.inputs) > 1 else ""
                        text += ", nothing is subtracted" if step.name == "sub" and place == 0 else ""
                        yield Alternative(step, text, lambda call, p=place: [call.inputs[p]])

    def other_inputs(self) -> Iterator[Proposal]:
        """An operand that is another input of the program."""
        for steps in self._sites:
            yield from self._replaced(steps, self._wires.given(steps))

    def other_values(self) -> Iterator[Proposal]:
        """An operand that is a value computed elsewhere before."""
        for steps in self._sites:
            yield from self._replaced(steps, self._wires.earlier(steps))

    def _replaced(self, steps: list[Step], values: list[Value]) -> Iterator[Proposal]:
        first = steps[0]
        for place, shape in enumerate(first.shapes):
            if first.literal(place) is not None or (not shape and len(first.inputs) > 2):
                continue
            dtype = first.eqn.invars[place].aval.dtype
            for value in values:
                taken = {step.number: value.at(k) for k, step in enumerate(steps)}
                same = any(taken[step.number] in step.inputs for step in steps)
                if value.dtype == dtype and not same and value.shapes[0] == shape:
                    noun = WORDS.get(first.name, first.name)
                    noun += ", a residual connection," * self._wires.is_residual(first, place)
                    text = f"{at(first)} operand {place} of the {noun} is {value.name}"
                    yield Proposal(text, {number: _operand(place, slot) for number, slot in taken.items()})

    def terms(self, *, earlier: bool = False) -> Iterator[Proposal]:
        """A term or a factor left out."""
        for steps in self._sites:
            first = steps[0]
            if not is_float(first) or first.bodies or len(first.outputs) > 1 or first.name in MOVES:
                continue
            for value in self._wires.earlier(steps) if earlier else self._wires.given(steps):
                if not (value.shapes[0] == first.shape or (not earlier and _broadcasts(value.shapes[0], first.shape))):
                    continue
                if value.dtype == bool and not earlier:
                    yield from _masked(steps, value)
                if jnp.issubdtype(value.dtype, np.floating):
                    for text, function in _TERMS.items():
                        edits = {step.number: _joined(function, value.at(k)) for k, step in enumerate(steps)}
                        yield Proposal(f"{at(first)} {text.format(value.name)}", edits)


def _masked(steps: list[Step], value: Value) -> Iterator[Proposal]:
    """A mask that is not applied."""
    for keeps, kept in ((False, lambda u, v: u * (1 - 1 * v)), (True, lambda u, v: u * v)):
        text = f"{at(steps[0])} the value is 0 where it is masked, where {value.name} is {not keeps}: a mask left out"
        edit = _joined(kept, value.slots[0])
        yield Proposal(text, {step.number: edit for step in steps})


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) <= len(to) and all(a in (1, b) for a, b in zip(shape[::-1], to[::-1], strict=False))


def _operand(place: int, slot: int) -> Edit:
    def edit(call: Call) -> list[Any]:
        inputs = list(call.inputs)
        inputs[place] = call.known[slot]
        return call.run(inputs)

    return edit


def _joined(function: Any, slot: int) -> Edit:
    return lambda call: [function(call.run()[0], call.known[slot])]
