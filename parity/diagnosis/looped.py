"""What belongs to loops: a step too many or too few, a state that a pass should have left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity.diagnosis.flat import Flat
from parity.diagnosis.machines import Call, Edit, scan_layout
from parity.diagnosis.proposals import Program, Proposal

__all__ = ["kept", "lengths"]

_STATES, _CONDITIONS = 8, 12  # of one loop that are tried


def lengths(program: Program) -> Iterator[Proposal]:
    """A loop that runs once more, or once less; only one that reads no rows may run on."""
    for step in program.steps:
        if step.name == "scan":
            length, (_, carried) = step.eqn.params["length"], scan_layout(step.eqn)
            for by in (-1, 1) if len(step.inputs) == carried else (-1,):
                if length + by > 0:
                    text = (
                        f"at {step.source} the loop runs {length + by} times instead of {length}: one step, off by one"
                    )
                    yield Proposal(text, {step.number: _for(length + by)})


def _for(length: int) -> Edit:
    return lambda call: call.run(None, length=length)


def kept(program: Program) -> Iterator[Proposal]:
    """A state that stays what it was where a condition of the loop holds, or does not: a skipped step, padding."""
    for step in program.steps:
        if step.name != "scan" or len(step.bodies) != 1:
            continue
        body = step.bodies[0]
        consts, first = scan_layout(step.eqn)
        conditions = list(_conditions(body))[:_CONDITIONS]
        for state in range(min(first - consts, _STATES)):
            before, after = body.inputs[consts + state], body.outputs[state]
            maker = program.maker.get(after)
            if maker is None or maker not in body.steps or before == after:
                continue
            for slot, ready, name in conditions:
                for value in (True, False) if ready < maker.number else ():
                    text = f"at {maker.source} state {state} of the loop stays as it was where {name} is {value}"
                    place = maker.outputs.index(after)
                    yield Proposal(
                        f"{text}: a step is skipped there", {maker.number: _held(slot, before, place, value)}
                    )


def _conditions(body: Flat) -> Iterator[tuple[int, int, str]]:
    """(slot, the number of the step that makes it, what it is called) of every truth value of a pass."""
    seen = set()
    for step in body.steps:
        for slot, var in zip(step.inputs, step.eqn.invars, strict=True):
            if slot in body.inputs and slot not in seen and getattr(var.aval.dtype, "kind", "") == "b":
                seen.add(slot)
                yield slot, -1, "what the loop reads there"
    for step in body.steps:
        for slot, var in zip(step.outputs, step.eqn.outvars, strict=True):
            if getattr(getattr(var.aval, "dtype", None), "kind", "") == "b":
                yield slot, step.number, f"the condition at {step.source}"


def _held(condition: int, before: int, place: int, value: bool) -> Edit:
    def edit(call: Call) -> list[Any]:
        outputs = list(call.run())
        holds = _spread(call, call.known[condition], outputs[place])
        pair = (call.known[before], outputs[place]) if value else (outputs[place], call.known[before])
        outputs[place] = call.xp.where(holds, *pair)
        return outputs

    return edit


def _spread(call: Call, condition: Any, like: Any) -> Any:
    """A condition of rows, over what every row holds."""
    shape, wide = call.xp.shape(condition), call.xp.ndim(like)
    return call.xp.reshape(condition, (*shape, *[1] * (wide - len(shape))))
