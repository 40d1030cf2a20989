"""What rounding alone can do to a program: its jaxpr, interpreted in float64 with a random error at every equation.

An equation that moves, selects or compares numbers is exact. Any other gets a relative error, uniform in [-u, u], u
being the unit roundoff of its *own* output dtype, so that mixed precision needs no configuration. A sum of k terms t
gets in addition what adding them one after the other would cost: the partial sums S_j are each rounded with variance
(u S_j)^2 / 3, and for terms of mean m and spread s the sum of S_j^2 is k^3 m^2 / 3 + k^2 s^2 / 2, hence the variance
u^2 k (result^2 / 9 + sum(t^2) / 6). 16-bit sums are added in float32 by both frameworks and use its u.

The idea is Monte Carlo arithmetic (Parker 1997; Verificarlo, arXiv:1509.01347), applied to the program that JAX traces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from parity.arrays import ROUNDOFF
from parity.interpret import Seed, evaluated, is_inexact, mixed, walk, widened

__all__ = ["simulator"]

_MOVES = """
    abs argmax argmin broadcast_in_dim ceil clamp complex concatenate conj copy copy_p cummax cummin device_put
    dynamic_slice dynamic_update_slice expand_dims floor gather imag iota max min name neg optimization_barrier
    pad real reduce_max reduce_min reduce_precision reduce_window_max reduce_window_min reshape rev round scatter
    select_n select_and_gather_add select_and_scatter_add sharding_constraint sign slice sort split squeeze
    stop_gradient tile top_k transpose
