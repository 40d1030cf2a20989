"""Planted mistakes of tables and bags: caps, counts, cuts, weights and who gets the gradient."""

import jax
import jax.numpy as jnp
import numpy as np
from torch.nn import functional

from jax_impl import embedding
from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("embedding")

draw = np.random.default_rng(37)
TABLE = 2 * draw.normal(size=(5, 3)) * np.array([[1], [0.1], [1], [1], [0.2]])
IDS = np.array([[0, 2, 4], [1, 1, 0]])
LOOKUP, CUT = {"ids": IDS, "table": TABLE}, {"ids": IDS.reshape(-1), "table": TABLE, "offsets": np.array([0, 2])}
WEIGHTED = LOOKUP | {"w": draw.uniform(0.5, 2, size=IDS.shape)}
TIES = {"ids": IDS, "table": np.ones((5, 3))}


def torch_capped(ids, table):
    return functional.embedding(ids, table * 1.0, max_norm=1.0)


def capped(ids, table):
    return embedding.embedding(ids, table, max_norm=1.0)


def every_row_of_norm_one(ids, table):
    norms = jax.lax.stop_gradient(jnp.linalg.norm(table, axis=-1, keepdims=True))
    return (jax.lax.stop_gradient(table / norms - table) + table)[ids]


def torch_bag(mode, **options):
    return lambda ids, table: functional.embedding_bag(ids, table, mode=mode, **options)


def bag(mode, **options):
    return lambda ids, table: embedding.embedding_bag(ids, table, mode=mode, **options)


def torch_weighted(ids, table, w):
    return functional.embedding_bag(ids, table, mode="sum", per_sample_weights=w)


def weighted(ids, table, w):
    return embedding.embedding_bag(ids, table, mode="sum", per_sample_weights=w)


MISTAKES = (
    plant(
        "a cap with the norm's gradient",
        torch_capped,
        capped,
        lambda ids, table: embedding.renormalized(table, ids, max_norm=1.0)[ids],
        LOOKUP,
        caught=("grad/table",),
        named=("stop_gradient", "detach", "differ only", "norm"),
    ),
    plant(
        "a cap on each number, not on the row",
        torch_capped,
        capped,
        lambda ids, table: (table + jax.lax.stop_gradient(table.clip(-1, 1) - table))[ids],
        LOOKUP,
        caught=("output",),
        named=("clip", "clamp", "norm"),
    ),
    plant(
        "short rows made as long as the cap",
        torch_capped,
        capped,
        every_row_of_norm_one,
        LOOKUP,
        caught=("output",),
        named=("norm", "differ only", "row"),
    ),
    plant(
        "a gradient that is not divided by how often an id occurs",
        lambda ids, table: functional.embedding(ids, table, scale_grad_by_freq=True),
        lambda ids, table: embedding.embedding(ids, table, scale_grad_by_freq=True),
        lambda ids, table: table[ids],
        LOOKUP,
        caught=("grad/table",),
        named=("count", "frequen", "times", "differ only", "mean", "sum on one side", "2"),
    ),
    plant(
        "a bag summed where torch takes its mean",
        torch_bag("mean"),
        bag("mean"),
        bag("sum"),
        LOOKUP,
        named=("sum on one side", "a mean taken", "3", "1/3"),
    ),
    plant(
        "padding counted in the mean",
        torch_bag("mean", padding_idx=1),
        bag("mean", padding_idx=1),
        lambda ids, table: embedding.embedding_bag(ids, table, mode="sum", padding_idx=1) / 3,
        LOOKUP,
        named=("padding", "masked", "count", "differ only", "mean", "ignored"),
    ),
    plant(
        "a maximum that shares its gradient among equals",
        torch_bag("max"),
        bag("max"),
        lambda ids, table: table[ids].max(1),
        TIES,
        caught=("grad/table",),
        named=("tie", "equal", "shared", "maximum", "max"),
    ),
    plant(
        "weights that are made to add up to one",
        torch_weighted,
        weighted,
        lambda ids, table, w: weighted(ids, table, w / w.sum(1, keepdims=True)),
        WEIGHTED,
        named=("normalis", "normaliz", "sum", "divid", "mean"),
    ),
    plant(
        "offsets read as where a bag ends",
        lambda ids, table, offsets: functional.embedding_bag(ids, table, offsets, mode="sum"),
        lambda ids, table, offsets: embedding.embedding_bag(ids, table, offsets, mode="sum"),
        lambda ids, table, offsets: jnp.stack([table[ids[:3]].sum(0), table[ids[3:]].sum(0)]) + 0 * offsets[0],
        CUT,
        named=("offset", "off by one", "shift", "differ only"),
    ),
)
