"""`parity.expect`: the truth, the noise, what is stated where neither can be had, and what is kept between calls."""

import importlib
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import parity
from parity.tolerance import FACTOR, FACTOR_PERTURBED, Noise, allowance, rms

X = np.random.default_rng(0).normal(size=(5, 3))
LOW = ("float32", "bfloat16", "float16")


def test_the_truth_is_the_function_in_float64_of_the_rounded_inputs():
    truth = parity.expect(jnp.sin, (X,), dtype="bfloat16").truth["output"]
    near = np.asarray(jnp.asarray(X, jnp.bfloat16).astype(jnp.float32), np.float64)
    # 4 ulp of float64: two libraries' sines
    np.testing.assert_array_max_ulp(truth, np.sin(near), maxulp=4)


def test_there_are_sixteen_errors_a_leaf():
    expected = parity.expect(lambda x: {"a": jnp.sin(x), "b": x.sum()}, (X,))
    assert {path: noise.runs.shape for path, noise in expected.noise.items()} == {
        "output/a": (16, 5, 3),
        "output/b": (16,),
    }


def test_integers_and_moves_are_exact():
    noise = parity.expect(lambda x: (jnp.argmax(x, 1), x.T[::-1], 2 * x, x > 0), (X,)).noise
    assert {path: one.largest for path, one in noise.items()} == dict.fromkeys(noise, 0)


@pytest.mark.parametrize(("dtype", "unit"), [("float32", 2.0**-24), ("bfloat16", 2.0**-8), ("float16", 2.0**-11)])
def test_the_noise_scales_with_the_roundoff(dtype, unit):
    noise = parity.expect(lambda x: jnp.exp(jnp.sin(x) @ x.T), (X,), dtype=dtype).noise["output"]
    truth = parity.expect(lambda x: jnp.exp(jnp.sin(x) @ x.T), (X,), dtype=dtype).truth["output"]
    assert 0.2 < noise.largest / (unit * np.abs(truth).max()) < 20


def test_both_norms_are_measured():
    noise = Noise(np.array([[3.0, 0.0, 0.0, 0.0], [2.0, -2.0, 2.0, 2.0]]))
    assert (noise.largest, noise.spread) == (3.0, 2.0)
    assert rms(np.array([3.0, 0.0, 0.0, 0.0])) == 1.5
    errors = np.full(4, 2.1 * FACTOR), np.zeros(4)
    allowed = allowance(errors, np.full(4, 1e-3), "float32", lambda: noise)
    assert errors[0].max() < allowed.largest
    assert allowed.ratio(errors[0]) > 1


def test_a_narrower_step_on_one_side_alone_is_a_difference():
    noise = Noise(np.full((16, 2), 1e-2), full=lambda: np.full((16, 2), 1e-8))
    narrow, exact = np.full(2, 1e-3), np.zeros(2)
    one = allowance((narrow, exact), np.ones(2), "float32", lambda: noise)
    both = allowance((narrow, narrow), np.ones(2), "float32", lambda: noise)
    assert one.ratio(narrow) > 1
    assert "which torch exceeds: it computes in a narrower dtype inside" in one.reason
    assert both.ratio(narrow) <= 1


def test_a_backward_stable_formula_is_not_flagged_for_a_better_one_on_the_other_side():
    """torch's gradient of a variance keeps the rounding of the mean, which the noise of JAX's program lacks."""
    x = np.random.default_rng(0).normal(29, 1, size=64)
    report = parity.compare(torch.var, lambda x: jnp.var(x, ddof=1), (x,), dtypes=("float32",))
    leaf = next(leaf for leaf in report.leaves if leaf.path == "grad/x")  # its own noise does not explain it
    assert leaf.reason == "8 x the largest of 16 deviations of the truth under inputs one float32 rounding away"
    assert report.ok


def test_inputs_a_rounding_away_are_asked_only_beyond_the_noise_and_below_float64():
    asked = []
    noise = Noise(np.full((16, 2), 1e-2), moved=lambda: asked.append(1) or np.full((16, 2), 1.0))
    within, beyond, none = np.full(2, 0.05), np.full(2, 5.0), np.zeros(2)
    assert allowance((within, none), np.ones(2), "float32", lambda: noise).ratio(within) <= 1
    assert not asked
    assert allowance((beyond, none), np.ones(2), "float32", lambda: noise).ratio(beyond) <= 1
    assert allowance((2 * beyond, none), np.ones(2), "float32", lambda: noise).largest == FACTOR * noise.largest
    x = 1e6 + np.arange(1.0, 4)  # a rounding of which is 1e-10 in float64
    assert not parity.compare(lambda x: x - 1e6 + 1e-10, lambda x: x - 1e6, (x,), dtypes=("float64",)).ok


