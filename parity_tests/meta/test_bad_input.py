"""Questions that cannot be answered: one sentence, who, the rule, what was got; never a traceback of our own."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from jax import nn as jax_nn
from torch import nn

import parity
from samples import MATRIX, VECTOR, quick

EMPTY = np.zeros((0, 3))
NAN = np.array([1.0, np.nan])


def says(sentence):
    """Match the whole message: no regular expression."""
    return "^" + re.escape(sentence) + "$"


def identity(x):
    return x


NOT_A_TUPLE = (
    "compare: inputs must be a tuple of arguments or a dict of keywords, got {}."
    " A single argument goes into a tuple: (x,)."
)
NOT_AN_ARRAY = (
    "compare: inputs must hold arrays, numbers or strings, got {}. Close over anything else inside both functions."
)
NOT_NUMBERS = "compare: inputs must hold arrays of numbers, got x: an array of numbers was expected, got dtype {}."
AWKWARD = "compare: inputs must {}. Pass edge_cases=True to check how both sides treat such values."


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (VECTOR, NOT_A_TUPLE.format("ndarray")),
        (3.0, NOT_A_TUPLE.format("float")),
        (None, NOT_A_TUPLE.format("NoneType")),
        (({1, 2},), NOT_AN_ARRAY.format("set at x")),
        (([identity],), NOT_AN_ARRAY.format("function at x/0")),
        ((np.array([None]),), NOT_NUMBERS.format("object")),
        ((np.array(["a"]),), NOT_NUMBERS.format("<U1")),
    ],
    ids=["bare array", "number", "none", "set", "function", "objects", "text"],
)
def test_inputs_of_the_wrong_kind(inputs, sentence):
    with pytest.raises(parity.InputError, match=says(sentence)):
        quick(identity, identity, inputs)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ((EMPTY,), AWKWARD.format("hold at least one element, got x with shape (0, 3)")),
        ((NAN,), AWKWARD.format("be finite, got x with nan at [1]")),
        (([VECTOR, -np.inf * MATRIX],), AWKWARD.format("be finite, got x/1 with -inf at [0, 0]")),
    ],
    ids=["empty", "nan", "infinity"],
)
def test_awkward_inputs_are_refused_unless_asked_for(inputs, sentence):
    with pytest.raises(parity.InputError, match=says(sentence)):
        quick(identity, identity, inputs)


@pytest.mark.parametrize("array", [EMPTY, NAN, np.array([np.inf, -np.inf, 0.0])], ids=["empty", "nan", "infinity"])
def test_awkward_inputs_are_compared_on_request(array):
    assert quick(torch.exp, jnp.exp, (array,), edge_cases=True).ok
    assert not quick(torch.exp, lambda x: jnp.exp(x)[..., None], (array,), edge_cases=True).ok


def test_outputs_that_are_all_empty_are_refused_unless_asked_for():
    with pytest.raises(
        parity.InputError, match=r"^compare: outputs must hold at least one element, got only empty ones"
    ):
        quick(lambda x: x[:0], lambda x: x[:0], (VECTOR,), gradients=False)
    assert quick(lambda x: x[:0], lambda x: x[:0], (VECTOR,), gradients=False, edge_cases=True).ok


def test_outputs_that_are_all_empty_are_refused_with_gradients_too():
    with pytest.raises(
        parity.InputError, match=r"^compare: outputs must hold at least one element, got only empty ones"
    ):
        quick(lambda x: x[:0], lambda x: x[:0], (VECTOR,))


@pytest.mark.parametrize("options", [{"rtol": 1e-3}, {"dtype": "float64"}, {"atol": 0, "seed": 1}])
def test_an_unknown_option_is_named_beside_the_known_ones(options):
    unknown = next(name for name in options if name != "seed")
    sentence = f"compare: options must be of dtypes, seed, name, gradients, jit, edge_cases, right, got {unknown}."
    with pytest.raises(parity.InputError, match=says(sentence)):
        parity.compare(identity, identity, (VECTOR,), **options)


@pytest.mark.parametrize(
    "dtypes", ["float64", (), ("float8",), ("float64", "double"), (np.float32,), 64, ([],)], ids=str
)
def test_unknown_dtypes_are_refused_beside_the_known_ones(dtypes):
    rule = "compare: dtypes must be a tuple of float64, float32, float16, bfloat16, got "
    with pytest.raises(parity.InputError, match=f"^{rule}{re.escape(repr(dtypes))}"):
        parity.compare(identity, identity, (VECTOR,), dtypes=dtypes)


@pytest.mark.parametrize("seed", [-1, 1.5, "one", None], ids=str)
def test_a_seed_is_a_natural_number_and_not_the_functions_fault(seed):
    with pytest.raises(parity.InputError, match=r"^compare: seed must be "):
        quick(identity, identity, (VECTOR,), seed=seed)


@pytest.mark.parametrize(("argument", "sides"), [("torch_fn", (3, identity)), ("jax_fn", (identity, None))])
def test_a_side_that_cannot_be_called(argument, sides):
    with pytest.raises(parity.InputError, match=rf"^compare: {argument} must be a function, got \w+\.$"):
        quick(*sides, (VECTOR,))


def test_two_modules_are_sent_to_compare_modules():
    with pytest.raises(
        parity.InputError,
        match=r"torch_fn must be a function of the inputs, got the module Linear\. parity.compare_modules",
    ):
        quick(nn.Linear(4, 2), linen.Dense(2), (VECTOR,))


def test_a_module_against_a_function_is_not_sent_in_a_circle():
    """nn.ReLU() against jax.nn.relu is a porter's first try, and compare_modules refuses it as well."""

    def answer():
        try:
            return str(quick(nn.ReLU(), jax_nn.relu, (VECTOR,)))
        except parity.InputError as error:
            return str(error)

    assert "compare_modules" not in answer()


