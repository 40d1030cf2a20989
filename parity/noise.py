"""What rounding alone can do to a program: its jaxpr, interpreted in float64 with a random error at every equation.

An equation that moves, selects or compares numbers is exact. Any other gets a relative error, uniform in [-u, u], u
being the unit roundoff of its *own* output dtype, so that mixed precision needs no configuration. A sum of k terms t
gets in addition what adding them one after the other would cost: the partial sums S_j are each rounded with variance
(u S_j)^2 / 3, and for terms of mean m and spread s the sum of S_j^2 is k^3 m^2 / 3 + k^2 s^2 / 2, hence the variance
u^2 k (result^2 / 9 + sum(t^2) / 6). 16-bit sums are added in float32 by both frameworks and use its u; the exceptions
are a float16 convolution, which torch adds up in float16, and a sum that JAX leaves to XLA in 16 bits (both in
`parity.rounding`). A result below the smallest number is 0.

The idea is Monte Carlo arithmetic (Parker 1997; Verificarlo, arXiv:1509.01347), applied to the program that JAX traces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

from parity.interpret import Seed, evaluated, is_inexact, mixed, walk, widened
from parity.jaxprs import size_of
from parity.rounding import ADDS, INNER_SCALE, ROUNDOFFS, Rounding, counts, is_exact, rounding_of, stalls, terms

__all__ = ["Simulator"]

_LARGE = 10**5
_POOL = 2**15  # random numbers a run; longer arrays repeat them


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
        roundings = {dtype: rounding_of(only or dtype) for dtype in ROUNDOFFS}
        amplified = np.full(len(self._pools), amplify)
        amplified[0] = 0.0
        return self._drawn(self._pools, amplified, roundings, [widened(argument) for argument in arguments])


def _drawn(closed: Any, pool: Any, amplify: Any, roundings: dict[str, Rounding], arguments: Sequence[Any]) -> list[Any]:
    def step(eqn: Any, inputs: list[Any], seed: Seed) -> list[Any]:
        outputs = evaluated(eqn, inputs)
        if is_exact(eqn):
            return outputs
        rounded = []
        for place, (out, var) in enumerate(zip(outputs, eqn.outvars, strict=True)):
            if str(var.aval.dtype) in ROUNDOFFS:
                noise = _Noise(pool, mixed(seed + place), amplify, roundings[str(var.aval.dtype)])
                out = noise.of_sum(eqn, inputs, out) if terms(eqn) > 1 else noise.of_result(eqn, out)
            rounded.append(out)
        return rounded

    return walk(closed, arguments, step, 0)


def _own_error(eqn: Any, x: Any) -> Any:
    """Of the sum as XLA does it on a CPU, in 16 bits: once the sum is large, what equal terms add is rounded alike.

    A bias before a global mean has a bfloat16 gradient that is off by up to a third, for 392 pixels.
    """
    narrow = eqn.primitive.bind(x.astype(eqn.invars[0].aval.dtype), **eqn.params)
    return widened(narrow) - evaluated(eqn, [x])[0]


class _Noise:
    """Rounding errors of one equation's result."""

    def __init__(self, pool: Any, seed: Seed, amplify: Any, rounding: Rounding) -> None:
        self._pool, self._seed, self._amplify, self._exact = pool, seed, amplify, rounding
        self._rounding = Rounding(*(amplify * one for one in rounding))

    def of_result(self, eqn: Any, out: Any) -> Any:
        """``out`` rounded once. A product, so that infinities stay what they are."""
        draws, unit = self._draws(out) / math.sqrt(3), self._rounding.unit
        moved = out * (1 + unit * draws)
        if eqn.primitive.name in INNER_SCALE:
            inner = self._rounding.partial * INNER_SCALE[eqn.primitive.name]
            moved += jnp.where(out == 0, 0.0, inner * draws)
        if counts(eqn):
            whole = (out == jnp.round(out)) & (jnp.abs(out) <= 1 / self._exact.unit)
            moved = jnp.where(whole, out, moved)
        return self._in_range(eqn, out, moved, draws)

    def of_sum(self, eqn: Any, inputs: list[Any], out: Any) -> Any:
        """``out`` with the error of adding its terms one after the other, and rounded."""
        inexact = [is_inexact(x) for x in inputs]
        squares = _first_run(lambda *values: jnp.abs(evaluated(eqn, _squared_where(inexact, values))[0]))(*inputs)
        unit, convolved = self._rounding.unit, eqn.primitive.name == "conv_general_dilated"
        added = terms(eqn) * _squared(self._rounding.convolved if convolved else self._rounding.partial)
        variance = (_squared(unit) / 3 + added / 9) * _squared(jnp.abs(out)) + added / 6 * squares
        if stalls(eqn):
            measured = jnp.minimum(self._amplify, 1.0)  # so not amplified
            variance += _squared(measured * _first_run(partial(_own_error, eqn))(*inputs))
        draws = self._draws(out)
        moved = out + jnp.sqrt(jnp.where(jnp.isfinite(variance), variance, 0)) * draws
        return self._in_range(eqn, out, moved, draws)

    def _in_range(self, eqn: Any, out: Any, moved: Any, draws: Any) -> Any:
        """Not at random: what is too small becomes 0, all terms of a sum alike. Sums of what is not are exact there."""
        if eqn.primitive.name in ADDS:
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
