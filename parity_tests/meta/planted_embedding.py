"""Planted mistakes of embeddings: padding, ids, scales and positions."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import torch
from jax import lax
from torch.nn import functional

from mistake import of_topic

__all__ = ["MISTAKES"]

embedding = of_topic("embedding")

draw = np.random.default_rng(17)
TABLE = draw.normal(size=(5, 4))
IDS = np.array([[0, 2, 4], [1, 1, 0]])
GAPS = np.array([[0, 2, -1], [1, -1, -1]])
POSITIONS = (np.array([0.0, 1.0, 2.0, 5.0]),)


def sinusoids(positions, *, width=4, interleaved=True, base=10000.0):
    """Vaswani et al. 2017, section 3.5: sines and cosines of falling frequency take turns."""
    angles = positions[:, None] * jnp.asarray(base ** (-np.arange(0, width, 2) / width), positions.dtype)
    pair = jnp.sin(angles), jnp.cos(angles)
    return jnp.stack(pair, -1).reshape(-1, width) if interleaved else jnp.concatenate(pair, -1)


def torch_sinusoids(positions):
    angles = positions[:, None] * torch.tensor([1.0, 0.01], dtype=positions.dtype)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def present(ids, table):
    """-1 stands for no token: a row of zeros."""
    return table[jnp.maximum(ids, 0)] * (ids >= 0)[..., None]


MISTAKES = (
    embedding(
        "the padding row's gradient",
        lambda ids, table: functional.embedding(ids, table, padding_idx=0),
        lambda ids, table: jnp.where((ids == 0)[..., None], lax.stop_gradient(table[ids]), table[ids]),
        lambda ids, table: table[ids],
        {"ids": IDS, "table": TABLE},
        caught=("grad/table",),
        named=("padding", "differ only", "stop_gradient", "detach"),
    ),
    embedding(
        "-1 for none read as the last row",
        lambda ids, table: table[ids.clamp(min=0)] * (ids >= 0)[..., None],
        present,
        lambda ids, table: table[ids],
        {"ids": GAPS, "table": TABLE},
        named=("masked", "negative", "last row", "padding", "where ids is -1"),
    ),
    embedding(
        "not scaled by the root of its width",
        lambda ids, table: functional.embedding(ids, table) * table.shape[1] ** 0.5,
        lambda ids, table: table[ids] * table.shape[1] ** 0.5,
        lambda ids, table: table[ids],
        {"ids": IDS, "table": np.concatenate([TABLE, TABLE[:, :3]], axis=1)},
        named=("sqrt", "root of"),
    ),
    embedding(
        "ids counted from one",
        lambda ids, table: functional.embedding(ids, table),
        lambda ids, table: table[ids],
        lambda ids, table: table[ids - 1],
        {"ids": IDS, "table": TABLE},
        named=("off by one", "shift", "rolled", "1 is 0"),
    ),
    embedding(
        "sines first, then cosines",
        torch_sinusoids,
        sinusoids,
        partial(sinusoids, interleaved=False),
        POSITIONS,
        caught=("output", "grad/positions"),
        named=("layout", "interleav", "permut"),
    ),
    embedding(
        "a base of 1000",
        torch_sinusoids,
        sinusoids,
        partial(sinusoids, base=1000.0),
        POSITIONS,
        named=("10000", "1000", "0.0316", "0.01"),
    ),
)