def test_shapes_that_do_not_fit_are_the_functions_own_first_sentence():
    sentence = (
        "compare: torch_fn must run on the inputs at float64,"
        " got RuntimeError: mat1 and mat2 shapes cannot be multiplied (3x4 and 3x4)."
    )
    with pytest.raises(parity.InputError, match=says(sentence)):
        quick(torch.matmul, jnp.matmul, (MATRIX, MATRIX))


def test_shapes_that_do_not_fit_on_the_jax_side():
    with pytest.raises(
        parity.InputError, match=r"^compare: jax_fn must run on the inputs at float64, got TypeError: dot_general"
    ):
        quick(lambda x, y: x + y, jnp.matmul, (MATRIX, MATRIX))


def test_a_dtype_that_a_function_refuses():
    with pytest.raises(parity.InputError, match=r"^compare: jax_fn must run on the inputs at float64, got TypeError: "):
        quick(torch.sigmoid, jax_nn.sigmoid, (np.array([-1, 1, 0]),))


def test_a_device_that_is_not_there():
    with pytest.raises(
        parity.InputError, match=r"^compare: torch_fn must run on the inputs at float64, got .*(CUDA|HIP|NVIDIA)"
    ):
        quick(lambda x: x.to("cuda:7"), identity, (VECTOR,))


@pytest.mark.parametrize("sides", [(lambda x: None, identity), (identity, lambda x: None)], ids=["torch", "jax"])
def test_a_side_that_returns_nothing(sides):
    with pytest.raises(parity.InputError, match=r"^compare: torch_fn and jax_fn must return the same tree, got "):
        quick(*sides, (VECTOR,))


@pytest.mark.parametrize(
    "nothing", [lambda x: None, lambda x: {}, lambda x: (None, [])], ids=["none", "dict", "nested"]
)
def test_both_sides_return_nothing(nothing):
    with pytest.raises(parity.InputError, match=r"^compare: torch_fn and jax_fn must return an array, got "):
        quick(nothing, nothing, (VECTOR,))


@pytest.mark.parametrize("jit", [True, False])
def test_a_result_that_is_no_array(jit):
    with pytest.raises(parity.InputError, match=r"^compare: jax_fn must return arrays or numbers, got str at output\."):
        quick(identity, lambda x: "text", (VECTOR,), jit=jit)


def test_a_torch_result_that_is_no_array_is_said_in_the_same_words():
    with pytest.raises(
        parity.InputError, match=r"^compare: torch_fn must return arrays or numbers, got str at output\.$"
    ):
        quick(lambda x: "text", identity, (VECTOR,))


def test_too_many_arguments():
    with pytest.raises(
        parity.InputError,
        match=r"torch_fn must run on the inputs at float64, got TypeError: .*takes 1 positional argument but 2",
    ):
        quick(torch.tanh, jnp.tanh, (VECTOR, VECTOR))


def test_a_keyword_that_one_side_does_not_know():
    with pytest.raises(
        parity.InputError,
        match=r"jax_fn must run on the inputs at float64, got TypeError: .*unexpected keyword argument 'x'",
    ):
        quick(lambda x: x, lambda y: y, {"x": VECTOR})


def test_an_interrupt_is_not_an_answer():
    def interrupted(x):
        raise KeyboardInterrupt("by hand")

    with pytest.raises(KeyboardInterrupt, match=r"by hand"):
        quick(interrupted, identity, (VECTOR,))


def test_the_functions_own_error_is_the_cause():
    def fails(x):
        raise ZeroDivisionError("mine")

    with pytest.raises(parity.InputError, match=r"got ZeroDivisionError: mine") as caught:
        quick(fails, identity, (VECTOR,))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
