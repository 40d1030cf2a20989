"""The real images, and everything random about a training run, drawn once in NumPy for whoever trains."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np

from parity.errors import InputError

__all__ = ["LAYERS", "load_digits", "initial_weights", "epoch_orders"]

Examples: TypeAlias = tuple[np.ndarray, np.ndarray]

# The sizes of the classifier, from 8 x 8 pixels to ten digits.
LAYERS = (64, 128, 128, 10)


def load_digits() -> tuple[Examples, Examples]:
    """scikit-learn's 1,797 handwritten digits, 8 by 8 pixels, and the fifth of them that no training sees.

    The held-back fifth is always the same, whatever the seed of a run: the first 359 of
    ``numpy.random.default_rng(0).permutation(1797)``.

    Returns:
        (images, labels) to train on, then (images, labels) to test on; pixels go from 0 to 1.

    Raises:
        InputError: if scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ModuleNotFoundError as error:
        raise InputError(
            "train: data must be an installed set, got 'digits' without scikit-learn."
            " Install it with: pip install 'torch-jax-parity[study]'"
        ) from error
    images, labels = datasets.load_digits(return_X_y=True)
    shuffled = np.random.default_rng(0).permutation(len(labels))
    held_back, rest = np.split(shuffled, [len(labels) // 5])
    # Pixels count from 0 to 16, so the quotient is exact in float32 too.
    return (images[rest] / 16, labels[rest]), (images[held_back] / 16, labels[held_back])


def initial_weights(rng: np.random.Generator, dtype: str = "float32") -> list[tuple[np.ndarray, np.ndarray]]:
    r"""Draw a pair (weight, bias) for each layer by torch's law, $U(\pm 1/\sqrt{fan_{in}})$ for both."""
    weights = []
    for fan_in, fan_out in pairwise(LAYERS):
        bound = fan_in**-0.5
        weight = rng.uniform(-bound, bound, size=(fan_out, fan_in))
        weights.append((weight.astype(dtype), rng.uniform(-bound, bound, size=fan_out).astype(dtype)))
    return weights


def epoch_orders(rng: np.random.Generator, epochs: int, examples: int) -> np.ndarray:
    """Draw the order of the examples for each epoch, one row an epoch."""
    return np.stack([rng.permutation(examples) for _ in range(epochs)])
