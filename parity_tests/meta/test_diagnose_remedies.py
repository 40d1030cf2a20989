"""Remedies tried on the program: the constant, the alternative or the layer that closes the gap is named, or none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen as nn

import parity
from parity.diagnosis.guesses import guesses, rounder
from parity.diagnosis.sites import Constant

draw = np.random.default_rng(31)
X, W = draw.normal(size=(6, 8)), draw.normal(size=8)


def diagnosis(torch_side, jax_side, *inputs, **options):
    return parity.compare(torch_side, jax_side, inputs, dtypes=("float64",), **options).diagnosis


def layer_norm(x, w):
    return torch.nn.functional.layer_norm(x, (8,), w)


def with_another_epsilon(x, w):
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6) * w


def with_the_epsilon_outside(x, w):
    return (x - x.mean(-1, keepdims=True)) / (jnp.sqrt(x.var(-1, keepdims=True)) + 1e-5) * w


@pytest.fixture(scope="module")
def epsilon_report():
    return parity.compare(layer_norm, with_another_epsilon, (X, W), dtypes=("float64",))


def test_a_constant_is_named_with_its_line_and_its_right_value(epsilon_report):
    assert epsilon_report.diagnosis.startswith("the gap vanishes if 1e-06 at ")
    assert "test_diagnose_remedies.py" in epsilon_report.diagnosis
    assert epsilon_report.diagnosis.endswith("is 1e-05 (see trap layernorm-eps)")
    assert "  diagnosis   the gap vanishes if 1e-06" in str(epsilon_report)


def test_an_epsilon_outside_the_root_is_named():
    assert "1e-05 is added under the root, not to it" in diagnosis(layer_norm, with_the_epsilon_outside, X, W)


def test_a_constant_that_is_not_round_is_solved_for():
    found = diagnosis(lambda x: torch.sinh(1.2345 * x) + x, lambda x: jnp.sinh(1.5 * x) + x, X)
    assert found.endswith("is 1.2345")


def test_an_approximate_gelu_is_named():
    found = diagnosis(torch.nn.functional.gelu, jax.nn.gelu, X)
    assert found == "the gap vanishes with jax.nn.gelu(approximate=False) instead of True (see trap gelu-tanh-default)"


def test_arguments_that_changed_places_are_named():
    found = diagnosis(lambda a, b: torch.exp(a) - b**2, lambda a, b: jnp.exp(b) - a**2, X, X[::-1] ** 2)
    assert found.startswith("the gap vanishes if a and b change places")


def test_a_missing_stop_gradient_is_named():
    found = diagnosis(lambda x: x * torch.sin(x).detach(), lambda x: x * jnp.sin(x), X)
    assert "is held constant (stop_gradient) (see trap detach-vs-stop-gradient)" in found


def test_a_narrow_step_inside_is_named():
    def narrow(x):
        return jnp.cumsum(jnp.sin(x.astype(jnp.float32)).astype(x.dtype), axis=1) * 1.1

    report = parity.compare(lambda x: torch.sin(x).cumsum(1) * 1.1, narrow, (X,), dtypes=("float64",))
    assert "runs in float64: it narrows inside (see trap x64-float32-leaks)" in report.diagnosis


def test_what_no_remedy_explains_is_not_explained():
    noise = jnp.asarray(draw.normal(size=(6, 8)))
    assert diagnosis(torch.tanh, lambda x: jnp.tanh(x) * jnp.cos(noise * x) + noise**2 * x**3, X) is None


def test_a_search_changes_no_configuration_and_no_verdict():
    report = parity.compare(torch.tanh, lambda x: jnp.tanh(1.1 * x), (X,))
    leaves = report.leaves
    assert "1.1 at" in report.diagnosis
    assert not jax.config.jax_enable_x64
    assert report.leaves is leaves


class Torch(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (torch.nn.Linear(*sizes) for sizes in ((8, 5), (5, 4), (4, 3)))

    def forward(self, x):
        return self.third(torch.relu(self.second(torch.tanh(self.first(x)))))


class Linen(nn.Module):
    activation: object = nn.relu

    @nn.compact
    def __call__(self, x):
        x = jnp.tanh(nn.Dense(5, name="first")(x))
        x = self.activation(nn.Dense(4, name="second")(x))
        return nn.Dense(3, name="third")(x)


@pytest.fixture(scope="module")
def module_report():
    torch.manual_seed(0)
    return parity.compare_modules(Torch(), Linen(nn.silu), (X,), dtypes=("float64",))


def test_a_field_of_a_module_is_named(module_report):
    assert module_report.diagnosis == "the gap vanishes with Linen(activation=relu) instead of silu"


def test_the_place_in_a_module_is_named(module_report):
    (note,) = module_report.explanation.notes
    assert note == "the layers agree up to second (torch: second); what enters third (torch: third) differs already"


def test_a_report_of_rounding_says_so():
    def rough(x):
        return x.astype(jnp.bfloat16).astype(x.dtype) if x.dtype == jnp.float32 else x

    report = parity.compare(lambda x: x * 1.0, rough, (X,), dtypes=("float64", "float32"), gradients=False)
    assert report.explanation.notes[0].startswith("at float64 both compute the same function; at float32 jax loses")


def test_gradients_alone_say_so():
    report = parity.compare(lambda x: x * torch.sin(x).detach(), lambda x: x * jnp.sin(x), (X,), dtypes=("float64",))
    assert report.explanation.notes[0] == "every output agrees; only gradients differ"


@pytest.mark.parametrize("value", [1.0369, -2.5613])
def test_a_lone_number_is_not_explained_by_a_constant_fitted_to_it(value):
    def program(x):
        return jnp.log(1 + jnp.exp(0.3 * x)).mean() + jnp.sqrt(jnp.var(x) + 1e-6) * jnp.tanh(x[0, 0])

    assert diagnosis(lambda x: value + np.pi * 1e-5 + 0 * x.sum(), program, X, gradients=False) is None


def test_a_gradient_that_is_rounding_alone_keeps_no_constant_from_being_found():
    """No shift moves a softmax: the shift's gradient is 0 but for rounding, which every remedy rounds otherwise."""
    report = parity.compare(
        lambda x, w, shift: (layer_norm(x, w) + shift).softmax(-1),
        lambda x, w, shift: jax.nn.softmax(with_another_epsilon(x, w) + shift),
        (X, W, np.ones(())),
        dtypes=("float64",),
        jit=False,
    )
    assert report.leaf("grad/shift").ok
    assert report.diagnosis.startswith("the gap vanishes if 1e-06 at ")


def test_the_least_number_as_a_masks_value_has_other_masks_for_guesses():
    """It has no square: a program that holds it once had no remedies."""
    least = Constant(((0, 1),), float(np.finfo(float).min), whole=False, used="select_n", source="")
    assert list(guesses(least)) == [-1e9, -1e4, -100.0, -10.0]
    assert list(rounder(least.value)) == []
