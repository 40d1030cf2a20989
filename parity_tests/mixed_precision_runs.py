"""Short runs of the mixed precision step on both sides, with what they leave laid out alike."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from jax_impl import mixed_precision as jax_side
from parity.digits import load_digits
from torch_impl import mixed_precision as torch_side

__all__ = ["SIDES", "LAYERS", "batches", "poisoned", "recipe_of", "run", "parameters_of", "memory_of", "same"]

SIDES = {"torch": torch_side, "jax": jax_side}
LAYERS = ("first", "second", "output")


def batches(count=1, size=16):
    (images, labels), _ = load_digits()
    return [(np.float32(images[at : at + size]), labels[at : at + size]) for at in range(0, count * size, size)]


def run(side, weights, recipe, taken, start=None):
    """The records of some steps, and the parameters after each, as NumPy trees of one layout."""
    state, records, parameters = side.mixed_state(weights, recipe, start), [], []
    for images, labels in taken:
        if side is torch_side:
            record = side.mixed_step(state, torch.tensor(images), torch.tensor(labels))
        else:
            state, record = side.mixed_step(state, jnp.asarray(images), jnp.asarray(labels))
        records.append(type(record)(*(np.asarray(column) for column in record)))
        parameters.append(parameters_of(side, state))
    return records, parameters, state


def parameters_of(side, state):
    if side is jax_side:
        return jax.tree.map(lambda leaf: np.array(leaf, np.float32), state.params)
    layers = {name: state.model.get_submodule(name) for name in LAYERS}
    return {
        name: {
            "kernel": layer.weight.detach().float().numpy().T.copy(),
            "bias": layer.bias.detach().float().numpy().copy(),
        }
        for name, layer in layers.items()
    }


def memory_of(side, state):
    """Each optimizer's count of steps, and all that it remembers, to the byte."""
    if side is jax_side:
        return [jax.tree.map(np.array, memory) for memory in state.moments]
    return [
        {i: {k: v.numpy().copy() for k, v in m.items()} for i, m in enumerate(o.state.values())}
        for o in state.optimizers
    ]


def same(left, right):
    return jax.tree.all(jax.tree.map(np.array_equal, left, right))


def recipe_of(side, precision="float16", **changes):
    changes = {"rule": side.ScaleRule(growth_interval=2), **changes}
    return side.Recipe(side.choose_policy(precision), **changes)


def poisoned(taken, at, value):
    """The same batches with one that overflows: an infinite or NaN pixel spoils every gradient."""
    images, labels = taken[at]
    return [*taken[:at], (np.where(images == images.max(), np.float32(value), images), labels), *taken[at + 1 :]]
