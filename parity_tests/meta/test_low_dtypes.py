"""bfloat16, float16 and float32: correct ports agree, overflow is seen, rounding is ours to the bit."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

import parity
from parity.arrays import ROUNDOFF, rounded
from samples import MATRIX, VECTOR, quick

LOW = ("float32", "bfloat16", "float16")
HALF = np.float16(0.1)


def widely_standardised(x):
    """As torch computes it: 16-bit numbers in float32."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    return jax.nn.standardize(wide, epsilon=1e-5).astype(x.dtype)


@pytest.mark.parametrize(
    ("torch_fn", "jax_fn", "magnitude"),
    [
        (lambda x: torch.softmax(x, -1), jax.nn.softmax, 1.0),
        (lambda x: x @ x.T, lambda x: x @ x.T, 1.0),
        (lambda x: functional.layer_norm(x, (4,)), lambda x: widely_standardised(x), 1e-3),
    ],
    ids=["softmax", "matmul", "layer_norm at small magnitude"],
)
def test_a_correct_port_agrees_at_every_dtype(torch_fn, jax_fn, magnitude):
    parity.assert_equivalent(torch_fn, jax_fn, (magnitude * MATRIX,), dtypes=("float64", *LOW))


def test_statistics_may_be_kept_in_float32_on_one_side():
    """torch's batch norm rounds them to bfloat16 on a CPU where all its arguments are: far off for inputs around 30."""
    x, ones = np.random.default_rng(5).normal(size=(64, 9)) + 30, np.ones(9)

    def jax_norm(x, g, b):
        wide = jax.nn.standardize(x.astype(jnp.promote_types(x.dtype, jnp.float32)), axis=0, epsilon=1e-5)
        return jnp.exp(-jnp.abs((wide * g + b).astype(x.dtype)))

    def torch_norm(x, g, b):
        return torch.exp(-functional.batch_norm(x, None, None, g, b, training=True).abs())

    parity.assert_equivalent(torch_norm, jax_norm, (x, ones, 0 * ones), dtypes=("float32", "bfloat16"))


def test_a_flushed_subnormal_may_be_multiplied():
    """exp(-90) is 8e-40: 0 under XLA, not in torch, and thirty times that is no subnormal."""
    parity.assert_equivalent(
        lambda x: 30 * torch.exp(-x), lambda x: 30 * jnp.exp(-x), (np.array([90.0]),), dtypes=("float32",)
    )


def test_a_norm_left_in_float16_is_caught_at_small_magnitude():
    """Its variance vanishes there: jax.nn.standardize has a NaN gradient where torch's, in float32, has none."""
    inputs = (1e-3 * MATRIX,)
    report = quick(
        lambda x: functional.layer_norm(x, (4,)),
        lambda x: jax.nn.standardize(x, epsilon=1e-5),
        inputs,
        dtypes=("float16",),
    )
    assert "not finite on one side only: jax" in report.leaf("grad/x", "float16").problem


@pytest.mark.parametrize("dtype", LOW)
def test_a_mistake_of_a_tenth_is_seen_at_every_dtype(dtype):
    assert not quick(torch.tanh, lambda x: 1.1 * jnp.tanh(x), (MATRIX,), dtypes=(dtype,)).ok


@pytest.mark.parametrize("dtype", LOW)
def test_rounding_the_inputs_is_no_error(dtype):
    """0.1 is in none of these: both sides get what it rounds to, and so does the truth."""
    report = quick(lambda x: x, lambda x: x, (np.full(3, 0.1),), dtypes=(dtype,))
    assert max(leaf.error for leaf in report.leaves) == 0


def test_an_overflow_of_the_result_agrees():
    assert quick(lambda x: x * x, lambda x: x * x, (np.array([300.0, 2.0]),), dtypes=("float16",), gradients=False).ok


def test_an_overflow_on_the_way_to_a_finite_result_is_seen():
    report = quick(
        lambda x: x.float().square().sqrt().half(),
        lambda x: jnp.sqrt(x * x),
        (np.array([300.0, 2.0]),),
        dtypes=("float16",),
        gradients=False,
    )
    assert report.leaf("output", "float16").problem == (
        "not finite on one side only: jax has 1 more NaN or infinite elements"
    )


