"""Every activation of ``torch.nn``, as function and as module, agrees with its twin in value and derivative."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn

from jax_impl import activations as jax_side
from oracles import agrees
from torch_impl import activations as torch_side

SIDES = [pytest.param(torch_side, torch.tensor, id="torch"), pytest.param(jax_side, jnp.asarray, id="jax")]
TINY = np.finfo(np.float32).tiny
POSITIVE = np.array([0.0, TINY, 1e-3, 0.5, 1, 2, 3, 3.5, 5, 6, 10, 20, 20.5, 24, np.inf])
GRID = np.concatenate([[np.nan], -POSITIVE, POSITIVE])
"""Every kink and edge of the cases below, both zeros and infinities. Nothing larger: the scale would hide errors.

NaN comes first, where torch's vectorised kernels see it: at the end of an array some have another gradient there.
"""

CASES = {
    "relu": {nn.ReLU(): {}},
    "relu6": {nn.ReLU6(): {}},
    "leaky_relu": {nn.LeakyReLU(): {}, nn.LeakyReLU(-0.3): {"negative_slope": -0.3}},
    "rrelu": {nn.RReLU().eval(): {}, nn.RReLU(0.2, 0.6).eval(): {"lower": 0.2, "upper": 0.6}},
    "hardtanh": {nn.Hardtanh(): {}, nn.Hardtanh(-2.0, 0.5): {"min_val": -2.0, "max_val": 0.5}},
    "hardshrink": {nn.Hardshrink(): {}, nn.Hardshrink(2.0): {"lambd": 2.0}},
    "softshrink": {nn.Softshrink(): {}, nn.Softshrink(2.0): {"lambd": 2.0}},
    "hardswish": {nn.Hardswish(): {}},
    "threshold": {
        nn.Threshold(0.5, 9.0): {"threshold": 0.5, "value": 9.0},
        nn.Threshold(-1.0, 0.0): {"threshold": -1.0, "value": 0.0},
    },
    "sigmoid": {nn.Sigmoid(): {}},
    "tanh": {nn.Tanh(): {}},
    "tanhshrink": {nn.Tanhshrink(): {}},
    "softsign": {nn.Softsign(): {}},
    "log_sigmoid": {nn.LogSigmoid(): {}},
    "softplus": {nn.Softplus(): {}, nn.Softplus(2.0, 10.0): {"beta": 2.0, "threshold": 10.0}},
    "elu": {nn.ELU(): {}, nn.ELU(2.0): {"alpha": 2.0}},
    "selu": {nn.SELU(): {}},
    "celu": {nn.CELU(): {}, nn.CELU(2.0): {"alpha": 2.0}},
    "gelu": {nn.GELU(): {}, nn.GELU("tanh"): {"approximate": "tanh"}},
    "silu": {nn.SiLU(): {}},
    "mish": {nn.Mish(): {}},
}
"""The modules of each function, and the settings that make the function one of them."""


@pytest.mark.parametrize("name", CASES)
def test_activation_agrees(parity, rng, name):
    """Functions and modules at once, each under its own cotangent."""

    def of_torch(x):
        return [(getattr(torch_side, name)(x, **settings), module(x)) for module, settings in CASES[name].items()]

    def of_jax(x):
        return [(getattr(jax_side, name)(x, **settings),) * 2 for settings in CASES[name].values()]

    # The exact float32 GELU of +inf is a trap of its own.
    grid = GRID[~np.isposinf(GRID)] if name == "gelu" else GRID
    inputs = (np.concatenate([grid, rng.normal(size=8)]),)
    parity.assert_equivalent(of_torch, of_jax, inputs, edge_cases=True, name=name)


def test_hardsigmoid_agrees(parity):
    """Its float64 gradient is left out: torch rounds it to float32 (test_activations_traps)."""
    both = (lambda x: (torch_side.hardsigmoid(x), nn.Hardsigmoid()(x))), (lambda x: (jax_side.hardsigmoid(x),) * 2)
    parity.assert_equivalent(*both, (GRID,), edge_cases=True, dtypes=("float32",), name="hardsigmoid")
    parity.assert_equivalent(*both, (GRID,), edge_cases=True, gradients=False, name="hardsigmoid")


SIGMOID = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
NORMAL_CDF = np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)
CLOSED_FORMS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "rrelu": lambda x: np.where(x > 0, x, (1 / 8 + 1 / 3) / 2 * x),
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "hardshrink": lambda x: x * (np.abs(x) > 0.5),
    "softshrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hardswish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "sigmoid": SIGMOID,
    "tanh": lambda x: 2 * SIGMOID(2 * x) - 1,
    "tanhshrink": lambda x: x - np.tanh(x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "log_sigmoid": lambda x: np.log(SIGMOID(x)),
    "softplus": lambda x: np.logaddexp(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "celu": lambda x: np.maximum(x, 0) + np.minimum(np.exp(x) - 1, 0),
    "gelu": lambda x: x * NORMAL_CDF(x),
    "silu": lambda x: x * SIGMOID(x),
    "mish": lambda x: x * np.tanh(np.log(1 + np.exp(x))),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(),
    "softmin": lambda x: np.exp(-x) / np.exp(-x).sum(),
    "log_softmax": lambda x: x - np.log(np.exp(x).sum()),
}


def test_values_and_slopes_match_the_closed_forms(rng):
    """NumPy as third voice, in float64: the value, and the slope along a random direction as a central difference."""
    x, direction = 2 * rng.normal(size=9), rng.normal(size=9)
    step = 1e-5 * direction

    @jax.jit
    def run(x):
        return {name: jax.jvp(getattr(jax_side, name), (x,), (jnp.asarray(direction),)) for name in CLOSED_FORMS}

    with jax.enable_x64(True):
        results = run(jnp.asarray(x))
    for name, closed_form in CLOSED_FORMS.items():
        value, slope = map(np.asarray, results[name])
        difference = (closed_form(x + step) - closed_form(x - step)) / 2e-5
        assert agrees(value, closed_form(x)), name
        # 7e-10 measured over forty draws: rounding over twice the step, and curvature times the step's square.
        np.testing.assert_allclose(slope, difference, rtol=0, atol=2e-9, err_msg=name)


def test_extremes_agree_to_the_last_digits():
    """Magnitudes from 1e-300 to 1e300, element by element: a few units in the last place, subnormals aside."""
    magnitudes = 10.0 ** np.array([-300, -100, -30, -10, 10, 100, 154, 155, 300])
    x = np.concatenate([-magnitudes, magnitudes])
    names = [name for name in CLOSED_FORMS if name != "hardsigmoid" and "soft" not in name]

    @jax.jit
    def run(x):
        return {name: jax.jvp(getattr(jax_side, name), (x,), (jnp.ones_like(x),)) for name in names}

    with jax.enable_x64(True):
        results = run(jnp.asarray(x))
    for name in names:
        value, slope = torch.func.jvp(getattr(torch_side, name), (torch.tensor(x),), (torch.ones(len(x)).double(),))
        for ours, theirs in zip((value, slope), results[name], strict=True):
            # 2.2e-16 of the value measured, one unit in its last place; below 1e-305 JAX flushes to zero.
            np.testing.assert_allclose(ours, theirs, rtol=1e-15, atol=1e-305, err_msg=name)


@pytest.mark.parametrize("shape", [(7,), (4, 3), (2, 3, 4)])
def test_prelu_agrees(parity, rng, shape):
    """One slope for all, and one for each channel; the slopes' gradient sums over everything else."""
    x = rng.normal(size=shape)
    x.flat[:3] = 0, -np.inf, np.inf
    for count in {1, shape[1] if len(shape) > 1 else 1}:
        module = nn.PReLU(count)
        parity.assert_equivalent(
            lambda x, weight, module=module: (
                torch_side.prelu(x, weight),
                torch.func.functional_call(module, {"weight": weight}, (x,)),
            ),
            lambda x, weight: (jax_side.prelu(x, weight),) * 2,
            {"x": x, "weight": rng.normal(size=count)},
            edge_cases=True,
            name="prelu",
        )


