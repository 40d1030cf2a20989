"""The fixed tolerances that parity is compared with do what their names say."""

import numpy as np
import pytest
import torch

import parity
from parity.arrays import Value
from rivals import METHODS, Pair, recorded

NUMPY, TORCH, CHEX, FINE, COARSE = METHODS.values()


def pair(left, right, dtype="float64"):
    return Pair(Value(dtype, np.asarray(left)), Value(dtype, np.asarray(right)))


@pytest.mark.parametrize(
    ("method", "gap", "agrees"),
    [
        (NUMPY, 0.9e-5, True),
        (NUMPY, 1.2e-5, False),
        (TORCH, 0.9e-7, True),
        (TORCH, 3e-7, False),
        (CHEX, 0.9e-6, True),
        (CHEX, 1.2e-6, False),
        (FINE, 0.9e-5, True),
        (FINE, 1.2e-5, False),
        (COARSE, 0.039, True),
        (COARSE, 0.041, False),
    ],
)
def test_a_method_flags_beyond_its_tolerance(method, gap, agrees):
    assert method(pair([1.0, 1.0], [1.0, 1.0 + gap])) is agrees


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_shape_that_cannot_be_broadcast_is_flagged(method):
    assert not method(pair([1.0, 1.0], [1.0, 1.0, 1.0]))


def test_torch_knows_the_tolerance_of_each_dtype():
    assert TORCH(pair([1.0], [1.0078125], "bfloat16"))
    assert not TORCH(pair([1.0], [1.0078125], "float32"))


def test_only_torch_looks_at_dtypes_and_shapes():
    left, right = Value("float64", np.ones((2, 1))), Value("float32", np.ones(2))
    assert [method(Pair(left, right)) for method in METHODS.values()] == [True, False, True, True, True]


def test_what_was_compared_is_recorded_and_the_report_unchanged():
    with recorded() as pairs:
        report = parity.compare(torch.sin, lambda x: 2 * x, (np.array([0.5, 1.0]),), dtypes=("float64",))
    assert not report.ok
    assert [len(pairs), pairs[0].left.data.tolist()] == [2, np.sin([0.5, 1.0]).tolist()]
    assert pairs[0].right.data.tolist() == [1.0, 2.0]
