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
from jax.extend import core

from parity.arrays import ROUNDOFF
from parity.interpret import Seed, evaluated, is_inexact, mixed, walk, widened
from parity.jaxprs import size_of

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
_INNER_SCALE = {"lgamma": 1.0, "digamma": 1.0}  # terms of this size cancel inside, where the result is small
_LARGE = 10**7
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
    draws = jax.vmap(lambda pool, flat: _drawn(closed, flat, pool, amplify, only), in_axes=(0, None))
    # Optimising costs a second more than it saves until a run computes some ten million numbers.
    options = {"xla_backend_optimization_level": 0} if size_of(closed) < _LARGE else None
    draw = jax.jit(draws, compiler_options=options)
    return lambda arguments: draw(pools, [widened(argument) for argument in arguments])


def _drawn(closed: Any, arguments: Sequence[Any], pool: Any, amplify: float, only: str | None) -> list[Any]:
    def step(eqn: Any, inputs: list[Any], seed: Seed) -> list[Any]:
        outputs = evaluated(eqn, inputs)
        if eqn.primitive.name in _EXACT or _widens(eqn) or _doubles(eqn):
            return outputs
        rounded = []
        for place, (out, var) in enumerate(zip(outputs, eqn.outvars, strict=True)):
            dtype = only or str(var.aval.dtype)
            if str(var.aval.dtype) in _ROUNDOFF:
                noise = _Noise(pool, mixed(seed + place), amplify * _ROUNDOFF[dtype])
                summed = _terms(eqn) > 1
                out = noise.of_sum(eqn, inputs, out, dtype) if summed else noise.of_result(eqn, out, dtype)
            rounded.append(out)
        return rounded

    return walk(closed, arguments, step, 0)


def _terms(eqn: Any) -> int:
    return _TERMS[eqn.primitive.name](eqn) if eqn.primitive.name in _TERMS else 1


def _sum_roundoff(eqn: Any, dtype: str) -> float:
    """That of the partial sums: float32's, but for one kernel.

    torch adds float16 convolutions up in float16 on a CPU where they are differentiated: the error of a weight's
    gradient, in u of its scale, is 0.7, 1.9 and 7.2 for 2, 32 and 128 images, and 0.6 at bfloat16 for all of them.
    """
    if dtype == "float16" and eqn.primitive.name == "conv_general_dilated":
        return _ROUNDOFF[dtype]
    return min(ROUNDOFF["float32"], _ROUNDOFF[dtype])


def _widens(eqn: Any) -> bool:
    """Whether this is a cast that loses nothing."""
    if eqn.primitive.name != "convert_element_type":
        return False
    before, after = (_ROUNDOFF.get(str(var.aval.dtype), 0.0) for var in (eqn.invars[0], eqn.outvars[0]))
    return before >= after


def _doubles(eqn: Any) -> bool:
    """Whether this multiplies or divides by a power of two, which loses nothing above the smallest numbers."""
    if eqn.primitive.name not in ("mul", "div") or str(eqn.outvars[0].aval.dtype) in _UNDERFLOW:
        return False
    known = eqn.invars[1:] if eqn.primitive.name == "div" else eqn.invars
    factors = [var.val for var in known if isinstance(var, core.Literal)]
    return any(np.ndim(factor) == 0 and abs(math.frexp(abs(factor))[0]) == 0.5 for factor in factors)


def _counts(eqn: Any) -> bool:
    """Whether this may add to a whole number, or cast one: exact while the dtype can hold it.

    A power k - 1 that is off by a rounding makes NaN of a negative base.
    """
    if eqn.primitive.name in ("add", "sub"):
        return any(isinstance(var, core.Literal) for var in eqn.invars)
    return eqn.primitive.name == "convert_element_type"


class _Noise:
    """Rounding errors of one equation's result; ``unit`` is the amplified roundoff."""

    def __init__(self, pool: Any, seed: Seed, unit: float) -> None:
        self._pool, self._seed, self._unit = pool, seed, unit

    def of_result(self, eqn: Any, out: Any, dtype: str) -> Any:
        """``out`` rounded once. A product, so that infinities stay what they are."""
        draws = self._draws(out)
        moved = out * (1 + self._unit / math.sqrt(3) * draws)
        if _counts(eqn):
            whole = (out == jnp.round(out)) & (jnp.abs(out) <= 1 / _ROUNDOFF[dtype])
            moved = jnp.where(whole, out, moved)
        return moved + self._absolute(eqn, out, dtype, draws)

    def of_sum(self, eqn: Any, inputs: list[Any], out: Any, dtype: str) -> Any:
        """``out`` with the error of adding its terms one after the other, and rounded."""
        share = (_sum_roundoff(eqn, dtype) / _ROUNDOFF[dtype]) ** 2 * _terms(eqn)
        squares = jnp.abs(evaluated(eqn, [_squared(x) if is_inexact(x) else x for x in inputs])[0])
        variance = (1 / 3 + share / 9) * _squared(jnp.abs(out)) + share / 6 * squares
        deviation = self._unit * jnp.sqrt(jnp.where(jnp.isfinite(variance), variance, 0))
        draws = self._draws(out)
        return out + deviation * draws + self._absolute(eqn, out, dtype, draws)

    def _absolute(self, eqn: Any, out: Any, dtype: str, draws: Any) -> Any:
        """An error that does not shrink with the result: of underflow, or of terms that cancel inside."""
        least = self._unit / math.sqrt(3) * _INNER_SCALE.get(eqn.primitive.name, 0.0)
        error = jnp.where(out == 0, 0.0, least * draws) if least else 0.0
        if dtype in _UNDERFLOW and self._unit:
            # Not at random: what is too small becomes 0, all terms of a sum alike.
            grid = (
                2 * _UNDERFLOW[dtype] * self._unit / _ROUNDOFF[dtype] * (0.75 + 0.25 / math.sqrt(3) * jnp.real(draws))
            )
            error += jnp.where(jnp.isfinite(out), jnp.round(out / grid) * grid - out, 0.0)
        return error

    def _draws(self, like: Any) -> Any:
        """Mean 0, variance 1; complex numbers get it in both parts."""
        draws = self._window(like.shape, mixed(self._seed + 1))
        if jnp.iscomplexobj(like):
            draws = (draws + 1j * self._window(like.shape, mixed(self._seed + 2))) / math.sqrt(2)
        return draws

    def _window(self, shape: tuple[int, ...], seed: Seed) -> Any:
        size = math.prod(shape)
        length = min(size, _POOL // 2)
        start = seed % (_POOL - length)
        known = isinstance(start, int)  # outside of loops; what XLA knows it compiles sooner
        window = self._pool[start : start + length] if known else lax.dynamic_slice(self._pool, (start,), (length,))
        return jnp.resize(window, shape) if size > length else window.reshape(shape)


def _squared(x: Any) -> Any:
    return (x * jnp.conj(x)) if jnp.iscomplexobj(x) else x * x
