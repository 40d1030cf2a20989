"""Two things done one after the other that belong the other way round: a norm and an activation, a clip and a scale.

What lies between two values is a stretch of steps; two stretches on end are run in the other order, each on what the
other gives. Everything else that they read, a weight, a gate, stays what it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from parity.diagnosis.flat import Flat, Step
from parity.diagnosis.machines import Call, Edit, done
from parity.diagnosis.proposals import Program, Proposal
from parity.diagnosis.words import WORDS

__all__ = ["swapped"]

_LONG = 28  # steps of both stretches together
_BACK = 4  # values on the way back from one that may be where a stretch begins
_STEPS, _MOST = 600, 400  # of a program, and pairs of stretches, the shortest first
_PLAIN = ("broadcast_in_dim", "reshape", "transpose", "squeeze", "convert_element_type", "copy", "stop_gradient", "neg")


def swapped(program: Program) -> Iterator[Proposal]:
    """Every two stretches on end, the shortest first; all passes of a loop that is written out at once."""
    if len(program.steps) > _STEPS:
        return
    found: dict[Hashable, list[tuple[int, Step, list[Step], list[Step]]]] = {}
    for flat in _flats(program.flat):
        ways = _Ways(flat)
        for last in flat.steps:
            for first, second, start in ways.ending(last):
                place = tuple(at for at, slot in enumerate(first[0].inputs) if slot == start)
                key = (place, len(first), len(second), *(step.site for step in (first[0], first[-1], second[0], last)))
                found.setdefault(key, []).append((start, last, first, second))
    for group in sorted(found.values(), key=lambda group: len(group[0][2]) + len(group[0][3]))[:_MOST]:
        _, last, first, _ = group[0]
        edits = {one[1].number: _exchanged(*one) for one in group}
        yield Proposal(f"{_named(first[-1])} is done after {_named(last)}, not before it: in the other order", edits)


def _named(step: Step) -> str:
    return f"the {WORDS.get(step.name, step.name)} at {step.source}"


def _flats(flat: Flat) -> Iterator[Flat]:
    yield flat
    for step in flat.steps:
        for body in step.bodies:
            yield from _flats(body)


class _Ways:
    """The stretches of one list of steps."""

    def __init__(self, flat: Flat) -> None:
        self._maker = {slot: step for step in flat.steps for slot in step.outputs}

    def ending(self, last: Step) -> Iterator[tuple[list[Step], list[Step], int]]:
        """(first stretch, second stretch, the slot before both) of those that end with this step."""
        for middle in self._before(last.outputs[0]):
            for second in self._stretches(middle, last.outputs[0]):
                for start in self._before(middle):
                    for first in self._stretches(start, middle):
                        if len(first) + len(second) <= _LONG:
                            yield first, second, start

    def _stretches(self, start: int, end: int) -> Iterator[list[Step]]:
        """All that leads from one value to the other, and the last step alone if that takes the value itself."""
        every, last = self._between(start, end), self._maker.get(end)
        alone = [last] if last is not None and start in last.inputs and not last.bodies else []
        for steps in (every, *[alone] * (len(every) != 1)):
            if not all(step.name in _PLAIN for step in steps):
                yield steps

    def _before(self, slot: int) -> list[int]:
        """Values that this one is made of: its maker's own, and theirs, of the same shape or not."""
        seen: dict[int, None] = {}
        front = [slot]
        for _ in range(_BACK):
            makers = [self._maker[at] for at in front if at in self._maker]
            front = [at for maker in makers for at, n in zip(maker.inputs, maker.numbers, strict=True) if n is None]
            seen.update(dict.fromkeys(front))
        return list(seen)

    def _between(self, start: int, end: int) -> list[Step]:
        """The steps that lead from one value to the other, in order; none where they are too many."""
        found: dict[int, Step] = {}
        self._leads(start, end, found, set())
        steps = sorted(found.values(), key=lambda step: step.number)
        return steps if len(steps) <= _LONG and not any(step.bodies for step in steps) else []

    def _leads(self, start: int, slot: int, found: dict[int, Step], idle: set[int]) -> bool:
        maker = self._maker.get(slot)
        if slot == start:
            return True
        if maker is None or maker.number in idle or len(found) + len(idle) > 4 * _LONG:
            return False
        if maker.number not in found:
            ways = [self._leads(start, at, found, idle) for at in maker.inputs]  # all of them, not the first alone
            if any(ways):
                found[maker.number] = maker
            else:
                idle.add(maker.number)
        return maker.number in found


def _exchanged(start: int, last: Step, first: Sequence[Step], second: Sequence[Step]) -> Edit:
    middle = first[-1].outputs[0]

    def edit(call: Call) -> list[Any]:
        early = _run(call, second, {middle: call.known[start]})
        late = _run(call, first, {start: early[last.outputs[0]]})
        return [late[middle]]

    return edit


def _run(call: Call, steps: Sequence[Step], changed: Mapping[int, Any]) -> dict[int, Any]:
    known = {**call.known, **changed}
    for step in steps:
        outputs = done(step, known, call.machine, {})
        known.update(zip(step.outputs, outputs, strict=True))
    return known
