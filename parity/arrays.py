"""Any framework's array as a NumPy one, with the dtype it had."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["ROUNDOFF", "Value", "as_value", "is_array", "is_float_array", "is_jax", "is_torch", "rounded"]

ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Unit roundoff u of each dtype under test: half an ulp of 1."""

_PYTHON_SCALARS = (bool, int, float, complex)


@dataclass(frozen=True)
class Value:
    """One leaf, whichever framework it came from.

    Attributes:
        dtype: the name its framework gives it ("bfloat16"); "python" for a Python number.
        data: the same numbers, floats widened to float64 and complex ones to complex128, both exact.
    """

    dtype: str
    data: np.ndarray

    @property
    def inexact(self) -> bool:
        """Whether rounding can touch it: a float or a complex number."""
        return self.data.dtype.kind in "fc"


def is_torch(leaf: Any) -> bool:
    """Whether this is a torch tensor; looks in ``sys.modules``, so it never imports torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(leaf, torch.Tensor)


def is_jax(leaf: Any) -> bool:
    """Whether this is a JAX array or tracer; never imports jax."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(leaf, jax.Array)


def is_array(leaf: Any) -> bool:
    """Whether this is an array of NumPy, torch or JAX."""
    return isinstance(leaf, (np.ndarray, np.generic)) or is_torch(leaf) or is_jax(leaf)


def is_float_array(leaf: Any) -> bool:
    """Whether this NumPy array holds numbers that rounding and derivatives concern (complex ones too)."""
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fc"


def as_value(leaf: Any) -> Value:
    """Copy one leaf to NumPy.

    Raises:
        TypeError: if it is neither an array nor a number.
    """
    if is_torch(leaf):
        return _from_torch(leaf)
    if isinstance(leaf, _PYTHON_SCALARS):
        return Value("python", _widen(np.asarray(leaf)))
    if is_jax(leaf) and leaf.dtype.name.startswith("key<"):  # a typed PRNG key has no NumPy form
        leaf = sys.modules["jax"].random.key_data(leaf)
    if not is_array(leaf):
        raise TypeError(f"an array or a number was expected, got {type(leaf).__name__}")
    data = np.array(leaf)  # a copy: a view would change when torch updates in place
    data = data.astype(data.dtype.newbyteorder("="))  # torch takes the machine's own byte order only
    return Value(data.dtype.name, _widen(data))


def _from_torch(tensor: Any) -> Value:
    name = str(tensor.dtype).removeprefix("torch.")
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.is_floating_point():
        tensor = tensor.double()  # exact, and NumPy has no bfloat16 of its own
    if tensor.layout != sys.modules["torch"].strided:
        tensor = tensor.to_dense()
    return Value(name, _widen(np.array(tensor.numpy())))


def _widen(data: np.ndarray) -> np.ndarray:
    if data.dtype.kind in "biu":
        return data
    if data.dtype.kind == "c":
        return data.astype(np.complex128)
    if data.dtype.kind in "fV":  # ml_dtypes' bfloat16 and float8 are of kind V
        return data.astype(np.float64)
    raise TypeError(f"an array of numbers was expected, got dtype {data.dtype}")


def rounded(data: np.ndarray, dtype: str) -> np.ndarray:
    """Round float64 or complex128 numbers to the precision and range of ``dtype``, to nearest, ties to even."""
    if data.dtype.kind == "c":
        return rounded(np.real(data), dtype) + 1j * rounded(np.imag(data), dtype)
    wide = data.astype(np.float64)
    if dtype == "bfloat16":
        return _round_to_bfloat16(wide)
    with np.errstate(over="ignore"):
        return wide.astype(dtype).astype(np.float64)


def _round_to_bfloat16(wide: np.ndarray) -> np.ndarray:
    """NumPy has no bfloat16: keep 8 bits of the significand (float32's exponent range, subnormals included)."""
    _, exponent = np.frexp(wide)
    step = np.ldexp(1.0, np.maximum(exponent - 8, -133))
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.where(np.isfinite(wide), np.round(wide / step) * step, wide)
    return np.where(np.isfinite(near) & (np.abs(near) >= 2.0**128), np.copysign(np.inf, near), near)
