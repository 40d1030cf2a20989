"""Pools of every kind, padding, folding and shuffling: values and gradients, and who gets the gradient of a tie."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from counterparts_convolution import channels_last, pair
from jax_impl import convolution as jax_side
from torch_impl import convolution as torch_side


@pytest.fixture(autouse=True)
def x64():
    """What is held against NumPy is computed in its precision."""
    with jax.enable_x64(True):
        yield


# --- pooling -------------------------------------------------------------------------------------------------------

POOLS = {
    "max": ("max_pool", ((3, 2),), {"stride": (2, 1), "padding": (1, 1)}),
    "max, ceil": ("max_pool", ((3, 2),), {"stride": 2, "ceil_mode": True}),
    "max, indices": ("max_pool_with_indices", ((3, 2),), {"stride": 2, "padding": 1, "ceil_mode": True}),
    "max, dilated": ("max_pool_with_indices", ((2, 3),), {"stride": 1, "dilation": (3, 2), "padding": (1, 1)}),
    "mean": ("avg_pool", ((3, 2),), {"stride": (2, 1), "padding": (1, 1)}),
    "mean, ceil": ("avg_pool", ((3, 2),), {"stride": 2, "padding": 1, "ceil_mode": True}),
    "mean, inside": ("avg_pool", ((3, 2),), {"padding": 1, "count_include_pad": False, "ceil_mode": True}),
    "mean, divisor": ("avg_pool", ((3, 2),), {"padding": 1, "divisor_override": 5}),
    "adaptive mean": ("adaptive_avg_pool", ((3, None),), {}),
    "adaptive max": ("adaptive_max_pool", ((5, 2),), {}),
}


@pytest.mark.parametrize("kind", POOLS)
def test_pools_agree(parity, rng, kind):
    name, args, options = POOLS[kind]
    x = rng.normal(size=(2, 3, 7, 6)) - 3  # negative: zeros in the padding would win
    parity.assert_equivalent(
        *pair(name, 2, *args, **options), (x,), dtypes=("float64",), jit=kind in ("max", "mean, ceil")
    )


def test_equal_maxima_send_the_gradient_to_the_first(parity):
    x = np.zeros((1, 1, 4, 4))
    for name in ("max_pool", "max_pool_with_indices"):
        parity.assert_equivalent(*pair(name, 2, (2, 2)), (x,), dtypes=("float64",), jit=False)
    grad = jax.grad(lambda x: jax_side.max_pool(x, (2, 2)).sum())(jnp.zeros((1, 2, 2, 1)))
    assert grad.ravel().tolist() == [1, 0, 0, 0]


def test_lp_pool_agrees_and_is_a_norm_of_positive_numbers(parity, rng):
    x = 0.1 + rng.random((2, 3, 4, 6))
    parity.assert_equivalent(*pair("lp_pool", 2, 3.0, (2, 3)), (x,), dtypes=("float64",), jit=False)
    first = np.linalg.norm(x[0, 0, :2, :3].ravel(), 3)
    assert float(jax_side.lp_pool(jnp.moveaxis(x, 1, -1), 3.0, (2, 3))[0, 0, 0, 0]) == pytest.approx(first)


def test_unpooling_undoes_what_pooling_kept(parity, rng):
    x = rng.normal(size=(2, 3, 4, 6))

    def torch_both(x):
        return torch_side.max_unpool(*torch_side.max_pool_with_indices(x, (2, 3)), (4, 6))

    def jax_both(x):
        return channels_last(lambda x: jax_side.max_unpool(*jax_side.max_pool_with_indices(x, (2, 3)), (4, 6)), x, 2)

    parity.assert_equivalent(torch_both, jax_both, (x,), dtypes=("float64",), jit=False)
    assert np.count_nonzero(torch_both(torch.tensor(x))) == 2 * 3 * 4


def test_fractional_pool_agrees_on_given_samples(parity, rng):
    inputs = (rng.normal(size=(2, 3, 7, 6)), rng.random((2, 3, 2)))
    size = {"window": (2, 3), "size": (4, 3)}
    parity.assert_equivalent(
        lambda x, samples: torch_side.fractional_max_pool(x, samples=samples.detach(), **size),
        lambda x, samples: channels_last(
            partial(jax_side.fractional_max_pool, samples=jax.lax.stop_gradient(samples), **size), x, 2
        ),
        inputs,
        dtypes=("float64",),
    )


# --- padding, folding, shuffling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_pad_agrees_with_numpy_too(parity, rng, mode):
    x, padding = rng.normal(size=(2, 3, 4, 5)), ((1, 2), (3, 0))
    parity.assert_equivalent(*pair("pad", 2, padding, mode=mode), (x,), dtypes=("float64",), jit=False)
    named = {"zeros": "constant", "replicate": "edge", "circular": "wrap"}.get(mode, mode)
    assert np.array_equal(
        torch_side.pad(torch.tensor(x), padding, mode=mode), np.pad(x, ((0, 0), (0, 0), *padding), named)
    )


def test_negative_padding_cuts_off(rng):
    x = rng.normal(size=(1, 2, 4, 5))
    torch_pad, jax_pad = pair("pad", 2, ((-1, 1), (0, -2)), value=7.0)
    left, right = torch_pad(torch.tensor(x)), jax_pad(x)
    assert np.array_equal(left, right)
    assert np.array_equal(right[:, :, :3], x[:, :, 1:, :3])


@pytest.mark.parametrize(
    ("name", "args"), [("pixel_shuffle", (2,)), ("pixel_unshuffle", (2,)), ("channel_shuffle", (2,))]
)
def test_shuffles_agree(parity, rng, name, args):
    parity.assert_equivalent(*pair(name, 2, *args), (rng.normal(size=(2, 8, 4, 6)),), dtypes=("float64",), jit=False)


# stride, padding, dilation; and how many windows of 3 by 2 the image of 5 by 6 has, counted by hand
WINDOWS = {
    "stride": ({"stride": 2}, 6),
    "padding": ({"padding": (1, 0)}, 25),
    "dilation": ({"dilation": (1, 3)}, 9),
    "all": ({"stride": (1, 3), "padding": (1, 2), "dilation": 2}, 9),
}


@pytest.mark.parametrize("kind", WINDOWS)
def test_fold_is_the_gradient_of_unfold_and_both_agree(parity, rng, kind):
    options, count = WINDOWS[kind]
    x, rows = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(2, 18, count))

    def jax_unfold(x):
        return jax_side.unfold(jnp.moveaxis(x, 1, -1), (3, 2), **options).swapaxes(1, 2)

    def jax_fold(rows):
        return jnp.moveaxis(jax_side.fold(rows.swapaxes(1, 2), (5, 6), (3, 2), **options), -1, 1)

    torch_unfold = partial(torch_side.unfold, window=(3, 2), **options)
    torch_fold = partial(torch_side.fold, size=(5, 6), window=(3, 2), **options)
    parity.assert_equivalent(torch_unfold, jax_unfold, (x,), dtypes=("float64",), jit=False)
    parity.assert_equivalent(torch_fold, jax_fold, (rows,), dtypes=("float64",), jit=False)
    taken, pulled = jax.vjp(jax_unfold, jnp.asarray(x))
    assert taken.shape == rows.shape
    assert np.array_equal(pulled(jnp.asarray(rows))[0], jax_fold(jnp.asarray(rows)))
