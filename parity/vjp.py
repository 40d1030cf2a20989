"""Outputs and gradients of one side, as NumPy values by path.

Gradients are vector-Jacobian products with a given cotangent for each output. Complex ones follow torch's convention
(the conjugate of JAX's), so that equal numbers mean equal programs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from parity.arrays import Value, as_value, is_jax, is_torch
from parity.devices import chosen
from parity.inputs import Inputs
from parity.scopes import jax_scope, torch_scope
from parity.trees import flatten

__all__ = ["Cotangents", "JaxSide", "NotAnArrayError", "Run", "TorchSide", "check_leaves"]

Cotangents = Callable[..., np.ndarray]
"""(path, shape, imaginary=) to the cotangent of that output."""


@dataclass(frozen=True)
class Run:
    """What one side computed at one dtype.

    Attributes:
        outputs: by path, "output" alone for a single array.
        gradients: by path of the input, "grad/x".
        disconnected: gradients that do not exist in torch's graph; they stand among ``gradients`` as zeros.
    """

    outputs: dict[str, Value]
    gradients: dict[str, Value] = field(default_factory=dict)
    disconnected: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TorchSide:
    """A function of tensors."""

    function: Callable

    def paths(self, inputs: Inputs, dtype: str, names: bool) -> frozenset[str]:
        """Where the outputs stand."""
        return frozenset(self.run(inputs, dtype, names).outputs)

    def run(self, inputs: Inputs, dtype: str, names: bool, cotangents: Cotangents | None = None) -> Run:
        """Outputs, and gradients unless ``cotangents`` is None, at ``dtype``."""
        import torch

        with torch_scope(dtype):
            leaves = {path: _tensor(array, dtype).to(chosen()) for path, array in inputs.arrays().items()}
            floats = {path: leaves[path] for path in inputs.floats()}
            if cotangents is not None:
                for leaf in floats.values():
                    leaf.requires_grad_()
            # Clones, so that code which writes into its argument does not hit a leaf of the graph.
            arguments = {path: leaf.clone() for path, leaf in leaves.items()}
            outputs = flatten(inputs.call(self.function, arguments), "output", names=names)
            check_leaves(outputs, is_jax)
            values = {path: as_value(leaf) for path, leaf in outputs.items()}
            if cotangents is None:
                return Run(values)
            heads = {p: out for p, out in outputs.items() if isinstance(out, torch.Tensor) and out.requires_grad}
            gradients = _torch_pullback(heads, floats, cotangents)
        zeros = {path: torch.zeros_like(leaf) for path, leaf in floats.items()}
        missing = frozenset(f"grad/{path}" for path, gradient in gradients.items() if gradient is None)
        found = {f"grad/{p}": as_value(zeros[p] if g is None else g) for p, g in gradients.items()}
        return Run(values, found, missing)


def _tensor(array: np.ndarray, dtype: str) -> Any:
    import torch

    if array.dtype.kind == "f":
        return torch.tensor(array, dtype=getattr(torch, dtype))
    if array.dtype.kind == "c":
        return torch.tensor(array, dtype=torch.complex128 if dtype == "float64" else torch.complex64)
    return torch.tensor(array)


def _torch_pullback(heads: dict, floats: dict, cotangents: Cotangents) -> dict[str, Any]:
    import torch

    if not heads or not floats:
        return dict.fromkeys(floats)
    vectors = []
    for path, head in heads.items():
        vector = torch.tensor(cotangents(path, tuple(head.shape), imaginary=head.is_complex()))
        vectors.append(vector.to(head))
    found = torch.autograd.grad(list(heads.values()), list(floats.values()), vectors, allow_unused=True)
    return dict(zip(floats, found, strict=True))


@dataclass(frozen=True)
class JaxSide:
    """A function of JAX arrays, compiled unless ``jit`` is false; a program compiled once serves every later run."""

    function: Callable
    jit: bool = True
    _compiled: dict[Any, Any] = field(default_factory=dict, compare=False)

    def paths(self, inputs: Inputs, dtype: str, names: bool) -> frozenset[str]:
        """Where the outputs stand; traced, not run, where it can be compiled."""
        import jax

        if not self.jit:
            return frozenset(self.run(inputs, dtype, names).outputs)
        with jax_scope(dtype):
            return frozenset(jax.eval_shape(self._program(inputs, names, None), *_jax_arrays(inputs, dtype))[0])

    def run(self, inputs: Inputs, dtype: str, names: bool, cotangents: Cotangents | None = None) -> Run:
        """Outputs, and gradients unless ``cotangents`` is None, at ``dtype``."""
        with jax_scope(dtype):
            outputs, gradients = self._program(inputs, names, cotangents)(*_jax_arrays(inputs, dtype))
            return Run(
                {path: as_value(leaf) for path, leaf in outputs.items()},
                {f"grad/{path}": as_value(leaf.conj()) for path, leaf in gradients.items()},
            )

    def trace(self, inputs: Inputs, dtype: str, names: bool, cotangents: Cotangents | None) -> tuple[Any, Any]:
        """The jaxpr at ``dtype``, and the tree of its results (outputs, gradients)."""
        import jax

        with jax_scope(dtype):
            program = self._program(inputs, names, cotangents)
            closed, shapes = jax.make_jaxpr(program, return_shape=True)(*_jax_arrays(inputs, dtype))
        return closed, jax.tree.structure(shapes)

    def arguments(self, inputs: Inputs, dtype: str) -> list[np.ndarray]:
        """What the jaxpr takes, flat; floats in float64."""
        import jax

        with jax_scope(dtype):
            floats, others = _jax_arrays(inputs, dtype)
            return [as_value(leaf).data for leaf in jax.tree.leaves(({p: inputs.arrays()[p] for p in floats}, others))]

    def kept(self, key: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` returned for ``key`` the first time: compiling is most of the cost of a comparison."""
        if key not in self._compiled:
            self._compiled[key] = make()
        return self._compiled[key]

    def _program(self, inputs: Inputs, names: bool, cotangents: Cotangents | None) -> Callable:
        """Depends on the inputs' containers and Python values only, and those are the same all through a comparison."""
        import jax

        program = partial(_jax_program, self.function, inputs, names, cotangents)
        return self.kept((names, cotangents), lambda: jax.jit(program)) if self.jit else program


