"""How a law is held against torch's draws: bounds, moments and a two-sample Kolmogorov-Smirnov test at 1e5 draws."""

from collections.abc import Callable

import jax
import numpy as np
import scipy.stats
import torch

__all__ = ["DRAWS", "jax_draws", "ks", "moment_gaps", "same_law", "torch_draws"]

DRAWS = 100_000


def torch_draws(fill: Callable, shape: tuple[int, ...]) -> np.ndarray:
    """What torch's initializer or layer draws from seed 0, flat; the global generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return fill(torch.empty(shape)).detach().numpy().ravel().astype(np.float64)


def jax_draws(law: Callable, shape: tuple[int, ...]) -> np.ndarray:
    """What a JAX initializer draws from key 0, flat."""
    return np.asarray(law(jax.random.key(0), shape, np.float32), np.float64).ravel()


def ks(left: np.ndarray, right: np.ndarray) -> float:
    """The p-value of both samples having one law."""
    return float(scipy.stats.ks_2samp(left, right).pvalue)


def moment_gaps(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How far the first four moments are apart, in standard errors of the difference."""
    powers = np.arange(1, 5)[:, None]
    ours, theirs = left**powers, right**powers
    error = np.sqrt(ours.var(1) / left.size + theirs.var(1) / right.size)
    return np.abs(ours.mean(1) - theirs.mean(1)) / error


def same_law(left: np.ndarray, right: np.ndarray) -> bool:
    """p above 1e-3, moments within five standard errors and, of a law that is cut off, the ends within 5e-4 of them."""
    if ks(left, right) < 1e-3 or moment_gaps(left, right).max() > 5:
        return False
    ends = np.array([[sample.min(), sample.max()] for sample in (left, right)])
    bounded = np.abs(ends).max() < 2.3 * left.std()  # a box or a cut, whose ends are met
    return not bounded or bool(np.abs(np.diff(ends, axis=0)).max() < 5e-4 * np.abs(ends).max())