def test_an_overflow_that_both_sides_share_is_seen_too():
    """Neither framework is what is expected: the float64 value is."""
    report = quick(
        lambda x: (x * x) / x, lambda x: (x * x) / x, (np.array([300.0, 2.0]),), dtypes=("float16",), gradients=False
    )
    assert "not finite on both sides where" in report.leaf("output", "float16").problem


def test_a_side_that_computes_in_float32_may_be_better_than_the_other():
    report = quick(lambda x: x.float().exp().log().half(), lambda x: x, (VECTOR,), dtypes=("float16",))
    assert report.ok


def test_a_step_that_the_dtype_is_too_narrow_for_may_be_wider():
    """Adam's bias correction: the root of 1 - 0.999 ** t is NaN in bfloat16, no noise to hold a side against."""
    steps = np.arange(1, 20, dtype=np.float32)

    def torch_side(x):
        return (x.float() * torch.rsqrt(1 - 0.9999 ** torch.from_numpy(steps)).sum()).to(x.dtype)

    def jax_side(x):
        return (x.astype(jnp.float32) * jax.lax.rsqrt(1 - 0.9999 ** jnp.asarray(steps)).sum()).astype(x.dtype)

    assert quick(torch_side, jax_side, (VECTOR,), dtypes=("bfloat16",)).ok
    assert not quick(torch_side, lambda x: 1.1 * jax_side(x), (VECTOR,), dtypes=("bfloat16",)).ok


def test_the_dtype_of_the_result_is_the_dtype_under_test():
    report = quick(lambda x: x * 1, lambda x: x.astype("float32"), (VECTOR,), dtypes=("bfloat16",), gradients=False)
    assert report.leaf("output", "bfloat16").problem == "dtypes differ: torch bfloat16 | jax float32"


def bits(wide):
    """bfloat16 by ml_dtypes, and the sign of zeros."""
    with np.errstate(over="ignore"):
        narrow = np.asarray(wide, np.float32).astype(ml_dtypes.bfloat16)
    return narrow.view(np.uint16)


@given(st.floats(width=32, allow_nan=False))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_rounding_to_bfloat16_is_that_of_ml_dtypes_bit_for_bit(value):
    ours = rounded(np.array([value]), "bfloat16")
    assert np.array_equal(bits(ours.astype(np.float32)), bits(np.array([value], np.float32)))
    assert np.array_equal(ours, np.array([value], np.float32).astype(ml_dtypes.bfloat16).astype(np.float64))


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # signalling NaN
@given(st.integers(0, 2**16 - 1))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_number_of_bfloat16_is_left_alone(pattern):
    value = np.array([pattern], np.uint16).view(ml_dtypes.bfloat16).astype(np.float64)
    assert np.array_equal(rounded(value, "bfloat16"), value, equal_nan=True)


def test_ties_go_to_even_and_zeros_keep_their_sign():
    ulp = 2.0**-7
    ours = rounded(np.array([1 + ulp / 2, 1 + 3 * ulp / 2, -0.0]), "bfloat16")
    assert np.array_equal(ours, [1.0, 1 + 2 * ulp, 0.0])
    assert np.signbit(ours[2])


def test_a_float64_is_rounded_once():
    """By way of float32 it would be rounded to a tie first, and then down."""
    just_above_a_tie = 1 + 2.0**-8 + 2.0**-40
    assert rounded(np.array([just_above_a_tie]), "bfloat16").item() == 1 + 2.0**-7


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_rounding_to_numpys_own_dtypes(dtype):
    values = np.array([0.1, 1e-9, -7.3, 1e6])
    with np.errstate(over="ignore"):
        assert np.array_equal(rounded(values, dtype), values.astype(dtype).astype(np.float64))


def test_complex_numbers_are_rounded_part_by_part():
    assert rounded(np.array([0.1 + 0.1j]), "float16").item() == complex(HALF, HALF)


@pytest.mark.parametrize(("dtype", "bits"), [("float64", 53), ("float32", 24), ("float16", 11), ("bfloat16", 8)])
def test_the_unit_roundoff_is_half_an_ulp_of_one(dtype, bits):
    assert ROUNDOFF[dtype] == 2.0**-bits
    assert rounded(np.array([1 + ROUNDOFF[dtype]]), dtype).item() == 1
    assert rounded(np.array([1 + 2 * ROUNDOFF[dtype]]), dtype).item() > 1
