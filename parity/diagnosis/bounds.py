"""What keeps numbers within bounds: a clamp of a logarithm, a margin of a comparison, a key of zeros in a softmax."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Alternative, Program

__all__ = ["bounds"]

_MARGINS = (1e-4, 1e-3, 1e-2, 1e-6, 0.1)
_EPSILON = 1e-2
_COMPARED = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_LEAST = -100.0  # torch's own bound of the logarithms of a binary cross entropy


def bounds(program: Program) -> Iterator[Alternative]:
    """Bounds that one side has, and the other has not."""
    for step in program.steps:
        if step.name in ("log", "log1p"):
            yield from _logarithm(program, step)
        elif step.name in _COMPARED and getattr(step.eqn.invars[0].aval.dtype, "kind", "") == "f":
            yield from _compared(step)
        elif step.name == "reduce_sum":
            yield from _softmax(program, step)


def _logarithm(program: Program, step: Step) -> Iterator[Alternative]:
    maker = program.maker.get(step.inputs[0])
    eps = next((n for n in maker.numbers if n is not None and 0 < n <= _EPSILON), None) if maker is not None else None
    if maker is not None and maker.name == "add" and eps is not None:
        bare = next(slot for slot, number in zip(maker.inputs, maker.numbers, strict=True) if number is None)
        text = f"the logarithm takes no {eps:g}, its epsilon, and is clamped to at least {_LEAST:g}"
        yield Alternative(step, text, lambda call: [call.xp.maximum(call.run([call.known[bare]])[0], _LEAST)])
    text = f"the logarithm is clamped to at least {_LEAST:g}"
    yield Alternative(step, text, lambda call: [call.xp.maximum(call.run()[0], _LEAST)])


def _compared(step: Step) -> Iterator[Alternative]:
    for margin in _MARGINS:
        for sign, way in ((-1, "less"), (1, "more")):
            text = f"the right side of the {_COMPARED[step.name]} is {margin:g} of itself {way}: a relative threshold"
            yield Alternative(step, text, _margin(lambda _, b, m=sign * margin: b * (1 + m)))
            text = f"the right side of the {_COMPARED[step.name]} is {margin:g} {way}: an absolute threshold"
            yield Alternative(step, text, _margin(lambda _, b, m=sign * margin: b + m))


def _margin(change: Any) -> Edit:
    return lambda call: call.run([call.inputs[0], change(call.xp, call.inputs[1])])


def _softmax(program: Program, step: Step) -> Iterator[Alternative]:
    """A sum of exp(x - max) over one axis, with a score of 0 more or less in it."""
    power = program.maker.get(step.inputs[0])
    shifted = program.maker.get(power.inputs[0]) if power is not None and power.name == "exp" else None
    if shifted is None or shifted.name != "sub":
        return
    slot = shifted.inputs[1]
    for sign, word in ((1, "one more"), (-1, "one less")):
        text = f"the softmax has {word} key, of score 0: a key of zeros, or padding that counts"

        def edit(call: Call, slot: int = slot, sign: int = sign) -> list[Any]:
            top, axes = call.known[slot], tuple(step.eqn.params["axes"])
            top = call.xp.broadcast_to(top, step.shapes[0]).max(axes)
            return [call.run()[0] + sign * call.xp.exp(-top)]

        yield Alternative(step, text, edit)
