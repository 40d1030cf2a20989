"""What is a difference and what is not: values, NaN, shapes, dtypes, trees, gradients."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import lax

import parity
from samples import MATRIX, VECTOR, agree, failing, quick

ALLOWED = 1e-12 * np.abs(VECTOR).max()  # of an output x


@pytest.mark.parametrize(("gap", "ok"), [(0.0, True), (0.9, True), (1.1, False)])
def test_the_allowance_of_float64_is_a_line(gap, ok):
    shift = np.array([gap * ALLOWED, 0, 0, 0])
    assert agree(lambda x: x, lambda x: x + shift, (VECTOR,), gradients=False) is ok


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_on_one_side_only_is_caught(value):
    one = np.array([0, 0, value, 0])
    assert failing(quick(lambda x: x, lambda x: x + one, (VECTOR,), gradients=False)) == {"output"}
    assert failing(quick(lambda x: x + torch.tensor(one), lambda x: x, (VECTOR,), gradients=False)) == {"output"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_on_both_sides_agrees(value):
    one = np.array([0, 0, value, 0])
    assert agree(lambda x: x + torch.tensor(one), lambda x: x + one, (VECTOR,))


@pytest.mark.parametrize(("left", "right"), [(np.inf, -np.inf), (np.nan, np.inf), (-np.inf, np.nan)])
def test_values_not_finite_in_different_ways_differ(left, right):
    report = quick(lambda x: x * left, lambda x: x * right, (VECTOR,), gradients=False)
    assert report.leaf("output").problem


def test_nan_at_other_places_differs():
    report = quick(lambda x: x.log(), lambda x: jnp.log(x[::-1]), (VECTOR,), gradients=False)
    assert not report.ok


def test_an_error_beside_a_nan_is_still_seen():
    one = np.array([np.nan, 0, 0, 0])
    report = quick(lambda x: x + torch.tensor(one), lambda x: 1.001 * x + one, (VECTOR,), gradients=False)
    assert report.leaf("output").mismatched == 3


@pytest.mark.parametrize(
    "other",
    [lambda x: x[None], lambda x: x[:, None], lambda x: x[:3], lambda x: x.reshape(2, 2), lambda x: x[0]],
)
def test_another_shape_is_a_difference_even_where_it_broadcasts(other):
    assert quick(lambda x: x, other, (VECTOR,)).leaf("output").problem.startswith("shapes differ")


def test_another_shape_of_equal_values_is_a_difference():
    assert not agree(lambda x: x * 0, lambda x: x[:1] * 0, (VECTOR,))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "complex128"])
def test_another_dtype_of_equal_values_is_a_difference(dtype):
    report = quick(lambda x: x.round(), lambda x: jnp.round(x).astype(dtype), (4 * VECTOR,), gradients=False)
    assert report.leaf("output").problem == f"dtypes differ: torch float64 | jax {dtype}"


def test_the_other_integer_dtype_is_a_difference():
    assert failing(quick(lambda n: n, lambda n: n.astype("int32"), (np.arange(3),))) == {"output"}


def test_int64_of_torch_is_int32_of_jax_below_float64():
    assert agree(lambda n: n + 1, lambda n: n + 1, (np.arange(3),), dtypes=("float32",))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "bool"])
def test_integers_are_exact(dtype):
    numbers = np.array([0, 1, 1], dtype)
    assert agree(lambda n: n, lambda n: n, (numbers,))
    assert quick(lambda n: n, lambda n: n.at[0].set(1), (numbers,)).leaf("output").mismatched == 1


def test_large_integers_are_not_compared_as_floats():
    report = quick(lambda n: n, lambda n: n + 1, (np.array([2**53, 2**62]),))
    assert report.leaf("output").mismatched == 2


@pytest.mark.parametrize("missing", [("a",), ("b",), ("a", "b")])
def test_another_tree_cannot_be_compared(missing):
    kept = [key for key in "abc" if key not in missing]
    with pytest.raises(parity.InputError, match=r"must return the same tree, got output/"):
        quick(lambda x: {"a": x, "b": x, "c": x}, lambda x: dict.fromkeys(kept, x), (VECTOR,))


def test_a_detach_against_a_real_gradient_is_caught_in_the_gradient_alone():
    assert failing(quick(lambda x: x.detach() * 2, lambda x: x * 2, (VECTOR,))) == {"grad/x"}


def test_a_stop_gradient_against_a_real_gradient_is_caught_in_the_gradient_alone():
    assert failing(quick(lambda x: x * 2, lambda x: lax.stop_gradient(x) * 2, (VECTOR,))) == {"grad/x"}


def test_no_gradient_on_either_side_agrees():
    assert agree(lambda x: x.detach() * 2, lambda x: lax.stop_gradient(x) * 2, (VECTOR,))


def test_a_missing_gradient_is_caught_however_small_the_real_one():
    assert failing(quick(lambda x: x.detach() * 1e-30, lambda x: x * 1e-30, (VECTOR,))) == {"grad/x"}


def test_an_input_that_is_not_used_has_no_gradient_on_either_side():
    report = quick(lambda x, y: x * 2, lambda x, y: x * 2, (VECTOR, MATRIX))
    assert report.ok
    assert report.leaf("grad/y").shape == MATRIX.shape


def test_one_input_detached_among_several_is_named():
    report = quick(lambda x, y: x * y.detach(), lambda x, y: x * y, {"x": VECTOR, "y": VECTOR})
    assert failing(report) == {"grad/y"}


def test_gradients_are_left_out_on_request():
    report = quick(lambda x: x.detach(), lambda x: x, (VECTOR,), gradients=False)
    assert report.ok
    assert {leaf.quantity for leaf in report.leaves} == {"output"}


def test_a_mistake_far_below_float32_is_seen_at_float64_only():
    report = quick(lambda x: x, lambda x: x * (1 + 1e-10), (VECTOR,), dtypes=("float64", "float32"))
    assert {leaf.dtype for leaf in report.failures} == {"float64"}


def test_a_function_correct_at_small_magnitude_only_by_its_scale():
    small = 1e-9 * VECTOR
    assert not agree(lambda x: x, lambda x: x * (1 + 1e-6), (small,), gradients=False)
