"""A JAX function traced anew while something about it is changed, and what it then returns, worked out in NumPy."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from parity.diagnosis.flat import flattened
from parity.diagnosis.machines import NUMPY_MACHINE, run
from parity.inputs import Inputs
from parity.scopes import jax_scope
from parity.vjp import Cotangents, JaxSide

__all__ = ["Retraced"]


@dataclass(frozen=True)
class Retraced:
    """A function and what it is called with.

    Attributes:
        function: of JAX arrays.
        inputs: at float64.
        names: whether results are keyed by field name.
        cotangents: of the outputs; None where no gradients were compared.
        fresh: whether functions inside that were compiled have to be traced anew as well, which takes far longer.
    """

    function: Any
    inputs: Inputs
    names: bool
    cotangents: Cotangents | None
    fresh: bool = False

    def results(self, change: AbstractContextManager, *, gradients: bool) -> dict[str, np.ndarray]:
        """Outputs, and gradients if asked, under a change."""
        side = JaxSide(self.function)
        given = [NUMPY_MACHINE.given(x, x) for x in side.arguments(self.inputs, "float64")]
        with change:
            program, tree = self.traced(gradients=gradients)
        with jax_scope("float64"), np.errstate(all="ignore"):
            values = run(flattened(program), given, NUMPY_MACHINE, {})
        outputs, pulled = jax.tree.unflatten(tree, values)
        found = {**outputs, **{f"grad/{path}": np.conj(gradient) for path, gradient in pulled.items()}}
        return {path: np.asarray(value) for path, value in found.items()}

    def traced(self, *, gradients: bool) -> tuple[Any, Any]:
        """The program, and the tree of its results."""
        side = JaxSide(inspect.unwrap(self.function), jit=False)
        with jax.make_user_context(None)(object()) if self.fresh else nullcontext():
            return side.trace(self.inputs, "float64", self.names, self.cotangents if gradients else None)
