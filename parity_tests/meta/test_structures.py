"""Nested inputs and outputs: what counts as the same tree, and how its leaves are named."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import parity
from samples import MATRIX, VECTOR, agree, failing, quick


class Named(NamedTuple):
    loss: Any
    accuracy: Any


@dataclass
class Data:
    loss: Any
    accuracy: Any


def as_dict(loss, accuracy):
    return {"loss": loss, "accuracy": accuracy}


def as_list(loss, accuracy):
    return [loss, accuracy]


def as_tuple(loss, accuracy):
    return (loss, accuracy)


def returns(kind):
    return lambda x: kind(2 * x, x * x)


BY_NAME, BY_POSITION = (Named, Data, as_dict), (Named, Data, as_list, as_tuple)
PAIRS = [(a, b) for group in (BY_NAME, BY_POSITION) for a in group for b in group]


@pytest.mark.parametrize(("left", "right"), list(dict.fromkeys(PAIRS)))
def test_containers_with_the_same_leaves_are_the_same_tree(left, right):
    assert agree(returns(left), returns(right), (VECTOR,), gradients=False)


@pytest.mark.parametrize("other", [as_list, as_tuple])
def test_a_dict_is_not_a_sequence(other):
    with pytest.raises(parity.InputError, match=r"got output/accuracy, output/loss from torch_fn alone and output/0"):
        quick(returns(as_dict), returns(other), (VECTOR,), gradients=False)


def test_fields_are_matched_by_name_and_not_by_position():
    assert agree(returns(Named), lambda x: Data(accuracy=x * x, loss=2 * x), (VECTOR,), gradients=False)


def test_keys_are_matched_by_name_and_not_by_position():
    assert agree(lambda x: {"b": x, "a": 2 * x}, lambda x: {"a": 2 * x, "b": x}, (VECTOR,), gradients=False)


def test_a_tuple_of_one_is_not_its_element():
    with pytest.raises(parity.InputError, match=r"got output/0 from torch_fn alone and output from jax_fn alone"):
        quick(lambda x: (x,), lambda x: x, (VECTOR,))


def test_none_is_no_leaf():
    assert agree(lambda x: (x, None), lambda x: (x, None), (VECTOR,), gradients=False)


def test_paths_name_every_step():
    report = quick(
        lambda x: {"a": [x, Named(x, (x,))]}, lambda x: {"a": [x, Named(x, (x,))]}, (VECTOR,), gradients=False
    )
    assert [leaf.path for leaf in report.leaves] == ["output/a/0", "output/a/1/loss", "output/a/1/accuracy/0"]


def test_one_wrong_leaf_among_many_is_named():
    report = quick(lambda x: {"a": [x, {"b": x}]}, lambda x: {"a": [x, {"b": x + 1}]}, (VECTOR,))
    assert failing(report) == {"output/a/1/b"}


def test_torch_return_types_meet_a_tuple():
    report = quick(lambda x: x.max(dim=1), lambda x: (x.max(axis=1), x.argmax(axis=1)), (MATRIX,))
    assert [leaf.path for leaf in report.leaves] == ["output/0", "output/1", "grad/x"]
    assert report.ok


def test_torch_return_types_meet_a_jax_named_tuple():
    assert agree(torch.linalg.slogdet, jnp.linalg.slogdet, (MATRIX[:, :3],))


@pytest.mark.parametrize("inputs", [(VECTOR, MATRIX), [VECTOR, MATRIX], {"x": VECTOR, "y": MATRIX}], ids=type)
def test_inputs_are_positional_or_keywords(inputs):
    report = quick(lambda x, y: y @ x, lambda x, y: y @ x, inputs)
    assert report.ok
    assert {leaf.path for leaf in report.leaves} == {"output", "grad/x", "grad/y"}


def test_keywords_reach_keyword_only_parameters():
    def only(*, x, scale):
        return x * scale

    assert agree(only, only, {"scale": 3.0, "x": VECTOR})


def test_gradients_are_named_by_the_jax_functions_parameters():
    report = quick(lambda input, other: input * other, lambda x, y: x * y, (VECTOR, VECTOR))
    assert {leaf.path for leaf in report.leaves if leaf.quantity == "gradient"} == {"grad/x", "grad/y"}


def test_nested_inputs_have_gradients_by_path():
    tree = {"layers": [{"w": MATRIX, "b": np.ones(3)}, {"w": MATRIX.T, "b": np.ones(4)}]}

    def forward(params, x):
        for layer in params["layers"]:
            x = layer["w"] @ x + layer["b"]
        return x

    report = quick(forward, forward, (tree, VECTOR))
    assert report.ok
    assert {leaf.path for leaf in report.leaves} == {
        "output",
        "grad/x",
        *(f"grad/params/layers/{layer}/{name}" for layer in (0, 1) for name in "wb"),
    }


def test_a_dataclass_and_a_named_tuple_as_inputs():
    report = quick(
        lambda p, q: p.loss * q.accuracy, lambda p, q: p.loss * q.accuracy, (Data(VECTOR, 1.0), Named(2, VECTOR))
    )
    assert {leaf.path for leaf in report.leaves} == {"output", "grad/p/loss", "grad/q/accuracy"}


def test_integers_and_booleans_are_passed_and_have_no_gradient():
    def picks(x, index, mask):
        return x[index] * mask

    report = quick(picks, picks, (VECTOR, np.array([2, 0]), np.array([True, False])))
    assert report.ok
    assert {leaf.path for leaf in report.leaves} == {"output", "grad/x"}


def test_integer_and_boolean_outputs_beside_a_float_one():
    report = quick(lambda x: (x.argmax(), x > 0, x), lambda x: (x.argmax(), x > 0, x), (VECTOR,))
    assert report.ok
    assert len(report.leaves) == 4


def test_none_and_strings_are_passed_through():
    def chosen(x, bias, mode):
        return (x if bias is None else x + bias) * (2 if mode == "double" else 1)

    assert agree(chosen, chosen, (VECTOR, None, "double"))


@pytest.mark.parametrize(
    "tree",
    [lambda wrong, right: {"a/b": wrong, "a": {"b": right}}, lambda wrong, right: {1: wrong, "1": right}],
    ids=["slash", "number"],
)
def test_keys_that_read_alike_hide_nothing(tree):
    """Two leaves whose paths are one: refused or compared, but neither passed over."""
    try:
        report = quick(lambda x: tree(x, x), lambda x: tree(2 * x, x), (VECTOR,))
    except parity.InputError:
        return
    assert not report.ok


def one_key_less_at(dtype, x):
    return {"a": x} if x.dtype == dtype else {"a": x, "b": x}


def test_a_tree_that_changes_with_the_dtype_is_one_sentence():
    with pytest.raises(parity.InputError, match=r"^compare: "):
        quick(
            lambda x: {"a": x, "b": x},
            lambda x: one_key_less_at(jnp.float32, x),
            (VECTOR,),
            dtypes=("float64", "float32"),
        )


def test_a_torch_tree_that_changes_with_the_dtype_is_one_sentence():
    sides = (lambda x: one_key_less_at(torch.float32, x), lambda x: {"a": x, "b": x})
    with pytest.raises(parity.InputError, match=r"^compare: "):
        quick(*sides, (VECTOR,), dtypes=("float64", "float32"), gradients=False)


def test_a_tree_that_changes_under_jit_is_one_sentence():
    with pytest.raises(parity.InputError, match=r"^compare: "):
        quick(lambda x: {"a": x}, lambda x: {"a" if isinstance(x, jax.core.Tracer) else "b": x}, (VECTOR,), jit=True)
