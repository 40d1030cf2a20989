"""Planted mistakes of dropout, on a mask that is given to both sides."""

import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional

from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("dropout")

KEEP = 0.9
draw = np.random.default_rng(16)
ROWS = draw.normal(size=(5, 4))
MASK = draw.random(size=(5, 4)) < 0.7
DROPOUT = (ROWS, MASK)


def torch_dropout(x, mask):
    return torch.where(mask, x / KEEP, torch.zeros_like(x))


def dropout(x, mask):
    return jnp.where(mask, x / KEEP, 0.0)


MISTAKES = (
    plant(
        "dropout that does not scale up what it keeps",
        torch_dropout,
        dropout,
        lambda x, mask: jnp.where(mask, x, 0.0),
        DROPOUT,
        named=("0.9", "1.111", "keep", "dropout"),
    ),
    plant(
        "the probability to keep for the one to drop",
        torch_dropout,
        dropout,
        lambda x, mask: jnp.where(mask, x / (1 - KEEP), 0.0),
        DROPOUT,
        named=("0.9", "0.1", "keep", "dropout"),
    ),
    plant(
        "dropped where it should be kept",
        torch_dropout,
        dropout,
        lambda x, mask: jnp.where(mask, 0.0, x / KEEP),
        DROPOUT,
        named=("mask", "invert", "negat", "polarity"),
    ),
    plant(
        "dropout in evaluation",
        lambda x, mask: functional.dropout(x, 1 - KEEP, training=False),
        lambda x, mask: x,
        dropout,
        DROPOUT,
        named=("dropout", "mask", "differ only"),
    ),
    plant(
        "one mask for every row",
        torch_dropout,
        dropout,
        lambda x, mask: jnp.where(mask[:1], x / KEEP, 0.0),
        DROPOUT,
        named=("mask", "broadcast", "differ only"),
    ),
)
