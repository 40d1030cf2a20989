"""What an equation of a JAX program might have been meant to be: other functions of the same inputs, of the same shape.

Each is an alternative to try in place; only one that closes the whole gap is ever spoken of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from parity.alternatives import BINARY, KINKS, PASSED, UNARY
from parity.jaxprs import inner_programs
from parity.sites import Placed, placed

__all__ = ["Swap", "gradient_swaps", "value_swaps"]

Alternative = Callable[[list[Any], Any], Any]
"""(inputs, output) to another output."""


@dataclass(frozen=True)
class Swap:
    """One equation computed another way.

    Attributes:
        key: the equation's id.
        sentence: what it becomes, as the end of "the gap vanishes if ...".
        source: the line of the program.
        trap: the known trap behind it.
        make: the alternative.
    """

    key: int
    sentence: str
    source: str
    trap: str
    make: Alternative


def value_swaps(program: Any) -> list[Swap]:
    """Other ways to compute each equation, as far as they change the values."""
    found = [swap for here in placed(program) for swap in _of(here)]
    return [*found, *_across_the_root(program)]


def gradient_swaps(program: Any) -> list[Swap]:
    """Other derivatives of the same values: a value held constant, a kink's other side."""
    return [swap for here in placed(program) for swap in _derivatives(here)]


def _derivatives(here: Placed) -> Iterator[Swap]:
    name, key, source = here.eqn.primitive.name, id(here.eqn), here.source
    if name == "stop_gradient":
        yield Swap(key, "the stop_gradient is left out", source, "detach-vs-stop-gradient", lambda xs, _: xs[0])
        return
    for sentence, trap, function in KINKS.get(name, []):
        yield Swap(key, sentence, source, trap, lambda xs, _, f=function: f(*xs))
    if not inner_programs(here.eqn) and name not in ("broadcast_in_dim", "reshape", "convert_element_type"):
        text = "the value computed there is held constant (stop_gradient)"
        yield Swap(key, text, source, "detach-vs-stop-gradient", lambda _, out: lax.stop_gradient(out))


def _of(here: Placed) -> Iterator[Swap]:
    name, shapes = here.eqn.primitive.name, [getattr(v.aval, "shape", None) for v in here.eqn.invars]
    for sentence, trap, function in UNARY.get(name, []):
        yield Swap(id(here.eqn), sentence, here.source, trap, lambda xs, _, f=function: f(xs[0]))
    for sentence, trap, function in BINARY.get(name, []):
        yield Swap(id(here.eqn), sentence, here.source, trap, lambda xs, _, f=function: f(xs[0], xs[1]))
    if name in BINARY and len(here.eqn.outvars[0].aval.shape) == 2:
        yield from _paired(here)
    yield from _SPECIAL.get(name, lambda *_: ())(here, shapes)


def _paired(here: Placed) -> Iterator[Swap]:
    """(n,) met (n, 1) and became (n, n): the pairs alone, spread out again so that means come out right."""
    n, m = here.eqn.outvars[0].aval.shape
    if n != m or here.eqn.primitive.name not in ("sub", "mul", "add", "div"):
        return
    function = {"sub": jnp.subtract, "mul": jnp.multiply, "add": jnp.add, "div": jnp.divide}[here.eqn.primitive.name]

    def alternative(inputs: list[Any], out: Any) -> Any:
        a, b = (jnp.broadcast_to(x, out.shape) for x in inputs)
        return function(a, b.T)

    text = f"row i meets row i alone: arrays of shape ({n},) and ({n}, 1) were broadcast to ({n}, {n})"
    yield Swap(id(here.eqn), text, here.source, "", alternative)


def _reduction(here: Placed, shapes: list[Any]) -> Iterator[Swap]:
    count = int(np.prod([shapes[0][axis] for axis in here.eqn.params["axes"]]))
    text = f"the sum is a mean (over {count})"
    yield Swap(id(here.eqn), text, here.source, "sum-vs-mean-reduction", lambda _, out: out / count)
    if len(here.eqn.params["axes"]) == 1 and count > 1:
        axis = here.eqn.params["axes"][0]
        for other in range(len(shapes[0])):
            if other != axis and shapes[0][other] == count:
                text = f"the sum runs over axis {other} instead of axis {axis}"
                yield Swap(id(here.eqn), text, here.source, "", lambda xs, _, o=other: jnp.sum(xs[0], axis=o))


def _product(here: Placed, shapes: list[Any]) -> Iterator[Swap]:
    for name, function in PASSED.items():
        text = f"the product goes through {name}"
        yield Swap(id(here.eqn), text, here.source, "", lambda _, out, f=function: f(out))
    for place, shape in enumerate(shapes[:2]):
        if len(shape) >= 2 and shape[-1] == shape[-2] > 1:

            def alternative(inputs: list[Any], _: Any, place: int = place) -> Any:
                inputs = list(inputs)
                inputs[place] = jnp.swapaxes(inputs[place], -1, -2)
                return here.eqn.primitive.bind(*inputs, **{**here.eqn.params, "preferred_element_type": None})

            text = f"operand {place} of the product, {list(shape)}, is transposed"
            yield Swap(id(here.eqn), text, here.source, "linear-transpose", alternative)


