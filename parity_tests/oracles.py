"""How a value is held against a third voice: a closed form, NumPy, a run by hand."""

import numpy as np

from parity.tolerance import allowance

__all__ = ["agrees"]


def agrees(got: np.ndarray, expected: np.ndarray, dtype: str = "float64") -> bool:
    """Whether ``got`` is the oracle's value by the instrument's own rule, with no program to simulate.

    At float64 1e-12 of the largest magnitude, at lower dtypes 8 roundings of the result; a NaN is equal to one.
    """
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if got.shape != expected.shape:
        return False
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    error = np.where(same, 0.0, np.nan_to_num(np.abs(got - expected), nan=np.inf))
    return allowance((error, error), expected, dtype, None).ratio(error) <= 1
