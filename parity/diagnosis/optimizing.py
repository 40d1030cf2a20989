"""What belongs to moving averages that are written out step by step: bias correction, Nesterov's look-ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from parity.diagnosis.flat import Step
from parity.diagnosis.machines import PASS, Call, Edit
from parity.diagnosis.proposals import Program, Proposal

__all__ = ["Average", "averages", "optimizers"]

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
    found = averages(program)
    if not found:
        return
    ahead = [average for average in found.values() if _ahead_of(found, average) is not None]
    if ahead:
        edits: dict[int, Edit] = {one.step.number: _taken(_ahead_of(found, one) or 0) for one in ahead}
        text = f"at {ahead[0].step.source} the step takes the momentum itself, without Nesterov's look-ahead"
        yield Proposal(text, edits)
    for group in _groups(found):
        yield from _averaged(program, found, group)
    yield from _epsilons(program, found)


def _averaged(program: Program, found: dict[int, Average], group: list[Average]) -> Iterator[Proposal]:
    """What the averages of one decay, or all, may lack."""
    means = {one.step.number: mean for one in group if (mean := _mean_of(program, found, one))}
    kinds: dict[str, Callable[[Average], Change]] = {
        "the step looks ahead, as Nesterov's momentum does": _nesterov,
        "the moving averages have their bias correction, 1 / (1 - b^t)": _corrected,
        "the average of squares is centred: less the square of the average itself": lambda one: _centred(
            one.decay, means.get(one.step.number, [])
        ),
    }
    for text, change in kinds.items():
        edits = {}
        for average in group:
            edits.update(_after(program, found, average, change(average)))
        yield Proposal(f"at {group[0].step.source} {text}", edits)


def _epsilons(program: Program, found: dict[int, Average]) -> Iterator[Proposal]:
    """An epsilon added to a root before its bias correction, or after it."""
    for word, power in (("after", 0.5), ("before", -0.5)):
        edits, source = {}, ""
        for step in program.steps:
            eps = next((number for number in step.numbers if number is not None and 0 < number <= 1e-2), None)
            average = _behind(program, found, step) if step.name == "add" and eps is not None else None
            if average is not None and eps is not None:
                edits[step.number] = _added(eps, average, power)
                source = step.source
        if edits:
            text = f"the eps is added {word} the bias correction: it is times (1 - b^t) to the power of {power:g}"
            yield Proposal(f"at {source} {text}", edits)


def _added(eps: float, average: Average, power: float) -> Edit:
    return lambda call: [call.run()[0] + eps * ((1 - average.decay ** _count(call, average)) ** power - 1)]


def _behind(program: Program, found: dict[int, Average], step: Step) -> Average | None:
    """The average whose root this step takes."""
    front, rooted = [*step.inputs], False
    for _ in range(4):
        makers = [maker for slot in front if (maker := program.maker.get(slot)) is not None]
        rooted = rooted or any(maker.name == "sqrt" for maker in makers)
        front = [slot for maker in makers if maker.name in ("sqrt", "div", "mul") for slot in maker.inputs]
        for slot in front if rooted else ():
            if slot in found:
                return found[slot]
    return None


def _mean_of(program: Program, found: dict[int, Average], average: Average) -> list[int]:
    """The slots of what an average of squares squares, the first step's first; none where it averages anything else."""
    before = next((found[slot] for slot in average.decayed.inputs if slot in found), None)
    earlier = _mean_of(program, found, before) if before else []
    maker = program.maker.get(average.rest)
    square = next((program.maker.get(slot) for slot in maker.inputs if slot in program.maker), None) if maker else None
    if square is None or not (
        square.name == "square" or (square.name == "integer_pow" and square.eqn.params["y"] == 2)
    ):
        return []
    return [*earlier, square.inputs[0]] if bool(earlier) == (before is not None) else []


def _centred(decay: float, slots: list[int]) -> Change:
    def change(call: Call, x: Any) -> Any:
        mean = sum(decay ** (len(slots) - 1 - k) * (1 - decay) * call.known[slot] for k, slot in enumerate(slots))
        return x - mean**2

    return change


def _groups(found: dict[int, Average]) -> Iterator[list[Average]]:
    """All, then those of one decay."""
    every = list(found.values())
    yield every
    decays = list(dict.fromkeys(average.decay for average in every))
    if len(decays) > 1:
        yield from ([average for average in every if average.decay == decay] for decay in decays)


def averages(program: Program) -> dict[int, Average]:
    """By the slot of the sum."""
    found: dict[int, Average] = {}
    for step in program.steps:
        for place in (0, 1) if step.name == "add" and step.shape else ():
            maker = program.maker.get(step.inputs[place])
            decay = _decay(maker)
            if maker is not None and 0.5 <= decay < 1:
                before = next((found[slot] for slot in maker.inputs if slot in found), None)
                if before is not None or any(_starts(program, slot) for slot in _others(maker)):
                    count = before.count + 1 if before else 1
                    found[step.outputs[0]] = Average(step, maker, step.inputs[1 - place], decay, count)
                    break
    return found


def _decay(maker: Step | None) -> float:
    """The number that a product multiplies by; 0 without one."""
    if maker is None or maker.name != "mul":
        return 0.0
    return next((number for number in map(maker.literal, (0, 1)) if number is not None), 0.0)


def _others(maker: Step) -> list[int]:
    """What is not a number."""
    return [slot for slot, number in zip(maker.inputs, maker.numbers, strict=True) if number is None]


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


def _count(call: Call, average: Average) -> Any:
    """How many steps there were, this one with them: a loop counts its passes."""
    return call.known[PASS] + 1 if PASS in call.known else average.count


def _nesterov(average: Average) -> Change:
    return lambda call, x: call.known[average.rest] + average.decay * x


def _corrected(average: Average) -> Change:
    return lambda call, x: x / (1 - average.decay ** _count(call, average))
