"""Other derivatives of the same values: a kink's other side, a share of a tie, a value held constant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
from jax import lax

from parity.diagnosis.alternatives import KINKS
from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Alternative, Program
from parity.diagnosis.words import WORDS

__all__ = ["gradient_swaps"]


def gradient_swaps(program: Program, *, held: bool = True) -> Iterator[Alternative]:
    """Other derivatives of the same values: a kink's other side, and if ``held`` a value held constant."""
    for step in program.steps:
        if step.name == "stop_gradient":
            text = "the stop_gradient is left out"
            yield Alternative(step, text, lambda call: [call.inputs[0]], "detach-vs-stop-gradient")
            continue
        for sentence, trap, function in KINKS.get(step.name, []):
            yield Alternative(step, sentence, lambda call, f=function: [f(*call.inputs)], trap)
        yield from _bounded(step)
        if held and not step.bodies and step.name not in ("broadcast_in_dim", "reshape", "convert_element_type"):
            text = "the value computed there is held constant (stop_gradient)"
            yield Alternative(step, text, _held, "detach-vs-stop-gradient")
    yield from _inputs_held(program) if held else ()


def _inputs_held(program: Program) -> Iterator[Alternative]:
    """An input that enters two operands, or two steps, and is detached in one of them."""
    for slot in program.flat.inputs:
        takers = program.takers.get(slot, [])
        if sum(taker.inputs.count(slot) for taker in takers) > 1:
            for taker in takers:
                for place, at in enumerate(taker.inputs):
                    if at == slot and not taker.bodies:
                        word = WORDS.get(taker.name, taker.name)
                        text = f"operand {place} of the {word} is held constant (stop_gradient)"
                        yield Alternative(taker, text, _operand_held(place), "detach-vs-stop-gradient")


def _operand_held(place: int) -> Edit:
    return lambda call: call.run([lax.stop_gradient(x) if at == place else x for at, x in enumerate(call.inputs)])


def _bounded(step: Step) -> Iterator[Alternative]:
    """On a bound itself: both ends of a clip at once, where each alone would name one."""
    bounds = [place for place, shape in enumerate(step.shapes) if not shape and step.shape]
    if step.name in ("reduce_max", "reduce_min") and len(step.eqn.params["axes"]) == 1:
        text = "among equals the derivative of the maximum or minimum goes to the first alone, a tie is not shared"
        yield Alternative(step, text, lambda call: [_first_of(call)], "max-ties-grad")
    if step.name in ("max", "min") and len(bounds) == 1:
        text = "on the bound itself the derivative is that of the value, and no share goes to the bound: an edge, a tie"
        bound, further = bounds[0], (jnp.less if step.name == "max" else jnp.greater)

        def edit(call: Call) -> list[Any]:
            x, end = call.inputs[1 - bound], call.inputs[bound]
            return [jnp.where(further(x, end), end, x)]

        yield Alternative(step, text, edit, "clip-boundary-grad")


def _first_of(call: Call) -> Any:
    axis, x = call.step.eqn.params["axes"][0], call.inputs[0]
    place = (jnp.argmax if call.step.name == "reduce_max" else jnp.argmin)(x, axis, keepdims=True)
    return jnp.squeeze(jnp.take_along_axis(x, place, axis), axis)


def _held(call: Call) -> list[Any]:
    return [lax.stop_gradient(out) for out in call.run()]
