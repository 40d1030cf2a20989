"""What the tests of the instrument share: small arrays and the cheapest comparison that has all its parts."""

from typing import Any

import numpy as np

import parity

__all__ = ["MATRIX", "VECTOR", "agree", "failing", "quick"]

VECTOR = np.array([0.5, -1.25, 2.0, 0.75])
MATRIX = np.array([[0.5, -1.25, 2.0, 0.75], [1.5, 0.25, -0.5, 3.0], [-2.0, 1.0, 0.125, -0.75]])


def quick(torch_side: Any, jax_side: Any, inputs: Any, **options: Any) -> parity.Report:
    """Compare at float64 and uncompiled, unless told otherwise."""
    return parity.compare(torch_side, jax_side, inputs, **{"dtypes": ("float64",), "jit": False, **options})


def agree(torch_side: Any, jax_side: Any, inputs: Any, **options: Any) -> bool:
    """The verdict alone."""
    return quick(torch_side, jax_side, inputs, **options).ok


def failing(report: parity.Report, dtype: str = "float64") -> set[str]:
    """The paths that differ at one dtype."""
    return {leaf.path for leaf in report.failures if leaf.dtype == dtype}
