"""A mean over what a mask leaves, divided by how many elements there are instead of by how many it leaves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Alternative, Program

__all__ = ["masked_means"]

_CARRIED = ("broadcast_in_dim", "convert_element_type", "reshape", "expand_dims", "squeeze", "copy")


def masked_means(program: Program) -> Iterator[Alternative]:
    """Every sum of a choice, or of a product with a mask, that is divided by its count."""
    for step in program.steps:
        maker = program.maker.get(step.inputs[0]) if step.name == "reduce_sum" else None
        if maker is None or maker.shape != step.shapes[0]:
            continue
        for place in _masks(program, maker):
            text = "the mean of what the mask leaves is divided by how many that are, not by all, masked or padding too"
            yield Alternative(step, text, _divided(step, maker.inputs[place]))


def _masks(program: Program, maker: Step) -> list[int]:
    """The operands that are masks: a choice's condition, a factor made of a truth value."""
    if maker.name == "select_n":
        return [0]
    return [place for place in (0, 1) if _is_truth(program, maker, place)] if maker.name == "mul" else []


def _is_truth(program: Program, step: Step, place: int) -> bool:
    for _ in range(6):
        if getattr(step.eqn.invars[place].aval.dtype, "kind", "") == "b":
            return True
        maker = program.maker.get(step.inputs[place])
        if maker is None or maker.name not in _CARRIED:
            return False
        step, place = maker, 0
    return False


def _divided(step: Step, mask: int) -> Edit:
    axes = tuple(step.eqn.params["axes"])
    count = math.prod(step.shapes[0][axis] for axis in axes)

    def edit(call: Call) -> list[Any]:
        left = call.xp.broadcast_to(call.known[mask] * 1.0, step.shapes[0]).sum(axes)
        return [call.run()[0] * count / left]

    return edit
