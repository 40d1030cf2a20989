"""The constants of a JAX program: which numbers stand in it, and on which line of whose file."""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.extend import core, source_info_util

from parity.jaxprs import inner_programs

__all__ = ["ADDED", "SCALED", "Constant", "Placed", "constants", "missing_constants", "placed", "source_of"]

_CALLS = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint")
_ARITHMETIC = ("add", "sub", "mul")
SCALED, ADDED = -1, -2
"""Operand numbers of constants that a program lacks: a factor of the result, a term in the last operand."""

_MISSING = {
    **dict.fromkeys(("dot_general", "conv_general_dilated", "reduce_sum"), SCALED),
    **dict.fromkeys(("sqrt", "rsqrt", "log", "div"), ADDED),
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
        keys: (equation id, operand) of every place that holds it and is changed with it.
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
            yield from placed(inner, source if _is_library(eqn, inner) else around)


def _is_library(eqn: Any, inner: Any) -> bool:
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
    if not os.path.isfile(path):
        return ""
    near = os.path.relpath(path)
    shown = os.path.basename(path) if near.startswith("..") else near
    code = linecache.getline(path, int(line)).strip()
    return f"{shown}:{line} `{code[:80]}`" if code else f"{shown}:{line}"


def constants(program: Any) -> list[Constant]:
    """The numbers of a program, those of one value on one line as one; then those of one value on all lines."""
    single: dict[Any, list[Constant]] = {}
    for here in placed(program):
        for operand, var in enumerate(here.eqn.invars):
            constant = _constant(here, operand, var)
            if constant is not None:
                key = (constant.value, constant.whole, constant.used, constant.source)
                single.setdefault(key, []).append(constant)
    lines = [_merged(group) for group in single.values()]
    everywhere: dict[Any, list[Constant]] = {}
    for constant in lines:
        everywhere.setdefault((constant.value, constant.whole), []).append(constant)
    return [*lines, *(_merged(group) for group in everywhere.values() if len(group) > 1)]


def missing_constants(program: Any) -> list[Constant]:
    """Where a scale or an epsilon may have been left out: factors of 1 and terms of 0 that nobody wrote."""
    found = []
    for here in placed(program):
        kind = _MISSING.get(here.eqn.primitive.name)
        if kind is not None and np.issubdtype(here.eqn.outvars[0].aval.dtype, np.floating):
            found.append(
                Constant(((id(here.eqn), kind),), float(kind == SCALED), False, here.eqn.primitive.name, here.source)
            )
    return found


def _constant(here: Placed, operand: int, var: Any) -> Constant | None:
    if not isinstance(var, core.Literal) or np.ndim(var.val) or np.asarray(var.val).dtype.kind not in "fi":
        return None
    name, whole = here.eqn.primitive.name, np.asarray(var.val).dtype.kind == "i"
    value = float(np.asarray(var.val))
    idle = np.isinf(value) and name in ("max", "min")  # where a maximum starts from
    if np.isnan(value) or idle or (whole and name not in (*_CALLS, *_ARITHMETIC)):
        return None
    return Constant(((id(here.eqn), operand),), value, whole, name, here.source)


def _merged(group: list[Constant]) -> Constant:
    first, sources = group[0], {constant.source for constant in group}
    keys = tuple(dict.fromkeys(key for constant in group for key in constant.keys))
    return Constant(keys, first.value, first.whole, first.used, first.source if len(sources) == 1 else "")
