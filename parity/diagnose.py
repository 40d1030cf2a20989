"""The likeliest porting mistake behind a gap, named only where it explains the whole of it.

Each hypothesis is a remedy: applied to the JAX side it must bring the leaf within its allowance, or shrink the gap a
thousandfold. Simplest first; the first that does so is named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np

__all__ = ["diagnose"]

_EVIDENCE = 3  # numbers for each one that a remedy is free to choose; with fewer it explains anything
_UNNAMED = "look for a missing scale"
_ENOUGH = 1e-3  # a remedy must leave at most this share of the gap


def diagnose(left: np.ndarray, right: np.ndarray, limit: float, names: tuple[str, str] = ("torch", "jax")) -> str:
    """One sentence that says what turns the right side into the left; "" where nothing known does.

    Args:
        left: torch's values.
        right: JAX's values; the shape may differ.
        limit: the allowance of the leaf.
        names: what the sides are called.
    """
    if not (left.size and right.size and _usable(left) and _usable(right)):
        return ""
    before = np.abs(left - right).max() if left.shape == right.shape else np.inf
    for hypothesis in (_zero, _factor, _offset, _axes, _reversed, _shifted):
        for sentence, remedied in hypothesis(left, right):
            if remedied.shape == left.shape:
                after = np.abs(left - remedied).max()
                if after <= limit or after <= _ENOUGH * min(before, np.abs(left).max()):
                    return sentence.replace("torch", names[0]).replace("jax", names[1])
    return ""


def _usable(data: np.ndarray) -> bool:
    return data.dtype.kind in "fciu" and bool(np.isfinite(data).all())


Remedies = Iterator[tuple[str, np.ndarray]]


def _zero(left: np.ndarray, right: np.ndarray) -> Remedies:
    if left.shape == right.shape and not right.any():
        yield "jax is zero everywhere; look for a stop_gradient, or a value that is not used", left
    if left.shape == right.shape and not left.any():
        yield "torch is zero everywhere; look for a detach, or a value that is not used", left


def _factor(left: np.ndarray, right: np.ndarray) -> Remedies:
    if left.shape != right.shape or not right.any():
        return
    factor = float(np.real(np.vdot(right, left) / np.vdot(right, right)))
    if factor == 0 or math.isclose(factor, 1, rel_tol=1e-9):
        return
    known, cause = _named(factor)
    if left.size < _EVIDENCE and cause == _UNNAMED:
        return  # one number is some multiple of any other
    yield f"torch == {known} x jax everywhere; {cause}", factor * right


def _named(factor: float) -> tuple[str, str]:
    if math.isclose(factor, -1, rel_tol=1e-6):
        return "-1", "look for a sign"
    for n in (2, 3, 4):
        if math.isclose(factor, n, rel_tol=1e-6) or math.isclose(factor, 1 / n, rel_tol=1e-6):
            text = str(n) if factor > 1 else f"1/{n}"
            return text, "look for a halved or doubled term, or a mean taken for a sum"
    whole = round(max(factor, 1 / factor)) if factor > 0 else 0
    if 1 < whole < 1e6 and math.isclose(max(factor, 1 / factor), whole, rel_tol=1e-6):
        return (str(whole) if factor > 1 else f"1/{whole}"), "look for a sum on one side and a mean on the other"
    return f"{factor:.10g}", _UNNAMED


def _offset(left: np.ndarray, right: np.ndarray) -> Remedies:
    if left.shape != right.shape or left.size < _EVIDENCE:
        return
    shift = (left - right).mean()
    yield f"torch == jax + {shift:.6g} everywhere; look for a constant or a bias that one side adds", right + shift
    if left.ndim > 1 and left.size >= _EVIDENCE * left.shape[-1]:
        bias = (left - right).mean(axis=tuple(range(left.ndim - 1)), keepdims=True)
        yield "they differ by one vector along the last axis; look for a bias missing or added twice", right + bias


def _axes(left: np.ndarray, right: np.ndarray) -> Remedies:
    if left.ndim == right.ndim and 1 < right.ndim <= 4:
        for order in permutations(range(right.ndim)):
            if order != tuple(range(right.ndim)):
                yield f"torch == jax with its axes in the order {order}; look for a transpose", right.transpose(order)
    if left.size == right.size:
        text = "torch == jax once reshaped"
        if left.shape == right.shape and right.ndim > 1:
            yield f"{text} in the other order; look for a flatten of another layout", right.T.reshape(left.shape)
        elif left.shape != right.shape:
            yield f"{text}; look for an axis kept, dropped or merged", right.reshape(left.shape)


def _each_axis(make: Callable[[np.ndarray, int], np.ndarray], right: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for axis, length in enumerate(right.shape):
        if length > 1:
            yield axis, make(right, axis)


def _reversed(left: np.ndarray, right: np.ndarray) -> Remedies:
    for axis, remedied in _each_axis(np.flip, right):
        yield f"torch == jax with axis {axis} reversed; look for the direction of a scan, a sort or a kernel", remedied


def _shifted(left: np.ndarray, right: np.ndarray) -> Remedies:
    for step in (1, -1):
        for axis, remedied in _each_axis(lambda data, axis, step=step: np.roll(data, step, axis), right):
            yield f"torch == jax rolled by {step:+d} along axis {axis}; look for an index off by one", remedied
