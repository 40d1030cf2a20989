"""Two machines for the steps of a program, NumPy's and JAX's, and a step done otherwise than it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import lax

from parity.diagnosis.arithmetic import NUMPY
from parity.diagnosis.flat import Flat, Step
from parity.diagnosis.sliding import plain
from parity.interpret import evaluated, widened

__all__ = ["Call", "Edit", "Edits", "JAX", "Machine", "NUMPY_MACHINE", "PASS", "done", "run", "scan_layout"]


@dataclass(frozen=True)
class Machine:
    """What computes.

    Attributes:
        xp: NumPy, or jax.numpy.
        evaluate: (equation, inputs, changed parameters) to outputs.
        given: (value, type) to a constant as the machine takes it.
        loops: runs a step that has bodies.
    """

    xp: Any
    evaluate: Callable[[Any, Sequence[Any], Mapping[str, Any]], list[Any]]
    given: Callable[[Any, Any], Any]
    loops: Callable[..., list[Any]]


@dataclass(frozen=True)
class Call:
    """One step in the middle of a run.

    Attributes:
        machine: it runs on.
        step: itself.
        inputs: its own.
        known: every value so far, by slot.
        edits: the changes.
    """

    machine: Machine
    step: Step
    inputs: Sequence[Any]
    known: Mapping[int, Any]
    edits: Edits

    @property
    def xp(self) -> Any:
        """NumPy, or jax.numpy."""
        return self.machine.xp

    def run(self, inputs: Sequence[Any] | None = None, **changed: Any) -> list[Any]:
        """The step as it is written but for its inputs or its parameters."""
        inputs = self.inputs if inputs is None else inputs
        if self.step.bodies:
            return self.machine.loops(self, list(inputs), **changed)
        return self.machine.evaluate(self.step.eqn, inputs, changed)


Edit = Callable[[Call], list[Any]]
"""A step done otherwise: its outputs."""

Edits: TypeAlias = Mapping[int, Edit]
"""By the step's number."""


PASS = -1
"""The slot of the number of a scan's pass, from 0."""


def run(flat: Flat, arguments: Sequence[Any], machine: Machine, edits: Edits, *, at: Any = None) -> list[Any]:
    """The outputs of a program or of a body, in pass ``at`` of its loop."""
    known = {slot: machine.given(value, aval) for slot, (value, aval) in flat.constants.items()}
    known.update(zip(flat.inputs, arguments, strict=True))
    if at is not None:
        known[PASS] = at
    for step in flat.steps:
        known.update(zip(step.outputs, done(step, known, machine, edits), strict=True))
    return [known[slot] for slot in flat.outputs]


def done(step: Step, known: Mapping[int, Any], machine: Machine, edits: Edits) -> list[Any]:
    """What a step gives, edited if it is."""
    call = Call(machine, step, [known[slot] for slot in step.inputs], known, edits)
    edit = edits.get(step.number)
    return edit(call) if edit else call.run()


def _numpy_given(value: Any, aval: Any) -> Any:
    if not isinstance(getattr(aval, "dtype", None), np.dtype):  # a key
        return value
    value = np.asarray(value)
    wide = {"f": np.float64, "c": np.complex128}.get(np.dtype(aval.dtype).kind, aval.dtype)
    return value.astype(np.float64 if jnp.issubdtype(aval.dtype, jnp.floating) else wide)


def _numpy_evaluate(eqn: Any, inputs: Sequence[Any], changed: Mapping[str, Any]) -> list[Any]:
    function = NUMPY.get(eqn.primitive.name)
    if function is None or (eqn.primitive.name.startswith(("conv", "reduce_window")) and not plain(eqn.params)):
        outputs = _bound(
            eqn, [jnp.asarray(x) if isinstance(x, (np.ndarray, np.generic)) else x for x in inputs], changed
        )
        return [np.asarray(out) if isinstance(out.dtype, np.dtype) else out for out in outputs]
    outputs = function(*inputs, **{**eqn.params, **changed})
    outputs = outputs if eqn.primitive.multiple_results else [outputs]
    return [_typed(out, var.aval.dtype) for out, var in zip(outputs, eqn.outvars, strict=True)]


def _typed(out: Any, dtype: Any) -> Any:
    """NumPy sums int32 into int64; JAX does not."""
    kind = getattr(dtype, "kind", "f")
    return np.asarray(out).astype(dtype) if kind in "biu" and out.dtype != dtype else out


