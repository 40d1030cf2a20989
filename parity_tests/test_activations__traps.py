"""Where torch's activations and those of ``jax.nn`` part ways, and where torch parts ways with itself, with sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from jax_impl import activations as jax_side
from torch_impl import activations as torch_side

NAN, INF = float("nan"), float("inf")


def torch_curve(function, x):
    """Value and derivative at every entry of ``x``, in float64."""
    leaf = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = function(leaf)
    value.backward(torch.ones_like(value))
    return value.detach().numpy(), leaf.grad.numpy()


def jax_curve(function, x):
    """The same on the other side."""
    with jax.enable_x64(True):
        point = jnp.asarray(x, dtype=float)
        value, slope = jax.jvp(function, (point,), (jnp.ones_like(point),))
    return np.asarray(value), np.asarray(slope)


# trap: (torch, JAX, where, torch's derivative, JAX's derivative)
KINKS = {
    "leaky-relu-zero": (functional.leaky_relu, jax.nn.leaky_relu, [0], [0.01], [1]),
    "hardtanh-boundary": (functional.hardtanh, jax.nn.hard_tanh, [-1, 1], [0, 0], [1, 1]),
    "relu-vs-maximum": (functional.relu, lambda x: jnp.maximum(x, 0), [0], [0], [0.5]),
    "relu-at-nan": (functional.relu, jax.nn.relu, [NAN], [1], [0]),
}


@pytest.mark.parametrize("trap", KINKS)
def test_derivatives_differ_on_the_kink(parity, trap):
    torch_fn, jax_fn, x, torch_slope, jax_slope = KINKS[trap]
    (left, left_slope), (right, right_slope) = torch_curve(torch_fn, x), jax_curve(jax_fn, x)
    assert np.array_equal(left, right, equal_nan=True)
    assert np.array_equal(left_slope, torch_slope, equal_nan=True)
    assert np.array_equal(right_slope, jax_slope, equal_nan=True)
    inputs = (np.array(x, float),)
    report = parity.compare(torch_fn, jax_fn, inputs, dtypes=("float64",), edge_cases=True, record=False)
    assert {leaf.path for leaf in report.failures} == {"grad/x"}


def test_forward_mode_of_hard_swish_is_nan_at_infinity():
    """``jax.nn.hard_swish`` multiplies slope 0 by infinity, in forward mode only; torch and the twin have 0 and 1."""
    _, slope = torch_curve(functional.hardswish, [-INF, INF])
    assert slope.tolist() == jax_curve(jax_side.hardswish, [-INF, INF])[1].tolist() == [0, 1]
    assert np.isnan(jax_curve(jax.nn.hard_swish, [-INF, INF])[1]).all()
    assert jax.vmap(jax.grad(jax.nn.hard_swish))(jnp.array([-INF, INF])).tolist() == [0, 1]


def test_trap_gelu_tanh_default(parity, rng):
    """gelu-tanh-default: ``jax.nn.gelu`` is the tanh form, 4.73e-4 off in value and 8.68e-4 in slope."""
    x = np.linspace(-6, 6, 20001)
    (value, slope), (other, other_slope) = torch_curve(functional.gelu, x), jax_curve(jax.nn.gelu, x)
    assert f"{np.abs(value - other).max():.2e}" == "4.73e-04"
    assert f"{np.abs(slope - other_slope).max():.2e}" == "8.68e-04"
    quick, _ = jax_curve(lambda x: x * jax.nn.sigmoid(1.702 * x), x)  # a third function of the same name
    assert f"{np.abs(value - quick).max():.2e}" == "2.03e-02"
    report = parity.compare(functional.gelu, jax.nn.gelu, (rng.normal(size=9),), record=False)
    assert not report.ok
    assert not report.leaf("output", "float32").ok


def test_erf_of_torch_has_an_absolute_error():
    """Its vectorized kernel on a CPU (every gelu, erf at 16 bits) is Abramowitz and Stegun 7.1.26, off by 1.5e-7.

    Under torch.compile float32 erf takes it, too: https://github.com/pytorch/pytorch/issues/198183.
    """
    tail, small = torch.full((64,), -5.0), torch.full((64,), 1e-7)
    exact = functional.gelu(tail.double())[0].item()
    assert abs(functional.gelu(tail)[0].item() / exact - 1) > 0.01
    assert float(jax.nn.gelu(-5.0, approximate=False)) == pytest.approx(exact)
    assert torch.erf(small.bfloat16())[0] == 0
    assert float(jax.scipy.special.erf(jnp.bfloat16(1e-7))) > 1e-7


def test_trap_softplus_beta_and_threshold():
    """softplus-beta-threshold: torch's line begins at 20, 2.06e-9 below the curve; without beta = 2 it is 0.347 off."""
    x = [20.0, 20.000001]
    (value, _), (other, _) = torch_curve(functional.softplus, x), jax_curve(jax.nn.softplus, x)
    np.testing.assert_array_max_ulp(value[:1], other[:1], maxulp=1)
    assert f"{other[1] - value[1]:.2e}" == "2.06e-09"
    (steep, _), (plain, _) = (
        torch_curve(lambda x: functional.softplus(x, 2.0), [0.0]),
        jax_curve(jax.nn.softplus, [0.0]),
    )
    assert plain - steep == pytest.approx(np.log(2) / 2)


