"""A function left out behind a step or before an operand of it; Bessel's correction, each step by its own count."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from jax import numpy as jnp

from parity.diagnosis.alternatives import PASSED
from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Program, Proposal
from parity.diagnosis.words import MOVES, WORDS

__all__ = ["at", "functions_left_out", "is_float"]

_OPERANDS = (
    *("add", "sub", "mul", "div", "max", "min", "dot_general", "pow"),
    *("integer_pow", "square", "log", "exp", "neg"),
)
_LAYERS = ("dot_general", "conv_general_dilated", "add")
_ALONE = 12  # layers of one place in code that are tried one by one
_UP = 12  # steps from a value back to the sum that it is made of


def functions_left_out(program: Program) -> Iterator[Proposal]:
    """Every function that there is, at every place in code."""
    for steps in program.sites.values():
        first = steps[0]
        if not is_float(first) or first.bodies or len(first.outputs) > 1:
            continue
        noun = WORDS.get(first.name, first.name)
        if first.name not in MOVES:
            yield from _corrected(program, steps)
        for name, function in PASSED.items():
            if name in ("the exact gelu", "silu") and first.name not in _LAYERS:  # nearly x itself, where x is large
                continue
            if first.name not in MOVES:
                text = f"{at(first)} the {WORDS.get(first.name, 'value')} goes through {name}"
                yield Proposal(text, {step.number: _through(function) for step in steps})
            for place in range(len(first.inputs)) if first.name in _OPERANDS else ():
                if first.literal(place) is None:
                    edit = _through(function, place)
                    text = f"{at(first)} operand {place} of the {noun} goes through {name}"
                    yield Proposal(text, {step.number: edit for step in steps})
    yield from _behind_layers(program)


def _behind_layers(program: Program) -> Iterator[Proposal]:
    """Behind one layer of several that one place in code makes, a stack's: its scope says which."""
    for steps in program.sites.values():
        if steps[0].name in _LAYERS and 1 < len(steps) <= _ALONE and is_float(steps[0]):
            for name, function in PASSED.items():
                for step in steps:
                    if scope := str(step.eqn.source_info.name_stack):
                        noun = WORDS.get(step.name, "value")
                        yield Proposal(f"in {scope} the {noun} goes through {name}", {step.number: _through(function)})


def _corrected(program: Program, steps: list[Step]) -> Iterator[Proposal]:
    """Each pass by its own count: of a batch, and of the shorter one behind it."""
    counts = [_count(program, step) for step in steps]
    if min(counts) > 1:
        shown = " and ".join(dict.fromkeys(f"{n}/{n - 1}" for n in counts))
        edits = {
            step.number: _through(lambda _, x, n=n: x * n / (n - 1)) for step, n in zip(steps, counts, strict=True)
        }
        text = f"{at(steps[0])} the {WORDS.get(steps[0].name, 'value')} goes through Bessel's correction, n / (n - 1)"
        yield Proposal(f"{text} = {shown}: the unbiased variance", edits)


def _count(program: Program, step: Step) -> int:
    """How many numbers were summed up into what a step gives; 0 where none were."""
    front = [step]
    for _ in range(_UP):
        for near in front:
            if near.name == "reduce_sum":
                return prod(near.shapes[0][axis] for axis in near.eqn.params["axes"])
        makers = [program.maker.get(slot) for near in front for slot in near.inputs]
        front = [maker for maker in makers if maker is not None]
    return 0


def is_float(step: Step) -> bool:
    """Whether a step gives numbers with a point."""
    return bool(step.outputs) and jnp.issubdtype(getattr(step.eqn.outvars[0].aval, "dtype", np.int64), np.floating)


def at(step: Step) -> str:
    """The place in code, as a sentence begins with it."""
    return f"at {step.source}" if step.source else "everywhere"


def _through(function: Any, place: int | None = None) -> Edit:
    def edit(call: Call) -> list[Any]:
        if place is None:
            return [function(call.xp, call.run()[0])]
        inputs = list(call.inputs)
        inputs[place] = function(call.xp, inputs[place])
        return call.run(inputs)

    return edit
