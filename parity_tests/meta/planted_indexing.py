"""Planted mistakes of shapes and indexing: orders, sides, clamps and broadcasts that no error message mentions."""

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import lax
from torch.nn import functional

from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("indexing")

draw = np.random.default_rng(5)
VECTOR = draw.normal(size=6)
MATRIX = draw.normal(size=(3, 4))
CUBE = draw.normal(size=(2, 3, 4))
SQUARES = draw.normal(size=(2, 3, 3))
TIED = np.array([2.0, 1.0, 2.0, 0.5, 1.0, 2.0])
EDGES = np.array([-1.0, 0.0, 1.0])
ON_EDGES = np.array([-1.5, -1.0, 0.25, 1.0, 2.0])
LABELS = np.array([1, -100, 0, 3])
TWICE = np.array([0, 2, 2, 4])
LAST = np.array([3, 0, -1, 1])
PICKED = draw.normal(size=4)
COLUMNS = np.array([[0, 2], [3, 1], [1, 1]])


def shift_right(x):
    """The decoder's input: everything one place later, zeros in front."""
    return functional.pad(x, (0, 0, 1, 0))[:, :-1]


def without_negative(x, index):
    """-1 means "none": its row is zero."""
    rows = x[index.clamp(min=0)]
    return torch.where((index < 0)[:, None], torch.zeros_like(rows), rows)


def without_negative_jax(x, index):
    return jnp.where((index < 0)[:, None], 0.0, x[jnp.maximum(index, 0)])


def kept_labels(x, labels):
    """The scores of the labels that count, one a row; -100 is to be skipped."""
    rows = torch.arange(len(labels))
    return torch.where(labels == -100, torch.zeros_like(x[:, 0]), x[rows, labels.clamp(min=0)])


def kept_labels_jax(x, labels, *, skipped=0):
    rows = jnp.arange(len(labels))
    return jnp.where(labels == skipped - 100, 0.0, x[rows, jnp.maximum(labels, 0)])


def windows(x):
    return torch.stack([x[start : start + 3] for start in (0, 2, 3)])


def windows_jax(x, *, starts=(0, 2, 3)):
    return jnp.stack([lax.dynamic_slice(x, (start,), (3,)) for start in starts])


ROWS = draw.normal(size=(4, 4))

