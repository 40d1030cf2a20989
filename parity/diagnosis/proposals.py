"""What may be tried on a program: an edit of one step, and the same edit of all steps that come from one place."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from parity.diagnosis.flat import Flat, Step, every_step
from parity.diagnosis.machines import Edit, Edits

__all__ = ["Alternative", "Program", "Proposal", "grouped"]

_ALONE = 400  # proposals of single steps


@dataclass(frozen=True)
class Alternative:
    """One step done otherwise.

    Attributes:
        step: itself.
        sentence: what it becomes, as the end of "the gap vanishes if at ... ".
        edit: the change.
        trap: the known trap behind it.
    """

    step: Step
    sentence: str
    edit: Edit
    trap: str = ""


@dataclass(frozen=True)
class Proposal:
    """A change to try.

    Attributes:
        sentence: the whole end of "the gap vanishes if ".
        edits: of steps.
        trap: the known trap behind it.
    """

    sentence: str
    edits: Edits
    trap: str = ""


class Program:
    """The steps of a program, and who makes and who takes each value."""

    def __init__(self, flat: Flat) -> None:
        self.flat = flat
        self.steps = [step for step, _ in every_step(flat)]
        self.maker = {slot: step for step in self.steps for slot in step.outputs}
        self.takers: dict[int, list[Step]] = {}
        for step in self.steps:
            for slot in dict.fromkeys(step.inputs):
                self.takers.setdefault(slot, []).append(step)
        self.sites: dict[Hashable, list[Step]] = {}
        for step in self.steps:
            self.sites.setdefault(step.site, []).append(step)


def grouped(found: Iterable[Alternative]) -> Iterator[Proposal]:
    """Of every place in code at once, then of a whole line, of the program, and of each step alone."""
    found = list(found)
    seen: set[frozenset[int | str]] = set()
    keys = (
        lambda one: (one.step.site, one.sentence),
        lambda one: (one.step.source, one.sentence),
        lambda one: one.sentence,
        lambda one: (one.step.number, one.sentence),
    )
    for level, key in enumerate(keys):
        groups: dict[Hashable, list[Alternative]] = {}
        for one in found:
            groups.setdefault(key(one), []).append(one)
        for group in list(groups.values())[: _ALONE if level == 3 else None]:
            first, edits = group[0], {one.step.number: one.edit for one in group}
            mark = frozenset([first.sentence, *edits])
            if mark not in seen:
                seen.add(mark)
                same = len({one.step.source for one in group}) == 1
                where = f"at {first.step.source}" if same and first.step.source else "everywhere"
                yield Proposal(f"{where} {first.sentence}", edits, first.trap)
