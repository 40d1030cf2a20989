"""What each equation of a jaxpr may lose to rounding at a dtype: nothing, one rounding, or that of a sum of terms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jax.extend import core

from parity.arrays import ROUNDOFF

__all__ = ["ADDS", "INNER_SCALE", "ROUNDOFFS", "Rounding", "counts", "is_exact", "rounding_of", "stalls", "terms"]

_MOVES = """
    abs argmax argmin broadcast_in_dim ceil clamp complex concatenate conj copy copy_p cummax cummin device_put
    dynamic_slice dynamic_update_slice expand_dims floor gather imag iota max min name neg optimization_barrier
    pad real reduce_max reduce_min reduce_precision reduce_window_max reduce_window_min reshape rev round scatter
    select_n select_and_gather_add select_and_scatter_add sharding_constraint sign slice sort split squeeze
    stop_gradient tile top_k transpose
"""
_EXACT = frozenset(_MOVES.split())

ROUNDOFFS = {**ROUNDOFF, "complex64": ROUNDOFF["float32"], "complex128": ROUNDOFF["float64"]}
# Terms of this size cancel inside where the result is small, in float32 at 16 bits. 2.5: torch's vectorized erf follows
# Abramowitz and Stegun 7.1.26, off by up to 1.5e-7. Float32 gelu(-5) lacks 17 %, and bfloat16 erf(1e-7) is 0.
INNER_SCALE = {"lgamma": 1.0, "digamma": 1.0, "erf": 2.5, "erfc": 2.5}
ADDS = frozenset(["add", "add_any", "cumsum", "reduce_sum", "reduce_window_sum", "scatter-add", "sub"])


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


class Rounding(NamedTuple):
    """What one dtype loses; of a simulated one, amplified.

    Attributes:
        unit: roundoff of a result.
        partial: roundoff of the partial sums: both frameworks add 16-bit numbers up in float32, but for `stalls`.
        convolved: the same in a convolution.
        least: what is smaller becomes 0, and nothing is resolved more finely.
    """

    unit: Any
    partial: Any
    convolved: Any
    least: Any


def rounding_of(dtype: str) -> Rounding:
    """What is smaller than half of float16's smallest number is 0; of the others XLA makes 0 of every subnormal.

    torch adds float16 convolutions up in float16 on a CPU where they are differentiated: the error of a weight's
    gradient, in u of its scale, is 0.7, 1.9 and 7.2 for 2, 32 and 128 images, and 0.6 at bfloat16 for all of them.
    """
    unit = ROUNDOFFS[dtype]
    partial = min(unit, ROUNDOFF["float32"])
    least = {"float16": 2.0**-25, "float64": 0.0, "complex128": 0.0}.get(dtype, 2.0**-126)
    return Rounding(unit, partial, unit if dtype == "float16" else partial, least)


def is_exact(eqn: Any) -> bool:
    """Whether this moves, selects or compares numbers, or loses nothing else."""
    return eqn.primitive.name in _EXACT or _widens(eqn) or _doubles(eqn)


def terms(eqn: Any) -> int:
    """How many terms each element of a sum adds up; 1 of what is none."""
    return _TERMS[eqn.primitive.name](eqn) if eqn.primitive.name in _TERMS else 1


def _widens(eqn: Any) -> bool:
    """Whether this is a cast that loses nothing."""
    if eqn.primitive.name != "convert_element_type":
        return False
    before, after = (ROUNDOFFS.get(str(var.aval.dtype), 0.0) for var in (eqn.invars[0], eqn.outvars[0]))
    return before >= after


def _doubles(eqn: Any) -> bool:
    """Whether this multiplies or divides by a power of two, which loses nothing above the smallest numbers."""
    if eqn.primitive.name not in ("mul", "div") or str(eqn.outvars[0].aval.dtype) == "float16":
        return False
    known = eqn.invars[1:] if eqn.primitive.name == "div" else eqn.invars
    factors = [var.val for var in known if isinstance(var, core.Literal)]
    return any(np.ndim(factor) == 0 and abs(math.frexp(abs(factor))[0]) == 0.5 for factor in factors)


def counts(eqn: Any) -> bool:
    """Whether this may add to a whole number, or cast one: exact while the dtype can hold it.

    A power k - 1 that is off by a rounding makes NaN of a negative base.
    """
    if eqn.primitive.name in ("add", "sub"):
        return any(isinstance(var, core.Literal) for var in eqn.invars)
    return eqn.primitive.name == "convert_element_type"


def stalls(eqn: Any) -> bool:
    """Whether this adds up 16-bit numbers that JAX did not widen before, as `jnp.sum` does: the gradient of a bias."""
    unit = ROUNDOFFS.get(str(eqn.outvars[0].aval.dtype), 0.0)
    return eqn.primitive.name == "reduce_sum" and unit > ROUNDOFF["float32"]
