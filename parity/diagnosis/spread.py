"""An input laid along other axes: a mask of channels over positions, a bias along rows, where lengths agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Any

from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.passed import at
from parity.diagnosis.proposals import Program, Proposal
from parity.diagnosis.words import WORDS

__all__ = ["spread"]

_TAKERS = ("mul", "add", "sub", "div", "select_n", "and", "or")
_RANK = 4


def spread(program: Program, names: Mapping[int, str]) -> Iterator[Proposal]:
    """Every operand that is made of one input alone, and that input along every other choice of axes.

    Args:
        program: to change.
        names: of its inputs, by slot.
    """
    for steps in program.sites.values():
        first = steps[0]
        for place, shape in enumerate(first.shapes) if first.name in _TAKERS and len(first.shape) <= _RANK else ():
            slot = _source(program, first.inputs[place])
            if slot not in names or len(shape) < 1:
                continue
            own = _shape(program, slot)
            for axes in permutations(range(len(first.shape)), len(own)) if 0 < len(own) < len(first.shape) else ():
                if all(first.shape[axis] == size for axis, size in zip(axes, own, strict=True)):
                    noun = WORDS.get(first.name, first.name)
                    text = f"{at(first)} operand {place} of the {noun} is {names[slot]} along axes {axes}, broadcast"
                    edit = _laid(place, slot, axes, len(first.shape))
                    yield Proposal(f"{text} over the others", {step.number: edit for step in steps})


def _source(program: Program, slot: int) -> int:
    """The input that a value is a copy, a part or a conversion of; -1 where it is more."""
    while (maker := program.maker.get(slot)) is not None:
        if maker.name not in ("broadcast_in_dim", "reshape", "slice", "convert_element_type", "transpose", "squeeze"):
            return -1
        slot = maker.inputs[0]
    return slot


def _shape(program: Program, slot: int) -> tuple[int, ...]:
    taker = program.takers[slot][0]
    return taker.shapes[taker.inputs.index(slot)]


def _laid(place: int, slot: int, axes: tuple[int, ...], rank: int) -> Edit:
    def edit(call: Call) -> list[Any]:
        inputs, array = list(call.inputs), call.known[slot]
        order = sorted(range(len(axes)), key=lambda at: axes[at])
        array = call.xp.transpose(array, order)
        wide = call.xp.expand_dims(array, tuple(axis for axis in range(rank) if axis not in axes))
        inputs[place] = call.xp.broadcast_to(wide, call.step.shape).astype(inputs[place].dtype)
        return call.run(inputs)

    return edit