def test_rrelu_agrees_on_given_slopes(parity, rng):
    """The slopes that ``nn.RReLU`` has drawn are its derivative; given them, all three agree."""
    x = torch.tensor(GRID[~np.isnan(GRID)], requires_grad=True)
    y = nn.RReLU(0.2, 0.6)(x)
    y.backward(torch.ones_like(y))
    drawn = x.grad[x <= 0]
    assert ((drawn >= 0.2) & (drawn <= 0.6)).all()
    assert len(set(drawn.tolist())) == len(drawn)
    inputs = {"x": x.detach().numpy(), "slopes": x.grad.numpy()}
    parity.assert_equivalent(torch_side.rrelu, jax_side.rrelu, inputs, edge_cases=True)
    assert np.array_equal(torch_side.rrelu(x, x.grad).detach(), y.detach())


def test_softmax_family_agrees(parity, rng):
    """Three axes, of which any may sum to 1; scores far from 0, a masked one, a row that is masked all over."""
    x = rng.normal(size=(2, 3, 4))
    x[0, 0] += 300
    x[1, 2, 1] = -np.inf
    x[0, 1] = -np.inf
    modules = {"softmax": nn.Softmax, "softmin": nn.Softmin, "log_softmax": nn.LogSoftmax}
    cases = [("softmax", 0), ("softmax", 1), ("softmax", -1), ("softmin", 1), ("log_softmax", 0), ("log_softmax", -1)]

    def of_torch(x, thin):
        pairs = [(getattr(torch_side, name)(x, axis), modules[name](axis)(x)) for name, axis in cases]
        return pairs, torch_side.softmax(thin, 1)

    def of_jax(x, thin):
        pairs = [(getattr(jax_side, name)(x, axis),) * 2 for name, axis in cases]
        return pairs, jax_side.softmax(thin, 1)

    inputs = {"x": x, "thin": x[:1, :, :1]}
    parity.assert_equivalent(of_torch, of_jax, inputs, edge_cases=True, name="softmax family")