@pytest.mark.parametrize(("axes", "chosen"), [(1, 0), (2, 1), (3, 0), (4, 1)])
def test_trap_softmax_implicit_dim(rng, axes, chosen):
    """softmax-implicit-dim: without dim torch takes axis 0 of 1 or 3 axes and 1 of 2 or 4; JAX takes the last."""
    x = rng.normal(size=(2, 3, 4, 5)[:axes])
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax has been deprecated"):
        implicit = nn.Softmax()(torch.tensor(x)).numpy()
    with jax.enable_x64(True):
        np.testing.assert_array_max_ulp(implicit, np.asarray(jax_side.softmax(x, chosen)), maxulp=4)
        gap = np.abs(implicit - np.asarray(jax.nn.softmax(x))).max()
    assert (gap > 0.1) == (axes > 2)


def test_trap_softmax_over_the_batch_in_size():
    """Of three axes, one-hot by a large score: a share of 1 over its own axis, 0.5 over the other."""
    x = np.zeros((2, 1, 2), np.float32)
    x[:, :, 1] = 100
    with pytest.warns(UserWarning, match="Implicit dimension choice"):
        implicit = functional.softmax(torch.tensor(x)).numpy()
    assert np.abs(implicit - np.asarray(jax.nn.softmax(x))).max() == 0.5


# Where torch parts ways with itself.


@pytest.mark.parametrize(
    ("name", "alone", "among_others"),
    [
        ("relu6", 1, 0),
        ("hardtanh", 1, 0),
        ("hardshrink", 1, 0),
        ("softshrink", 1, 0),
        ("hardswish", 1, NAN),
        ("elu", 1, NAN),
        ("celu", 1, NAN),
    ],
)
def test_torch_derivative_at_nan_depends_on_the_position(name, alone, among_others):
    """A vectorised kernel and the loop over what is left at the end differ at NaN; the twin follows the kernel."""
    _, slope = torch_curve(getattr(torch_side, name), [NAN])
    assert slope == alone
    x = np.full(64, NAN)
    _, slope = torch_curve(getattr(torch_side, name), x)
    assert np.array_equal(slope, np.full(64, among_others, float), equal_nan=True)
    _, slope = jax_curve(getattr(jax_side, name), x)
    assert np.array_equal(slope, np.full(64, among_others, float), equal_nan=True)


