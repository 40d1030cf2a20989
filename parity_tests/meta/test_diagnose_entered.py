"""Remedies of what enters a program: inputs in other units or signs, labels smoothed, frequencies of another base."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from torch.nn import functional

import parity

draw = np.random.default_rng(61)
ROWS, OTHERS, LABELS = draw.normal(size=(6, 4)), draw.normal(size=(6, 4)), np.array([2, 0, 1, 1, 3, 0])
STEPS = {"p": draw.normal(size=3), "grads": {"w": 3 * draw.normal(size=(4, 3)), "b": 3 * draw.normal(size=(4, 3))}}


def diagnosis(torch_side, jax_side, inputs, **options):
    """What the report says of its cause, "" for nothing."""
    return parity.compare(torch_side, jax_side, inputs, dtypes=("float64",), jit=False, **options).diagnosis or ""


def descended(p, grads):
    """Three kinds of sums, so that no one factor explains what clipping does."""
    return p - 0.1 * grads["w"].cumsum(0) + 0.2 * grads["b"].cumsum(0)


def clipped(p, grads):
    norms = torch.sqrt((grads["w"] ** 2).sum(1) + (grads["b"] ** 2).sum(1))
    share = (2.0 / (norms + 1e-6)).clamp(max=1.0)[:, None]
    return descended(p, {name: g * share for name, g in grads.items()})


CASES = {
    "a sign": (
        lambda x, y: torch.exp(-x) + y * x**2,
        lambda x, y: jnp.exp(x) + y * x**2,
        (ROWS, OTHERS),
        "comes in with its sign changed",
    ),
    "a beta": (
        lambda x: functional.softplus(x, beta=3.0),
        lambda x: jax.nn.softplus(x),
        (ROWS,),
        "comes in multiplied by 3 and the result by 1/3",
    ),
    "smoothing": (
        lambda z, y: functional.cross_entropy(z, y, label_smoothing=0.2),
        lambda z, y: optax.softmax_cross_entropy_with_integer_labels(z, y).mean(),
        (ROWS, LABELS),
        "every label gives 0.2 of its weight to all classes alike: label smoothing",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_inputs_that_come_in_otherwise_are_named(name):
    torch_side, jax_side, inputs, words = CASES[name]
    assert words in diagnosis(torch_side, jax_side, inputs)


def test_gradients_that_one_side_clips_are_named():
    found = diagnosis(clipped, descended, STEPS, gradients=False)
    assert "every row (step) of grads comes in clipped to a norm of 2: gradients clipped on one side only" in found


def test_smoothing_of_one_hot_labels_is_named():
    def wrong(z, y):
        return optax.softmax_cross_entropy(z, jax.nn.one_hot(y, 4, dtype=z.dtype)).mean()

    found = diagnosis(lambda z, y: functional.cross_entropy(z, y, label_smoothing=0.05), wrong, (ROWS, LABELS))
    assert "0.05 of its weight to all classes alike: label smoothing" in found


def test_a_share_and_its_rest_are_solved_for_together():
    def mixed(x, y, share):
        return share * x**3 + (1 - share) * y

    found = diagnosis(lambda x, y: mixed(x, y, 0.27), lambda x, y: mixed(x, y, 0.4), (ROWS, OTHERS))
    assert "0.4 everywhere is 0.27, and 0.6 is 0.73 with it" in found


def turned(x, xp, rates):
    angle = xp.arange(6)[:, None] * rates
    return x[:, :2] * xp.cos(angle) - x[:, 2:] * xp.sin(angle)


@pytest.mark.parametrize("angles", [False, True])
def test_frequencies_of_another_base_are_named(angles):
    """Where the array itself stands in the program, and where sines and cosines of its multiples do."""
    rates = {base: base ** (-np.arange(2) / 2) for base in (500.0, 10000.0)}

    def wrong(x):
        if not angles:
            return turned(x, jnp, jnp.asarray(rates[500.0], x.dtype))
        table = np.arange(6)[:, None] * rates[500.0]
        return x[:, :2] * np.cos(table) - x[:, 2:] * np.sin(table)

    found = diagnosis(lambda x: turned(x, torch, torch.tensor(rates[10000.0]).to(x)), wrong, (ROWS,))
    assert "(base 500) fall by 0.01 (base 10000)" in found


def test_a_base_that_is_a_number_of_the_program_is_named_before_its_exponent():
    def rotated(x, xp, base, places):
        return x * xp.cos(xp.arange(6)[:, None] * base ** (-places / 4))

    found = diagnosis(
        lambda x: rotated(x, torch, 10000.0, torch.arange(4, dtype=x.dtype)),
        lambda x: rotated(x, jnp, 1000.0, jnp.arange(4)),
        (ROWS,),
    )
    assert "is 10000" in found.partition(";")[0]


def test_a_mean_over_masked_elements_too_is_named():
    def torch_side(x, lengths):
        mask = (torch.arange(4) < lengths[:, None]).to(x)
        return torch.tanh((x * mask).sum(1) / mask.sum(1))

    def wrong(x, lengths):
        return jnp.tanh(jnp.where(jnp.arange(4) < lengths[:, None], x, 0).mean(1))

    found = diagnosis(torch_side, wrong, {"x": ROWS, "lengths": np.array([4, 2, 3, 1, 4, 2])})
    assert "the mean of what the mask leaves is divided by how many that are" in found


def test_a_tile_for_a_repeat_is_named():
    found = diagnosis(
        lambda x, w: torch.tanh(x * w.repeat_interleave(2)) + x,
        lambda x, w: jnp.tanh(x * jnp.tile(w, 2)) + x,
        {"x": ROWS, "w": np.array([1.5, 0.3])},
    )
    assert "jax.numpy.repeat instead of jax.numpy.tile at " in found


def test_a_constant_rounded_to_float32_is_said_to_be():
    def wrong(x):
        return jnp.exp(float(np.float32(0.1)) * x) + x

    assert "is 0.1, which was rounded to float32" in diagnosis(lambda x: torch.exp(0.1 * x) + x, wrong, (ROWS,))


def test_an_operand_that_one_side_detaches_is_named():
    found = diagnosis(lambda x, y: x * x.detach() * y, lambda x, y: x * x * y, (ROWS, OTHERS))
    assert "is held constant (stop_gradient)" in found


def test_a_slope_is_no_power():
    found = diagnosis(lambda x: functional.leaky_relu(x), lambda x: jnp.where(x > 0, x, 0.1 * x), (ROWS,))
    assert "is 0.01" in found


def test_a_power_of_the_complement_is_named():
    found = diagnosis(
        lambda z: -((1 - z.sigmoid()) ** 2) * z.sigmoid().log(),
        lambda z: -(jax.nn.sigmoid(z) ** 2) * jnp.log(jax.nn.sigmoid(z)),
        (ROWS,),
    )
    assert "goes through 1 - x, the complement" in found


def test_a_norm_of_rows_for_the_norm_of_all_is_named():
    found = diagnosis(
        lambda x: torch.tanh(x / x.norm(dim=1, keepdim=True)), lambda x: jnp.tanh(x / jnp.linalg.norm(x)), (ROWS,)
    )
    assert "the sum runs over axis 1 instead of axes (0, 1)" in found
