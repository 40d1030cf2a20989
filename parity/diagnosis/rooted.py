"""An epsilon inside a square root that belongs outside, or the reverse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call
from parity.diagnosis.proposals import Alternative, Program

__all__ = ["across_the_root"]


def across_the_root(program: Program) -> Iterator[Alternative]:
    """An epsilon inside a square root that belongs outside, or the reverse."""
    for step in program.steps:
        eps = (
            next((e for e in (step.literal(0), step.literal(1)) if e is not None), None) if step.name == "add" else None
        )
        if eps is None or not 0 < eps <= 1e-2:
            continue
        text = f"{eps:g} is added under the root, not to it"
        yield Alternative(step, text, lambda call, e=eps: [_under(call, e)], _trap(step))
        for root in program.takers.get(step.outputs[0], ()):
            if root.name in ("sqrt", "rsqrt"):
                text = f"the eps, {eps:g}, is added to the root, not under it"
                bare = next(place for place in (0, 1) if step.literal(place) is None)
                yield Alternative(root, text, _outside(step.inputs[bare], eps, root.name == "rsqrt"), _trap(step))


def _trap(step: Step) -> str:
    """A standardisation has an epsilon too."""
    return "" if re.search(r"var|mean|norm|centred", step.source.partition("`")[2]) else "adam-eps-root"


def _under(call: Call, eps: float) -> Any:
    bare = call.inputs[0] if call.step.literal(1) is not None else call.inputs[1]
    return call.xp.sqrt(bare**2 + eps)


def _outside(slot: int, eps: float, inverse: bool) -> Callable[[Call], list[Any]]:
    def edit(call: Call) -> list[Any]:
        root = call.xp.sqrt(call.known[slot]) + eps
        return [1 / root if inverse else root]

    return edit
