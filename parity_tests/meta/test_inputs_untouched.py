"""Inputs are copied: nothing that a function does reaches the caller's arrays, or the other side's."""

from collections import namedtuple

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from samples import MATRIX, VECTOR, agree


def doubled_in_place(x):
    return x.mul_(2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_a_numpy_array_is_not_modified_by_a_function_in_place(dtype):
    mine = VECTOR.astype(dtype)
    assert agree(doubled_in_place, lambda x: 2 * x, (mine,))
    assert np.array_equal(mine, VECTOR)


def test_a_torch_tensor_is_not_modified_by_a_function_in_place():
    mine = torch.tensor(VECTOR)
    assert agree(doubled_in_place, lambda x: 2 * x, (mine,))
    assert np.array_equal(mine.numpy(), VECTOR)


def test_integers_are_not_modified_by_a_function_in_place():
    mine = np.arange(4)
    assert agree(doubled_in_place, lambda x: 2 * x, (mine,))
    assert np.array_equal(mine, np.arange(4))


def test_a_jax_function_cannot_reach_them_either():
    mine = VECTOR.copy()

    def writes(x):
        mine_too = np.asarray(x).copy()
        mine_too[:] = 0
        return x

    assert agree(lambda x: x, writes, (mine,), gradients=False)
    assert np.array_equal(mine, VECTOR)


def test_a_read_only_array_may_be_compared():
    mine = VECTOR.copy()
    mine.flags.writeable = False
    assert agree(doubled_in_place, lambda x: 2 * x, (mine,))


def test_one_array_given_twice_is_two_inputs():
    def adds(x, y):
        x.add_(y)
        return x, y

    report = agree(adds, lambda x, y: (x + y, y), (VECTOR, VECTOR))
    assert report


@pytest.mark.parametrize(
    "array",
    [
        VECTOR[::-1],
        MATRIX.T,
        MATRIX[::2, 1::2],
        np.broadcast_to(VECTOR, (2, 4)),
        VECTOR.astype(">f8"),
        np.arange(3, dtype=">i4"),
    ],
    ids=["reversed", "transposed", "strided", "broadcast", "big endian", "big-endian integers"],
)
def test_an_array_of_any_layout_may_be_compared(array):
    assert agree(lambda x: x * 1, lambda x: x * 1, (array,))


@pytest.mark.parametrize("make", [np.array, torch.tensor, jnp.asarray], ids=["numpy", "torch", "jax"])
def test_inputs_of_any_framework_are_the_same_inputs(make):
    assert agree(lambda x: x + 1, lambda x: x + 1, (make(VECTOR),))


def test_containers_keep_their_kind():
    Point = namedtuple("Point", "x y")
    kinds = []

    def spy(tree):
        kinds.append((type(tree["point"]).__name__, type(tree["list"]).__name__))
        return tree["point"].x + tree["list"][0]

    assert agree(spy, spy, ({"point": Point(VECTOR, VECTOR), "list": [VECTOR]},))
    assert set(kinds) == {("Point", "list")}


def test_a_tensor_with_requires_grad_is_left_with_no_gradient():
    mine = torch.tensor(VECTOR, requires_grad=True)
    assert agree(lambda x: x**2, lambda x: x**2, (mine,))
    assert mine.grad is None
