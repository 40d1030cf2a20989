"""`compare_optimizers`: a torch optimizer and an optax transformation on one stream of gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from parity.compare import compare
from parity.errors import InputError
from parity.report import Report

__all__ = ["compare_optimizers"]


def compare_optimizers(
    torch_optimizer_factory: Callable[[list], Any],
    optax_transform: Any,
    params: Mapping[str, Any],
    gradients: Mapping[str, Any],
    *,
    dtypes: Sequence[str] = ("float64", "float32"),
    jit: bool = True,
) -> Report:
    """Compare the steps that both take under the same gradients, every parameter after every step.

    Args:
        torch_optimizer_factory: makes the optimizer of a list of parameters, those of ``params`` in their order.
        optax_transform: an ``optax.GradientTransformation``.
        params: arrays by name.
        gradients: for each name an array with one more axis in front, the steps.
        dtypes: under test, as in `Options`.
        jit: compile the JAX side, and hold it against itself run eagerly.

    Returns:
        The report; a leaf is called "output/0003/weight" for the parameter "weight" after the third step.

    Raises:
        InputError: if ``gradients`` does not hold one gradient a step for every parameter.

    Example:
        >>> stream = {"w": np.array([[1.0, -2.0], [0.5, 0.1], [0.0, 3.0]])}
        >>> start = {"w": np.array([1.0, 2.0])}
        >>> sgd = functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9)
        >>> parity.compare_optimizers(sgd, optax.sgd(0.1, momentum=0.9), start, stream).ok
        True
    """
    steps = _check(params, gradients)

    def torch_side(params: Any, gradients: Any) -> Any:
        import torch

        leaves = {name: torch.nn.Parameter(value.detach().clone()) for name, value in params.items()}
        live, rows = torch_optimizer_factory(list(leaves.values())), {}
        for step in range(steps):
            for name, leaf in leaves.items():
                leaf.grad = gradients[name][step].detach().clone()
            live.step()
            rows[f"{step + 1:04}"] = {name: leaf.detach().clone() for name, leaf in leaves.items()}
        return rows

    def jax_side(params: Any, gradients: Any) -> Any:
        import jax
        import optax

        def step(carry: Any, gradient: Any) -> Any:
            params, state = carry
            updates, state = optax_transform.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
            return (params, state), params

        _, walk = jax.lax.scan(step, (params, optax_transform.init(params)), gradients)
        return {f"{step + 1:04}": {name: rows[step] for name, rows in walk.items()} for step in range(steps)}

    inputs = {"params": dict(params), "gradients": {name: gradients[name] for name in params}}
    return compare(torch_side, jax_side, inputs, name="optimizers", gradients=False, dtypes=dtypes, jit=jit)


def _check(params: Mapping[str, Any], gradients: Mapping[str, Any]) -> int:
    rule = "compare_optimizers: gradients must hold for every parameter one of its shape a step"
    if set(params) != set(gradients) or not params:
        raise InputError(f"{rule}, got {sorted(gradients)} for {sorted(params)}.")
    shapes = {name: (np.shape(gradients[name]), np.shape(params[name])) for name in params}
    steps = next(iter(shapes.values()))[0][:1]
    for name, (stream, shape) in shapes.items():
        if stream != (*steps, *shape) or not steps or steps[0] == 0:
            raise InputError(f"{rule}, got {stream} for {name} of shape {shape}.")
    return steps[0]