def test_torch_rounds_the_slope_of_hardsigmoid_to_float32(parity):
    """The backward kernel holds 1/6 in float32, 5.0e-9 off; JAX has 1/6, and a float64 comparison is red."""
    _, slope = torch_curve(nn.Hardsigmoid(), [0.5])
    assert slope[0] == np.float64(np.float32(1) / np.float32(6)) != 1 / 6
    assert f"{slope[0] - 1 / 6:.2e}" == "4.97e-09"
    _, slope = jax_curve(jax_side.hardsigmoid, [0.5])
    assert slope[0] == 1 / 6
    report = parity.compare(nn.Hardsigmoid().forward, jax_side.hardsigmoid, (np.array([0.5, 1.0]),), record=False)
    assert {(leaf.path, leaf.dtype) for leaf in report.failures} == {("grad/x", "float64")}


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="the kernel in question is oneDNN's")
@pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN")
def test_torch_float32_gelu_of_infinity_is_nan_from_onednn():
    """gelu(+inf) is +inf in float64, for one element, without oneDNN and in JAX; oneDNN's float32 kernel says NaN."""
    x = torch.tensor([1.0, INF])
    assert functional.gelu(x).isnan().tolist() == [False, True]
    assert functional.gelu(x.double())[1] == functional.gelu(x[1:])[0] == INF
    with torch.backends.mkldnn.flags(enabled=False):
        assert functional.gelu(x)[1] == INF
    assert jax_side.gelu(jnp.array([1.0, INF]))[1] == INF


# Integers.

KEEP = {
    "relu": {},
    "relu6": {},
    "hardtanh": {"min_val": -1.5, "max_val": 0.5},
    "threshold": {"threshold": -0.5, "value": 9.7},
}
PROMOTE = ("sigmoid", "tanh", "tanhshrink", "softsign")


@pytest.mark.parametrize("x64", [False, True])
def test_cell_activation_of_integers(x64):
    """Cell Activation Func: Sigmoid and Tanh of [-1, 1, 0] are float32, ReLU stays integer; with or without x64."""
    integers = torch.tensor([-1, 1, 0])
    assert nn.Sigmoid()(integers).tolist() == pytest.approx([0.26894142, 0.73105858, 0.5])
    assert nn.Tanh()(integers).tolist() == pytest.approx([-0.76159416, 0.76159416, 0])
    assert nn.ReLU()(integers).tolist() == [0, 1, 0]
    with jax.enable_x64(x64):
        numbers = jnp.array([-1, 1, 0])
        for name in (*KEEP, *PROMOTE):
            settings = KEEP.get(name, {})
            left, right = (getattr(s, name)(x, **settings) for s, x in ((torch_side, integers), (jax_side, numbers)))
            assert str(left.dtype) == ("torch.int64" if name in KEEP else "torch.float32")
            assert right.dtype == (numbers.dtype if name in KEEP else jnp.float32)
            np.testing.assert_array_max_ulp(left.numpy().astype(np.float32), np.float32(right), maxulp=2)


def test_jax_nn_has_three_rules_for_integers():
    """``jax.nn.sigmoid`` refuses them, relu6 and leaky_relu make them float, relu and hard_tanh keep them."""
    numbers = jnp.array([-1, 1, 0])
    with pytest.raises(TypeError, match="logistic does not accept dtype int32"):
        jax.nn.sigmoid(numbers)
    assert jax.nn.relu6(numbers).dtype == jax.nn.leaky_relu(numbers).dtype == jnp.float32
    assert jax.nn.relu(numbers).dtype == jax.nn.hard_tanh(numbers).dtype == numbers.dtype
    with jax.enable_x64(True):  # and the floats are then of 64 bits, where torch promotes to its default float32
        assert jnp.tanh(jnp.array([-1, 1, 0])).dtype == jnp.float64
    with pytest.raises(NotImplementedError, match="not implemented for 'Long'"):
        functional.leaky_relu(torch.tensor([-1, 1, 0]))
