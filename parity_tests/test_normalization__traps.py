"""Where linen's norms and dropouts part ways with torch's, each with its size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn
from torch.nn import functional

from jax_impl import normalization as jax_side


@pytest.fixture(autouse=True)
def x64():
    """Sizes are stated in float64."""
    with jax.enable_x64(True):
        yield


PLAIN = {"use_scale": False, "use_bias": False}


def moved(layer, x):
    """Running mean and variance after one batch of rows."""
    variables = {"batch_stats": {"mean": jnp.zeros(x.shape[1]), "var": jnp.ones(x.shape[1])}}
    _, new = layer.apply(variables, x, use_running_average=False, mutable=["batch_stats"])
    return new["batch_stats"]


def torch_moved(x, **options):
    layer = nn.BatchNorm1d(x.shape[1], affine=False, **options).double()
    layer(torch.tensor(x))
    return {"mean": layer.running_mean.numpy(), "var": layer.running_var.numpy()}


def test_trap_bn_running_var_bessel(rng):
    """bn-running-var-bessel: what eight rows add to the variance is 8/7 in torch of what it is in linen."""
    x = rng.normal(size=(8, 3))
    linen_var = moved(linen.BatchNorm(momentum=0.9, epsilon=1e-5, **PLAIN), x)["var"] - 0.9
    assert (torch_moved(x)["var"] - 0.9) / linen_var == pytest.approx(8 / 7)
    ours = moved(jax_side.batch_norm_layer(3, 1, affine=False), x)["var"]
    assert np.asarray(ours) == pytest.approx(torch_moved(x)["var"])


@pytest.mark.parametrize(("momentum", "ratio"), [(0.1, 9), (0.99, 0.1)])
def test_trap_bn_momentum_convention(rng, momentum, ratio):
    """bn-momentum-convention: linen's number is what stays; 0.1 moves nine times as far, its own 0.99 a tenth."""
    x = 3 + rng.normal(size=(8, 3))
    mean = moved(linen.BatchNorm(momentum=momentum, **PLAIN), x)["mean"]
    assert np.asarray(mean) / torch_moved(x)["mean"] == pytest.approx(ratio)


def test_trap_bn_momentum_none(rng):
    """bn-momentum-none: torch takes the mean over batches; linen has no such mode, and fails at its arithmetic."""
    x = rng.normal(size=(8, 3))
    assert torch_moved(x, momentum=None)["mean"] == pytest.approx(x.mean(0))
    with pytest.raises(TypeError, match="NoneType"):
        moved(linen.BatchNorm(momentum=None, **PLAIN), x)


def test_trap_instance_norm_momentum_none_never_learns(rng):
    """None is the mean over all batches for BatchNorm, and 0 for InstanceNorm: the statistics stay 0 and 1."""
    layer = nn.InstanceNorm1d(3, momentum=None, track_running_stats=True).double()
    layer(torch.tensor(5 + rng.normal(size=(2, 3, 4))))
    assert layer.running_mean.tolist() == [0, 0, 0]
    assert layer.running_var.tolist() == [1, 1, 1]


def test_trap_norm_fast_variance(rng):
    """norm-fast-variance: at a mean of 1e4 linen is off by more than 1 in float32, ours by less than 1e-3."""
    x = (1e4 + rng.normal(size=(64, 3))).astype(np.float32)
    truth = (x.astype(float) - x.astype(float).mean(0)) / np.sqrt(x.astype(float).var(0) + 1e-5)
    fast = linen.BatchNorm(use_running_average=False, epsilon=1e-5, param_dtype=jnp.float32, **PLAIN)
    gaps = []
    for layer, mode in ((fast, {}), (jax_side.batch_norm_layer(3, 1, affine=False), {"use_running_average": False})):
        stats = {"mean": jnp.zeros(3, jnp.float32), "var": jnp.ones(3, jnp.float32)}
        out, _ = layer.apply({"batch_stats": stats}, jnp.asarray(x), **mode, mutable=["batch_stats"])
        gaps.append(np.abs(np.asarray(out, float) - truth).max())
    assert gaps[0] > 1
    # float32 carries 1e4 to 1e-3 only: half a step of 2^-10 on a standard deviation of 1.
    assert gaps[1] < 1e-3


