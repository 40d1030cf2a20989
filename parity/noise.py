"""What rounding alone can do to a program: its jaxpr, interpreted in float64 with a random error at every equation.

An equation that moves, selects or compares numbers is exact. Any other gets a relative error, uniform in [-u, u], u
being the unit roundoff of its *own* output dtype, so that mixed precision needs no configuration. A sum of k terms t
gets in addition what adding them one after the other would cost: the partial sums S_j are each rounded with variance
(u S_j)^2 / 3, and for terms of mean m and spread s the sum of S_j^2 is k^3 m^2 / 3 + k^2 s^2 / 2, hence the variance
u^2 k (result^2 / 9 + sum(t^2) / 6). 16-bit sums are added in float32 by both frameworks and use its u; the exception
is a float16 convolution, which torch adds up in float16 (`_rounding`). A result below the smallest number is 0.

The idea is Monte Carlo arithmetic (Parker 1997; Verificarlo, arXiv:1509.01347), applied to the program that JAX traces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap
from jax.extend import core

from parity.arrays import ROUNDOFF
from parity.interpret import Seed, evaluated, is_inexact, mixed, walk, widened
from parity.jaxprs import size_of

__all__ = ["Simulator"]

_MOVES = """
    abs argmax argmin broadcast_in_dim ceil clamp complex concatenate conj copy copy_p cummax cummin device_put
    dynamic_slice dynamic_update_slice expand_dims floor gather imag iota max min name neg optimization_barrier
    pad real reduce_max reduce_min reduce_precision reduce_window_max reduce_window_min reshape rev round scatter
    select_n select_and_gather_add select_and_scatter_add sharding_constraint sign slice sort split squeeze
    stop_gradient tile top_k transpose
