"""`assert_equivalent`, the only function that raises on a difference, and `case`, which is run later."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

import parity
from samples import VECTOR

CHEAP = {"dtypes": ("float64",), "jit": False}


def test_it_returns_the_report_when_all_agrees():
    assert parity.assert_equivalent(torch.tanh, jnp.tanh, (VECTOR,), **CHEAP).ok


def test_it_raises_once_with_everything_that_differs():
    with pytest.raises(parity.MismatchError, match=r"3 of 3 leaves differ") as caught:
        parity.assert_equivalent(lambda x: (x, x), lambda x: (x + 1, 2 * x), (VECTOR,), **CHEAP)
    assert {leaf.path for leaf in caught.value.report.failures} == {"output/0", "output/1", "grad/x"}


def test_what_it_raises_is_an_assertion_error_whose_text_is_the_report():
    with pytest.raises(AssertionError, match=r"leaves differ") as caught:
        parity.assert_equivalent(torch.tanh, jnp.sinh, (VECTOR,), **CHEAP)
    assert str(caught.value) == str(caught.value.report)


def test_a_question_that_cannot_be_answered_is_no_assertion_error():
    with pytest.raises(ValueError, match=r"inputs must be a tuple") as caught:
        parity.assert_equivalent(torch.tanh, jnp.tanh, VECTOR, **CHEAP)
    assert type(caught.value) is parity.InputError
    assert not isinstance(caught.value, AssertionError)


def test_it_takes_modules():
    report = parity.assert_equivalent(nn.Linear(4, 2), linen.Dense(2), (VECTOR,), **CHEAP)
    assert "grad/params/kernel" in {leaf.path for leaf in report.leaves}


def test_a_case_does_nothing_until_it_is_run():
    def fails(x):
        raise RuntimeError("ran")

    case = parity.case(fails, jnp.tanh, (VECTOR,), **CHEAP)
    with pytest.raises(parity.InputError, match=r"got RuntimeError: ran"):
        case.run()


def test_a_case_runs_with_its_options():
    report = parity.case(torch.tanh, jnp.tanh, (VECTOR,), name="mine", seed=9, **CHEAP).run()
    assert (report.name, report.seed, report.ok) == ("mine", 9, True)


def test_options_at_the_run_override_the_declared_ones():
    case = parity.case(torch.tanh, jnp.tanh, (VECTOR,), seed=9, **CHEAP)
    assert case.run(seed=4).seed == 4
    assert case.run().seed == 9


def test_a_case_of_modules_takes_their_mode(monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    report = parity.case(nn.Linear(4, 2), linen.Dense(2), (VECTOR,), train=True, **CHEAP).run()
    assert report.ok
    assert "train=True" in report.rerun


def test_a_case_can_be_run_again_with_the_same_result():
    case = parity.case(torch.tanh, jnp.sinh, (VECTOR,), **CHEAP)
    assert str(case.run()) == str(case.run())


def test_a_mismatch_does_not_raise_from_a_case():
    assert not parity.case(torch.tanh, jnp.sinh, (np.ones(2),), **CHEAP).run().ok
