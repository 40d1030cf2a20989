"""The compiled JAX function against itself run eagerly."""

import jax
import jax.numpy as jnp
import pytest
import torch

import parity
from samples import VECTOR, quick


def while_traced(x):
    """Doubles only when compiled."""
    return 2 * x if isinstance(x, jax.core.Tracer) else x


def branch(x, negate):
    return -x if negate else x


def test_every_output_is_compared_once_at_the_widest_dtype():
    report = parity.compare(lambda x: (x, -x), lambda x: (x, -x), (VECTOR,), gradients=False)
    assert [(leaf.path, leaf.dtype) for leaf in report.leaves if leaf.quantity == "jit"] == [
        ("output/0", "float64"),
        ("output/1", "float64"),
    ]


def test_without_float64_it_is_compared_at_the_first_dtype():
    report = parity.compare(torch.tanh, jnp.tanh, (VECTOR,), gradients=False, dtypes=("float32",))
    assert report.leaf("output", "float32", "jit").ok


def test_a_function_that_behaves_otherwise_when_traced_is_caught():
    report = parity.compare(lambda x: 2 * x, while_traced, (VECTOR,), dtypes=("float64",))
    assert [leaf.quantity for leaf in report.failures] == ["jit"]
    assert report.leaf("output", "float64", "output").ok


def test_a_function_that_branches_on_python_state_is_caught():
    calls = []

    def warms_up(x):
        calls.append(x)
        return x if len(calls) < 3 else 2 * x

    report = parity.compare(lambda x: x, warms_up, (VECTOR,), dtypes=("float64",))
    assert not report.leaf("output", "float64", "jit").ok


def test_without_jit_it_is_neither_compiled_nor_compared():
    report = quick(lambda x: x, while_traced, (VECTOR,), gradients=False)
    assert report.ok
    assert {leaf.quantity for leaf in report.leaves} == {"output"}


def test_a_function_already_compiled_may_be_compared():
    assert parity.compare(torch.tanh, jax.jit(jnp.tanh), (VECTOR,), dtypes=("float64",)).ok


def test_a_setting_is_static_and_may_decide_a_branch():
    assert parity.compare(branch, branch, (VECTOR, True), dtypes=("float64",)).ok


def test_a_branch_on_a_traced_value_is_one_sentence_with_the_remedy():
    with pytest.raises(
        parity.InputError, match=r"jax_fn must run on the inputs at float64, got Tracer.*pass jit=False"
    ):
        parity.compare(lambda x: x, lambda x: x if x.sum() > 0 else -x, (VECTOR,), dtypes=("float64",))


def test_a_branch_on_a_value_is_compared_eagerly_on_request():
    def gate(x):
        return x if x.sum() > 0 else 0 * x

    assert quick(gate, gate, (VECTOR,), gradients=False).ok


def test_the_remedy_is_not_what_was_already_tried():
    with pytest.raises(parity.InputError, match=r"jax_fn must run") as caught:
        quick(lambda x: x, lambda x: jnp.asarray(float(x.sum())), (VECTOR,))  # its gradient traces all the same
    assert "pass jit=False" not in str(caught.value)
