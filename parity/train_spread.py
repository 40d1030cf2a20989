"""How far a run of `parity train` drifts from itself when it starts one rounding off; gaps are held against it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.arrays import ROUNDOFF
from parity.spread import LIMIT, RUNS, moved
from parity.tolerance import FACTOR

__all__ = ["allowed", "loss_spread"]

Weights = list[tuple[np.ndarray, np.ndarray]]


def loss_spread(losses_from: Callable[[Weights], np.ndarray], weights: Weights, loss: np.ndarray) -> np.ndarray:
    """The running spread of 8 runs whose weights start one rounding apart.

    Args:
        losses_from: trains from given weights; the loss of every epoch.
        weights: float32, those of the run itself.
        loss: of that run.

    Returns:
        For every epoch the largest distance of any of the runs from ``loss`` so far.
    """
    generator = np.random.default_rng(0)
    near = [[tuple(_near(array, generator) for array in pair) for pair in weights] for _ in range(RUNS)]
    apart = [np.abs(losses_from(start) - loss) for start in near]  # pyright: ignore[reportArgumentType]
    return np.maximum.accumulate(np.max(apart, axis=0))


def _near(array: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return moved(array.astype(np.float64), array.dtype.name, generator).astype(array.dtype)


def allowed(spread: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """The largest gap that rounding explains: 4 times the spread so far, or 8 roundings of the loss if that is more.

    The runs start apart but round alike; the two sides add up their losses in another order as well.
    """
    return np.maximum(LIMIT * spread, FACTOR * ROUNDOFF["float32"] * np.abs(loss))
