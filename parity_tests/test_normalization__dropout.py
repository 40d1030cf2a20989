"""Dropout of every kind on one mask: torch's modules, linen's layer and both twins."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

from jax_impl import normalization as jax_side
from oracles import agrees
from torch_impl import normalization as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])


@pytest.fixture(autouse=True)
def x64():
    """What is held against NumPy is computed in its precision."""
    with jax.enable_x64(True):
        yield


KINDS = {
    "dropout": (nn.Dropout(0.3), (2, 3, 4), 3),
    "alpha_dropout": (nn.AlphaDropout(0.3), (2, 3, 4), 3),
    "channel_dropout 1": (nn.Dropout1d(0.3), (2, 3, 4), 2),
    "channel_dropout 2": (nn.Dropout2d(0.3), (2, 3, 4, 2), 2),
    "channel_dropout 3": (nn.Dropout3d(0.3), (2, 3, 4, 2, 2), 2),
    "channel_alpha_dropout": (nn.FeatureAlphaDropout(0.3), (2, 3, 4), 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_on_one_mask_agrees(parity, rng, kind):
    """Torch's own module, its mask read off from its generator, beside both twins: values and gradients."""
    layer, shape, axes = KINDS[kind]
    name = kind.split()[0]
    keep = np.asarray(torch_side.keep_mask(shape[:axes], p=0.3, generator=torch.Generator().manual_seed(5)))
    assert 0 < keep.sum() < keep.size

    def own(x, keep):
        with torch.random.fork_rng():
            torch.manual_seed(5)
            return layer.train()(x)

    def last(x, keep):
        out = getattr(jax_side, name)(x if axes == 3 else jnp.moveaxis(x, 1, -1), keep, p=0.3)
        return out if axes == 3 else jnp.moveaxis(out, -1, 1)

    inputs = {"x": rng.normal(size=shape), "keep": keep}
    parity.assert_equivalent(own, last, inputs, dtypes=("float64",), jit=kind == "dropout")
    parity.assert_equivalent(lambda x, keep: getattr(torch_side, name)(x, keep, p=0.3), last, inputs, jit=False)


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "channel_dropout", "channel_alpha_dropout"])
def test_dropout_does_nothing_in_evaluation_and_leaves_nothing_at_one(rng, name):
    x, keep = rng.normal(size=(2, 3, 3)), np.zeros((2, 3, 3)[: 2 if "channel" in name else 3], bool)
    for side, make in ((torch_side, torch.tensor), (jax_side, jnp.asarray)):
        drop = getattr(side, name)
        assert np.array_equal(drop(make(x), make(keep), training=False), x)
        assert np.array_equal(drop(make(x), make(keep), p=0.0), x)
        assert not np.any(np.asarray(drop(make(x), make(keep), p=1.0)))


def test_linen_dropout_is_dropout_on_its_own_mask(rng):
    x = rng.normal(size=(4, 5, 3))
    for axes, name in (((), "dropout"), ((1,), "channel_dropout")):
        layer = linen.Dropout(0.3, broadcast_dims=axes, deterministic=False)
        drawn = [layer.apply({}, value, rngs={"dropout": jax.random.key(1)}) for value in (np.ones_like(x), x)]
        keep = drawn[0] != 0
        assert agrees(drawn[1], getattr(jax_side, name)(x, keep if not axes else keep[:, 0], p=0.3))


@SIDES
def test_masks_keep_as_much_as_they_should(side):
    """Within five standard errors of 1 - p; alpha dropout keeps mean 0 and variance 1."""
    n = 100_000
    if side is torch_side:
        generator = torch.Generator().manual_seed(0)
        keep, x = side.keep_mask((n,), p=0.3, generator=generator), torch.randn(n, generator=generator).double()
    else:
        keep, x = side.keep_mask(jax.random.key(0), (n,), p=0.3), jax.random.normal(jax.random.key(1), (n,))
    assert abs(np.mean(np.asarray(keep)) - 0.7) < 5 * np.sqrt(0.21 / n)
    out = np.asarray(side.alpha_dropout(x, keep, p=0.3))
    assert abs(out.mean()) < 5 / np.sqrt(n)
    # The variance's error is sqrt((E x^4 - 1) / n), and E x^4 is below 4 here.
    assert abs(out.var() - 1) < 5 * np.sqrt(3 / n)
