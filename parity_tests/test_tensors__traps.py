"""Tensors, third part: where the frameworks differ, with the measured size, so that a change is noticed."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import lax

import jax_impl.tensors as jax_side
import torch_impl.tensors as torch_side
from oracles import agrees


class Trap(NamedTuple):
    """One line of torch, the line that a port makes of it, the line that it should be, and what the first two give."""

    torch: Callable
    mistaken: Callable
    correct: Callable
    torch_gives: object
    jax_gives: object


def t(*values):
    return torch.tensor(values)


def j(*values):
    return jnp.array(values)


GRID = [[0.0, 1, 2], [3, 4, 5]]
EDGES = (0.0, 1.0, 2.0)
TRAPS = {
    "std-ddof": Trap(
        lambda: t(1.0, 2, 3, 4, 5).std(), lambda: j(1.0, 2, 3, 4, 5).std(), lambda: j(1.0, 2, 3, 4, 5).std(ddof=1),
        np.sqrt(2.5), np.sqrt(2.0),
    ),
    "std-of-one": Trap(
        lambda: t(1.0).std(), lambda: j(1.0).std(), lambda: j(1.0).std(ddof=1), np.nan, 0.0
    ),
    "median-even": Trap(
        lambda: t(1.0, 2, 3, 4).median(), lambda: jnp.median(j(1.0, 2, 3, 4)),
        lambda: jax_side.lower_median(j(1.0, 2, 3, 4)), 2.0, 2.5,
    ),
    "norm-ord-2": Trap(
        lambda: torch.norm(torch.tensor(GRID), 2), lambda: jnp.linalg.norm(jnp.array(GRID), 2),
        lambda: jax_side.norm(jnp.array(GRID)), np.sqrt(55), np.linalg.norm(GRID, 2),
    ),
    "norm-ord-1": Trap(
        lambda: torch.norm(torch.tensor(GRID), 1), lambda: jnp.linalg.norm(jnp.array(GRID), 1),
        lambda: jnp.linalg.vector_norm(jnp.array(GRID), ord=1), 15.0, 7.0,
    ),
    "repeat-tile": Trap(
        lambda: t(1, 2).repeat(2), lambda: jnp.repeat(j(1, 2), 2), lambda: jnp.tile(j(1, 2), 2),
        [1, 2, 1, 2], [1, 1, 2, 2],
    ),
    "transpose-semantics": Trap(
        lambda: torch.zeros(2, 3, 4).transpose(0, 1), lambda: jnp.transpose(jnp.zeros((2, 3, 4))),
        lambda: jax_side.swap_axes(jnp.zeros((2, 3, 4)), 0, 1), np.zeros((3, 2, 4)), np.zeros((4, 3, 2)),
    ),
    "sort-ties": Trap(
        lambda: t(1, 0, 1, 0, 1).argsort(descending=True, stable=True), lambda: jnp.argsort(j(1, 0, 1, 0, 1))[::-1],
        lambda: jnp.argsort(j(1, 0, 1, 0, 1), descending=True), [0, 2, 4, 1, 3], [4, 2, 0, 3, 1],
    ),
    "pad-order": Trap(
        lambda: torch.nn.functional.pad(torch.ones(2, 3), (1, 2)), lambda: jnp.pad(jnp.ones((2, 3)), (1, 2)),
        lambda: jnp.pad(jnp.ones((2, 3)), ((0, 0), (1, 2))),
        np.pad(np.ones((2, 3)), ((0, 0), (1, 2))), np.pad(np.ones((2, 3)), ((1, 2), (1, 2))),
    ),
    "gather-broadcast": Trap(
        lambda: torch.arange(12).view(3, 4).gather(0, torch.tensor([[2]])),
        lambda: jnp.take_along_axis(jnp.arange(12).reshape(3, 4), j([2]), 0),
        lambda: jnp.take_along_axis(jnp.arange(12).reshape(3, 4)[:, :1], j([2]), 0), [[8]], [[8, 9, 10, 11]],
    ),
    "bucketize-side": Trap(
        lambda: torch.bucketize(t(1.0), t(*EDGES)), lambda: jnp.digitize(j(1.0), j(*EDGES)),
        lambda: jnp.searchsorted(j(*EDGES), j(1.0), side="left"), [1], [2],
    ),
    "convolve-flips": Trap(
        lambda: torch.nn.functional.conv1d(t(1.0, 2, 3).view(1, 1, 3), t(1.0, 0, -1).view(1, 1, 3)).view(1),
        lambda: jnp.convolve(j(1.0, 2, 3), j(1.0, 0, -1), mode="valid"),
        lambda: jnp.correlate(j(1.0, 2, 3), j(1.0, 0, -1), mode="valid"), [-2.0], [2.0],
    ),
    "window-symmetry": Trap(
        lambda: torch.hann_window(4), lambda: jnp.hanning(4), lambda: jnp.hanning(5)[:4],
        [0, 0.5, 1, 0.5], [0, 0.75, 0.75, 0],
    ),
    "lax-rem": Trap(lambda: t(-7) % 3, lambda: lax.rem(j(-7), j(3)), lambda: j(-7) % 3, [2], [-1]),
    "lax-div": Trap(lambda: t(-7) // 3, lambda: lax.div(j(-7), j(3)), lambda: j(-7) // 3, [-3], [-2]),
    "duplicate-index-add": Trap(
        lambda: duplicates_written_once(), lambda: jnp.zeros(3).at[j(0, 0, 1)].add(1.0),
        lambda: jnp.zeros(3).at[j(0, 0, 1)].set(1.0), [1, 1, 0], [2, 1, 0],
    ),
    "dynamic-slice-clamp": Trap(
        lambda: torch.arange(10)[8 : 8 + 4], lambda: lax.dynamic_slice(jnp.arange(10), (8,), (4,)),
        lambda: lax.dynamic_slice(jnp.arange(10), (8,), (2,)), [8, 9], [6, 7, 8, 9],
    ),
    "at-set-discarded": Trap(
        lambda: torch_side.set_row(torch.zeros(2, 2), 0, torch.ones(2)), lambda: set_and_forget(jnp.zeros((2, 2))),
        lambda: jax_side.set_row(jnp.zeros((2, 2)), 0, jnp.ones(2)), [[1, 1], [0, 0]], [[0, 0], [0, 0]],
    ),
    "subnormals-flushed": Trap(
        lambda: t(1e-40).log(), lambda: jnp.log(j(1e-40)), lambda: jax.nn.log_softmax(j(0.0, np.log(1e-40)))[1:],
        [np.log(1e-40)], [-np.inf],
    ),
}  # fmt: skip


def duplicates_written_once():
    x = torch.zeros(3)
    x[t(0, 0, 1)] += 1
    return x


def set_and_forget(x):
    x.at[0].set(1.0)
    return x


def same(left, right):
    """Equal in shape and, to the rounding of float32, in value; a NaN is equal to one, for that is asserted."""
    return agrees(np.asarray(left, np.float32), np.asarray(right, np.float32), "float32")


@pytest.mark.filterwarnings("ignore:std.*degrees of freedom")
@pytest.mark.parametrize("name", TRAPS)
def test_a_mistaken_port_differs_by_what_was_measured(name):
    trap = TRAPS[name]
    theirs = torch_side.to_numpy(trap.torch())
    assert same(theirs, trap.torch_gives)
    assert same(jax_side.to_numpy(trap.mistaken()), trap.jax_gives)
    assert same(jax_side.to_numpy(trap.correct()), theirs)
    assert not same(trap.torch_gives, trap.jax_gives)
