"""What stands in a jaxpr, the programs that its equations call and loop over entered."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax

__all__ = ["dtypes_of", "equations", "inner_programs", "size_of"]


def inner_programs(eqn: Any) -> list[Any]:
    """The jaxprs that an equation runs: the body of a loop, the branches of a choice, a called function."""
    if eqn.primitive.name.startswith(("scatter", "reduce", "select_and")):  # how two numbers combine
        return []
    return [value for value in jax.tree.leaves(eqn.params, is_leaf=_is_program) if _is_program(value)]


def _is_program(value: Any) -> bool:
    return hasattr(getattr(value, "jaxpr", value), "eqns")


def equations(program: Any, times: int = 1) -> Iterator[tuple[Any, int]]:
    """Every equation that computes something itself, and how often it runs; a ``while`` counts once."""
    for eqn in getattr(program, "jaxpr", program).eqns:
        programs = inner_programs(eqn)
        for inner in programs:
            yield from equations(inner, times * eqn.params.get("length", 1))
        if not programs:
            yield eqn, times


def dtypes_of(program: Any) -> set[str]:
    """The dtypes of everything that a program computes."""
    return {str(var.aval.dtype) for eqn, _ in equations(program) for var in eqn.outvars if hasattr(var.aval, "dtype")}


def size_of(program: Any) -> int:
    """How many numbers a program computes."""
    sizes = ((math.prod(var.aval.shape), times) for eqn, times in equations(program) for var in eqn.outvars)
    return sum(size * times for size, times in sizes)
