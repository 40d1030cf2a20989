"""Planted mistakes of ported language models: scaled and tied embeddings, and positions."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional

from mistake import of_topic
from torch_impl import transformer as torch_side

__all__ = ["MISTAKES"]

plant = of_topic("transformer")

WIDTH, TIME = 4, 3
draw = np.random.default_rng(52)
WORDS = draw.normal(size=(7, WIDTH)), draw.integers(7, size=(2, TIME))  # the embedding, and the tokens


def positions(*, halves=False, step=2):
    angles = np.arange(TIME)[:, None] * 1e4 ** (-step * np.arange(WIDTH // 2) / WIDTH)
    parts = np.sin(angles), np.cos(angles)
    return np.concatenate(parts, -1) if halves else np.stack(parts, -1).reshape(TIME, WIDTH)


def model(embedding, tokens, *, scale=WIDTH**0.5, free=True, shift=0, **how):
    """Embedding, positions, one sum over the past, and the embedding again."""
    x = scale * embedding[tokens] + jnp.roll(jnp.asarray(positions(**how), embedding.dtype), shift, 0)
    past = jnp.cumsum(jnp.tanh(x), axis=1)
    return past @ (embedding if free else jax.lax.stop_gradient(embedding)).T


def torch_model(embedding, tokens):
    table = torch_side.sinusoidal_positions(TIME, WIDTH, dtype=embedding.dtype)
    past = torch.cumsum(torch.tanh(math.sqrt(WIDTH) * functional.embedding(tokens, embedding) + table), dim=1)
    return functional.linear(past, embedding)


POSITIONS = ("position", "permut", "axes", "layout", "interleav", "order", "differ only", "added", "constant")

MISTAKES = (
    plant(
        "embeddings not scaled by the root of the width",
        torch_model,
        model,
        partial(model, scale=1.0),
        WORDS,
        named=("sqrt", "2", "root", "0.5", "scale", "1/2"),
    ),
    plant("all sines before all cosines", torch_model, model, partial(model, halves=True), WORDS, named=POSITIONS),
    plant(
        "each pair's rate with half the exponent",
        torch_model,
        model,
        partial(model, step=1),
        WORDS,
        named=(*POSITIONS, "2", "0.01", "0.1", "exponent"),
    ),
    plant(
        "positions that start at 1",
        torch_model,
        model,
        partial(model, shift=-1),
        WORDS,
        named=(*POSITIONS, "shift", "roll", "one step", "step"),
    ),
    plant(
        "the output's embedding kept from learning",
        torch_model,
        model,
        partial(model, free=False),
        WORDS,
        caught=("grad/embedding",),
        named=("stop_gradient", "detach", "gradient"),
    ),
)
