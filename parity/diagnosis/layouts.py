"""Reshapes and transposes read otherwise: heads split the other way, a flatten of another layout, axes exchanged."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Any

import numpy as np

from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Alternative, Program, Proposal

__all__ = ["interleaved", "joined", "layouts", "regrouped", "reread", "turned"]

_RANK = 4  # of arrays whose axes are permuted
_TRAP = "transpose-semantics"


def layouts(program: Program) -> Iterator[Alternative]:
    """Every reshape and every transpose with its axes in another order."""
    for step in program.steps:
        shape = step.shapes[0] if step.shapes else ()
        if step.name == "transpose" and len(shape) <= _RANK:
            old = tuple(step.eqn.params["permutation"])
            for order in permutations(range(len(shape))):
                if order != old:
                    text = f"the transpose takes the axes in the order {order} instead of {old}"
                    yield Alternative(step, text, lambda call, o=order: call.run(permutation=o), _TRAP)
        elif step.name == "tile":
            text = "the tile is a repeat: every element on end, not the whole array again"
            yield Alternative(step, text, _repeated)
        elif step.name == "reshape" and np.prod(shape) > 1:
            yield from _reshaped(step, shape)


def _reshaped(step: Step, shape: tuple[int, ...]) -> Iterator[Alternative]:
    new = step.shape
    wide = [axis for axis, size in enumerate(shape) if size > 1]
    if len(wide) <= _RANK:
        for order in _orders(shape):
            text = f"what is reshaped, {list(shape)}, is transposed first, by {order}: another layout"
            yield Alternative(step, text, lambda call, o=order: call.run([call.xp.transpose(call.inputs[0], o)]), _TRAP)
    if len([size for size in new if size > 1]) <= _RANK and new != shape:
        for order in _orders(new):
            sizes = [new[axis] for axis in order]
            text = f"the reshape of {list(shape)} is to {sizes}, then transposed to {list(new)}: another layout"
            yield Alternative(step, text, _read(sizes, order), _TRAP)


def _repeated(call: Call) -> list[Any]:
    x = call.inputs[0]
    for axis, count in enumerate(call.step.eqn.params["reps"]):
        x = call.xp.repeat(x, count, axis)
    return [x]


def _orders(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Permutations that move axes of more than one number, an exchange of two first."""
    plain = tuple(range(len(shape)))
    wide = [axis for axis in plain if shape[axis] > 1]
    found = []
    for moved in permutations(wide):
        places = dict(zip(wide, moved, strict=True))
        order = tuple(places.get(axis, axis) for axis in plain)
        if order != plain:
            found.append(order)
    yield from sorted(found, key=lambda order: sum(a != b for a, b in zip(order, plain, strict=True)))


def _read(sizes: list[int], order: tuple[int, ...]) -> Edit:
    back = tuple(int(axis) for axis in np.argsort(order))
    return lambda call: [call.xp.transpose(call.xp.reshape(call.inputs[0], sizes), back)]


def joined(program: Program) -> Iterator[Alternative]:
    """Every concatenation and every split otherwise."""
    for step in program.steps:
        if step.name in ("concatenate", "split"):
            yield from _joined(step)


def _joined(step: Step) -> Iterator[Alternative]:
    """Parts that are put one behind the other, in another order or along another axis."""
    if step.name == "concatenate":
        count = len(step.inputs)
        for order in permutations(range(count)) if 2 <= count <= 4 else ():
            if order != tuple(range(count)):
                text = f"the {count} parts (blocks) are concatenated in the order {order}"
                yield Alternative(step, text, lambda call, o=order: call.run([call.inputs[at] for at in o]))
    name = {"concatenate": "dimension", "split": "axis"}[step.name]
    for axis in range(len(step.shape)):
        if axis != step.eqn.params[name]:
            text = f"the {step.name} runs along axis {axis} instead of axis {step.eqn.params[name]}"
            yield Alternative(step, text, lambda call, n=name, a=axis: call.run(None, **{n: a}))
    axis = step.eqn.params[name]
    if step.name == "concatenate" and len(set(step.shapes)) == 1:
        text = f"the parts along axis {axis} are interleaved (another layout): neighbours, not halves"
        yield Alternative(step, text, lambda call, a=axis: [interleaved(call, a)])


def interleaved(call: Call, axis: int) -> Any:
    """What a concatenation takes, number by number in turn."""
    return call.xp.stack(list(call.inputs), axis + 1).reshape(call.step.shape)


def regrouped(program: Program) -> Iterator[Proposal]:
    """Every split of an axis in two, and every merge of two, by the other factor first: heads that are not in runs."""
    edits: dict[int, Edit] = {}
    for step in program.steps:
        found = _pair(step) if step.name == "reshape" else None
        if found:
            edits[step.number] = found
    if len(edits) > 1:
        text = "everywhere the two axes that a reshape splits or merges change places: heads in another layout"
        yield Proposal(text, edits, "mha-weight-packing")


def reread(program: Program) -> Iterator[Alternative]:
    """Every transpose a reshape: numbers read in the order of columns, or a permute for a view."""
    for step in program.steps:
        if step.name == "transpose":
            text = "what is transposed is reshaped instead, row by row: another layout"
            yield Alternative(step, text, lambda call: [call.xp.reshape(call.inputs[0], call.step.shape)], _TRAP)


def _pair(step: Step) -> Edit | None:
    long, short = (
        (step.shape, step.shapes[0]) if len(step.shape) > len(step.shapes[0]) else (step.shapes[0], step.shape)
    )
    if len(long) != len(short) + 1:
        return None
    for axis in range(len(short)):
        if (*short[:axis], *short[axis + 1 :]) == (*long[:axis], *long[axis + 2 :]) and 1 not in long[axis : axis + 2]:
            order = list(range(len(long)))
            order[axis : axis + 2] = [axis + 1, axis]
            if long == step.shape:
                return _read([long[at] for at in order], tuple(order))
            return lambda call: call.run([call.xp.transpose(call.inputs[0], order)])
    return None


def turned(program: Program) -> Iterator[Alternative]:
    """Two axes of one length exchanged behind a step, or in front of it."""
    for step in program.steps:
        if step.bodies or len(step.outputs) != 1:
            continue
        for one, other in combinations(range(len(step.shape)), 2):
            if step.shape[one] == step.shape[other] > 1:
                text = f"axes {one} and {other} of the value, {list(step.shape)}, change places (a transpose)"
                yield Alternative(
                    step, text, lambda call, a=one, b=other: [call.xp.swapaxes(call.run()[0], a, b)], _TRAP
                )
        for place, shape in enumerate(step.shapes):
            for one, other in combinations(range(len(shape)), 2):
                if shape[one] == shape[other] > 1 and len(step.inputs) > 1:
                    text = f"axes {one} and {other} of operand {place}, {list(shape)}, change places (a transpose)"
                    yield Alternative(step, text, _operand_turned(place, one, other), _TRAP)


def _operand_turned(place: int, one: int, other: int) -> Edit:
    def edit(call: Call) -> list[Any]:
        inputs = list(call.inputs)
        inputs[place] = call.xp.swapaxes(inputs[place], one, other)
        return call.run(inputs)

    return edit