def _bound(eqn: Any, inputs: Sequence[Any], changed: Mapping[str, Any]) -> list[Any]:
    if not changed:
        return evaluated(eqn, list(inputs))
    params = {**eqn.params, "preferred_element_type": None} if "preferred_element_type" in eqn.params else eqn.params
    outputs = eqn.primitive.bind(*inputs, **{**params, **changed})
    return [widened(out) for out in (outputs if eqn.primitive.multiple_results else [outputs])]


def _numpy_loops(call: Call, inputs: list[Any], **changed: Any) -> list[Any]:
    step, eqn = call.step, call.step.eqn
    if step.name == "cond":
        return run(step.bodies[int(inputs[0])], inputs[1:], call.machine, call.edits)
    if step.name == "while":
        tests, first = eqn.params["cond_nconsts"], eqn.params["cond_nconsts"] + eqn.params["body_nconsts"]
        state = inputs[first:]
        while run(step.bodies[0], [*inputs[:tests], *state], call.machine, call.edits)[0]:
            state = run(step.bodies[1], [*inputs[tests:first], *state], call.machine, call.edits)
        return state
    return _numpy_scan(call, inputs, {**eqn.params, **changed})


def _numpy_scan(call: Call, inputs: list[Any], params: Mapping[str, Any]) -> list[Any]:
    consts, first = scan_layout(call.step.eqn)
    state, rows = inputs[consts:first], []
    order = range(params["length"])[::-1] if params["reverse"] else range(params["length"])
    for at in order:
        now = [*inputs[:consts], *state, *(xs[at] for xs in inputs[first:])]
        outputs = run(call.step.bodies[0], now, call.machine, call.edits, at=at)
        state = outputs[: first - consts]
        rows.append(outputs[first - consts :])
    rows = rows[::-1] if params["reverse"] else rows
    return [*state, *(np.stack(column) for column in zip(*rows, strict=True))]


def scan_layout(eqn: Any) -> tuple[int, int]:
    """Where a scan's carry and its slices begin: told from ranks, as releases of JAX store it under several names."""
    body = getattr(eqn.params["jaxpr"], "jaxpr", eqn.params["jaxpr"])
    whole, carried = (
        sum(out.aval.shape == inner.aval.shape for out, inner in zip(outer, inside, strict=True))
        for outer, inside in ((eqn.invars, body.invars), (eqn.outvars, body.outvars))
    )
    return whole - carried, whole


def _jax_given(value: Any, aval: Any) -> Any:
    whole = isinstance(aval.dtype, np.dtype) and aval.dtype.kind in "biu"
    return jnp.asarray(value, aval.dtype) if whole else widened(value)


def _jax_loops(call: Call, inputs: list[Any], **changed: Any) -> list[Any]:
    step, eqn = call.step, call.step.eqn

    def body(which: int, arguments: Sequence[Any], at: Any = None) -> list[Any]:
        return run(step.bodies[which], list(arguments), call.machine, call.edits, at=at)

    if step.name == "cond":
        branches = [lambda *state, b=b: body(b, state) for b in range(len(step.bodies))]
        return list(lax.switch(inputs[0], branches, *inputs[1:]))
    if step.name == "while":
        tests, first = eqn.params["cond_nconsts"], eqn.params["cond_nconsts"] + eqn.params["body_nconsts"]
        return list(
            lax.while_loop(
                lambda state: body(0, [*inputs[:tests], *state])[0],
                lambda state: tuple(body(1, [*inputs[tests:first], *state])),
                tuple(inputs[first:]),
            )
        )
    consts, first = scan_layout(eqn)

    def one(state: Any, now: Any) -> Any:
        at, xs = now
        outputs = body(0, [*inputs[:consts], *state, *xs], at=at)
        return tuple(outputs[: first - consts]), outputs[first - consts :]

    options = {name: {**eqn.params, **changed}[name] for name in ("length", "reverse")}
    rows = [xs[: options["length"]] for xs in inputs[first:]]
    state, ys = lax.scan(one, tuple(inputs[consts:first]), (jnp.arange(options["length"]), rows), **options)
    return [*state, *ys]


NUMPY_MACHINE = Machine(np, _numpy_evaluate, _numpy_given, _numpy_loops)
JAX = Machine(jnp, _bound, _jax_given, _jax_loops)
