"""The CTC loss where alignments are impossible, unlikely or few, and against the sum over every path."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_impl import losses as jax_side
from loss_cases import log_softmax, sides, speech
from oracles import agrees
from torch_impl import losses as torch_side


def ctc_case(parity, **changes):
    """Unusual speech: both sides, the plain loss and the one without infinities."""
    inputs = {**speech(np.random.default_rng(5)), **changes}
    variants = [{"reduction": "none"}, {"reduction": "none", "zero_infinity": True}, {"zero_infinity": True}]
    return [
        parity.assert_equivalent(
            *sides("ctc_loss", [one]), inputs, edge_cases=True, jit=False, dtypes=("float64",), name="ctc_loss"
        )
        for one in variants
    ]


def test_impossible_alignments_agree(parity):
    """Too few steps for the labels: infinity with a gradient of NaN, or 0 and 0 under ``zero_infinity``."""
    ctc_case(parity, input_lengths=np.array([3, 1, 0]))


@pytest.mark.slow
def test_labels_in_one_row_agree(parity):
    ctc_case(parity, targets=np.array([1, 1, 3, 2, 3]))


def test_scores_that_are_not_normalised_agree(parity, rng):
    """The gradient takes ``log_probs`` for normalised on both sides, whatever they are."""
    ctc_case(parity, log_probs=rng.normal(size=(7, 3, 4)))


@pytest.mark.slow  # two programs of a scan: 18 s
def test_very_unlikely_alignments_agree(parity):
    """Losses beyond 1e5, where ``optax.ctc_loss`` prefers impossible alignments."""
    inputs = speech(np.random.default_rng(5))
    inputs["log_probs"] *= 1e5
    functions = sides("ctc_loss", [{"reduction": "sum"}])
    options = {"dtypes": ("float64",), "jit": False, "name": "ctc_loss"}
    parity.assert_equivalent(*functions, inputs, gradients=False, **options)
    report = parity.compare(*functions, inputs, record=False, **options)
    leaf = report.leaf("grad/log_probs", "float64")
    # 3e-10 measured: torch takes the posterior from the exponential of numbers of 1e6 that cancel; the twin is exact.
    assert leaf.error < 1e-8


@pytest.mark.slow  # a program of its own: 20 s to compile
def test_one_sequence_alone_agrees(parity, rng):
    inputs = {
        "log_probs": log_softmax(rng.normal(size=(6, 4))),
        "targets": np.array([3, 3, 1]),
        "input_lengths": np.array(6),
        "target_lengths": np.array(3),
    }
    parity.assert_equivalent(*sides("ctc_loss", [{"reduction": "none"}, {}]), inputs, jit=False, name="ctc_loss")


def enumerated_ctc(log_probs, labels, blank=0):
    """Every path of classes that reads as the labels, one after the other."""
    steps, classes = log_probs.shape
    total = 0.0
    for path in itertools.product(range(classes), repeat=steps):
        read = [key for key, _ in itertools.groupby(path)]
        if [key for key in read if key != blank] == list(labels):
            total += np.exp(sum(log_probs[t, c] for t, c in enumerate(path)))
    return -np.log(total)


@pytest.mark.parametrize("labels", [[1, 2], [1, 1], [2], []])
def test_ctc_sums_every_path(rng, labels):
    log_probs = log_softmax(rng.normal(size=(5, 3)))
    padded = np.array([*labels, 0, 0][:3])
    for side, make in ((torch_side, torch.tensor), (jax_side, jnp.asarray)):
        with jax.enable_x64(True):
            one = make(log_probs[:, None]), make(padded[None]), make([5]), make([len(labels)])
            loss = side.ctc_loss(*one, reduction="sum")
        assert agrees(np.asarray(loss), enumerated_ctc(log_probs, labels))