MISTAKES = (
    plant(
        "pad given from the first axis",
        lambda x: functional.pad(x, (1, 2, 0, 1)),
        lambda x: jnp.pad(x, ((0, 0), (0, 1), (1, 2))),
        lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 1))),
        (CUBE,),
        named=("pad", "border", "axes in the order"),
    ),
    plant(
        "a decoder's input shifted the other way",
        shift_right,
        lambda x: jnp.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1],
        lambda x: jnp.pad(x, ((0, 0), (0, 1), (0, 0)))[:, 1:],
        (CUBE,),
        named=("shift", "rolled", "off by one"),
    ),
    plant(
        "a roll that also brings the last element to the front",
        shift_right,
        lambda x: jnp.roll(x, 1, axis=1).at[:, 0].set(0.0),
        lambda x: jnp.roll(x, 1, axis=1),
        (CUBE,),
        named=("edge", "differ only", "rolled"),
    ),
    plant(
        "roll without its axis",
        lambda x: x.roll(1, dims=1),
        lambda x: jnp.roll(x, 1, axis=1),
        lambda x: jnp.roll(x, 1),
        (MATRIX,),
        named=("instead of axis", "rolled", "shift"),
    ),
    plant(
        ".T for the transpose of the last two axes",
        lambda x: x.transpose(1, 2).contiguous(),
        lambda x: jnp.swapaxes(x, 1, 2),
        lambda x: x.T.reshape(2, 4, 3),
        (CUBE,),
        named=("transpose", "axes", "layout"),
    ),
    plant(
        "the wrong two axes swapped in a square",
        lambda x: x.transpose(1, 2) @ x,
        lambda x: x.swapaxes(1, 2) @ x,
        lambda x: x @ x.swapaxes(1, 2),
        (SQUARES,),
        named=("transpose", "axes in the order", "order of the product"),
    ),
    plant(
        "descending order by reversing, with ties",
        lambda x: x.argsort(descending=True, stable=True),
        lambda x: jnp.argsort(x, descending=True),
        lambda x: jnp.argsort(x)[::-1],
        (TIED,),
        named=("tie", "differ only", "a sort"),
        options={"gradients": False},
    ),
    plant(
        "sorted the other way",
        lambda x: x.sort(dim=1, descending=True).values,
        lambda x: jnp.sort(x, axis=1, descending=True),
        lambda x: jnp.sort(x, axis=1),
        (MATRIX,),
        named=("reversed", "direction"),
    ),
    plant(
        "bucketize closed on the other side",
        lambda x, edges: torch.bucketize(x.detach(), edges.detach()),
        lambda x, edges: jnp.searchsorted(edges, x, side="left").astype(int),
        lambda x, edges: jnp.digitize(x, edges).astype(int),
        (ON_EDGES, EDGES),
        named=("tie", "differ only", "edge", "boundar"),
        options={"gradients": False},
    ),
    plant(
        "a slice past the end moved back",
        lambda x: torch.stack([functional.pad(x, (0, 3))[start : start + 3] for start in (0, 2, 4)]),
        lambda x: windows_jax(jnp.pad(x, (0, 3)), starts=(0, 2, 4)),
        lambda x: windows_jax(x, starts=(0, 2, 4)),
        (VECTOR,),
        named=("clamp", "edge", "differ only", "past the end", "shift", "rolled"),
    ),
    plant(
        "windows one place late",
        windows,
        windows_jax,
        lambda x: windows_jax(x, starts=(1, 3, 3)),
        (VECTOR,),
        named=("off by one", "shift", "rolled"),
    ),
    plant(
        "-1 for none reads the last row",
        without_negative,
        without_negative_jax,
        lambda x, index: x[index],
        (ROWS, LAST),
        named=("masked", "differ only", "negative", "ignored", "index -1", "where index is -1"),
    ),
    plant(
        "an ignored label read as a class",
        kept_labels,
        kept_labels_jax,
        lambda x, labels: kept_labels_jax(x, labels, skipped=99),
        (ROWS, LABELS),
        named=("masked", "differ only", "negative", "ignored", "-100"),
    ),
    plant(
        "repeated indices added once",
        lambda x, v, index: x.index_add(0, index, v),
        lambda x, v, index: x.at[index].add(v),
        lambda x, v, index: x.at[index].set(x[index] + v),
        (VECTOR, PICKED, TWICE),
        caught=("output", "grad/v"),
        named=("duplicate", "repeated", "differ only", "accumul"),
    ),
    plant(
        "set for add",
        lambda x, v, index: x.index_add(0, index, v),
        lambda x, v, index: x.at[index].add(v),
        lambda x, v, index: x.at[index].set(v),
        (VECTOR, PICKED, np.array([0, 2, 3, 5])),
        caught=("output", "grad/x"),
        named=("differ only", "overwrit"),
    ),
    plant(
        "gather along the other axis of a square",
        lambda x, index: x.gather(1, index),
        lambda x, index: jnp.take_along_axis(x, index, axis=1),
        lambda x, index: jnp.take_along_axis(x, index, axis=0),
        (ROWS, np.array([[0, 2, 1, 3], [3, 1, 0, 0], [1, 1, 2, 3], [2, 0, 3, 1]])),
        named=("instead of axis", "jax.numpy.take_along_axis(axis=1"),
    ),
    plant(
        "take for take_along_axis",
        lambda x, index: x.gather(1, index),
        lambda x, index: jnp.take_along_axis(x, index, axis=1),
        lambda x, index: jnp.take(x, index),
        (MATRIX, COLUMNS),
        named=("instead of axis", "gather"),
    ),
    plant(
        "meshgrid in Cartesian order on a square grid",
        lambda x: torch.stack(torch.meshgrid(x, 2 * x, indexing="ij")),
        lambda x: jnp.stack(jnp.meshgrid(x, 2 * x, indexing="ij")),
        lambda x: jnp.stack(jnp.meshgrid(x, 2 * x)),
        (VECTOR,),
        named=("transpose", "axes in the order"),
    ),
    plant(
        "V for its transpose in a singular value decomposition",
        lambda x: (lambda u, s, vh: u * s @ vh)(*torch.linalg.svd(x, full_matrices=False)),
        lambda x: (lambda u, s, vh: u * s @ vh)(*jnp.linalg.svd(x, full_matrices=False)),
        lambda x: (lambda u, s, vh: u * s @ vh.T)(*jnp.linalg.svd(x, full_matrices=False)),
        (SQUARES[0],),
        named=("transpose", "axes in the order"),
        options={"gradients": False},
    ),
    plant(
        "a cumulative sum along the other axis of a square",
        lambda x: x.cumsum(dim=1),
        lambda x: jnp.cumsum(x, axis=1),
        lambda x: jnp.cumsum(x, axis=0),
        (ROWS,),
        named=("instead of axis", "transpose", "jax.numpy.cumsum(axis=1"),
    ),
    plant(
        "an exclusive cumulative sum for an inclusive one",
        lambda x: x.cumsum(dim=1),
        lambda x: jnp.cumsum(x, axis=1),
        lambda x: jnp.cumsum(x, axis=1) - x,
        (MATRIX,),
        named=("off by one", "shift", "rolled", "x is missing"),
    ),
    plant(
        "a label out of range one-hot encoded as nothing",
        lambda x, labels: x * functional.one_hot(labels % 4, 4),
        lambda x, labels: x * jax.nn.one_hot(labels % 4, 4, dtype=x.dtype),
        lambda x, labels: x * jax.nn.one_hot(labels, 4, dtype=x.dtype),
        (ROWS, np.array([1, -1, 0, 3])),
        named=("masked", "differ only", "negative"),
    ),
)
