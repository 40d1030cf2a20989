"""Which two numbers of an axis belong together, its halves or its neighbours: rotary positions, gated units."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from parity.diagnosis.flat import Step
from parity.diagnosis.layouts import interleaved
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Program, Proposal

__all__ = ["halves"]

_CAUSE = "rotary positions in another layout, or a gated unit"


def halves(program: Program) -> Iterator[Proposal]:
    """All pairs of all axes of one length at once: what takes them apart, and what puts them together again."""
    for edit_of, text in ((_neighbours, "neighbours, 0 and 1, not 0 and {}"), (_halves, "0 and {}, not neighbours")):
        found: dict[int, dict[int, Edit]] = {}
        for step in program.steps:
            if edit := edit_of(step):
                length, change = edit
                found.setdefault(length, {})[step.number] = change
        for length, edits in found.items():
            if len(edits) > 1:
                pairs = text.format(length // 2)
                yield Proposal(f"the pairs along every axis of {length} are {pairs}: {_CAUSE}", edits)


def _neighbours(step: Step) -> tuple[int, Edit] | None:
    """Of a step that takes or joins halves, the same with neighbours."""
    if step.name == "slice" and (found := _taken(step)):
        axis, length, start, count, stride = found
        if stride == 1 and 2 * count == length and start in (0, count):
            return length, _at(axis, slice(start // count, None, 2))
    if step.name == "split" and len(sizes := step.eqn.params["sizes"]) == 2 and sizes[0] == sizes[1]:
        axis = step.eqn.params["axis"]
        return 2 * sizes[0], lambda call: [_sliced(call.inputs[0], axis, slice(k, None, 2)) for k in (0, 1)]
    if step.name == "concatenate" and len(step.inputs) == 2 and len(set(step.shapes)) == 1:
        axis = step.eqn.params["dimension"]
        if step.shapes[0][axis] > 1:
            return step.shape[axis], lambda call: [interleaved(call, axis)]
    return None


def _halves(step: Step) -> tuple[int, Edit] | None:
    """Of a step that takes or joins neighbours, the same with halves."""
    if step.name == "slice" and (found := _taken(step)):
        axis, length, start, count, stride = found
        if stride == 2 and 2 * count == length:
            return length, _at(axis, slice(start * count, (start + 1) * count))
    if step.name == "reshape":
        old, new = step.shapes[0], step.shape
        if len(new) == len(old) + 1 and new[-1] == 2 and new[:-2] == old[:-1]:
            return old[-1], lambda call: [call.xp.swapaxes(call.inputs[0].reshape(*new[:-2], 2, new[-2]), -1, -2)]
        if len(new) == len(old) - 1 and old[-1] == 2 and new[:-1] == old[:-2]:
            return new[-1], lambda call: [call.xp.swapaxes(call.inputs[0], -1, -2).reshape(new)]
    return None


def _taken(step: Step) -> tuple[int, int, int, int, int] | None:
    """The one axis of which a slice takes a part: itself, its length, the start, how many and every which."""
    shape = step.shapes[0]
    cut = [axis for axis, (old, new) in enumerate(zip(shape, step.shape, strict=True)) if old != new]
    if len(cut) != 1:
        return None
    (axis,) = cut
    strides = step.eqn.params["strides"] or (1,) * len(shape)
    return axis, shape[axis], step.eqn.params["start_indices"][axis], step.shape[axis], strides[axis]


def _at(axis: int, part: slice) -> Callable[[Call], list[Any]]:
    return lambda call: [_sliced(call.inputs[0], axis, part)]


def _sliced(x: Any, axis: int, part: slice) -> Any:
    return x[(slice(None),) * axis + (part,)]
