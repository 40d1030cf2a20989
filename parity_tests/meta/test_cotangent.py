"""The random cotangent: what it catches that a sum cannot, and that a seed draws it again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import parity
from parity.inputs import cotangent
from samples import MATRIX, VECTOR, agree, failing, quick


def broken_softmax(x):
    """The right values, with no gradient through the sum."""
    exponentials = jnp.exp(x)
    return exponentials / jax.lax.stop_gradient(exponentials.sum(-1, keepdims=True))


def frozen_softmax(x):
    """The right values, with no gradient at all: the gradient of its sum is right, zero."""
    return jax.lax.stop_gradient(jax.nn.softmax(x))


def test_a_sum_is_blind_to_the_gradient_of_a_softmax():
    both = quick(lambda x: torch.softmax(x, -1).sum(), lambda x: frozen_softmax(x).sum(), (VECTOR,), gradients=False)
    gradient = jax.grad(lambda x: jax.nn.softmax(x).sum())
    assert both.ok
    noise = parity.expect(gradient, (VECTOR,)).noise["output"]
    assert np.abs(gradient(VECTOR)).max() <= noise.factor * np.abs(noise.runs).max()  # rounding of a sum that is 1


@pytest.mark.parametrize("mistaken", [broken_softmax, frozen_softmax])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_random_cotangent_sees_the_gradient_of_a_softmax(mistaken, seed):
    assert failing(quick(lambda x: torch.softmax(x, -1), mistaken, (MATRIX,), seed=seed)) == {"grad/x"}


def test_two_wrong_gradients_do_not_cancel_over_outputs():
    """+1 in one output and -1 in the other: under equal cotangents nothing would be left of it."""

    def unbalanced(x):
        fixed = jax.lax.stop_gradient(x)
        return 2 * x - fixed, fixed

    assert failing(quick(lambda x: (x, x), unbalanced, (VECTOR,))) == {"grad/x"}


def test_a_seed_draws_the_same_gradients_again():
    first, second = (quick(torch.exp, jnp.sin, (VECTOR,), seed=3) for _ in range(2))
    assert str(first) == str(second)


def test_another_seed_draws_other_gradients():
    first, second = (quick(torch.exp, jnp.sin, (VECTOR,), seed=seed).leaf("grad/x").error for seed in (3, 4))
    assert first != second


def test_outputs_do_not_depend_on_the_seed():
    first, second = (quick(torch.exp, jnp.sin, (VECTOR,), seed=seed).leaf("output") for seed in (3, 4))
    assert first == second


def test_each_output_has_its_own_cotangent():
    assert not np.array_equal(cotangent(0, "output/0", (4,)), cotangent(0, "output/1", (4,)))


def test_it_is_standard_normal():
    values = cotangent(0, "output", (100_000,))
    # Four standard errors of the mean and of the variance.
    assert abs(values.mean()) < 4 / np.sqrt(values.size)
    assert abs(values.var() - 1) < 4 * np.sqrt(2 / values.size)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, "bfloat16"])
def test_it_is_exact_in_every_dtype(dtype):
    values = cotangent(7, "output", (1000,))
    narrow = np.asarray(jnp.asarray(values, dtype)).astype(np.float64)
    assert np.array_equal(narrow, values)


def test_a_complex_output_has_a_complex_one():
    values = cotangent(0, "output", (4,), imaginary=True)
    assert values.dtype == np.complex128
    assert np.array_equal(values.real, cotangent(0, "output", (4,)))


def test_a_complex_gradient_follows_torch():
    z = VECTOR + 1j * VECTOR[::-1]
    assert agree(lambda z: z * z.conj() * z, lambda z: z * z.conj() * z, (z,))


def test_a_complex_gradient_that_is_conjugated_is_caught():
    z = VECTOR + 1j * VECTOR[::-1]
    assert failing(quick(lambda z: z**2, conjugated, (z,))) == {"grad/z"}


@jax.custom_vjp
def conjugated(z):
    return z**2


conjugated.defvjp(lambda z: (z**2, z), lambda z, cotangent: (2 * z.conj() * cotangent,))


def test_a_real_gradient_through_complex_numbers():
    assert agree(lambda x: torch.exp(1j * x), lambda x: jnp.exp(1j * x), (VECTOR,))
    assert agree(lambda x: torch.fft.fft(x).abs(), lambda x: jnp.abs(jnp.fft.fft(x)), (VECTOR,))
