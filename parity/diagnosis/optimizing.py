"""What belongs to moving averages that are written out step by step: bias correction, Nesterov's look-ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Program, Proposal

__all__ = ["Average", "optimizers"]

Change: TypeAlias = Callable[[Call, Any], Any]


@dataclass(frozen=True)
class Average:
    """One step of a moving average b m + ...

    Attributes:
        step: the sum.
        decayed: the product b m.
        rest: the slot of the other term.
        decay: b.
        count: how many steps there were before, and this one.
    """

    step: Step
    decayed: Step
    rest: int
    decay: float
    count: int


def optimizers(program: Program) -> Iterator[Proposal]:
    """Remedies of all moving averages of a program at once."""
    found = _averages(program)
    if not found:
        return
    ahead = [average for average in found.values() if _ahead_of(found, average) is not None]
    if ahead:
        edits: dict[int, Edit] = {one.step.number: _taken(_ahead_of(found, one) or 0) for one in ahead}
        text = f"at {ahead[0].step.source} the step takes the momentum itself, without Nesterov's look-ahead"
        yield Proposal(text, edits)
    for groups in _groups(found):
        edits = {}
        for average in groups:
            edits.update(_after(program, found, average, _nesterov(average)))
        yield Proposal(f"at {groups[0].step.source} the step looks ahead, as Nesterov's momentum does", edits)
        edits = {}
        for average in groups:
            edits.update(_after(program, found, average, _corrected(average)))
        text = "the moving averages have their bias correction, 1 / (1 - b^t)"
        yield Proposal(f"at {groups[0].step.source} {text}", edits)


def _groups(found: dict[int, Average]) -> Iterator[list[Average]]:
    """All, then those of one decay."""
    every = list(found.values())
    yield every
    decays = list(dict.fromkeys(average.decay for average in every))
    if len(decays) > 1:
        yield from ([average for average in every if average.decay == decay] for decay in decays)


def _averages(program: Program) -> dict[int, Average]:
    """By the slot of the sum."""
    found: dict[int, Average] = {}
    for step in program.steps:
        for place in (0, 1) if step.name == "add" and step.shape else ():
            maker = program.maker.get(step.inputs[place])
            decay = _decay(maker)
            if maker is not None and 0.5 <= decay < 1:
                before = next((found[slot] for slot in maker.inputs if slot in found), None)
                if before is not None or any(_starts(program, slot) for slot in maker.inputs):
                    count = before.count + 1 if before else 1
                    found[step.outputs[0]] = Average(step, maker, step.inputs[1 - place], decay, count)
                    break
    return found


def _decay(maker: Step | None) -> float:
    """The number that a product multiplies by; 0 without one."""
    if maker is None or maker.name != "mul":
        return 0.0
    return next((number for number in map(maker.literal, (0, 1)) if number is not None), 0.0)


def _starts(program: Program, slot: int) -> bool:
    """Whether a value was there before the first step: given, or made of one number."""
    maker = program.maker.get(slot)
    return maker is None or maker.name == "broadcast_in_dim"


def _ahead_of(found: dict[int, Average], average: Average) -> int | None:
    """The momentum that Nesterov's step is ahead of: it has the same gradient in it."""
    for slot in average.decayed.inputs:
        if slot in found and found[slot].rest == average.rest:
            return slot
    return None


def _taken(slot: int) -> Edit:
    return lambda call: [call.known[slot]]


def _after(program: Program, found: dict[int, Average], average: Average, change: Change) -> dict[int, Edit]:
    """Those who take the average, but for its own next step."""
    slot, own = average.step.outputs[0], {one.decayed.number for one in found.values()}

    def edit(call: Call) -> list[Any]:
        own = call.step.inputs
        return call.run([change(call, x) if at == slot else x for at, x in zip(own, call.inputs, strict=True)])

    return {taker.number: edit for taker in program.takers.get(slot, ()) if taker.number not in own}


def _nesterov(average: Average) -> Change:
    return lambda call, x: call.known[average.rest] + average.decay * x


def _corrected(average: Average) -> Change:
    return lambda _, x: x / (1 - average.decay**average.count)
