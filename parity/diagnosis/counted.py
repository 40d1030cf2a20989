"""One whole number that stands in several places, in each as something else: the length of a phase, of a period.

Where a schedule is written out, a phase of 5 steps is a bound here, a divisor there, and part of a sum elsewhere. So
the whole numbers of a program, the largest, are tried a little more or less, several at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import combinations, product

from parity.diagnosis.guesses import named_value
from parity.diagnosis.proposals import Program, Proposal
from parity.diagnosis.screen import Screen
from parity.diagnosis.sites import Constant
from parity.diagnosis.tuned import edits_of

__all__ = ["counted"]

_PLACES, _TOGETHER = 7, 4  # that are looked at, and that change at once
_LARGEST = 10_000
_STEPS = (1, 2, 4, 3)


def counted(screen: Screen, program: Program) -> Iterator[Proposal]:
    """Two or more of them moved by the same number, up or down."""
    every = sorted(_constants(program), key=lambda constant: -constant.value)
    found = [one for one in every[: 3 * _PLACES] if screen.trial(edits_of([(one, one.value + 1)])) is not None]
    for step, many in product(_STEPS, range(2, _TOGETHER + 1)):
        for some in combinations(found[:_PLACES], many):
            for signs in product((1, -1), repeat=many):
                changed = [(one, one.value + sign * step) for one, sign in zip(some, signs, strict=True)]
                if all(value > 0 for _, value in changed):
                    yield Proposal(_told(changed, step), edits_of(changed))


def _constants(program: Program) -> Iterator[Constant]:
    """Those of one value that one instruction of the port has written."""
    places: dict[Hashable, list[Constant]] = {}
    for step in program.steps:
        for operand, value in enumerate(step.numbers):
            if value is not None and 1 <= value <= _LARGEST and value == round(value) and step.source:
                one = Constant(((step.number, operand),), value, True, step.name, step.source)
                places.setdefault((value, _instruction(step.site)), []).append(one)
    for same in places.values():
        keys = tuple(key for one in same for key in one.keys)
        yield Constant(keys, same[0].value, True, same[0].used, same[0].source)


def _instruction(site: Hashable) -> Hashable:
    """A place in code without what lies within a library's call."""
    parts = site if isinstance(site, tuple) else (site,)
    names = [place for place, part in enumerate(parts) if isinstance(part, str)]
    return parts[: names[0]] if names else parts


def _told(changed: list[tuple[Constant, float]], step: int) -> str:
    pairs = dict.fromkeys((one.value, value) for one, value in changed)
    shown = ", ".join(f"{named_value(old)} is {named_value(new)}" for old, new in pairs)
    lines = " and ".join(dict.fromkeys(one.source.partition(" ")[0] for one, _ in changed))
    count = "one step, off by one" if step == 1 else f"{step} steps"
    return f"at {lines} {shown}: a length, or a period, of {count} more or less"
