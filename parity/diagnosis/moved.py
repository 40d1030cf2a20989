"""A term or a factor that stands in the right program too, but elsewhere: weight decay, a learning rate, a scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Program, Proposal

__all__ = ["moved"]


def moved(program: Program) -> Iterator[Proposal]:
    """Every product with a number, and every term that is one, moved to another value of that shape."""
    for steps in program.sites.values():
        if _scales(steps[0]):
            yield from _factors(program, steps)
        elif steps[0].name == "add" and steps[0].shapes[0] == steps[0].shapes[1]:
            for place in (0, 1):
                makers = [program.maker.get(step.inputs[place]) for step in steps]
                if all(maker is not None and maker.name == "mul" and _number(maker) is not None for maker in makers):
                    yield from _terms(program, steps, makers, place)


def _scales(step: Step) -> bool:
    """Whether it multiplies by a number, or divides by one."""
    place = _number(step)
    return bool(step.shape) and place is not None and (step.name == "mul" or (step.name == "div" and place == 1))


def _times(step: Step, x: Any, number: Any) -> Any:
    return x / number if step.name == "div" else x * number


def _number(step: Step) -> int | None:
    """The operand that is a scalar."""
    return next((place for place, shape in enumerate(step.shapes) if not shape), None)


def _others(program: Program, steps: list[Step]) -> Iterator[tuple[str, list[int]]]:
    """Values of the same shapes, one for each of these steps: what other places compute, and what they take."""
    seen = set()
    for found in program.sites.values():
        others = _matched(found, steps) if found is not steps and not found[0].bodies else []
        if others:
            if all(other.shape == step.shape for other, step in zip(others, steps, strict=True)):
                yield f"the result at {others[0].source}", [other.outputs[0] for other in others]
            for place, shape in enumerate(others[0].shapes):
                slots = tuple(other.inputs[place] for other in others)
                fits = shape == steps[0].shape and others[0].literal(place) is None
                if fits and slots not in seen and all(slot not in program.maker for slot in slots):
                    seen.add(slots)
                    yield f"operand {place} at {others[0].source}", list(slots)


def _matched(found: list[Step], steps: list[Step]) -> list[Step]:
    """One for each, of its shape, in order: the leaves of a tree come in another order elsewhere."""
    queues: dict[tuple[int, ...], list[Step]] = {}
    for other in found:
        queues.setdefault(other.shape, []).append(other)
    if len(found) != len(steps):
        return []
    try:
        return [queues[step.shape].pop(0) for step in steps]
    except (KeyError, IndexError):
        return []


def _factors(program: Program, steps: list[Step]) -> Iterator[Proposal]:
    for name, slots in _others(program, steps):
        edits: dict[int, Edit] = {}
        for step, slot in zip(steps, slots, strict=True):
            number = _number(step)
            factor = step.inputs[number or 0]
            for taker in program.takers.get(slot, ()):
                if taker.name == "mul" and _number(taker) is not None:  # a velocity's own next step
                    continue
                edits[taker.number] = _changed(slot, lambda call, x, f=factor: _times(steps[0], x, call.known[f]))
            edits[step.number] = lambda call, p=number: [call.inputs[1 - (p or 0)]]
        factor = steps[0].literal(_number(steps[0]) or 0)
        shown = "" if factor is None else f", {'1/' * (steps[0].name == 'div')}{factor:g},"
        text = f"at {steps[0].source} the factor{shown} is not there but at {name}"
        yield Proposal(text + _hint(program, "a learning rate inside a velocity or outside"), edits)


def _terms(program: Program, steps: list[Step], makers: list[Any], place: int) -> Iterator[Proposal]:
    for name, slots in _others(program, steps):
        edits: dict[int, Edit] = {}
        for step, maker, slot in zip(steps, makers, slots, strict=True):
            left, right = maker.inputs
            for taker in program.takers.get(slot, ()):
                edits[taker.number] = _changed(slot, lambda call, x, a=left, b=right: x + call.known[a] * call.known[b])
            edits[step.number] = lambda call, p=place: [call.inputs[1 - p]]
        text = f"at {steps[0].source} the term is not added there but to {name}"
        yield Proposal(text + _hint(program, "decoupled weight decay against L2 in the gradient"), edits)


def _hint(program: Program, text: str) -> str:
    """Only where something is averaged over steps may it be an optimizer's."""
    decayed = [step for step in program.steps if step.name == "mul" and 0.5 <= (_factor(step) or 0) < 1]
    return f" ({text}, for one)" if len(decayed) > 1 or any(step.name == "scan" for step in program.steps) else ""


def _factor(step: Step) -> float | None:
    number = _number(step)
    return None if number is None else step.literal(number)


def _changed(slot: int, change: Any) -> Edit:
    def edit(call: Call) -> list[Any]:
        own = call.step.inputs
        return call.run([change(call, x) if at == slot else x for at, x in zip(own, call.inputs, strict=True)])

    return edit
