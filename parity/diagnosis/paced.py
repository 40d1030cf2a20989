"""What a loop that is written out does more with every step, or less: dampening, a rate that declines, a decay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from parity.diagnosis.flat import Step
from parity.diagnosis.guesses import named_value
from parity.diagnosis.machines import Call, Edit, Edits
from parity.diagnosis.optimizing import Average, averages
from parity.diagnosis.proposals import Program, Proposal
from parity.diagnosis.screen import Screen, Values
from parity.diagnosis.solver import Solver

__all__ = ["paced"]

Law: TypeAlias = tuple[str, float, float, Callable[[float], Edits]]
"""What to say of a number, the number that changes nothing, where to start, and the edits for a number."""

_FEWEST = 3  # steps that a law must hold for
_SITES = 8  # places whose factor may decline


def paced(screen: Screen, program: Program, names: Mapping[int, str]) -> Iterator[Proposal]:
    """Laws of the step with one number in them, which is solved for.

    Args:
        screen: runs the program.
        program: that differs.
        names: of the slots of its inputs.
    """
    for text, neutral, start, edits in (*_dampened(program), *_declining(program), *_decayed(program, names)):

        def at(value: float, edits: Callable[[float], Edits] = edits, neutral: float = neutral) -> Values | None:
            return screen.start if value == neutral else screen.trial(edits(value))

        value = Solver(screen).solved(at, start)
        if value is not None and value != neutral:
            yield Proposal(text.format(named_value(value)), edits(value))


def _dampened(program: Program) -> Iterator[Law]:
    found = list(averages(program).values())
    for which, words in (
        (lambda count: count > 1, "from the second step on"),
        (lambda count: count == 1, "at the first step"),
    ):
        group = [average for average in found if which(average.count)]
        if group and len(group) < len(found):
            text = f"at {group[0].step.source} what enters the average is multiplied by {{}} {words}: dampening"
            yield text, 1.0, 1.0, lambda value, g=group: {one.step.number: _scaled(one, value) for one in g}


def _scaled(average: Average, factor: float) -> Edit:
    def edit(call: Call) -> list[Any]:
        pairs = zip(call.step.inputs, call.inputs, strict=True)
        return call.run([x * factor if slot == average.rest else x for slot, x in pairs])

    return edit


def _declining(program: Program) -> Iterator[Law]:
    laws = {
        "is divided by 1 + {} k at step k, from 0: a rate that declines, an lr_decay": (
            0.0,
            lambda a, k: 1 / (1 + a * k),
        ),
        "is multiplied by {} at every step: a rate that decays, a schedule": (1.0, lambda a, k: a**k),
    }
    sites = [steps for steps in program.sites.values() if steps[0].name == "mul" and steps[0].shape]
    scaled = [steps for steps in sites if any(number is not None for number in steps[0].numbers)]
    for steps in scaled[:_SITES]:
        passes = _passes(steps)
        if max(passes) + 1 < _FEWEST:
            continue
        for text, (neutral, law) in laws.items():
            number = next(number for number in steps[0].numbers if number is not None)
            yield (
                f"at {steps[0].source} the factor, {named_value(number)}, {text}",
                neutral,
                neutral,
                lambda a, s=steps, p=passes, f=law: {one.number: _times(f(a, k)) for one, k in zip(s, p, strict=True)},
            )


def _decayed(program: Program, names: Mapping[int, str]) -> Iterator[Law]:
    """An input that something is added to, step after step: a weight, and its updates."""
    for slot, name in names.items():
        updates: dict[Step, int] = {}
        while added := next((step for step in program.takers.get(slot, ()) if step.name == "add"), None):
            updates[added] = added.inputs.index(slot)
            (slot,) = added.outputs
        if len(updates) >= _FEWEST:
            text = f"{name} is multiplied by {{}} before every update: a weight decay that leaves it out"
            yield text, 1.0, 1.0, lambda value, u=updates: {s.number: _shrunk(place, value) for s, place in u.items()}


def _shrunk(place: int, factor: float) -> Edit:
    return lambda call: call.run([x * factor if at == place else x for at, x in enumerate(call.inputs)])


def _passes(steps: list[Step]) -> list[int]:
    """Which visit of the place each is, leaves of one shape apart."""
    seen: dict[tuple[int, ...], int] = {}
    found = []
    for step in steps:
        found.append(seen.get(step.shape, 0))
        seen[step.shape] = found[-1] + 1
    return found


def _times(factor: float) -> Edit:
    return lambda call: [call.run()[0] * factor]
