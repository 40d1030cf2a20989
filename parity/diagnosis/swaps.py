"""What a step of a JAX program might have been meant to be: other functions of the same inputs.

Each is an alternative to try in place; only one that closes the whole gap is ever spoken of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from parity.diagnosis.alternatives import BINARY, UNARY
from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call
from parity.diagnosis.proposals import Alternative, Program
from parity.diagnosis.rooted import across_the_root

__all__ = ["value_swaps"]


def value_swaps(program: Program) -> Iterator[Alternative]:
    """Other ways to compute each step, as far as they change the values."""
    for step in program.steps:
        for sentence, trap, function in UNARY.get(step.name, []):
            yield Alternative(step, sentence, _on_first(function), trap)
        for sentence, trap, function in BINARY.get(step.name, []):
            yield Alternative(step, _with_number(step, sentence), _on_both(function), trap)
        yield from _SPECIAL.get(step.name, lambda _: ())(step)
        yield from _select(step, program) if step.name == "select_n" else ()
    yield from _slices(program)
    yield from across_the_root(program)


def _with_number(step: Step, sentence: str) -> str:
    """The number that stands there, where one is left out."""
    for place, word in ((1, "the second"), (0, "the first")):
        number = step.literal(place)
        if number is not None and sentence.startswith(word) and sentence.endswith("left out"):
            return sentence.replace(" is left", f", {number:g}, is left")
    return sentence


def _on_first(function: Callable) -> Callable[[Call], list[Any]]:
    return lambda call: [function(call.xp, call.inputs[0])]


def _on_both(function: Callable) -> Callable[[Call], list[Any]]:
    return lambda call: [function(call.xp, *call.inputs[:2])]


def _with(**changed: Any) -> Callable[[Call], list[Any]]:
    return lambda call: call.run(**changed)


def _broadcast(step: Step) -> Iterator[Alternative]:
    """(n,) met (n, 1) and became (n, n): the pairs alone, spread out again so that means come out right."""
    if len(step.shape) != 2 or step.shape[0] != step.shape[1] or step.shapes[0] == step.shapes[1]:
        return

    def alone(call: Call) -> list[Any]:
        first, second = (call.xp.broadcast_to(x, step.shape) for x in call.inputs)
        return call.run([first, second.T])

    n = step.shape[0]
    yield Alternative(
        step, f"row i meets row i alone: arrays of shape ({n},) and ({n}, 1) were broadcast to ({n}, {n})", alone
    )


def _reduction(step: Step) -> Iterator[Alternative]:
    count = int(np.prod([step.shapes[0][axis] for axis in step.eqn.params["axes"]]))
    text = f"the sum is a mean (over {count})"
    yield Alternative(step, text, lambda call: [call.run()[0] / count], "sum-vs-mean-reduction")
    yield Alternative(step, f"the sum is one of squares (over {count})", lambda call: call.run([call.inputs[0] ** 2]))
    text = f"the sum is the norm, the root of the sum of squares (over {count})"
    yield Alternative(step, text, lambda call: [call.xp.sqrt(call.run([call.inputs[0] ** 2])[0])])


def _extreme(step: Step) -> Iterator[Alternative]:
    axes = tuple(step.eqn.params["axes"])
    count = int(np.prod([step.shapes[0][axis] for axis in axes]))
    word = {"reduce_max": "maximum", "reduce_min": "minimum"}[step.name]
    yield Alternative(step, f"the {word} is a mean (over {count})", lambda call: [call.inputs[0].sum(axes) / count])
    yield Alternative(step, f"the {word} is a sum", lambda call: [call.inputs[0].sum(axes)])
    text = f"the {word} is the norm, the root of the sum of squares"
    yield Alternative(step, text, lambda call: [call.xp.sqrt((call.inputs[0] ** 2).sum(axes))])
    other = {"reduce_max": "min", "reduce_min": "max"}[step.name]
    yield Alternative(
        step, f"the {word} is a {other}imum", lambda call: [getattr(call.xp, other)(call.inputs[0], axes)]
    )


def _product(step: Step) -> Iterator[Alternative]:
    for place, shape in enumerate(step.shapes[:2]):
        if len(shape) >= 2 and shape[-1] == shape[-2] > 1:

            def turned(call: Call, place: int = place) -> list[Any]:
                inputs = list(call.inputs)
                inputs[place] = call.xp.swapaxes(inputs[place], -1, -2)
                return call.run(inputs)

            text = f"operand {place} of the product, {list(shape)}, is transposed"
            yield Alternative(step, text, turned, "linear-transpose")


def _power(step: Step) -> Iterator[Alternative]:
    for other in (1, 2, 3, 4):
        if other != step.eqn.params["y"]:
            yield Alternative(
                step, f"the exponent, the power, is {other} instead of {step.eqn.params['y']}", _with(y=other)
            )
    if step.eqn.params["y"] == 2:
        yield Alternative(step, "the square is an absolute value", lambda call: [abs(call.inputs[0])])


def _select(step: Step, program: Program) -> Iterator[Alternative]:
    if len(step.inputs) == 3:
        text = "the two branches of the choice change places: its condition, or the mask, the other way round"
        yield Alternative(step, text, lambda call: [call.xp.where(call.inputs[0], *call.inputs[1:])], "mask-polarity")
        for place, word in ((1, "false"), (2, "true")):
            text = f"{_choice(program, step, place)} is left out: the branch for {word} everywhere"
            yield Alternative(step, text, lambda call, p=place: [call.xp.broadcast_to(call.inputs[p], step.shape)])


def _choice(program: Program, step: Step, kept: int) -> str:
    """A mask puts one number in place of some; a clip puts the bound."""
    number, maker = step.literal(3 - kept), program.maker.get(step.inputs[3 - kept])
    while number is None and maker is not None and maker.name in ("broadcast_in_dim", "convert_element_type"):
        number, maker = maker.literal(0), program.maker.get(maker.inputs[0])
    return "the choice" if number is None else "the choice of a number (a mask, or a clip)"


def _written(step: Step) -> Iterator[Alternative]:
    """What is put into places that occur more than once."""
    kinds = {
        "scatter": "overwrites",
        "scatter-add": "adds",
        "scatter_mul": "multiplies",
        "scatter_max": "takes the larger",
    }
    yield Alternative(step, "the scatter is left out: nothing is written (at[...])", lambda call: [call.inputs[0]])
    for name, word in kinds.items():
        if name != step.name:
            text = f"what is written to an index (at[...]) {word}, and no longer {kinds[step.name]}"
            yield Alternative(step, text, _scattered(name))


def _scattered(name: str) -> Callable[[Call], list[Any]]:
    function = {"scatter": lax.scatter, "scatter-add": lax.scatter_add, "scatter_mul": lax.scatter_mul}
    taken = ("indices_are_sorted", "unique_indices", "mode")

    def edit(call: Call) -> list[Any]:
        params = {key: call.step.eqn.params[key] for key in taken}
        inputs = [*map(jnp.asarray, call.inputs), call.step.eqn.params["dimension_numbers"]]
        out = function.get(name, lax.scatter_max)(*inputs, **params)
        return [np.asarray(out) if call.xp is np else out]

    return edit


def _running(step: Step) -> Iterator[Alternative]:
    reverse = not step.eqn.params["reverse"]
    yield Alternative(step, "the running sum starts at the other end", _with(reverse=reverse))
    text = "the running sum leaves the element itself out"
    yield Alternative(step, text, lambda call: [call.run()[0] - call.inputs[0]])


def _moved(step: Step) -> Iterator[Alternative]:
    word = {"rev": "flip", "transpose": "transpose", "sort": "sort"}[step.name]
    if len(step.outputs) == 1:
        yield Alternative(step, f"the {word} is left out", lambda call: [call.inputs[0]])


def _parts(step: Step) -> Iterator[Alternative]:
    """The parts of a split in another order: the gates of an LSTM, q, k and v."""
    count = len(step.outputs)
    if 2 <= count <= 4 and len({var.aval.shape for var in step.eqn.outvars}) == 1:
        for order in _orders(count):
            text = f"the {count} parts (blocks, gates) of the split are taken in the order {order}"
            yield Alternative(step, text, lambda call, o=order: [call.run()[at] for at in o], _PACKED.get(count, ""))


_PACKED = {3: "mha-weight-packing", 4: "lstm-gate-order"}


def _orders(count: int) -> Iterator[tuple[int, ...]]:
    """Permutations, those that exchange two first."""
    plain = tuple(range(count))
    moved = [order for order in permutations(plain) if order != plain]
    yield from sorted(moved, key=lambda order: sum(a != b for a, b in zip(order, plain, strict=True)))


def _slices(program: Program) -> Iterator[Alternative]:
    """The same of slices of one array: of equal sizes, each from another start."""
    for takers in program.takers.values():
        family = [step for step in takers if step.name == "slice"]
        starts = [step.eqn.params["start_indices"] for step in family]
        if not (2 <= len(family) <= 4 and len(set(starts)) == len(starts) and len({s.shape for s in family}) == 1):
            continue
        for order in _orders(len(family)):
            text = f"the {len(family)} slices (blocks, gates) of one array are taken in the order {order}"
            for step, place in zip(family, order, strict=True):
                span = {name: family[place].eqn.params[name] for name in ("start_indices", "limit_indices", "strides")}
                yield Alternative(step, text, _with(**span), _PACKED.get(len(family), ""))


_SPECIAL: dict[str, Callable[[Step], Iterator[Alternative]]] = {
    **dict.fromkeys(("sub", "mul", "add", "div"), _broadcast),
    "reduce_sum": _reduction,
    "reduce_max": _extreme,
    "reduce_min": _extreme,
    "dot_general": _product,
    "integer_pow": _power,
    **dict.fromkeys(("scatter", "scatter-add", "scatter_mul", "scatter_max"), _written),
    "cumsum": _running,
    "rev": _moved,
    "split": _parts,
    "transpose": _moved,
}