def test_what_cancels_inside_a_kernel_is_in_the_noise():
    """torch's gelu takes erf from a formula with an error of 1.5e-7: gelu(-5) is off by 17 %."""
    x = np.full(64, -5.0)
    gelu = partial(jax.nn.gelu, approximate=False)
    truth = parity.expect(gelu, (x,)).truth["output"]
    assert abs(float(torch.nn.functional.gelu(torch.tensor(x, dtype=torch.float32))[0]) / truth[0] - 1) > 0.01
    assert parity.compare(torch.nn.functional.gelu, gelu, (x,), dtypes=LOW).ok
    assert not parity.compare(torch.nn.functional.gelu, jax.nn.gelu, (x,), dtypes=("float32",)).ok


def test_random_numbers_have_a_stated_truth():
    """In float64 the generator draws others."""
    noise = parity.expect(lambda x: x * jax.random.normal(jax.random.key(0), x.shape), (X,)).noise["output"]
    assert noise.truth is not None
    assert "truth: the program as traced there" in noise.source("float32")
    assert noise.largest < 1e-5 * np.abs(noise.truth).max()


def test_a_carry_in_float32_has_an_interpreted_truth():
    """linen's LSTM cannot be traced in float64: its carry starts in float32."""
    layer = nn.RNN(nn.LSTMCell(4))
    weights = jax.tree.map(np.asarray, layer.init(jax.random.key(0), jnp.asarray(X, jnp.float32)[None]))
    expected = parity.expect(lambda x, weights: layer.apply(weights, x[None]), (X, weights))
    noise, truth = expected.noise["output"], expected.truth["output"]
    near = np.asarray(layer.apply(weights, jnp.asarray(X, jnp.float32)[None]), np.float64)
    assert noise.truth is not None
    assert np.array_equal(noise.truth, truth)
    assert np.abs(near - truth).max() < FACTOR * noise.largest


def test_a_program_that_cannot_be_read_has_its_inputs_perturbed(monkeypatch):
    """A primitive of tomorrow, say, which fails in the interpreter."""

    def unreadable(*_):
        raise NotImplementedError("no rule for tomorrow_p. More words")

    monkeypatch.setattr(importlib.import_module("parity.noise"), "Simulator", unreadable)
    noise = parity.expect(lambda x: jnp.sin(x) * x, (X,)).noise["output"]
    assert noise.unread == "NotImplementedError: no rule for tomorrow_p"
    assert noise.factor == FACTOR_PERTURBED["float32"]
    assert "deviations under perturbed inputs at float32, since the program cannot" in noise.source("float32")
    assert 0 < noise.largest < 1e-6


def test_a_second_call_compiles_nothing():
    calls = []

    def traced(x):
        calls.append(x)
        return jnp.sin(x)

    parity.expect(traced, (X,))
    before = len(calls)
    parity.expect(traced, (2 * X,))
    assert len(calls) == before


@pytest.mark.parametrize("dtype", LOW)
def test_an_exact_tie_is_no_rounding(dtype):
    """Any move of the inputs breaks it, so that moved inputs would excuse what the sides make of a tie."""
    x = np.array([1.0, 1.0, 0.5])
    report = parity.compare(lambda x: x.max(0).values, lambda x: jnp.max(x, 0), (x,), dtypes=(dtype,))
    assert [leaf.path for leaf in report.failures] == ["grad/x"]


@pytest.mark.parametrize("dtype", LOW)
def test_a_flipping_relu_is_in_the_noise(dtype):
    """A gradient that jumps within a rounding of the corner: smooth noise alone would be off by a thousand."""
    x = np.array([1.0, -2.0, 3.0])
    noise = parity.expect(
        jax.grad(lambda x: jax.nn.relu(jnp.sum(x) - 2 + jnp.sin(x[0]) * 1e-9)), (x,), dtype=dtype
    ).noise
    assert noise["output"].largest > 0.2


def test_a_counter_stays_whole():
    """Off by a rounding, the power k - 1 of a negative base would be NaN."""
    noise = parity.expect(lambda x, k: jax.vmap(jax.grad(lambda y: y**k))(x), (-np.abs(X[0]), np.array(3.0))).noise
    assert np.isfinite(noise["output"].runs).all()
    assert noise["output"].unread == ""


def test_multiplying_by_a_power_of_two_loses_nothing():
    assert parity.expect(lambda x: (0.5 * x) / 8.0 * 4.0, (X,)).noise["output"].largest == 0
    assert parity.expect(lambda x: 0.3 * x, (X,)).noise["output"].largest > 0