"""
_EXACT = frozenset(_MOVES.split())

_ROUNDOFF = {**ROUNDOFF, "complex64": ROUNDOFF["float32"], "complex128": ROUNDOFF["float64"]}
# Terms of this size cancel inside where the result is small, in float32 at 16 bits. 2.5: torch's vectorized erf follows
# Abramowitz and Stegun 7.1.26, off by up to 1.5e-7. Float32 gelu(-5) lacks 17 %, and bfloat16 erf(1e-7) is 0.
_INNER_SCALE = {"lgamma": 1.0, "digamma": 1.0, "erf": 2.5, "erfc": 2.5}
_ADDS = frozenset(["add", "add_any", "cumsum", "reduce_sum", "reduce_window_sum", "scatter-add", "sub"])
_LARGE = 10**5
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


class _Rounding(NamedTuple):
    """What one dtype loses; of a simulated one, amplified.

    Attributes:
        unit: roundoff of a result.
        partial: roundoff of the partial sums: both frameworks add 16-bit numbers up in float32.
        convolved: the same in a convolution.
        least: what is smaller becomes 0, and nothing is resolved more finely.
    """

    unit: Any
    partial: Any
    convolved: Any
    least: Any


def _rounding(dtype: str) -> _Rounding:
    """What is smaller than half of float16's smallest number is 0; of the others XLA makes 0 of every subnormal.

    torch adds float16 convolutions up in float16 on a CPU where they are differentiated: the error of a weight's
    gradient, in u of its scale, is 0.7, 1.9 and 7.2 for 2, 32 and 128 images, and 0.6 at bfloat16 for all of them.
    """
    unit = _ROUNDOFF[dtype]
    partial = min(unit, ROUNDOFF["float32"])
    least = {"float16": 2.0**-25, "float64": 0.0, "complex128": 0.0}.get(dtype, 2.0**-126)
    return _Rounding(unit, partial, unit if dtype == "float16" else partial, least)


class Simulator:
    """A program, compiled to run in float64 with rounding errors; compiling is nearly all that the first draw costs."""

    def __init__(self, closed: Any, runs: int) -> None:
        """Of ``closed``, a jaxpr traced at the dtype whose rounding is to be simulated."""
        # A window into a pool costs XLA one operation an equation: a training step compiles in 6 s, not in the 27 s
        # that drawing in place took.
        self._pools = np.random.default_rng(0).uniform(-math.sqrt(3), math.sqrt(3), size=(runs + 1, _POOL))
        drawn = jax.vmap(partial(_drawn, closed), in_axes=(0, 0, None, None))
        # What XLA need not optimise it compiles up to a third sooner; beyond some hundred thousand numbers that is lost
        # in every call: a training step of a small convolutional network took 1,484 evaluations, optimised it takes 27.
        options = {"xla_backend_optimization_level": 0} if size_of(closed) < _LARGE else None
        self._drawn = jax.jit(drawn, compiler_options=options)

    def __call__(self, arguments: Sequence[Any], amplify: float, only: str | None = None) -> list[Any]:
        """Flat results, along a leading axis: without any error first, then with one draw of errors after the other.

        Args:
            arguments: flat.
            amplify: makes a kink within reach of rounding flip in some draw; divide the deviations by it.
            only: simulate this dtype everywhere instead of each equation's own.
        """
        roundings = {dtype: _rounding(only or dtype) for dtype in _ROUNDOFF}
        amplified = np.full(len(self._pools), amplify)
        amplified[0] = 0.0
        return self._drawn(self._pools, amplified, roundings, [widened(argument) for argument in arguments])


def _drawn(
    closed: Any, pool: Any, amplify: Any, roundings: dict[str, _Rounding], arguments: Sequence[Any]
) -> list[Any]:
    def step(eqn: Any, inputs: list[Any], seed: Seed) -> list[Any]:
        outputs = evaluated(eqn, inputs)
        if eqn.primitive.name in _EXACT or _widens(eqn) or _doubles(eqn):
            return outputs
        rounded = []
        for place, (out, var) in enumerate(zip(outputs, eqn.outvars, strict=True)):
            if str(var.aval.dtype) in _ROUNDOFF:
                noise = _Noise(pool, mixed(seed + place), amplify, roundings[str(var.aval.dtype)])
                out = noise.of_sum(eqn, inputs, out) if _terms(eqn) > 1 else noise.of_result(eqn, out)
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


def _doubles(eqn: Any) -> bool:
    """Whether this multiplies or divides by a power of two, which loses nothing above the smallest numbers."""
    if eqn.primitive.name not in ("mul", "div") or str(eqn.outvars[0].aval.dtype) == "float16":
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
    """Rounding errors of one equation's result."""

    def __init__(self, pool: Any, seed: Seed, amplify: Any, rounding: _Rounding) -> None:
        self._pool, self._seed, self._exact = pool, seed, rounding
        self._rounding = _Rounding(*(amplify * one for one in rounding))

    def of_result(self, eqn: Any, out: Any) -> Any:
        """``out`` rounded once. A product, so that infinities stay what they are."""
        draws, unit = self._draws(out) / math.sqrt(3), self._rounding.unit
        moved = out * (1 + unit * draws)
        if eqn.primitive.name in _INNER_SCALE:
            inner = self._rounding.partial * _INNER_SCALE[eqn.primitive.name]
            moved += jnp.where(out == 0, 0.0, inner * draws)
        if _counts(eqn):
            whole = (out == jnp.round(out)) & (jnp.abs(out) <= 1 / self._exact.unit)
            moved = jnp.where(whole, out, moved)
        return self._in_range(eqn, out, moved, draws)

    def of_sum(self, eqn: Any, inputs: list[Any], out: Any) -> Any:
        """``out`` with the error of adding its terms one after the other, and rounded."""
        inexact = [is_inexact(x) for x in inputs]
        squares = _first_run(lambda *values: jnp.abs(evaluated(eqn, _squared_where(inexact, values))[0]))(*inputs)
        unit, partial, convolved, _ = self._rounding
        added = _terms(eqn) * _squared(convolved if eqn.primitive.name == "conv_general_dilated" else partial)
        variance = (_squared(unit) / 3 + added / 9) * _squared(jnp.abs(out)) + added / 6 * squares
        draws = self._draws(out)
        moved = out + jnp.sqrt(jnp.where(jnp.isfinite(variance), variance, 0)) * draws
        return self._in_range(eqn, out, moved, draws)

    def _in_range(self, eqn: Any, out: Any, moved: Any, draws: Any) -> Any:
        """Not at random: what is too small becomes 0, all terms of a sum alike. Sums of what is not are exact there."""
        if eqn.primitive.name in _ADDS:
            return moved
        least = self._rounding.least
        if str(eqn.outvars[0].aval.dtype) == "float16":  # whose subnormals are kept, in steps of twice that size
            moved += least * draws
        return jnp.where(jnp.abs(out) < least, 0.0, moved)

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


def _first_run(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of the first run's values, for all runs: what it measures is of one size in each of them."""
    shared = custom_vmap(function)

    @shared.def_vmap
    def _(_: int, batched: Sequence[bool], *values: Any) -> tuple[Any, bool]:
        return function(*(value[0] if many else value for value, many in zip(values, batched, strict=True))), False

    return shared


def _squared_where(inexact: Sequence[bool], values: Sequence[Any]) -> list[Any]:
    return [_squared(value) if one else value for one, value in zip(inexact, values, strict=True)]


def _squared(x: Any) -> Any:
    return (x * jnp.conj(x)) if jnp.iscomplexobj(x) else x * x
