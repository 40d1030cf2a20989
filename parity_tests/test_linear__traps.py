"""The linear layer: what a port gets wrong, each with its size, shown red by a comparison where one can see it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen

from jax_impl import linear as jax_side
from torch_impl import linear as torch_side


def test_trap_square_layers_hide_a_missing_transpose():
    """W = 0..8 in three rows, x = ones: row sums on the right, column sums where the transpose is missing."""
    weight = np.arange(9.0).reshape(3, 3)
    x = np.ones(3)
    right = torch_side.linear_transform(torch.from_numpy(x), torch.from_numpy(weight))
    wrong = linen.Dense(3, use_bias=False).apply({"params": {"kernel": weight}}, x)
    ported = linen.Dense(3, use_bias=False).apply({"params": {"kernel": weight.T}}, x)
    assert right.tolist() == np.asarray(ported).tolist() == [3, 12, 21]
    assert np.asarray(wrong).tolist() == [9, 12, 15]


def test_trap_missing_transpose_is_named_by_the_comparison(parity, rng):
    """In a square layer the shapes fit, so only values tell: all leaves but the gradient by the bias are wrong."""
    inputs = {"x": rng.normal(size=(9, 3)), "weight": rng.normal(size=(3, 3)), "bias": rng.normal(size=3)}
    report = parity.compare(
        torch_side.linear_transform, lambda x, weight, bias: x @ weight + bias, inputs, jit=False, record=False
    )
    assert {leaf.path for leaf in report.failures} == {"output", "grad/x", "grad/weight"}
    assert report.leaf("grad/bias", "float64").ok


def test_trap_missing_transpose_cannot_run_where_the_layer_is_not_square():
    kernel = np.zeros((3, 2))  # torch's (out, in) handed to Dense
    with pytest.raises(Exception, match=r'"kernel".* expected to generate shape \(2, 3\), .* has shape \(3, 2\)'):
        linen.Dense(3, use_bias=False).apply({"params": {"kernel": kernel}}, np.ones((9, 2)))


def test_trap_default_dense_starts_sqrt_3_wider_and_without_a_bias():
    """At in = 100 the standard deviation is 0.0577 for nn.Linear and 0.1 for nn.Dense."""
    torch_weight = torch_side.linear_layer(100, 1000, generator=torch.Generator().manual_seed(0)).weight
    params = linen.Dense(1000).init(jax.random.key(0), jnp.zeros((1, 100)))["params"]
    ours = jax_side.linear_layer(100, 1000).init(jax.random.key(0), jnp.zeros((1, 100)))["params"]
    assert (
        f"{torch_weight.std().item():.3f} {params['kernel'].std():.3f} {ours['kernel'].std():.3f}"
        == "0.058 0.100 0.058"
    )
    # lecun_normal ends 2.27 standard deviations out (cut at 2, then rescaled); torch's law at 1/sqrt(in).
    assert float(jnp.abs(params["kernel"]).max()) > 2.2 * 0.1
    assert torch_weight.abs().max().item() <= 0.1
    assert (params["bias"] == 0).all()
    assert not (ours["bias"] == 0).any()


def test_trap_initializers_read_fan_in_from_the_axis_before_the_last():
    """Of a matrix in torch's layout, (out, in) = (512, 64), that is the outputs: 0.0442 instead of 0.125."""
    shape = (512, 64)
    wrong = linen.initializers.lecun_normal()(jax.random.key(0), shape)
    told = linen.initializers.variance_scaling(1.0, "fan_in", "truncated_normal", in_axis=1, out_axis=0)
    right = told(jax.random.key(0), shape)
    assert f"{wrong.std():.3f} {right.std():.3f}" == "0.044 0.125"


def test_trap_uniform_initializer_of_jax_starts_at_zero():
    """nn.initializers.uniform(scale) draws from [0, scale); torch's bias is symmetric."""
    draws = linen.initializers.uniform(0.1)(jax.random.key(0), (1000,))
    ours = jax_side.bias_law(100)(jax.random.key(0), (1000,))
    assert draws.min() >= 0
    assert ours.min() < -0.09


def test_divergence_float64_data_meets_a_float32_layer(rng):
    """torch raises. JAX computes: in float32 where x64 is off, and in float64, by promotion, where it is on."""
    x = rng.normal(size=(9, 2))
    with pytest.raises(RuntimeError, match="must have the same dtype"):
        torch_side.linear_layer(2, 3)(torch.from_numpy(x))

    layer = jax_side.linear_layer(2, 3)
    variables = layer.init(jax.random.key(0), jnp.zeros((1, 2)))
    assert layer.apply(variables, x).dtype == jnp.float32
    with jax.enable_x64(True):
        wide = layer.apply(variables, jnp.asarray(x))
        assert wide.dtype == jnp.float64
    assert np.array_equal(layer.apply(variables, x), layer.apply(variables, x.astype(np.float32)))


def test_trap_dropped_bias_leaves_the_other_gradients_right(parity, rng):
    """A port without the bias is wrong in the output; the gradients by x and the weight are still right."""
    inputs = {"x": rng.normal(size=(9, 2)), "weight": rng.normal(size=(3, 2)), "bias": rng.normal(size=3)}
    report = parity.compare(
        torch_side.linear_transform,
        lambda x, weight, bias: jax_side.linear_transform(x, weight),
        inputs,
        jit=False,
        record=False,
    )
    assert {leaf.path for leaf in report.failures} == {"output", "grad/bias"}
