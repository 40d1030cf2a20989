"""Reductions, running sums and the like over other axes, and what restores the axes behind them moved along."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Program, Proposal

__all__ = ["other_axes"]

_REDUCES = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "argmax", "argmin")
_ALONG = {"cumsum": "axis", "cumprod": "axis", "cummax": "axis", "cummin": "axis", "sort": "dimension"}
_NOUNS = {
    "reduce_sum": "sum",
    "reduce_max": "maximum",
    "reduce_min": "minimum",
    "cumsum": "running sum",
    "sort": "sort",
}


def other_axes(program: Program) -> Iterator[Proposal]:
    """All reductions of one line over other axes, then all of the program that ran over the same; then the others."""
    seen = set()
    for key in (lambda step: step.source, lambda _: ""):
        groups: dict[tuple[str, tuple[int, ...], int], list[Step]] = {}
        for step in program.steps:
            if step.name in _REDUCES:
                rank = len(step.shapes[0])
                groups.setdefault((key(step), tuple(step.eqn.params["axes"]), rank), []).append(step)
        for (source, axes, rank), group in groups.items():
            mark = frozenset(step.number for step in group)
            if 2 <= rank <= 4 and mark not in seen:
                seen.add(mark)
                yield from _moved(program, group, axes, f"at {source}" if source else "everywhere")
    for steps in program.sites.values():
        if steps[0].name in (*_ALONG, "gather"):
            yield from _along(steps)


def _moved(program: Program, group: list[Step], axes: tuple[int, ...], where: str) -> Iterator[Proposal]:
    rank = len(group[0].shapes[0])
    every = [other for size in range(1, rank + 1) for other in combinations(range(rank), size) if other != axes]
    for other in sorted(every, key=lambda found: abs(len(found) - len(axes))):
        edits: dict[int, Edit] = {}
        for step in group:
            edits[step.number] = _reduced(other, keep=not step.shape)
            edits.update(_behind(program, step, axes, other))
        nouns = {_NOUNS.get(step.name, "reduction") for step in group}
        noun = nouns.pop() if len(nouns) == 1 else "reduction"
        yield Proposal(f"{where} the {noun} runs over {_axes(other)} instead of {_axes(axes)}", edits)


def _reduced(axes: tuple[int, ...], *, keep: bool) -> Edit:
    """Over these axes; what was one number goes with whatever it went with."""
    return lambda call: [call.xp.expand_dims(call.run(axes=axes)[0], axes)] if keep else call.run(axes=axes)


def _axes(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"


def _behind(program: Program, step: Step, axes: tuple[int, ...], other: tuple[int, ...]) -> dict[int, Edit]:
    """Steps that put the axes back as 1, and those that divide by how many numbers there were."""
    shape, edits = step.shapes[0], {}
    counts = (math.prod(shape[axis] for axis in axes), math.prod(shape[axis] for axis in other))
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    reached, front = {step.outputs[0]}, [step.outputs[0]]
    while front:
        for taker in program.takers.get(front.pop(), ()):
            if taker.number in edits:
                continue
            if _restores(taker, step, kept):
                edits[taker.number] = _restored(other)
            elif taker.name in ("div", "mul", "sub") and any(taker.literal(place) == counts[0] for place in (0, 1)):
                edits[taker.number] = _counted(*counts)
            elif taker.shape not in (step.shape, kept) or taker.bodies:
                continue
            fresh = [slot for slot in taker.outputs if slot not in reached]
            reached.update(fresh)
            front += fresh
    for near in program.steps:
        if near.source == step.source and near.name in ("sub", "div") and near.literal(0) == counts[0]:
            edits.setdefault(near.number, _counted(*counts))
    return edits


def _restores(taker: Step, step: Step, kept: tuple[int, ...]) -> bool:
    if taker.name == "broadcast_in_dim":
        return taker.shapes[0] == step.shape and len(taker.shape) == len(kept)
    return taker.name == "reshape" and taker.shape == kept


def _restored(axes: tuple[int, ...]) -> Edit:
    return lambda call: [call.xp.expand_dims(call.inputs[0], axes)]


def _counted(old: int, new: int) -> Edit:
    def edit(call: Call) -> list[Any]:
        places = [call.step.literal(place) == old for place in range(len(call.inputs))]
        return call.run([x * 0 + new if place else x for x, place in zip(call.inputs, places, strict=True)])

    return edit


def _along(steps: list[Step]) -> Iterator[Proposal]:
    """A step along one axis, done along another: its inputs turned, and its outputs turned back."""
    first = steps[0]
    where, rank = f"at {first.source}", len(first.shapes[0])
    if first.name == "gather":
        if len(first.shapes[1]) == rank + 1 and first.shape == first.shapes[0]:
            for one, other in combinations(range(rank), 2):
                text = f"{where} the gather runs along axis {one} instead of axis {other}, or the reverse"
                yield Proposal(text, {step.number: _turned(one, other) for step in steps})
        return
    name = _ALONG[first.name]
    for other in range(rank):
        if other != first.eqn.params[name]:
            text = f"the {_NOUNS.get(first.name, 'running value')} runs along axis {other} instead of axis"
            edit = _set(name, other)
            yield Proposal(f"{where} {text} {first.eqn.params[name]}", {step.number: edit for step in steps})


def _set(name: str, value: int) -> Edit:
    return lambda call: call.run(None, **{name: value})


def _turned(one: int, other: int) -> Callable[[Call], list[Any]]:
    def edit(call: Call) -> list[Any]:
        return [
            call.xp.swapaxes(out, one, other)
            for out in call.run([call.xp.swapaxes(x, one, other) for x in call.inputs])
        ]

    return edit
