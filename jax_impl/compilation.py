"""Compilation: one program for the whole of a function, made on the first call and kept for the next of its shapes.

What a compiler may fuse or reorder changes last digits only; what it cannot see (Python's branches, its side effects,
a new shape) decides whether there is one program, several, or none.

Differs from its twin: ``jax.jit`` compiles the whole or raises.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import jax
from jax import Array
from jax import numpy as jnp
from jaxtyping import Float

__all__ = [
    "feed_forward",
    "absolute_by_branch",
    "absolute_by_where",
    "power",
    "whole",
    "compilations",
    "breaks",
    "operations",
    "scatter_into",
]


def feed_forward(
    x: Float[Array, "*batch inputs"], first: Float[Array, "hidden inputs"], second: Float[Array, "outputs hidden"]
) -> Float[Array, "*batch outputs"]:
    r"""Two products with an exact gelu between: $W_2 \, \mathrm{gelu}(W_1 x)$; a compiler has something to fuse."""
    return jax.nn.gelu(x @ first.T, approximate=False) @ second.T


def absolute_by_branch(x: Float[Array, ""]) -> Float[Array, ""]:
    """Choose by a Python ``if``, which has to know the number.

    Differs from its twin: under jit there is no number yet, and the ``if`` raises.
    """
    if x < 0:
        return -x
    return x


def absolute_by_where(x: Float[Array, ""]) -> Float[Array, ""]:
    """Choose inside the program: both values are computed, one is taken."""
    return jnp.where(x < 0, -x, x)


@partial(jax.jit, static_argnames="exponent")
def power(x: Float[Array, "*shape"], exponent: int) -> Float[Array, "*shape"]:
    """Multiply in a Python loop, which a compiler unrolls: a program for each exponent.

    Differs from its twin: the integer is declared static; a traced one could not count a Python loop.
    """
    result = jnp.ones_like(x)
    for _ in range(exponent):
        result = result * x
    return result


def whole(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function into one program; where Python has to decide in the middle, the first call raises.

    Differs from its twin: it is what ``jax.jit`` always does; the error is a ``ConcretizationTypeError``.
    """
    return jax.jit(function)


def compilations(function: Callable[..., Any], calls: Iterable[Sequence[Any]]) -> int:
    """Count the programs that a sequence of calls needs.

    Args:
        calls: the arguments of each call.

    Returns:
        How many times the function was compiled.

    Differs from its twin: Python runs while a program is traced and never after, so a side effect counts.
    """
    count = 0

    def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return function(*arguments)

    compiled = jax.jit(counted)
    for arguments in calls:
        compiled(*arguments)
    return count


def breaks(function: Callable[..., Any], *arguments: Any) -> list[str]:
    """Say where a function cannot be one program.

    Returns:
        A reason for each place; none if the whole function compiles.

    Differs from its twin: tracing ends at the first one.
    """
    try:
        jax.eval_shape(function, *arguments)
    except jax.errors.ConcretizationTypeError as error:
        return [str(error).partition("\n")[0]]
    return []


def operations(function: Callable[..., Any], *arguments: Any) -> list[str]:
    """List what the traced program computes, in its order.

    Differs from its twin: the names are XLA's, after JAX; what ``jit`` wraps is one of them.
    """
    return [equation.primitive.name for equation in jax.make_jaxpr(function)(*arguments).eqns]


@partial(jax.jit, donate_argnames="buffer")
def scatter_into(
    buffer: Float[Array, "rows columns"], row: int, values: Float[Array, " columns"]
) -> Float[Array, "rows columns"]:
    """Write one row into a buffer that nobody needs afterwards as it was.

    Returns:
        The buffer with the row.

    Differs from its twin: a new array in the memory of the old one, which is donated and may not be read again.
    """
    return buffer.at[row].set(values)