"""
_EXACT = frozenset(_MOVES.split())

_ROUNDOFF = {**ROUNDOFF, "complex64": ROUNDOFF["float32"], "complex128": ROUNDOFF["float64"]}
_UNDERFLOW = {"float16": 2.0**-25}  # error of a result below float16's smallest; the others reach far enough down
_KEEP_INTEGERS = frozenset(
    ["add", "sub", "mul", "convert_element_type"]
)  # exact on whole numbers that the dtype can hold
_INNER_SCALE = {"lgamma": 1.0, "digamma": 1.0}  # terms of this size cancel inside, where the result is small
_POOL = 2**15  # random numbers a run; longer arrays repeat them


def _contracted(eqn: Any) -> int:
    return math.prod(eqn.invars[0].aval.shape[axis] for axis in eqn.params["dimension_numbers"][0][0])


def _convolved(eqn: Any) -> int:
    kernel = eqn.invars[1].aval.shape
    return math.prod(kernel) // kernel[eqn.params["dimension_numbers"].rhs_spec[0]]


_TERMS: dict[str, Callable[[Any], int]] = {
    "dot_general": _contracted,
    "conv_general_dilated": _convolved,
    "reduce_sum": lambda eqn: math.prod(eqn.invars[0].aval.shape[axis] for axis in eqn.params["axes"]),
    "cumsum": lambda eqn: eqn.invars[0].aval.shape[eqn.params["axis"]],
    "reduce_window_sum": lambda eqn: math.prod(eqn.params["window_dimensions"]),
    "scatter-add": lambda eqn: max(2, math.prod(eqn.invars[1].aval.shape[:-1])),
}
"""How many terms each element of a sum adds up."""


def simulator(closed: Any, runs: int, amplify: float, only: str | None = None) -> Callable[[Sequence[Any]], list[Any]]:
    """A compiled function: flat arguments to flat results in float64, ``runs`` times with another draw of errors.

    Args:
        closed: a jaxpr, traced at the dtype whose rounding is to be simulated.
        runs: how many draws; they stand along a leading axis of every result.
        amplify: makes a kink within reach of rounding flip in some draw; divide the deviations by it.
        only: simulate this dtype everywhere instead of each equation's own.
    """
    # A window into a pool costs XLA one operation an equation: a training step compiles in 6 s, not in the 27 s that
    # drawing in place took.
    pools = np.random.default_rng(0).uniform(-math.sqrt(3), math.sqrt(3), size=(runs, _POOL))
    draw = jax.jit(jax.vmap(lambda pool, flat: _drawn(closed, flat, pool, amplify, only), in_axes=(0, None)))
    return lambda arguments: draw(pools, [widened(argument) for argument in arguments])


def _drawn(closed: Any, arguments: Sequence[Any], pool: Any, amplify: float, only: str | None) -> list[Any]:
    def step(eqn: Any, inputs: list[Any], seed: Seed) -> list[Any]:
        outputs = evaluated(eqn, inputs)
        if eqn.primitive.name in _EXACT or _widens(eqn):
            return outputs
        rounded = []
        for place, (out, var) in enumerate(zip(outputs, eqn.outvars, strict=True)):
            dtype = only or str(var.aval.dtype)
            if str(var.aval.dtype) in _ROUNDOFF:
                noise = _Noise(pool, mixed(seed + place), amplify * _ROUNDOFF[dtype])
                out = noise.of_sum(eqn, inputs, out, dtype) if _terms(eqn) > 1 else out
                out = noise.of_result(eqn, out, dtype)
            rounded.append(out)
        return rounded

    return walk(closed, arguments, step, 0)


def _terms(eqn: Any) -> int:
    return _TERMS[eqn.primitive.name](eqn) if eqn.primitive.name in _TERMS else 1


def _widens(eqn: Any) -> bool:
    """Whether this is a cast that loses nothing."""
    if eqn.primitive.name != "convert_element_type":
        return False
    before, after = (_ROUNDOFF.get(str(var.aval.dtype), 0.0) for var in (eqn.invars[0], eqn.outvars[0]))
    return before >= after


class _Noise:
    """Rounding errors of one equation's result; ``unit`` is the amplified roundoff."""

    def __init__(self, pool: Any, seed: Seed, unit: float) -> None:
        self._pool, self._seed, self._unit = pool, seed, unit

    def of_result(self, eqn: Any, out: Any, dtype: str) -> Any:
        """``out`` rounded once. A product, so that infinities stay what they are."""
        draws = self._draws(out, 1) / math.sqrt(3)
        moved = out * (1 + self._unit * draws)
        if eqn.primitive.name in _KEEP_INTEGERS:  # or an exponent k - 1 would turn a power of a negative base into NaN
            whole = (out == jnp.round(out)) & (jnp.abs(out) <= 1 / _ROUNDOFF[dtype])
            moved = jnp.where(whole, out, moved)
        least = _INNER_SCALE.get(eqn.primitive.name, 0.0) * self._unit
        least = max(least, self._unit / _ROUNDOFF[dtype] * _UNDERFLOW.get(dtype, 0.0))
        return moved + jnp.where(out == 0, 0.0, least * draws) if least else moved

    def of_sum(self, eqn: Any, inputs: list[Any], out: Any, dtype: str) -> Any:
        """``out`` with the error of adding its terms one after the other."""
        unit = self._unit * min(1.0, ROUNDOFF["float32"] / _ROUNDOFF[dtype])
        squares = evaluated(eqn, [_squared(x) if is_inexact(x) else x for x in inputs])[0]
        finite = jnp.where(jnp.isfinite(out), out, 0)
        spread = jnp.sqrt(_terms(eqn) * (jnp.abs(finite) ** 2 / 9 + jnp.abs(squares) / 6))
        return out + unit * spread * self._draws(out, 2)

    def _draws(self, like: Any, stream: int) -> Any:
        """Mean 0, variance 1; complex numbers get it in both parts."""
        draws = self._window(like.shape, mixed(self._seed + stream))
        if jnp.iscomplexobj(like):
            draws = (draws + 1j * self._window(like.shape, mixed(self._seed + stream + 2))) / math.sqrt(2)
        return draws

    def _window(self, shape: tuple[int, ...], seed: Seed) -> Any:
        size = math.prod(shape)
        length = min(size, _POOL // 2)
        window = lax.dynamic_slice(self._pool, (seed % (_POOL - length),), (length,))
        return jnp.resize(window, shape) if size > length else window.reshape(shape)


def _squared(x: Any) -> Any:
    return jnp.square(jnp.abs(jnp.where(jnp.isfinite(x), x, 0))).astype(x.dtype)
