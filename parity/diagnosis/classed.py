"""What a leaf does for each value of a label or a mask: a weight of its own, or a number put in its place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.diagnosis.findings import Finding, Gap, Remedy
from parity.diagnosis.multiples import round_number

__all__ = ["classed"]

_VALUES = 4  # of a label


def classed(gap: Gap) -> Iterator[Remedy]:
    """A factor for each value of an input, or a scale and an offset for each of two."""
    if gap.left.dtype.kind != "f" or gap.left.ndim == 0:
        return
    for path, array in gap.clues.inputs.items():
        if not array.ndim or array.shape != gap.left.shape[: array.ndim]:
            continue
        values = np.unique(array)
        if 2 <= values.size <= _VALUES and np.array_equal(values, np.round(values)):
            wide = np.broadcast_to(array.reshape(array.shape + (1,) * (gap.left.ndim - array.ndim)), gap.left.shape)
            yield from _weighted(gap, path, wide, values)
            if values.size == 2:
                yield from _replaced(gap, path, wide, values)


def _weighted(gap: Gap, path: str, labels: np.ndarray, values: np.ndarray) -> Iterator[Remedy]:
    remedied, shown, factors = np.zeros_like(gap.right), [], []
    for value in values:
        there = labels == value
        squares = float((gap.right[there] ** 2).sum())
        factors.append(float((gap.right[there] * gap.left[there]).sum()) / squares if squares else 0.0)
        remedied[there] = factors[-1] * gap.right[there]
        shown.append(f"{_number(factors[-1])} where {path} is {_value(value, labels)}")
    if np.isclose(factors, factors[0], rtol=1e-6, atol=0).all() or not any(factors):
        return
    cause = "look for a class weight (alpha, pos_weight), or a mask, on one side only"
    yield Remedy(
        Finding(f"torch == jax times {', '.join(shown)}; {cause}", strong=all(map(round_number, factors))),
        remedied,
        freedom=values.size,
    )


def _replaced(gap: Gap, path: str, labels: np.ndarray, values: np.ndarray) -> Iterator[Remedy]:
    """Of two values, one under which jax is one number, and torch another."""
    for value in values:
        there = labels == value
        if (
            there.sum() < 3
            or np.ptp(gap.right[there])
            or np.ptp(gap.left[there]) > gap.limit
            or gap.left[there][0] == 0
        ):
            continue
        if (~there).sum() < 4 or not np.ptp(gap.right[~there]):
            continue
        slope, shift = np.polyfit(gap.right[~there], gap.left[~there], 1)
        remedied = slope * gap.right + shift
        remedied[there] = gap.left[there]
        text = f"torch is the constant {_number(gap.left[there][0])} where {path} is {_value(value, labels)} and jax is"
        text += f" {_number(gap.right[there][0])}; elsewhere torch == {slope:.6g} x jax + {shift:.6g}"
        yield Remedy(Finding(f"{text}; look for what is put in place of what a mask drops"), remedied, freedom=3)


def _number(value: float) -> str:
    return round_number(value) or f"{value:.6g}"


def _value(value: float, labels: np.ndarray) -> str:
    return str(bool(value)) if labels.dtype.kind == "b" else f"{value:g}"
