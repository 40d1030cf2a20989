"""An axis split into other factors: as many heads as each has numbers, one group for two.

Everything behind the split has other shapes then. So its steps are run with the sizes of the new ones, up to where both
axes are one again, and numbers that were counted off those sizes go with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.passed import at
from parity.diagnosis.proposals import Program, Proposal

__all__ = ["resplit"]

_FACTORS = 6


def resplit(program: Program) -> Iterator[Proposal]:
    """Every pair of sizes that a reshape makes of one axis, as every other pair."""
    pairs = dict.fromkeys(pair for step in program.steps for pair in _pairs(step))
    for one, other in pairs:
        length = one * other
        for first in [n for n in range(1, length + 1) if length % n == 0 and n != one][:_FACTORS]:
            splits = [step for step in program.steps if (one, other) in _pairs(step)]
            edits = _edits(program, splits, (one, other), (first, length // first))
            text = f"{at(splits[0])} an axis of {length} is split into {(first, length // first)} instead of"
            yield Proposal(f"{text} {(one, other)}: another number of groups or heads", edits, "mha-weight-packing")


def _pairs(step: Step) -> list[tuple[int, int]]:
    """The two sizes that a reshape may have put in place of one."""
    if step.name != "reshape" or len(step.shape) != len(step.shapes[0]) + 1:
        return []
    short, long = step.shapes[0], step.shape
    return [
        (long[axis], long[axis + 1])
        for axis in range(len(short))
        if (*short[:axis], long[axis] * long[axis + 1], *short[axis + 1 :]) == short
        and (*short[:axis], *short[axis + 1 :]) == (*long[:axis], *long[axis + 2 :])
        and short[axis] > 1
    ]


def _edits(program: Program, splits: list[Step], old: tuple[int, int], new: tuple[int, int]) -> dict[int, Edit]:
    edits: dict[int, Edit] = {}
    reached = {slot for step in splits for slot in step.outputs}
    for step in splits:
        edits[step.number] = _sized("new_sizes", _renamed(step.shape, old, new))
    for step in program.steps:
        if step.number in edits or reached.isdisjoint(step.inputs) or step.bodies:
            continue
        reached.update(step.outputs)
        if step.name == "broadcast_in_dim":
            edits[step.number] = _broadcast(step, old, new)
        elif step.name == "reduce_sum":
            shapes = step.shapes[0], _renamed(step.shapes[0], old, new)
            edits.update(_counted(program, step, *(_count(shape, step) for shape in shapes)))
    return edits


def _count(shape: tuple[int, ...], step: Step) -> int:
    return math.prod(shape[axis] for axis in step.eqn.params["axes"])


def _counted(program: Program, step: Step, old: int, new: int) -> Iterator[tuple[int, Edit]]:
    """Numbers on the line of a sum that say how many it has."""
    for near in program.steps if old != new else ():
        places = [place for place, number in enumerate(near.numbers) if number == old]
        if near.source == step.source and near.name in ("div", "sub", "mul") and places:
            yield near.number, _with(places[0], new)


def _with(place: int, number: int) -> Edit:
    def edit(call: Call) -> list[Any]:
        inputs = list(call.inputs)
        inputs[place] = inputs[place] * 0 + number
        return call.run(inputs)

    return edit


def _renamed(shape: tuple[int, ...], old: tuple[int, int], new: tuple[int, int]) -> tuple[int, ...]:
    for axis in range(len(shape) - 1):
        if shape[axis : axis + 2] == old:
            return (*shape[:axis], *new, *shape[axis + 2 :])
    return shape


def _sized(name: str, sizes: tuple[int, ...]) -> Edit:
    return lambda call: call.run(None, **{name: sizes})


def _broadcast(step: Step, old: tuple[int, int], new: tuple[int, int]) -> Edit:
    """To the new sizes; axes that are copied keep what comes in."""
    axes = tuple(step.eqn.params["broadcast_dimensions"])

    def edit(call: Call) -> list[Any]:
        sizes = list(_renamed(step.shape, old, new))
        for axis, size, before in zip(axes, call.inputs[0].shape, step.shapes[0], strict=True):
            sizes[axis] = size if before == step.shape[axis] else sizes[axis]
        return call.run(None, shape=tuple(sizes))

    return edit
