"""One stream of gradients through a torch optimizer and its optax transformation: parameters and state after it."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch

import parity.optimizers
from torch_internals import internal

__all__ = ["CLASSES", "STEPS", "arrays_of", "default_dtype", "jax_run", "option_sets", "stream", "torch_run"]

STEPS, CHANGE, FACTOR = 20, 7, 0.3

CLASSES = {info.optim_cls: info.optim_inputs_func for info in internal("common_optimizers").optim_db}


@contextmanager
def default_dtype(dtype: str):
    """torch keeps a few numbers of its state in the default dtype, whatever that of the parameters."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def option_sets(cls: type) -> dict[str, dict[str, Any]]:
    """PyTorch's own option sets of a class, by description."""
    found = CLASSES[cls](device="cpu")
    sets = {entry.desc: dict(entry.kwargs) for entry in found}
    assert len(sets) == len(found), "two option sets of one name"
    return sets


def stream(cls: type, rng: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
    """Parameters, and for each a gradient a step: over nine decades, with zeros among them and one that is always 0."""
    shapes = {"matrix": (4, 3)} | ({"wide": (3, 5)} if cls is torch.optim.Muon else {"cube": (2, 3, 2)})
    shapes |= {} if cls is torch.optim.Muon else {"bias": (3,)}
    params = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    grads = {}
    for name, shape in shapes.items():
        scale = 10.0 ** rng.integers(-8, 1, size=shape)
        grads[name] = rng.normal(size=(STEPS, *shape)) * scale * (rng.random((STEPS, *shape)) > 0.1)
    grads["matrix"][:, 1, 2] = 0
    return {"params": params, "grads": grads}


def torch_run(cls: type, sets: Callable[[], dict[str, dict]]) -> Callable:
    """(params, grads) to parameters and state after the stream, for each option set."""

    def run(params, grads):
        dtype = str(params["matrix"].dtype).removeprefix("torch.")
        with default_dtype(dtype):
            return {name: _walk(cls(_leaves(params), **options), grads) for name, options in sets().items()}

    return run


def _leaves(params):
    return [torch.nn.Parameter(value.detach().clone()) for value in params.values()]


def _walk(optimizer, grads):
    leaves = optimizer.param_groups[0]["params"]
    for step in range(STEPS):
        if step == CHANGE:
            optimizer.param_groups[0]["lr"] *= FACTOR
        for leaf, gradient in zip(leaves, grads.values(), strict=True):
            sparse = isinstance(optimizer, torch.optim.SparseAdam)
            leaf.grad = gradient[step].to_sparse() if sparse else gradient[step].clone()
        optimizer.step()
    _, params, state = parity.optimizers.optimizer_from_torch(optimizer)
    return {"params": params, "state": arrays_of(state)}


def jax_run(cls: type, sets: Callable[[], dict[str, dict]]) -> Callable:
    """The same on the JAX side, by the transformation that the bridge makes of the optimizer before its first step."""

    def run(params, grads):
        with default_dtype(params["matrix"].dtype.name):
            leaves = [torch.nn.Parameter(torch.zeros(value.shape)) for value in params.values()]
            fresh = {name: cls(leaves, **options) for name, options in sets().items()}
        params, grads = ({str(i): value for i, value in enumerate(tree.values())} for tree in (params, grads))
        return {name: _scan(optimizer, params, grads) for name, optimizer in fresh.items()}

    return run


def _scan(optimizer, params, grads):
    rate = float(optimizer.param_groups[0]["lr"])
    rule, _, _ = parity.optimizers.optimizer_from_torch(
        optimizer, learning_rate=lambda count: jnp.where(count < CHANGE, rate, FACTOR * rate)
    )
    ready = optax.with_extra_args_support(rule)

    def step(carry, gradient):
        params, state = carry
        updates, state = ready.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    params, state = jax.lax.scan(step, (params, ready.init(params)), grads)[0]
    return {"params": params, "state": arrays_of(state)}


def arrays_of(state: Any) -> dict[str, Any]:
    """The arrays of an optax state by path, less the counts, which torch does not keep for every class."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    paths = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
    return {path: leaf for path, leaf in paths.items() if not path.endswith("count")}
