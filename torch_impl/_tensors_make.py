"""The tensors topic, first part: make arrays, take them over, hand them over.

Differs from its twin: memory may be shared and written in place, and a dtype is kept as it comes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Shaped
from torch import Tensor

__all__ = [
    "from_list",
    "from_numpy",
    "from_dlpack",
    "to_numpy",
    "zeros",
    "ones",
    "normal",
    "promoted_dtype",
]


def from_list(values: Sequence[Any]) -> Float32[Tensor, "..."]:
    """Make a float32 array of a nested list of numbers.

    Args:
        values: numbers, or equally long lists of them.

    Returns:
        The numbers in float32, said aloud: the default dtype of either framework can be moved by a global setting.

    Example:
        >>> from_list([0.1, 0.2, 0.3]).dtype.itemsize
        4
    """
    return torch.tensor(values, dtype=torch.float32)


def from_numpy(array: Shaped[np.ndarray, "..."]) -> Shaped[Tensor, "..."]:
    """Take a NumPy array over.

    Args:
        array: any shape, a dtype that the framework knows.

    Returns:
        The same numbers.

    Differs from its twin: keeps float64 and int64, and shares the array's memory, so a write on either side shows on
    the other. A read-only array (such as a view of a JAX array) is shared as well, with a warning once a process.
    """
    return torch.from_numpy(array)


def from_dlpack(source: Any) -> Shaped[Tensor, "..."]:
    """Take over any array that speaks DLPack, the exchange format of array libraries.

    Args:
        source: an array with a ``__dlpack__`` method: NumPy's, CuPy's, or the other framework's.

    Returns:
        The same numbers in the same dtype.

    Differs from its twin: the memory is always shared, and writing in place changes the source, an immutable JAX array
    included. Clone before writing.
    """
    return torch.from_dlpack(source)


def to_numpy(x: Shaped[Tensor, "..."]) -> Shaped[np.ndarray, "..."]:
    """Hand an array to NumPy.

    Args:
        x: any shape; bfloat16, which NumPy lacks, leaves as float32, and that is exact.

    Returns:
        The same numbers on the CPU, outside automatic differentiation.

    Differs from its twin: a tensor on the CPU shares its memory with the result, which may be written.
    """
    wide = x.float() if x.dtype == torch.bfloat16 else x
    return wide.detach().cpu().numpy()


def zeros(shape: tuple[int, ...]) -> Float32[Tensor, "..."]:
    """Make a float32 array of zeros.

    Args:
        shape: the size of each axis.

    Returns:
        The zeros.
    """
    return torch.zeros(shape, dtype=torch.float32)


def ones(shape: tuple[int, ...]) -> Float32[Tensor, "..."]:
    """Make a float32 array of ones.

    Args:
        shape: the size of each axis.

    Returns:
        The ones.
    """
    return torch.ones(shape, dtype=torch.float32)


def normal(shape: tuple[int, ...], *, generator: torch.Generator) -> Float32[Tensor, "..."]:
    """Draw a float32 array from the standard normal distribution.

    Args:
        shape: the size of each axis.
        generator: where the numbers come from.

    Returns:
        The draws.

    Differs from its twin: a generator has a state, and each draw moves it on.
    """
    return torch.randn(shape, generator=generator, dtype=torch.float32)


def promoted_dtype(x: Shaped[Tensor, "*left"], y: Shaped[Tensor, "*right"]) -> str:
    """Name the dtype that ``x + y`` would have.

    Args:
        x: the one operand.
        y: the other operand.

    Returns:
        The name, such as ``"float32"``.

    Differs from its twin: an operand without axes yields to one of its own kind that has axes, whatever its width.
    """
    return str(torch.result_type(x, y)).removeprefix("torch.")
