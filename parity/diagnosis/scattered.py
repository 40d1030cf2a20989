"""JAX's scatter in NumPy: to have JAX do it costs a compilation each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jax import lax

__all__ = ["added", "written"]


def written(operand: Any, indices: Any, updates: Any, **params: Any) -> np.ndarray:
    """``operand`` with ``updates`` in the places of ``indices``."""
    return _scattered(operand, indices, updates, params, np.ndarray.__setitem__)


def added(operand: Any, indices: Any, updates: Any, **params: Any) -> np.ndarray:
    """``operand`` and what is added to it there."""
    return _scattered(operand, indices, updates, params, np.add.at)


def _scattered(operand: Any, indices: Any, updates: Any, params: dict[str, Any], put: Callable) -> np.ndarray:
    names, shape = params["dimension_numbers"], np.shape(operand)
    grid = np.indices(np.shape(updates))
    beside = [grid[axis] for axis in range(len(grid)) if axis not in names.update_window_dims]
    starts = np.asarray(indices)[tuple(beside)]
    lone = (*names.inserted_window_dims, *names.operand_batching_dims)
    window = dict(zip([axis for axis in range(len(shape)) if axis not in lone], names.update_window_dims, strict=True))
    place = [grid[window[axis]] if axis in window else np.zeros(grid.shape[1:], int) for axis in range(len(shape))]
    for axis, along in zip(names.operand_batching_dims, names.scatter_indices_batching_dims, strict=True):
        place[axis] = beside[along]
    inside = np.ones(grid.shape[1:], bool)
    for number, axis in enumerate(names.scatter_dims_to_operand_dims):
        last = shape[axis] - (np.shape(updates)[window[axis]] if axis in window else 1)
        start = starts[..., number]
        clipped = params["mode"] == lax.GatherScatterMode.CLIP
        start = np.clip(start, 0, last) if clipped else start
        inside &= (start >= 0) & (start <= last)
        place[axis] = place[axis] + start
    out = np.array(operand)
    put(out, tuple(at[inside] for at in place), np.asarray(updates)[inside])
    return out
