"""One array of one side held against the other's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.arrays import Value, rounded
from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.findings import Clues
from parity.report import Leaf, Place
from parity.tolerance import Allowance, Noise, allowance, rms

__all__ = ["Sides", "compare_leaf"]

_WITHOUT_X64 = {"int64": "int32", "uint64": "uint32"}  # JAX's integers below float64


@dataclass(frozen=True)
class Sides:
    """One leaf as each side has it.

    Attributes:
        left: torch's, or eager JAX's.
        right: JAX's.
        truth: the float64 value below float64; None where the sides are held against each other.
        names: what to call left and right.
        missing: whether the left side has no gradient at all (zeros stand in for it).
        simulate: makes the leaf's rounding noise, should it be needed.
        inputs: of both sides, by path, for the diagnosis.
    """

    left: Value
    right: Value
    truth: Value | None = None
    names: tuple[str, str] = ("torch", "jax")
    missing: bool = False
    simulate: Callable[[], Noise] | None = None
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)


def compare_leaf(quantity: str, path: str, dtype: str, sides: Sides) -> Leaf:
    """Hold one leaf against the other, or both against the float64 truth.

    Args:
        quantity: "output", "gradient" or "jit".
        path: of the leaf.
        dtype: under test.
        sides: the values.
    """
    left, right = sides.left.data, sides.right.data
    clues = Clues(sides.inputs, quantity == "gradient", dtype)
    facts: dict[str, Any] = {"quantity": quantity, "path": path, "dtype": dtype, "shape": left.shape}
    facts |= {"sides": sides.names, "size": left.size}
    if left.shape != right.shape:
        problem = f"shapes differ: {sides.names[0]} {list(left.shape)} | {sides.names[1]} {list(right.shape)}"
        hint = diagnose(left, right, 0.0, sides.names, clues)
        return Leaf(**facts, error=np.inf, ratio=np.inf, limit=0.0, reason="", problem=problem, diagnosis=hint)
    truth = None if sides.truth is None or not sides.left.inexact else sides.truth.data
    errors = _errors(left, right, truth, dtype)
    allowed = _allowed(errors, left if truth is None else truth, dtype, sides)
    if allowed.truth is not None:
        truth, errors = allowed.truth, _errors(left, right, allowed.truth, dtype)
    error = np.maximum(*errors)
    facts["problem"] = _problem(sides, dtype, error)
    facts["ratio"] = np.inf if facts["problem"] else allowed.ratio(error)
    facts |= {"error": float(error.max(initial=0.0)), "limit": allowed.largest, "reason": allowed.reason}
    if facts["ratio"] > 1 and error.any():
        facts |= {"mismatched": int((error > allowed.largest).sum()), "spread": (rms(error), allowed.spread)}
        facts["absolute"] = _worst(left, right, truth, error)
        facts["relative"] = _worst(left, right, truth, _relative(error, left, right))
        facts["diagnosis"] = diagnose(left, right, allowed.largest, sides.names, clues)
    return Leaf(**facts)


def _allowed(errors: tuple[np.ndarray, np.ndarray], truth: np.ndarray, dtype: str, sides: Sides) -> Allowance:
    if not sides.left.inexact:
        return Allowance(0.0, 0.0, "integers are exact")
    return allowance(errors, truth, dtype, sides.simulate, sides.names)


def _errors(left: np.ndarray, right: np.ndarray, truth: np.ndarray | None, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Absolute errors of both sides; infinite where one value is not finite and the other is not the same.

    Without a truth both are the distance between the sides.
    """
    if truth is None:
        return _distance(left, right), _distance(right, left)
    in_range = rounded(truth, dtype)  # what overflows by its size alone is infinite on every side
    reachable = np.where(np.isfinite(in_range), truth, in_range)
    return _distance(left, reachable), _distance(right, reachable)


def _distance(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    if left.dtype.kind not in "fc" and right.dtype.kind not in "fc":
        return np.where(left == right, 0.0, np.maximum(np.abs(left.astype(float) - right.astype(float)), 1.0))
    finite = np.isfinite(left) & np.isfinite(right)
    same = (np.isnan(left) & np.isnan(right)) | (left == right)
    return np.where(same, 0.0, np.where(finite, np.abs(left - right), np.inf))


def _relative(error: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    relative = error / np.maximum(np.abs(left), np.abs(right))
    return np.where(error == 0, 0.0, np.nan_to_num(relative, nan=np.inf))


def _worst(left: np.ndarray, right: np.ndarray, truth: np.ndarray | None, gap: np.ndarray) -> Place:
    where = tuple(int(i) for i in np.unravel_index(gap.argmax(), gap.shape))
    exact = None if truth is None else truth[where].item()
    return Place(where, left[where].item(), right[where].item(), exact, float(gap[where]))


def _problem(sides: Sides, dtype: str, error: np.ndarray) -> str:
    """What no allowance covers, in words."""
    left, right = sides.left, sides.right
    narrow = dtype != "float64" and sides.names[1] in ("jax", "jit")
    expected = _WITHOUT_X64.get(left.dtype, left.dtype) if narrow else left.dtype
    if expected != right.dtype and not ("python" in (expected, right.dtype) and left.inexact == right.inexact):
        return f"dtypes differ: {sides.names[0]} {left.dtype} | {sides.names[1]} {right.dtype}"
    if sides.missing and np.any(right.data != 0):
        return f"{sides.names[0]} has no gradient here: its output does not depend on this input, or was detached"
    if not left.inexact or not np.isinf(error).any():
        return ""
    finite = [int(np.isfinite(side.data).sum()) for side in (left, right)]
    if finite[0] == finite[1]:
        return "not finite on both sides where the float64 truth is, or in different ways"
    fewer = sides.names[0] if finite[0] < finite[1] else sides.names[1]
    return f"not finite on one side only: {fewer} has {abs(finite[0] - finite[1])} more NaN or infinite elements"
