"""A jaxpr as a list of steps: calls inlined, loops kept, each step with the line and the place in code it is from."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import jax
import numpy as np
from jax.extend import core

from parity.diagnosis.sites import is_library, source_of

__all__ = ["Flat", "Step", "every_step", "flattened"]

_CALLED = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "remat",
    "remat2",
    "checkpoint",
    "custom_jvp_call",
    "custom_vjp_call",
)
_BODIES = {"scan": ("jaxpr",), "while": ("cond_jaxpr", "body_jaxpr"), "cond": ("branches",)}
_HOME = os.path.dirname(jax.__file__)


@dataclass(frozen=True, eq=False)
class Step:
    """One equation.

    Attributes:
        number: of its own, over the whole program.
        eqn: of the jaxpr.
        inputs: slots.
        outputs: slots.
        site: the place in code it was traced from; a loop that is written out visits one more than once.
        source: the line, for the reader.
        numbers: which of the inputs are numbers that stand in the program, None for the others.
        bodies: of a loop or of a choice.
    """

    number: int
    eqn: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    site: Hashable
    source: str
    numbers: tuple[float | None, ...] = ()
    bodies: tuple[Flat, ...] = ()

    @property
    def name(self) -> str:
        """The primitive's."""
        return self.eqn.primitive.name

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the inputs."""
        return [tuple(getattr(var.aval, "shape", ())) for var in self.eqn.invars]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the first output."""
        return tuple(self.eqn.outvars[0].aval.shape)

    def literal(self, place: int) -> float | None:
        """The number that stands there as an operand, or was handed to the call that the step is from."""
        return self.numbers[place]


@dataclass(frozen=True, eq=False)
class Flat:
    """A program, or the body of a loop.

    Attributes:
        steps: in their order.
        inputs: slots.
        outputs: slots.
        constants: values and types of the slots that hold some.
    """

    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: Mapping[int, tuple[Any, Any]]


def flattened(program: Any) -> Flat:
    """The steps of a closed jaxpr."""
    return _Flattener(count(), count()).flat(program, "", ())


def every_step(flat: Flat) -> Iterator[tuple[Step, Flat]]:
    """All steps, those of bodies too, and the list that each stands in."""
    for step in flat.steps:
        yield step, flat
        for body in step.bodies:
            yield from every_step(body)


@dataclass
class _Flattener:
    slots: count
    numbers: count

    def flat(self, program: Any, around: str, site: tuple) -> Flat:
        jaxpr, consts = (program.jaxpr, program.consts) if hasattr(program, "consts") else (program, ())
        inputs = tuple(next(self.slots) for _ in jaxpr.invars)
        known, constants = dict(zip(jaxpr.invars, inputs, strict=True)), {}
        for var, value in zip(jaxpr.constvars, consts, strict=True):
            known[var] = next(self.slots)
            constants[known[var]] = (value, var.aval)
        steps = list(self._steps(jaxpr, known, constants, around, site))
        outputs = tuple(self._slot(var, known, constants) for var in jaxpr.outvars)
        return Flat(tuple(steps), inputs, outputs, constants)

    def _slot(self, var: Any, known: dict, constants: dict) -> int:
        if not isinstance(var, core.Literal):
            return known[var]
        slot = next(self.slots)
        constants[slot] = (var.val, var.aval)
        return slot

    def _steps(self, jaxpr: Any, known: dict, constants: dict, around: str, site: tuple) -> Iterator[Step]:
        for place, eqn in enumerate(jaxpr.eqns):
            source = around or source_of(eqn)
            here = (*site, place) if site else (*_code(eqn), eqn.primitive.name)
            inputs = tuple(self._slot(var, known, constants) for var in eqn.invars)
            if eqn.primitive.name in _CALLS:
                yield from self._inlined(eqn, inputs, known, constants, (around, source, site, here))
                continue
            outputs = tuple(next(self.slots) for _ in eqn.outvars)
            known.update(zip(eqn.outvars, outputs, strict=True))
            bodies = tuple(self.flat(body, around, site and here) for body in _bodies(eqn))
            numbers = tuple(_number(constants.get(slot)) for slot in inputs)
            yield Step(next(self.numbers), eqn, inputs, outputs, here, source, numbers, bodies)

    def _inlined(self, eqn: Any, inputs: tuple, known: dict, constants: dict, where: tuple) -> Iterator[Step]:
        around, source, site, here = where
        inner = next(eqn.params[name] for name in _CALLED if name in eqn.params)
        library = bool(site) or is_library(eqn, inner)
        jaxpr, consts = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
        own = dict(zip(jaxpr.invars, inputs, strict=True))
        for var, value in zip(jaxpr.constvars, consts, strict=True):
            own[var] = next(self.slots)
            constants[own[var]] = (value, var.aval)
        yield from self._steps(jaxpr, own, constants, source if library else around, here if library else ())
        known.update(
            (out, self._slot(var, own, constants)) for out, var in zip(eqn.outvars, jaxpr.outvars, strict=True)
        )


def _number(constant: tuple[Any, Any] | None) -> float | None:
    if constant is None or np.ndim(constant[0]) or np.asarray(constant[0]).dtype.kind not in "biufc":
        return None
    return float(np.real(constant[0]))


def _bodies(eqn: Any) -> list[Any]:
    found = [eqn.params[name] for name in _BODIES.get(eqn.primitive.name, ())]
    return list(found[0]) if eqn.primitive.name == "cond" else found


def _code(eqn: Any) -> tuple:
    """Where in the code an equation comes from, to the instruction: JAX's own frames and the first of another's."""
    try:
        codes, places = eqn.source_info.traceback.raw_frames()
    except AttributeError:
        return (id(eqn),)
    own: list[Any] = []
    for code, place in zip(codes, places, strict=True):
        own += [code, place]
        if not code.co_filename.startswith(_HOME):
            return tuple(own)
    return (id(eqn),)