def _convolution(here: Placed, shapes: list[Any]) -> Iterator[Swap]:
    spec, params = here.eqn.params["dimension_numbers"].rhs_spec, here.eqn.params

    def run(inputs: list[Any], kernel: Any, **changed: Any) -> Any:
        return here.eqn.primitive.bind(inputs[0], kernel, **{**params, **changed, "preferred_element_type": None})

    key, source = id(here.eqn), here.source
    yield Swap(key, "the kernel is flipped", source, "convolve-flips", lambda xs, _: run(xs, jnp.flip(xs[1], spec[2:])))
    if shapes[1][spec[0]] == shapes[1][spec[1]] > 1:
        text = "the kernel's in and out channels change places"
        yield Swap(key, text, source, "conv-kernel-layout", lambda xs, _: run(xs, jnp.swapaxes(xs[1], *spec[:2])))
    if len(spec) == 4 and shapes[1][spec[2]] == shapes[1][spec[3]] > 1:
        text = "the kernel's height and width change places"
        yield Swap(key, text, source, "conv-kernel-layout", lambda xs, _: run(xs, jnp.swapaxes(xs[1], *spec[2:])))
    mirrored = tuple((high, low) for low, high in params["padding"])
    if mirrored != tuple(params["padding"]):
        text = f"the padding is {mirrored} instead of {tuple(params['padding'])}"
        yield Swap(key, text, source, "conv-default-padding", lambda xs, _: run(xs, xs[1], padding=mirrored))


def _power(here: Placed, _: list[Any]) -> Iterator[Swap]:
    for other in (1, 2, 3, 4):
        if other != here.eqn.params["y"]:
            text = f"the exponent is {other} instead of {here.eqn.params['y']}"
            yield Swap(id(here.eqn), text, here.source, "", lambda xs, _, y=other: xs[0] ** y)


def _select(here: Placed, _: list[Any]) -> Iterator[Swap]:
    if len(here.eqn.invars) == 3:
        text = "the two branches of the choice change places"
        yield Swap(id(here.eqn), text, here.source, "mask-polarity", lambda xs, _: jnp.where(xs[0], xs[1], xs[2]))


def _running(here: Placed, _: list[Any]) -> Iterator[Swap]:
    axis = here.eqn.params["axis"]
    text = "the running sum starts at the other end"
    yield Swap(
        id(here.eqn), text, here.source, "", lambda xs, _: jnp.flip(jnp.cumsum(jnp.flip(xs[0], axis), axis), axis)
    )
    text = "the running sum leaves the element itself out"
    yield Swap(id(here.eqn), text, here.source, "", lambda xs, out: out - xs[0])


def _moved(here: Placed, shapes: list[Any]) -> Iterator[Swap]:
    if here.eqn.outvars[0].aval.shape == shapes[0]:
        word = {"rev": "flip", "transpose": "transpose", "sort": "sort"}[here.eqn.primitive.name]
        yield Swap(id(here.eqn), f"the {word} is left out", here.source, "", lambda xs, _: xs[0])


def _parts(here: Placed, _: list[Any]) -> Iterator[Swap]:
    """The parts of a split in another order: the gates of an LSTM, q, k and v."""
    count = len(here.eqn.outvars)
    if 2 <= count <= 4 and len({var.aval.shape for var in here.eqn.outvars}) == 1:
        for order in permutations(range(count)):
            if order != tuple(range(count)):
                text = f"the {count} parts of the split are taken in the order {order}"
                trap = {3: "mha-weight-packing", 4: "lstm-gate-order"}.get(count, "")
                yield Swap(id(here.eqn), text, here.source, trap, lambda _, outs, o=order: [outs[i] for i in o])


_SPECIAL: dict[str, Callable[[Placed, list[Any]], Iterator[Swap]]] = {
    "reduce_sum": _reduction,
    "dot_general": _product,
    "conv_general_dilated": _convolution,
    "integer_pow": _power,
    "select_n": _select,
    "cumsum": _running,
    "rev": _moved,
    "split": _parts,
    "transpose": _moved,
}


def _across_the_root(program: Any) -> Iterator[Swap]:
    """An epsilon inside a square root that belongs outside, or the reverse."""
    for here in placed(program):
        eps = _literal(here.eqn)
        if here.eqn.primitive.name == "add" and eps is not None and 0 < eps <= 1e-2:
            text = f"{eps:g} is added under the root, not to it"
            inside = partial(_eps_inside, eps=eps)
            yield Swap(id(here.eqn), text, here.source, "adam-eps-root", inside)
            taken = [other for other in _takers(program, here.eqn.outvars[0]) if other.eqn.primitive.name in _ROOTS]
            for root in taken:
                text = f"{eps:g} is added to the root, not under it"
                outside = partial(_eps_outside, eps=eps, inverse=root.eqn.primitive.name == "rsqrt")
                yield Swap(id(root.eqn), text, root.source, "adam-eps-root", outside)


_ROOTS = ("sqrt", "rsqrt")


def _takers(program: Any, var: Any) -> list[Placed]:
    return [here for here in placed(program) if any(taken is var for taken in here.eqn.invars)]


def _eps_inside(_: list[Any], out: Any, eps: float) -> Any:
    return jnp.sqrt((out - eps) ** 2 + eps)


def _eps_outside(inputs: list[Any], _: Any, eps: float, inverse: bool) -> Any:
    root = jnp.sqrt(jnp.maximum(inputs[0] - eps, 0)) + eps
    return 1 / root if inverse else root


def _literal(eqn: Any) -> float | None:
    return next((float(v.val) for v in eqn.invars if isinstance(v, core.Literal) and np.ndim(v.val) == 0), None)
