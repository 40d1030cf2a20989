"""A loss of both directions: the mean, or the sum, of what a square matrix gives and of what its transpose gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call, Edit, done
from parity.diagnosis.passed import at, is_float
from parity.diagnosis.proposals import Program, Proposal

__all__ = ["mirrored"]

_MOST = 12  # matrices that are tried


def mirrored(program: Program) -> Iterator[Proposal]:
    """Every square matrix that leads to one lone output, the first first."""
    flat = program.flat
    makers = [program.maker.get(slot) for slot in flat.outputs]
    if len(makers) != 1 or makers[0] is None or makers[0] not in flat.steps or len(makers[0].outputs) > 1:
        return
    square = [step for step in flat.steps if is_float(step) and len(step.shape) == 2 and step.shape[0] > 1]
    for step in [step for step in square if step.shape[0] == step.shape[1]][:_MOST]:
        way = [later for later in flat.steps if later.number > step.number]
        for share, word in ((0.5, "mean"), (1.0, "sum")):
            text = f"the result is the {word} of itself and of the same with what is computed {at(step)} transposed"
            edit = _both(step, way, share)
            yield Proposal(f"{text}: a symmetric loss, both directions", {makers[0].number: edit})


def _both(step: Step, way: list[Step], share: float) -> Edit:
    def edit(call: Call) -> list[Any]:
        slot = step.outputs[0]
        known, changed = {**call.known, slot: call.known[slot].T}, {slot}
        for later in way:
            if not changed.isdisjoint(later.inputs):
                known.update(zip(later.outputs, done(later, known, call.machine, {}), strict=True))
                changed.update(later.outputs)
            if later.number == call.step.number:
                break
        return [share * (call.run()[0] + known[call.step.outputs[0]])]

    return edit
