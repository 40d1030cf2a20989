"""A jaxpr evaluated in float64, one equation at a time, by a step of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

__all__ = ["Seed", "Step", "evaluated", "is_inexact", "mixed", "walk", "widened"]

Seed: TypeAlias = Any
"""A Python integer, or inside a loop a traced unsigned one, which changes with every iteration."""

Step = Callable[[Any, list[Any], Seed], list[Any]]
"""(equation, inputs, seed) to outputs; floats are float64 on both ends."""

_CALLED = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # where an equation keeps the program it merely calls
_CALLS = (
    *("jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint"),
    *("custom_jvp_call", "custom_vjp_call"),
)
_BITS = (
    "random_",
    "threefry",
    "rng_",
    "bitcast",
    "shift_right",
    "pallas",
    "reduce_precision",
)  # look at bits: run as is
_DTYPES = ("new_dtype", "preferred_element_type", "dtype")  # parameters that name a dtype


def is_inexact(x: Any) -> bool:
    """Whether these are floats or complex numbers."""
    return jnp.issubdtype(x.dtype, jnp.inexact)


def widened(x: Any) -> Any:
    """Floats as float64, complex numbers as complex128, anything else as it is."""
    x = jnp.asarray(x) if not hasattr(x, "dtype") else x
    if not is_inexact(x):
        return x
    return jnp.asarray(x, jnp.complex128 if jnp.issubdtype(x.dtype, jnp.complexfloating) else jnp.float64)


def _constant(var: Any, value: Any) -> Any:
    """Widened if it is inexact; otherwise in the dtype it was traced with, which 64-bit JAX would not give it."""
    value = widened(value)
    whole = isinstance(var.aval.dtype, np.dtype) and var.aval.dtype.kind in "biu"
    return jnp.asarray(value, var.aval.dtype) if whole else value


def walk(program: Any, arguments: Sequence[Any], step: Step, seed: Seed) -> list[Any]:
    """Evaluate ``program``, every equation by ``step``; control flow and calls are entered.

    Args:
        program: a jaxpr, closed or not.
        arguments: flat.
        step: what an equation does. If it has the methods ``before(eqn, inputs)`` and ``after(eqn, inputs, outputs)``,
            they may change what any equation takes and gives, those that are entered included.
        seed: handed on to ``step``, another one for each equation and each iteration.
    """
    jaxpr, constants = (program.jaxpr, program.consts) if hasattr(program, "consts") else (program, ())
    known = {var: _constant(var, value) for var, value in zip(jaxpr.constvars, constants, strict=True)}
    known.update(zip(jaxpr.invars, arguments, strict=True))
    before, after = getattr(step, "before", None), getattr(step, "after", None)

    def read(var: Any) -> Any:
        return _constant(var, var.val) if isinstance(var, core.Literal) else known[var]

    for number, eqn in enumerate(jaxpr.eqns):
        inputs, here = [read(var) for var in eqn.invars], mixed(seed + number + 1)
        inputs = before(eqn, inputs) if before else inputs
        enter = _ENTERED.get(eqn.primitive.name)
        outputs = step(eqn, inputs, here) if enter is None else enter(eqn, inputs, step, here)
        outputs = after(eqn, inputs, outputs) if after else outputs
        known.update(zip(eqn.outvars, outputs, strict=True))
    return [read(var) for var in jaxpr.outvars]


def mixed(seed: Seed) -> Seed:
    """An integer hash, so that neighbouring seeds lead to windows far apart."""
    if isinstance(seed, int):
        seed = (seed ^ (seed >> 16)) * 0x7FEB352D & 0xFFFFFFFF
        return (seed ^ (seed >> 15)) * 0x846CA68B & 0xFFFFFFFF
    seed = (seed ^ (seed >> 16)) * jnp.uint32(0x7FEB352D)
    return (seed ^ (seed >> 15)) * jnp.uint32(0x846CA68B)


def _call(eqn: Any, inputs: list[Any], step: Step, seed: Seed) -> list[Any]:
    return walk(next(eqn.params[name] for name in _CALLED if name in eqn.params), inputs, step, seed)


def _scan(eqn: Any, inputs: list[Any], step: Step, seed: Seed) -> list[Any]:
    consts, first = _scan_layout(eqn)

    def body(carry: Any, xs: Any) -> Any:
        seed, *state = carry
        outputs = walk(eqn.params["jaxpr"], [*inputs[:consts], *state, *xs], step, seed)
        return (mixed(seed + jnp.uint32(1)), *outputs[: first - consts]), outputs[first - consts :]

    options = {"length": eqn.params["length"], "reverse": eqn.params["reverse"]}
    (_, *state), ys = lax.scan(body, (jnp.uint32(seed), *inputs[consts:first]), inputs[first:], **options)
    return [*state, *ys]


def _scan_layout(eqn: Any) -> tuple[int, int]:
    """Where a scan's carry and its slices begin among the inputs.

    Told from ranks, since releases of JAX store it under different names: a slice has one axis less in the body.
    """
    body = getattr(eqn.params["jaxpr"], "jaxpr", eqn.params["jaxpr"])
    whole, carried = (
        sum(out.aval.shape == inner.aval.shape for out, inner in zip(outer, inside, strict=True))
        for outer, inside in ((eqn.invars, body.invars), (eqn.outvars, body.outvars))
    )
    return whole - carried, whole


def _while(eqn: Any, inputs: list[Any], step: Step, seed: Seed) -> list[Any]:
    """A loop; one under ``vmap`` has a test for each of its runs, and those that have ended keep what they hold."""
    tests = eqn.params["cond_nconsts"]
    first = tests + eqn.params["body_nconsts"]
    many = eqn.params["cond_jaxpr"].out_avals[0].ndim

    def going(carry: Any) -> Any:
        return walk(eqn.params["cond_jaxpr"], [*inputs[:tests], *carry[1:]], step, carry[0])[0]

    def body(carry: Any) -> Any:
        seed, *state = carry
        after = walk(eqn.params["body_jaxpr"], [*inputs[tests:first], *state], step, seed)
        if many:
            goes = going(carry)
            kept = [jnp.expand_dims(goes, range(many, old.ndim)) for old in state]
            after = [jnp.where(go, new, old) for go, new, old in zip(kept, after, state, strict=True)]
        return (mixed(seed + jnp.uint32(1)), *after)

    start = (jnp.uint32(seed), *inputs[first:])
    return list(lax.while_loop((lambda carry: going(carry).any()) if many else going, body, start))[1:]


def _cond(eqn: Any, inputs: list[Any], step: Step, seed: Seed) -> list[Any]:
    branches = [lambda *state, b=branch: walk(b, state, step, seed) for branch in eqn.params["branches"]]
    return list(lax.switch(inputs[0], branches, *inputs[1:]))


def _solve(eqn: Any, inputs: list[Any], step: Step, seed: Seed) -> list[Any]:
    """``custom_linear_solve``: run its solver; the other programs it carries are for its derivatives."""
    lengths, programs = eqn.params["const_lengths"], eqn.params["jaxprs"]
    start = lengths.matvec + lengths.vecmat
    consts, right_sides = inputs[start : start + lengths.solve], inputs[sum(lengths) :]
    return walk(programs.solve, [*consts, *right_sides], step, seed)


_ENTERED: dict[str, Callable[..., list[Any]]] = {
    **dict.fromkeys(_CALLS, _call),
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "custom_linear_solve": _solve,
}


def evaluated(eqn: Any, inputs: list[Any]) -> list[Any]:
    """One equation in float64; those that look at bits (random numbers) run at the dtype they were written for."""
    params = dict(eqn.params)
    if eqn.primitive.name.startswith(_BITS):
        narrow = [x.astype(var.aval.dtype) if is_inexact(x) else x for x, var in zip(inputs, eqn.invars, strict=True)]
        outputs = eqn.primitive.bind(*narrow, **params)
    else:
        for name in _DTYPES:
            if params.get(name) is not None and jnp.issubdtype(params[name], jnp.inexact):
                complex_ = jnp.issubdtype(params[name], jnp.complexfloating)
                params[name] = np.dtype("complex128" if complex_ else "float64")
        if "precision" in params:
            params["precision"] = None
        if params.get("update_jaxpr") is not None:  # how a scatter combines: trace it again, for float64
            params["update_jaxpr"] = _widened_update(params["update_jaxpr"])
        outputs = eqn.primitive.bind(*inputs, **params)
    return [widened(out) for out in (outputs if eqn.primitive.multiple_results else [outputs])]


def _widened_update(program: Any) -> Any:
    def combine(old: Any, new: Any) -> Any:
        return walk(program, [old, new], lambda eqn, inputs, _: evaluated(eqn, inputs), 0)[0]

    return jax.make_jaxpr(combine)(jnp.float64(0), jnp.float64(0)).jaxpr
