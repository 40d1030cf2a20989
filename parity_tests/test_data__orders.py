"""Examples in batches: the orders that are drawn, by their laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import torch
from torch.utils.data import WeightedRandomSampler

from jax_impl import data as jax_side
from torch_impl import data as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])


def drawn_order(side, seed, epoch, n=50):
    if side is torch_side:
        return side.epoch_order(n, epoch, generator=torch.Generator().manual_seed(seed)).numpy()
    return np.asarray(side.epoch_order(jax.random.key(seed), n, epoch))


@SIDES
def test_every_epoch_has_an_order_of_its_own_and_can_be_had_again(side):
    orders = [drawn_order(side, 0, epoch) for epoch in range(4)]
    assert all(np.array_equal(np.sort(order), np.arange(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert np.array_equal(drawn_order(side, 0, 2), orders[2])


@SIDES
def test_every_row_comes_first_as_often_as_any(side):
    """A chi-square test over 400 epochs of 5 rows: who stands where."""
    orders = np.array([drawn_order(side, 3, epoch, n=5) for epoch in range(400)])
    for place in range(5):
        assert scipy.stats.chisquare(np.bincount(orders[:, place], minlength=5)).pvalue > 1e-3


@SIDES
def test_weights_say_how_often_a_row_is_drawn(side):
    weights, draws = np.array([1.0, 0.0, 2.0, 5.0], np.float32), 20_000
    if side is torch_side:
        rows = side.weighted_order(torch.from_numpy(weights), draws, generator=torch.Generator().manual_seed(0)).numpy()
        own = WeightedRandomSampler(weights.tolist(), draws, generator=torch.Generator().manual_seed(0))
        assert len(list(own)) == len(rows)
    else:
        rows = np.asarray(side.weighted_order(jax.random.key(0), jnp.asarray(weights), draws))
    counts = np.bincount(rows, minlength=4)
    assert counts[1] == 0
    assert scipy.stats.chisquare(counts[[0, 2, 3]], draws * weights[[0, 2, 3]] / 8).pvalue > 1e-3
