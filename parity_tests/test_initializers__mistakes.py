"""Laws ported wrongly turn red: the same check that the right ones pass refuses each, whatever its moments hide."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.linen import initializers
from torch import nn

from initializer_laws import jax_draws, ks, moment_gaps, same_law, torch_draws
from jax_impl import initializers as jax_side
from torch_impl import initializers as torch_side

TORCH, LINEN, SQUARE = (40, 10, 25, 10), (25, 10, 10, 40), (400, 250)


def per_projection(key, shape, dtype):
    """Xavier's law of each of query, key and value, not of the fused matrix."""
    return initializers.xavier_uniform()(key, shape, dtype)


def variance_for_std(key, shape, dtype):
    return 0.1**2 * jax.random.normal(key, shape, dtype)


def fan_of_inputs_alone(key, shape, dtype):
    return jax.random.uniform(key, shape, dtype, -1, 1) / math.sqrt(shape[-2])


def std_for_bound(key, shape, dtype):
    return jax.random.uniform(key, shape, dtype, -1, 1) * math.sqrt(2 / math.prod(shape[:-1]))


# Each: torch's law, torch's shape, the wrong port, its shape, whether mean and variance alone would show it.
MISTAKES = {
    "fan out for fan in": (
        torch_side.kaiming_uniform(),
        TORCH,
        initializers.variance_scaling(2.0, "fan_out", "uniform"),
        LINEN,
        True,
    ),
    "torch's layout given to a JAX law": (
        torch_side.kaiming_normal(),
        SQUARE,
        jax_side.kaiming_normal(),
        SQUARE,
        True,
    ),
    "the window left out of the fan": (torch_side.linear_laws(1)["weight"], TORCH, fan_of_inputs_alone, LINEN, True),
    "a deviation for a bound": (torch_side.kaiming_uniform(), TORCH, std_for_bound, LINEN, True),
    "a variance for a deviation": (torch_side.normal(std=0.1), TORCH, variance_for_std, LINEN, True),
    "the slope sqrt(5) for a gain": (
        torch_side.kaiming_uniform(math.sqrt(5)),
        TORCH,
        initializers.variance_scaling(5.0, "fan_in", "uniform"),
        LINEN,
        True,
    ),
    "he_normal, cut at two deviations": (torch_side.kaiming_normal(), TORCH, initializers.he_normal(), LINEN, False),
    "xavier_normal, cut at two deviations": (
        torch_side.xavier_normal(),
        TORCH,
        initializers.xavier_normal(),
        LINEN,
        False,
    ),
    "lecun_normal for Linear's law": (
        torch_side.linear_laws(1)["weight"],
        TORCH,
        initializers.lecun_normal(),
        LINEN,
        True,
    ),
    "a cut in deviations for one in values": (
        torch_side.trunc_normal(std=0.02),
        TORCH,
        initializers.truncated_normal(0.02),
        LINEN,
        True,
    ),
    "a truncated normal rescaled": (
        torch_side.trunc_normal(),
        TORCH,
        lambda *args: initializers.truncated_normal(1 / 0.87962566103423978)(*args),
        LINEN,
        True,
    ),
    "Embed's own law": (
        nn.init.normal_,
        SQUARE,
        initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0),
        SQUARE,
        True,
    ),
    "attention's matrices one by one": (
        lambda tensor: nn.init.xavier_uniform_(tensor.new_empty(3 * 316, 316))[:316],
        (316, 316),
        per_projection,
        (316, 316),
        True,
    ),
    "uniform from zero": (torch_side.uniform(-1.0, 1.0), SQUARE, initializers.uniform(1.0), SQUARE, True),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_law_is_refused(name):
    fill, ours, law, theirs, seen_by_moments = MISTAKES[name]
    left, right = torch_draws(fill, ours), jax_draws(law, theirs)
    assert not same_law(left, right)
    assert ks(left, right) < 1e-3
    # The first two moments of a law cut and rescaled are right: only the whole law shows it.
    assert bool(moment_gaps(left, right)[:2].max() > 5) is seen_by_moments


def test_the_same_check_lets_a_law_meet_itself():
    """No wrong law, no red: five pairs of draws of one law."""
    law = jax_side.kaiming_normal()
    draws = [np.asarray(law(jax.random.key(seed), SQUARE, np.float32), np.float64).ravel() for seed in range(10)]
    assert all(same_law(left, right) for left, right in zip(draws[:5], draws[5:], strict=True))


def test_an_orthogonal_law_without_its_signs_is_refused():
    """Householder's QR makes the diagonal of R negative: the first entry of Q is then always of one sign."""

    def unsigned(key):
        return jnp.linalg.qr(jax.random.normal(key, (3, 3)))[0]

    matrices = jax.vmap(unsigned)(jax.random.split(jax.random.key(0), 2000))
    right = jax.vmap(lambda key: jax_side.orthogonal()(key, (3, 3), jnp.float32))(
        jax.random.split(jax.random.key(0), 2000)
    )
    assert (np.asarray(matrices)[:, 0, 0] < 0).all()
    assert abs((np.asarray(right)[:, 0, 0] < 0).mean() - 0.5) < 5 * 0.5 / math.sqrt(2000)
    assert ks(np.asarray(matrices)[:, 0, 0], np.asarray(right)[:, 0, 0]) < 1e-3


def test_an_orthogonal_law_of_the_wrong_axis_is_refused():
    """A (3, 3, 2, 4) kernel flattened by its first axis has no orthonormal outputs."""
    kernel = initializers.orthogonal(column_axis=0)(jax.random.key(0), (3, 3, 2, 4), jnp.float32)
    matrix = np.asarray(kernel).reshape(-1, 4)
    assert np.abs(matrix.T @ matrix - np.eye(4)).max() > 0.1
    kernel = jax_side.orthogonal()(jax.random.key(0), (3, 3, 2, 4), jnp.float32)
    matrix = np.asarray(kernel).reshape(-1, 4)
    assert np.abs(matrix.T @ matrix - np.eye(4)).max() < 1e-6


def test_one_bias_for_torchs_two_is_refused():
    """A recurrent bias drawn as one of the two: a box where the sum is a triangle, sqrt(2) too narrow."""
    laws = torch_side.recurrent_laws(16)
    two = torch_draws(lambda tensor: laws["bias_ih"](tensor.clone()) + laws["bias_hh"](tensor), (100_000,))
    assert same_law(two, jax_draws(jax_side.recurrent_laws(16)["bias_init"], (100_000,)))
    one = jax_draws(jax_side.uniform(-0.25, 0.25), (100_000,))
    assert not same_law(two, one)
    assert two.std() / one.std() == pytest.approx(math.sqrt(2), rel=0.01)  # 1e5 draws: 0.2 % measured


def test_a_dirac_kernel_before_the_middle_of_an_even_window_differs():
    kernel = jax_side.dirac()(jax.random.key(0), (4, 1, 1), jnp.float32)
    assert np.asarray(kernel).ravel().tolist() == [0, 0, 1, 0]
    assert torch_draws(nn.init.dirac_, (1, 1, 4)).tolist() == [0, 0, 1, 0]
