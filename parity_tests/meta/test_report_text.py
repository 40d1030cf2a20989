"""The text of a mismatch report: one test, one fact."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import parity
from samples import VECTOR, quick

X = np.array([100.1, 1 / 3, 2.0, 3.0])


def pair(x):
    return {"one": x, "other": x}


def shifted(x):
    """Wrong in two elements: by 1 in the first, by 0.1 in the second."""
    return {"one": x + jnp.asarray([1.0, 0.1, 0.0, 0.0], x.dtype), "other": x}


@pytest.fixture(scope="module")
def report():
    return parity.compare(pair, shifted, (X,), seed=41)


@pytest.fixture(scope="module")
def lines(report):
    return str(report).splitlines()


@pytest.fixture(scope="module")
def scaled():
    return parity.compare(lambda x: x**2, lambda x: x**2 / 2, (VECTOR,), name="squares")


def fact(lines, label):
    """The text after the first line with this label."""
    return next(line.strip().removeprefix(label).strip() for line in lines if line.strip().startswith(label))


def test_the_headline_names_the_comparison_and_counts_the_leaves(lines):
    assert lines[0].startswith("shifted: 2 of 8 leaves differ")


def test_the_path_the_dtype_and_the_shape(lines):
    assert fact(lines, "leaf") == "output/one  float64 [4]"


def test_how_many_elements(lines):
    assert fact(lines, "mismatched") == "2 of 4 elements (50.0%)"


def test_the_worst_absolute_error_with_both_values_at_full_digits(lines):
    assert fact(lines, "worst abs") == "1.00e+00 at [0]: torch 100.1 | jax 101.1"


def test_the_worst_relative_error_with_both_values_at_full_digits(lines):
    assert fact(lines, "worst rel") == "2.31e-01 at [1]: torch 0.3333333333333333 | jax 0.43333333333333335"


@pytest.fixture(scope="module")
def narrow():
    return str(parity.compare(pair, shifted, (X,), dtypes=("float32",))).splitlines()


def test_float32_values_have_the_digits_of_float32(narrow):
    assert "torch 0.33333334 | jax 0.43333334" in fact(narrow, "worst rel")


def test_float32_values_stand_beside_their_float64_value(narrow):
    assert fact(narrow, "worst abs").endswith("jax at float64 101.0999984741211")


def test_the_allowance_and_where_it_comes_from(lines):
    assert fact(lines, "allowed").startswith("1e-10 = 1e-12 x 100, the")


def test_a_leaf_that_fails_by_its_root_mean_square_says_so():
    """No single error is too large for the leaf's largest value; together they are."""
    x = np.array([1.0, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3])
    shift = 2.0**-23  # one ulp of the 1, two u

    report = quick(lambda x: x + shift, lambda x: x, (x,), dtypes=("float32",), gradients=False)
    assert report.failures[0].mismatched == 0
    assert "root mean square" in str(report)


def test_a_diagnosis_when_one_mistake_explains_the_gap(scaled):
    assert fact(str(scaled).splitlines(), "diagnosis").startswith("output: torch == 2 x jax everywhere")


def test_a_diagnosis_found_by_a_remedy_names_the_line():
    report = quick(lambda x: (x * x + 1e-5).sqrt(), lambda x: jnp.sqrt(x * x + 1e-6), (VECTOR,))
    assert "if 1e-06 at " in report.diagnosis
    assert "test_report_text.py" in fact(str(report).splitlines(), "diagnosis")


def test_no_diagnosis_when_none_explains_the_gap():
    report = quick(lambda x: x**2, lambda x: jnp.cos(3 * x) * x**3 + jnp.sin(x + 0.3), (VECTOR,))
    assert report.diagnosis is None
    assert fact(str(report).splitlines(), "diagnosis").startswith("none")


def test_the_seed_of_the_cotangent(lines):
    assert fact(lines, "cotangent") == "seed 41"


def test_the_line_that_reruns_a_test(lines):
    assert re.fullmatch(r"pytest '.*parity_tests/meta/test_report_text\.py::test_\w+'", fact(lines, "rerun"))


def test_the_line_that_reruns_a_call_outside_of_pytest(monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    text = str(quick(torch.tanh, jnp.sinh, (VECTOR,), seed=7))
    options = "dtypes=('float64',), seed=7, jit=False"
    assert fact(text.splitlines(), "rerun") == f"parity.compare(tanh, sinh, inputs, {options})"


def test_three_leaves_are_described_and_the_others_named():
    report = quick(lambda x: [x] * 5, lambda x: [x + i for i in range(5)], (VECTOR,), gradients=False)
    lines = str(report).splitlines()
    assert sum(line.strip().startswith("leaf") for line in lines) == 3
    assert fact(lines, "also differ") == "output/4 float64"


def test_nothing_else_is_said_to_differ_when_all_is_described(narrow):
    assert not any("also differ" in line for line in narrow)


def test_a_leaf_is_described_once_and_its_other_dtypes_are_named(lines):
    assert [line for line in lines if line.strip().startswith("leaf")] == ["  leaf        output/one  float64 [4]"]
    assert fact(lines, "also differ") == "output/one float32"


def test_a_report_that_holds_is_two_lines():
    text = str(quick(torch.tanh, jnp.tanh, (VECTOR,), seed=3))
    assert re.fullmatch(r"tanh: 2 leaves agree; worst .* of the allowance \(.*\)\.\n  cotangent   seed 3", text)


def test_the_name_may_be_given():
    assert str(quick(torch.tanh, jnp.tanh, (VECTOR,), name="my port")).startswith("my port: ")


def test_a_shape_mismatch_names_both_shapes():
    text = str(quick(lambda x: x[None], lambda x: x, (VECTOR,)))
    assert "shapes differ: torch [1, 4] | jax [4]" in text


def test_a_shape_mismatch_says_that_gradients_were_not_compared():
    text = str(quick(lambda x: x[None], lambda x: x, (VECTOR,)))
    assert "gradients are not compared, since the outputs differ in shape" in text


def test_a_dtype_mismatch_names_both_dtypes():
    text = str(quick(lambda x: x, lambda x: x.astype("float32"), (VECTOR,)))
    assert "dtypes differ: torch float64 | jax float32" in text


def test_a_missing_gradient_is_called_so():
    text = str(quick(lambda x: x.detach(), lambda x: x, (VECTOR,)))
    assert "torch has no gradient here" in text


def test_a_nan_on_one_side_says_which_and_how_many():
    text = str(quick(torch.log, lambda x: jnp.log(jnp.abs(x)), (VECTOR,)))
    assert "not finite on one side only: torch has 1 more NaN or infinite elements" in text


def test_a_gap_between_jit_and_eager_is_not_blamed_on_torch():
    report = parity.compare(lambda x: x, traced_differently, (VECTOR,), dtypes=("float64",))
    assert str(report).splitlines()[0].endswith("1 of 3 leaves differ between jax.jit and eager JAX.")
    assert "eager 4.0 | jit 2.0" in str(report)


def test_a_pattern_between_jit_and_eager_does_not_speak_of_torch():
    report = parity.compare(lambda x: x, traced_differently, (VECTOR,), dtypes=("float64",))
    assert "torch" not in (report.diagnosis or "")


def traced_differently(x):
    """Right when traced, doubled when run eagerly: what Python state does to a compiled function."""
    return x if isinstance(x, jax.core.Tracer) else 2 * x
