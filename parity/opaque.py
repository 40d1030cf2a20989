"""A second side that is not JAX's: torch's again, or NumPy's. There is no jaxpr to interpret, nor one to compile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from parity.arrays import as_value, is_jax, is_torch
from parity.inputs import Inputs
from parity.kinds import is_torch_module
from parity.settings import Settings
from parity.tolerance import FACTOR_PERTURBED
from parity.trees import flatten
from parity.vjp import Cotangents, JaxSide, Run, TorchSide, check_leaves

__all__ = ["NumpySide", "Right", "limits_of", "remedy_for", "right_side", "sides_called"]


@dataclass(frozen=True)
class NumpySide:
    """A function of NumPy arrays, which has no derivatives."""

    function: Callable

    def paths(self, inputs: Inputs, dtype: str, names: bool) -> frozenset[str]:
        """Where the outputs stand."""
        return frozenset(self.run(inputs, dtype, names).outputs)

    def run(self, inputs: Inputs, dtype: str, names: bool, _: Cotangents | None = None) -> Run:
        """Outputs at ``dtype``."""
        arrays = {path: _array(array, dtype) for path, array in inputs.arrays().items()}
        outputs = flatten(inputs.call(self.function, arrays), "output", names=names)
        check_leaves(outputs, lambda leaf: is_jax(leaf) or is_torch(leaf))
        return Run({path: as_value(leaf) for path, leaf in outputs.items()})


def _array(array: np.ndarray, dtype: str) -> np.ndarray:
    if array.dtype.kind == "f":
        import ml_dtypes

        return array.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    if array.dtype.kind == "c":
        return array.astype("complex128" if dtype == "float64" else "complex64")
    return array.copy()


Right: TypeAlias = JaxSide | TorchSide | NumpySide


def right_side(function: Callable, settings: Settings) -> Right:
    """The second side; a module of torch's needs no ``right="torch"``."""
    if settings.right == "torch" or is_torch_module(function):
        return TorchSide(function)
    return NumpySide(function) if settings.right == "numpy" else JaxSide(function, settings.jit)


def sides_called(right: Right) -> tuple[str, str]:
    """What a report calls the two sides."""
    if isinstance(right, TorchSide):
        return "first torch", "second torch"
    return "torch", "numpy" if isinstance(right, NumpySide) else "jax"


def limits_of(right: Right, settings: Settings) -> Iterator[str]:
    """What a comparison with ``right`` cannot do, for the report."""
    if isinstance(right, JaxSide):
        return
    low = [f"{FACTOR_PERTURBED[dtype]:g} x that at {dtype}" for dtype in settings.dtypes if dtype != "float64"]
    yield (
        f"{sides_called(right)[1]} has no jaxpr whose rounding could be simulated: the allowance is how far its results"
        f" move when its inputs do by one rounding, {', '.join(low) or 'where an error exceeds 1e-12'}"
    )
    if isinstance(right, NumpySide) and settings.gradients:
        yield "gradients are not compared: NumPy has none"


def remedy_for(error: Exception, jit: bool) -> str:
    """What to do about a function that failed, where it is known, as a sentence to append."""
    kind = type(error).__name__
    if "must be Tensor, not" in str(error) or "(Tensor input" in str(error):  # as each version of torch has it
        return ' A second function of torch tensors needs right="torch".'
    if kind == "TracerArrayConversionError":
        return ' Use jnp in place of np; a function of NumPy arrays needs right="numpy".'
    if any({f"{start}32", f"{start}64"} <= set(re.findall(r"int\d+|i\d+", str(error))) for start in ("int", "i")):
        return (
            " JAX keeps the integers of a NumPy array that a function closes over as it first traced them:"
            " wrap it in jnp.asarray inside the function, or pass it as an input."
        )
    if "Tracer" not in kind and "Concret" not in kind:
        return ""
    if not jit:
        return " Gradients are traced even where nothing is compiled: pass gradients=False too."
    return (
        " jax.jit sees shapes, not values: pass settings as Python numbers, which stay static,"
        " or pass jit=False to compare eagerly."
    )
