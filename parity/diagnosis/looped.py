"""What belongs to loops: a step too many or too few, a state that a pass should have left as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np

from parity.diagnosis.flat import Flat, Step
from parity.diagnosis.machines import PASS, Call, Edit, scan_layout
from parity.diagnosis.proposals import Program, Proposal

__all__ = ["ended", "kept", "lengths"]

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


def ended(program: Program, counts: Mapping[str, np.ndarray]) -> Iterator[Proposal]:
    """States that stay what they were from the pass on that an input gives for every row: the length of a sequence.

    Args:
        program: with the loops.
        counts: the whole numbers among its inputs, by name.
    """
    for step in program.steps:
        if step.name == "scan" and len(step.bodies) == 1:
            states = list(_states(step, step.bodies[0]))[:_STATES]
            for name, count in counts.items() if states else ():
                groups = [[state] for state in states] + [states] * (len(states) > 1)
                for group in groups:
                    which = f"state {group[0].number}" if len(group) == 1 else "every state"
                    text = f"at {group[0].maker.source} {which} of the loop stays as it was from pass {name} on"
                    edits = {state.maker.number: _ended(count, state) for state in group}
                    yield Proposal(f"{text}: padding behind the end of a sequence", edits)


def _ended(count: np.ndarray, state: _State) -> Edit:
    def edit(call: Call) -> list[Any]:
        outputs = list(call.run())
        going = _spread(call, call.known[PASS] < call.xp.asarray(count), outputs[state.place])
        outputs[state.place] = call.xp.where(going, outputs[state.place], call.known[state.before])
        return outputs

    return edit


def kept(program: Program, names: Mapping[int, str]) -> Iterator[Proposal]:
    """States that stay what they were, or begin again, where a condition of the loop holds: a skipped step, padding.

    Args:
        program: with the loops.
        names: of its inputs, by slot.
    """
    for step in program.steps:
        if step.name == "scan" and len(step.bodies) == 1:
            yield from _kept(step, step.bodies[0], names)


def _kept(loop: Step, body: Flat, names: Mapping[int, str]) -> Iterator[Proposal]:
    states = list(_states(loop, body))[:_STATES]
    for slot, ready, name in islice(_conditions(loop, body, names), _CONDITIONS):
        later = [state for state in states if state.maker.number > ready]
        groups = [[state] for state in later] + [later] * (len(later) > 1)
        for group, value, again in product(groups, (True, False), (False, True)):
            which = f"state {group[0].number}" if len(group) == 1 else "every state"
            does = "is set back to 0" if again else "stays as it was"
            text = f"at {group[0].maker.source} {which} of the loop {does} where {name} is {value}"
            edits = {state.maker.number: _held(slot, state, value, again) for state in group}
            yield Proposal(text + (": a reset" if again else ": a step is skipped there"), edits)


@dataclass(frozen=True)
class _State:
    """What a loop carries: its number, the slot before a pass, the step that makes it, and as which output."""

    number: int
    before: int
    maker: Step
    place: int


def _states(loop: Step, body: Flat) -> Iterator[_State]:
    makers = {slot: step for step in body.steps for slot in step.outputs}
    consts, first = scan_layout(loop.eqn)
    for number in range(first - consts):
        after = body.outputs[number]
        if after in makers:
            yield _State(number, body.inputs[consts + number], makers[after], makers[after].outputs.index(after))


def _conditions(loop: Step, body: Flat, names: Mapping[int, str]) -> Iterator[tuple[int, int, str]]:
    """(slot, the number of the step that makes it, what it is called) of every truth value of a pass."""
    read = dict(zip(body.inputs, loop.inputs, strict=True))
    taken = {slot: var for step in body.steps for slot, var in zip(step.inputs, step.eqn.invars, strict=True)}
    for slot in body.inputs:
        if slot in taken and _is_truth(taken[slot]):
            yield slot, -1, names.get(read[slot], "what the loop reads there")
    for step in body.steps:
        for slot, var in zip(step.outputs, step.eqn.outvars, strict=True):
            if _is_truth(var):
                yield slot, step.number, f"the condition at {step.source}"


def _is_truth(var: Any) -> bool:
    return getattr(getattr(var.aval, "dtype", None), "kind", "") == "b"


def _held(condition: int, state: _State, value: bool, again: bool) -> Edit:
    def edit(call: Call) -> list[Any]:
        outputs = list(call.run())
        new, old = outputs[state.place], call.known[state.before] * (0 if again else 1)
        holds = _spread(call, call.known[condition], new)
        outputs[state.place] = call.xp.where(holds, *((old, new) if value else (new, old)))
        return outputs

    return edit


def _spread(call: Call, condition: Any, like: Any) -> Any:
    """A condition of rows, over what every row holds."""
    shape, wide = call.xp.shape(condition), call.xp.ndim(like)
    return call.xp.reshape(condition, (*shape, *[1] * (wide - len(shape))))
