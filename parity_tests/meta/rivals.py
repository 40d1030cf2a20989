"""What people compare ports with today: fixed tolerances, applied to the very values that parity compared."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import torch

import parity.comparison
from parity.arrays import Value

__all__ = ["METHODS", "Pair", "recorded"]


@dataclass(frozen=True)
class Pair:
    """One output or gradient as both sides have it."""

    left: Value
    right: Value


@contextmanager
def recorded() -> Iterator[list[Pair]]:
    """Collect every output and gradient that is compared meanwhile, JAX against itself left out."""
    pairs, original = [], parity.comparison.compare_leaf

    def note(quantity: str, path: str, dtype: str, sides: Any, *rest: Any, **options: Any) -> Any:
        if quantity != "jit":
            pairs.append(Pair(sides.left, sides.right))
        return original(quantity, path, dtype, sides, *rest, **options)

    with mock.patch.object(parity.comparison, "compare_leaf", note):
        yield pairs


def within(pair: Pair, *, absolute: float, relative: float = 0.0) -> bool:
    """``np.allclose``, which broadcasts shapes and knows no dtype; what cannot be broadcast is far apart."""
    try:
        return np.allclose(pair.right.data, pair.left.data, rtol=relative, atol=absolute)
    except ValueError:
        return False


def within_torch_defaults(pair: Pair) -> bool:
    """``torch.testing.assert_close``: tolerances by dtype, and the dtype itself."""
    try:
        torch.testing.assert_close(_tensor(pair.right), _tensor(pair.left))
    except AssertionError:
        return False
    return True


def _tensor(value: Value) -> torch.Tensor:
    dtype = getattr(torch, value.dtype, None)
    tensor = torch.tensor(value.data)
    return tensor.to(dtype) if isinstance(dtype, torch.dtype) else tensor


# The tolerances below are other people's, that is the point: each is what its name says.
METHODS: dict[str, Callable[[Pair], bool]] = {
    "numpy.allclose, 1e-5 and 1e-8": partial(within, relative=1e-5, absolute=1e-8),
    "torch.testing.assert_close, defaults": within_torch_defaults,
    "relative 1e-6, the default of chex": partial(within, relative=1e-6, absolute=0.0),
    "absolute 1e-5": partial(within, absolute=1e-5),
    "absolute 4e-2": partial(within, absolute=4e-2),
}
