"""The tensors topic, first part: make arrays, take them over, hand them over.

Differs from its twin: arrays never change, and 64-bit dtypes become 32-bit unless ``jax_enable_x64`` is on.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float32, PRNGKeyArray, Shaped

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


def from_list(values: Sequence[Any]) -> Float32[Array, "..."]:
    """Make a float32 array of a nested list of numbers.

    Args:
        values: numbers, or equally long lists of them.

    Returns:
        The numbers in float32, said aloud: the default dtype of either framework can be moved by a global setting.

    Example:
        >>> from_list([0.1, 0.2, 0.3]).dtype.itemsize
        4
    """
    return jnp.array(values, dtype=jnp.float32)


def from_numpy(array: Shaped[np.ndarray, "..."]) -> Shaped[Array, "..."]:
    """Take a NumPy array over.

    Args:
        array: any shape, a dtype that the framework knows.

    Returns:
        The same numbers.

    Differs from its twin: copies, so later writes to the NumPy array do not show. Without ``jax_enable_x64`` float64
    becomes float32 and int64 becomes int32, whose large values wrap, and nothing is said.
    """
    return jnp.array(array)


def from_dlpack(source: Any) -> Shaped[Array, "..."]:
    """Take over any array that speaks DLPack, the exchange format of array libraries.

    Args:
        source: an array with a ``__dlpack__`` method: NumPy's, CuPy's, or the other framework's.

    Returns:
        The same numbers in the same dtype.

    Differs from its twin: memory is shared where alignment and dtype allow, and then a write to the source shows in the
    result. Without ``jax_enable_x64`` 64-bit numbers are copied to 32 bits.
    """
    return jnp.from_dlpack(source)


def to_numpy(x: Shaped[Array, "..."]) -> Shaped[np.ndarray, "..."]:
    """Hand an array to NumPy.

    Args:
        x: any shape; bfloat16, which NumPy lacks, leaves as float32, and that is exact.

    Returns:
        The same numbers on the CPU, outside automatic differentiation.

    Differs from its twin: the result is read-only, because a JAX array never changes; copy it before writing.
    """
    wide = x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x
    return np.asarray(wide)


def zeros(shape: tuple[int, ...]) -> Float32[Array, "..."]:
    """Make a float32 array of zeros.

    Args:
        shape: the size of each axis.

    Returns:
        The zeros.
    """
    return jnp.zeros(shape, dtype=jnp.float32)


def ones(shape: tuple[int, ...]) -> Float32[Array, "..."]:
    """Make a float32 array of ones.

    Args:
        shape: the size of each axis.

    Returns:
        The ones.
    """
    return jnp.ones(shape, dtype=jnp.float32)


def normal(shape: tuple[int, ...], *, key: PRNGKeyArray) -> Float32[Array, "..."]:
    """Draw a float32 array from the standard normal distribution.

    Args:
        shape: the size of each axis.
        key: where the numbers come from.

    Returns:
        The draws.

    Differs from its twin: a key has no state, and gives the same draw each time; split it for a second one.
    """
    # The dtype said aloud: without it `jax_enable_x64` would change the draws, not only their width.
    return jax.random.normal(key, shape, dtype=jnp.float32)


def promoted_dtype(x: Shaped[Array, "*left"], y: Shaped[Array, "*right"]) -> str:
    """Name the dtype that ``x + y`` would have.

    Args:
        x: the one operand.
        y: the other operand.

    Returns:
        The name, such as ``"float32"``.

    Differs from its twin: an operand without axes counts like any other; only Python numbers yield.
    """
    return jnp.result_type(x, y).name