def _jax_arrays(inputs: Inputs, dtype: str) -> tuple[dict, dict]:
    """The float arrays that are differentiated, and the others."""
    arrays = {path: _jax_array(array, dtype) for path, array in inputs.arrays().items()}
    floats = {path: arrays.pop(path) for path in inputs.floats()}
    return floats, arrays


def _jax_array(array: np.ndarray, dtype: str) -> Any:
    import jax
    import jax.numpy as jnp

    # NumPy casts: JAX would compile a cast for every shape. Complex numbers get their dtype from the scope.
    return jax.device_put(array.astype(jnp.dtype(dtype)) if array.dtype.kind == "f" else array)


def _jax_program(
    function: Callable, inputs: Inputs, names: bool, cotangents: Cotangents | None, floats: dict, others: dict
) -> tuple[dict, dict]:
    """Outputs by path and, under ``cotangents``, gradients by path; pure, so that it can be compiled whole."""
    import jax
    import jax.numpy as jnp

    def forward(floats: dict) -> tuple[dict, dict]:
        leaves = flatten(inputs.call(function, {**floats, **others}), "output", names=names)
        check_leaves(leaves, is_torch)
        arrays = {path: leaf for path, leaf in leaves.items() if hasattr(leaf, "dtype")}
        heads = {path: jnp.asarray(x) for path, x in arrays.items() if jnp.issubdtype(x.dtype, jnp.inexact)}
        return heads, {path: leaf for path, leaf in leaves.items() if path not in heads}

    if cotangents is None or not floats:
        heads, rest = forward(floats)
        return {**heads, **rest}, {}
    heads, pullback, rest = jax.vjp(forward, floats, has_aux=True)
    vectors = {}
    for path, head in heads.items():
        vector = cotangents(path, head.shape, imaginary=jnp.iscomplexobj(head))
        vectors[path] = jnp.asarray(vector.conj(), head.dtype)
    return {**heads, **rest}, pullback(vectors)[0]


def check_leaves(leaves: dict[str, Any], is_foreign: Callable[[Any], bool]) -> None:
    """Refuse results that cannot be compared, another framework's arrays among them.

    Raises:
        TypeError: which the comparison words as a sentence of its own.
    """
    for path, leaf in leaves.items():
        if not hasattr(leaf, "dtype") and not isinstance(leaf, (bool, int, float, complex)):
            raise NotAnArrayError(f"got {type(leaf).__name__} at {path}")
        if is_foreign(leaf):
            raise NotAnArrayError(f"got another framework's array at {path}")


class NotAnArrayError(TypeError):
    """A function returned something that is neither an array nor a number."""
