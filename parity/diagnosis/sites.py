"""The constants of a JAX program: which numbers stand in it, and on which line of whose file."""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jax import numpy as jnp
from jax.extend import source_info_util

from parity.jaxprs import inner_programs

if TYPE_CHECKING:
    from parity.diagnosis.flat import Step

__all__ = [
    "ADDED",
    "BESIDE",
    "SCALED",
    "Constant",
    "Placed",
    "constants",
    "is_library",
    "missing_constants",
    "placed",
    "source_of",
]

_INSTRUMENT = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")  # its own frames are not the port's
_CALLS = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint")
_COUNTED = (
    *("add", "sub", "mul", "max", "min", "pow", "select_n", "convert_element_type"),
    *("ge", "gt", "le", "lt", "eq", "ne"),
)
SCALED, ADDED, BESIDE = -1, -2, -3
"""Operand numbers of constants that a program lacks: a factor of the result, a term in the last operand, the first."""

_MISSING = {
    **dict.fromkeys(("dot_general", "conv_general_dilated", "reduce_sum"), SCALED),
    **dict.fromkeys(("sqrt", "rsqrt", "log", "div"), ADDED),
    **dict.fromkeys(("max", "min"), BESIDE),
}


@dataclass(frozen=True)
class Placed:
    """An equation and the line of the program it comes from."""

    eqn: Any
    source: str


@dataclass(frozen=True)
class Constant:
    """One number that stands in a program.

    Attributes:
        keys: (step, operand) of every place that holds it and is changed with it.
        value: as it is.
        whole: whether it is an integer, which stays one.
        used: the primitive that takes it.
        source: the line, "norm.py:12"; "" if it is on several.
    """

    keys: tuple[tuple[int, int], ...]
    value: float
    whole: bool
    used: str
    source: str


def placed(program: Any, around: str = "") -> Iterator[Placed]:
    """Every equation of a program, those inside calls and loops too, with its line.

    JAX traces a function of its own library once and keeps the line of its first caller; so inside such a call the
    line of the call holds.
    """
    for eqn in getattr(program, "jaxpr", program).eqns:
        source = around or source_of(eqn)
        yield Placed(eqn, source)
        for inner in inner_programs(eqn):
            yield from placed(inner, source if is_library(eqn, inner) else around)


def is_library(eqn: Any, inner: Any) -> bool:
    """Whether a call is one of JAX's or another library's own functions, traced elsewhere."""
    if eqn.primitive.name not in _CALLS:
        return False
    first = next(iter(getattr(inner, "jaxpr", inner).eqns), None)
    called = eqn.params.get("name", "")
    return first is None or f"({called})" not in source_info_util.summarize(first.source_info)


def source_of(eqn: Any) -> str:
    """ "file.py:12" of an equation, relative to where we are; "" where JAX does not know."""
    try:
        place = source_info_util.summarize(eqn.source_info).partition(" ")[0]
        path, line = place.split(":")[:2]
    except (AttributeError, ValueError):
        return ""
    if not os.path.isfile(path) or path.startswith(_INSTRUMENT):
        return ""
    near = os.path.relpath(path)
    shown = os.path.basename(path) if near.startswith("..") else near
    code = linecache.getline(path, int(line)).strip()
    return f"{shown}:{line} `{code[:80]}`" if code else f"{shown}:{line}"


def constants(steps: Sequence[Step]) -> list[Constant]:
    """The numbers of a program, those of one value on one line as one; then those of one value on all lines."""
    single: dict[Any, list[Constant]] = {}
    counts = {slot for step in steps if step.name == "iota" for slot in step.outputs}
    for step in steps:
        for operand, var in enumerate(step.eqn.invars):
            constant = _constant(step, operand, var)
            if constant is not None:
                if constant.whole and step.name in ("add", "sub") and not counts.isdisjoint(step.inputs):
                    constant = replace(constant, used="iota")
                key = (constant.value, constant.whole, constant.used, constant.source)
                single.setdefault(key, []).append(constant)
    lines = [_merged(group) for group in single.values()]
    everywhere: dict[Any, list[Constant]] = {}
    for constant in lines:
        everywhere.setdefault((constant.value, constant.whole), []).append(constant)
    return [*lines, *(_merged(group) for group in everywhere.values() if len(group) > 1)]


def missing_constants(steps: Sequence[Step]) -> list[Constant]:
    """Where a scale or an epsilon may have been left out: factors of 1 and terms of 0 that nobody wrote."""
    found: dict[Any, list[Constant]] = {}
    for step in steps:
        kind = _MISSING.get(step.name)
        if kind is not None and jnp.issubdtype(step.eqn.outvars[0].aval.dtype, np.floating):
            constant = Constant(((step.number, kind),), float(kind == SCALED), False, step.name, step.source)
            found.setdefault(step.site, []).append(constant)
    return [_merged(group) for group in found.values()]


def _constant(step: Step, operand: int, var: Any) -> Constant | None:
    value, kind = step.literal(operand), getattr(getattr(var.aval, "dtype", None), "kind", "")
    if value is None or kind not in "fi" or np.isnan(value):
        return None
    whole = kind == "i"
    idle = np.isinf(value) and step.name in ("max", "min")  # where a maximum starts from
    if idle or (whole and step.name not in _COUNTED):
        return None
    return Constant(((step.number, operand),), value, whole, step.name, step.source)


def _merged(group: list[Constant]) -> Constant:
    first, sources = group[0], {constant.source for constant in group}
    keys = tuple(dict.fromkeys(key for constant in group for key in constant.keys))
    return Constant(keys, first.value, first.whole, first.used, first.source if len(sources) == 1 else "")