@pytest.mark.parametrize(("magnitude", "least"), [(1.0, 1e-6), (1e-2, 0.01), (1e-3, 0.5)])
def test_trap_layernorm_eps(rng, magnitude, least):
    """layernorm-eps: 1e-6 for 1e-5 is nothing at scale 1 and everything at scale 1e-3."""
    x = magnitude * rng.normal(size=(6, 8))
    left = functional.layer_norm(torch.tensor(x), (8,)).numpy()
    right = linen.LayerNorm(**PLAIN).apply({}, x)
    assert least < np.abs(left - right).max() < 20 * least * 10


def test_trap_rmsnorm_eps(rng):
    """rmsnorm-eps: torch's default is the dtype's own: 1.2e-7 in float32, 2.2e-16 in float64; linen's 1e-6 always."""
    x = 1e-3 * rng.normal(size=(6, 8))
    wide = functional.rms_norm(torch.tensor(x), (8,)).numpy()
    narrow = functional.rms_norm(torch.tensor(x, dtype=torch.float32), (8,)).numpy()
    assert 0.01 < np.abs(wide - narrow).max() < 1
    assert np.abs(linen.RMSNorm(use_scale=False).apply({}, x) - wide).max() > 0.1
    assert np.asarray(jax_side.rms_norm_layer((8,), elementwise_affine=False).apply({}, x)) == pytest.approx(wide)


def test_trap_bn_axis(parity, rng):
    """bn-axis: handed NCHW, linen normalises over columns without a word; ours refuses."""
    x = rng.normal(size=(2, 3, 4, 5))
    right = linen.BatchNorm(use_running_average=False, epsilon=1e-5, **PLAIN)
    out, _ = right.init_with_output(jax.random.key(0), x)
    left = functional.batch_norm(torch.tensor(x), None, None, training=True).numpy()
    assert out.shape == left.shape
    assert np.abs(out - left).max() > 0.3
    with pytest.raises(ValueError, match="and 3 channels, got shape"):
        jax_side.batch_norm_layer(3).init(jax.random.key(0), x, use_running_average=False)


def test_trap_bn_single_sample():
    """bn-single-sample: torch refuses one value a channel; linen returns zeros and remembers a variance of 0."""
    x = np.full((1, 3), 5.0)
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        torch_moved(x)
    layer = linen.BatchNorm(momentum=0.9, **PLAIN)
    assert np.asarray(moved(layer, x)["var"]) == pytest.approx(0.9)
    with pytest.raises(ValueError, match="more than one value a channel"):
        moved(jax_side.batch_norm_layer(3, 1, affine=False), x)


def test_trap_bn_state_dropped():
    """bn-eval-mode-and-state: without ``mutable`` linen refuses to train, ours too."""
    layer = jax_side.batch_norm_layer(3, 1)
    variables = layer.init(jax.random.key(0), jnp.ones((4, 3)), False)
    with pytest.raises(Exception, match=r"\"batch_stats\" is immutable"):
        layer.apply(variables, jnp.ones((4, 3)), False)


def test_trap_layernorm_multi_axis(rng):
    """layernorm-multi-axis: linen takes the last axis alone."""
    x = rng.normal(size=(2, 3, 4))
    left = functional.layer_norm(torch.tensor(x), (3, 4)).numpy()
    assert np.abs(linen.LayerNorm(epsilon=1e-5, **PLAIN).apply({}, x) - left).max() > 0.3


def test_trap_functional_dropout():
    """functional-dropout: F.dropout drops unless told not to; linen asks which."""
    torch.manual_seed(0)
    assert (functional.dropout(torch.ones(100), 0.5) == 0).any()
    with pytest.raises(ValueError, match="deterministic"):
        linen.Dropout(0.5).apply({}, jnp.ones(100), rngs={"dropout": jax.random.key(0)})


def test_trap_dropout_same_key():
    """dropout-same-key: one key is one mask, step after step."""
    drop = linen.Dropout(0.5, deterministic=False)
    first, second = (drop.apply({}, jnp.ones(100), rngs={"dropout": jax.random.key(0)}) for _ in range(2))
    assert np.array_equal(first, second)
