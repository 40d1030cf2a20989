"""Label smoothing: the share of a label's weight that every class has part in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from parity.diagnosis.flat import Step
from parity.diagnosis.guesses import named_value, rounder
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Program, Proposal
from parity.diagnosis.screen import Screen

__all__ = ["smoothed"]

_HALF = 0.5  # the share that is tried first; the outputs are linear in it


def smoothed(screen: Screen, program: Program) -> Iterator[Proposal]:
    """Labels that choose, or are one-hot, spread over the classes by whatever share closes the gap."""
    for step in program.steps:
        if _chooses(step) or _is_hot(program, step):
            results = screen.trial({step.number: _spread(step, _HALF)})
            share = _share(screen, results) if results else 0.0
            for value in rounder(share) if 1e-4 < share < 1 else ():
                text = f"at {step.source} every label gives {named_value(value)} of its weight to all classes alike"
                yield Proposal(f"{text}: label smoothing", {step.number: _spread(step, value)})


def _chooses(step: Step) -> bool:
    """Whether labels choose one number of every row."""
    return step.name == "gather" and len(step.shapes[0]) > 1 and step.eqn.outvars[0].aval.dtype.kind == "f" and (
        np.prod(step.shape) * step.shapes[0][-1] == np.prod(step.shapes[0])
    )  # fmt: skip


def _is_hot(program: Program, step: Step) -> bool:
    """Whether it makes numbers of labels held against a count of the classes."""
    maker = program.maker.get(step.inputs[0]) if step.name == "convert_element_type" else None
    if maker is None or maker.name != "eq" or len(step.shape) < 2 or step.eqn.outvars[0].aval.dtype.kind != "f":
        return False
    return any(_counts(program, slot) for slot in maker.inputs)


def _counts(program: Program, slot: int) -> bool:
    maker = program.maker.get(slot)
    while maker is not None and maker.name in ("broadcast_in_dim", "reshape", "convert_element_type"):
        maker = program.maker.get(maker.inputs[0])
    return maker is not None and maker.name == "iota"


def _spread(step: Step, share: float) -> Edit:
    def edit(call: Call) -> list[Any]:
        out = call.run()[0]
        chosen = step.name == "gather"
        even = call.xp.reshape(call.inputs[0].mean(-1), out.shape) if chosen else 1 / step.shape[-1]
        return [(1 - share) * out + share * even]

    return edit


def _share(screen: Screen, results: Mapping[str, np.ndarray]) -> float:
    slope, gap = [], []
    for path in screen.outputs.failing:
        if results[path].shape != screen.outputs.wanted[path].shape or results[path].dtype.kind != "f":
            return 0.0
        slope.append(np.ravel(results[path] - screen.start[path]) / _HALF)
        gap.append(np.ravel(screen.outputs.wanted[path] - screen.start[path]))
    one, other = np.concatenate(slope), np.concatenate(gap)
    return float(one @ other / (one @ one)) if one.any() else 0.0