def test_softmax2d_and_glu_agree(parity, rng):
    inputs = {"image": rng.normal(size=(2, 3, 4, 5)), "halves": rng.normal(size=(2, 6, 4))}

    def of_torch(image, halves):
        gates = [(torch_side.glu(halves, axis), nn.GLU(axis)(halves)) for axis in (1, -1)]
        return [(torch_side.softmax2d(x), nn.Softmax2d()(x)) for x in (image, image[0])], gates

    def of_jax(image, halves):
        gates = [(jax_side.glu(halves, axis),) * 2 for axis in (1, -1)]
        return [(jax_side.softmax2d(x),) * 2 for x in (image, image[0])], gates

    parity.assert_equivalent(of_torch, of_jax, inputs, name="softmax2d and glu")


def test_empty_arrays_stay_empty(parity):
    names = ("relu", "gelu", "softmax", "glu")
    parity.assert_equivalent(
        lambda x: [getattr(torch_side, name)(x) for name in names],
        lambda x: [getattr(jax_side, name)(x) for name in names],
        (np.empty((0, 4)),),
        edge_cases=True,
        name="empty arrays",
    )


@pytest.mark.parametrize(("side", "array"), SIDES)
def test_bad_input_is_told(side, array):
    x = array(np.zeros((2, 3), np.float32))
    for call, message in {
        lambda: side.prelu(
            x, x[0, :2]
        ): r"prelu: weight must have shape \(3,\), one slope for each channel of x, got \(2,\)",
        lambda: side.rrelu(x, x[0]): r"rrelu: slopes must have shape \(2, 3\), the shape of x, got \(3,\)",
        lambda: side.hardtanh(x, 2.0, 1.0): r"hardtanh: min_val must be at most max_val, 1.0, got 2.0",
        lambda: side.softshrink(x, -1.0): r"softshrink: lambd must be at least 0, got -1.0",
        lambda: side.softplus(x, 0.0): r"softplus: beta must be nonzero, got 0.0",
        lambda: side.celu(x, 0.0): r"celu: alpha must be nonzero, got 0.0",
        lambda: side.gelu(x, "erf"): r"gelu: approximate must be 'none' or 'tanh', got 'erf'",
        lambda: side.softmax2d(x): r"softmax2d: x must have 3 or 4 axes, got 2",
        lambda: side.glu(x): r"glu: x must have an even length along the split axis, got 3",
    }.items():
        with pytest.raises(ValueError, match=f"^{message}\\.$"):
            call()
