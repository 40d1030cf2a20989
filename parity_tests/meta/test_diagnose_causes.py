"""Causes that the numbers alone show, each from an instance of it; and how seldom one is named that is not there."""

import numpy as np
import pytest

from false_names import false_names
from parity.diagnosis.diagnose import diagnose, finding_of
from parity.diagnosis.findings import Clues, Gap

draw = np.random.default_rng(5)
LEFT = draw.normal(size=(6, 8))
STATE = 2 + draw.normal(size=(6, 8))
STEP = np.arange(1, 7)[:, None]
WEIGHT = np.array([0.2, 1.7, 0.6])
LABELS = np.array([0, 2, 1, 1, 0, 2])
CLUES = Clues({"state": STATE, "w": WEIGHT, "labels": LABELS, "scale": 1 + draw.random(8)})
NEAR = STATE + 0.1 * LEFT
BORDER = np.pad(np.zeros((4, 6)), 1, constant_values=0.3)
LIMIT = 1e-12


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        (NEAR, STATE + 0.9 * LEFT, "torch moves 1/9 x as far from state as jax does"),
        (NEAR, STATE + 0.9 * LEFT, "(see trap bn-momentum-convention)"),
        (NEAR, STATE, "jax is state unchanged; look for an update that is discarded"),
        (LEFT, LEFT + 0.01 * STATE, "torch == jax - 0.01 x state; look for a weight decay"),
        (abs(LEFT), STATE * np.abs(LEFT / STATE) ** 0.5, "jax / state to the power of 2"),
        (LEFT, LEFT * CLUES.inputs["scale"], "torch == jax / scale: jax multiplies by scale once too often"),
        (LEFT, LEFT * CLUES.inputs["scale"] ** 2, "a factor for each slice of axis 1: 1 / scale squared"),
        (LEFT, LEFT * WEIGHT[LABELS][:, None], "a factor for each slice of axis 0: 1 / w[labels]"),
        (LEFT, LEFT * WEIGHT[LABELS].mean(), "which is the mean of w[labels] or its inverse"),
        (LEFT, LEFT * (1 - 0.9**STEP), "the step's 1 / (1 - 0.9^t), t from 1; look for a bias correction"),
        (LEFT, LEFT * STEP, "the step's 1/t, t from 1"),
        (LEFT, LEFT / np.linalg.norm(LEFT, axis=1, keepdims=True), "at unit length along axis 1"),
        (1.5 ** (3 - STEP) * LEFT[:1], 1.5 ** (2 - STEP) * LEFT[:1], "one step later along axis 0"),
        (LEFT, LEFT * (1 + 1e-8), "nearer to 1 than float32 tells apart; look for a constant"),
        (np.roll(LEFT, 1), np.roll(LEFT, 1, axis=1), "rolled by +1 across all axes, jax along axis 1 alone"),
        (np.pad(LEFT, 1)[:-2, 2:], LEFT, "1 step later along axis 0 and 1 step earlier along axis 1, the border apart"),
        (np.where(LEFT > 0, LEFT, 0), np.where(LEFT > 0, 0, LEFT), "zero exactly where the other is not"),
        (np.repeat(LEFT[:4], 2, 0), np.tile(LEFT[:4], (2, 1)), "or a repeat against a tile"),
        (LEFT, LEFT + BORDER * STATE, "within 1 of both ends of axes 0 and 1"),
        (LEFT[:, :6], LEFT[:, :6] + np.triu(STATE[:, :6], 1), "only on and above the diagonal (offset +1)"),
        (LEFT[1:-1, 2:], LEFT, "without a border of 1 and 1 along axis 0, 2 and 0 along axis 1"),
        (LEFT[::2], LEFT, "every 2th element of jax; look for a stride"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_cause_is_named(left, right, words):
    assert words in diagnose(left, right, LIMIT, clues=CLUES)


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("factor", [4.0, 0.8, 1.25, 1 / 0.6])
def test_one_number_names_no_cause(factor, gradient):
    """A factor of a single number is said, weakly: leaves beside it may confirm it, or a better cause be found."""
    finding = finding_of(np.array(0.731), np.array(0.731 / factor), LIMIT, Clues({"x": LEFT}, gradient))
    assert finding is None or not finding.strong


def test_dropout_is_named_only_where_something_was_dropped():
    clues = Clues({"x": STATE})
    assert "dropout" not in diagnose(LEFT, LEFT * 0.6, LIMIT, clues=clues)
    dropped = np.where(draw.random(LEFT.shape) < 0.5, LEFT, 0)
    assert "dropout's rescaling" in diagnose(dropped, dropped * 0.6, LIMIT, clues=clues)


def test_round_numbers_are_no_bfloat16_ones():
    schedule = 0.25 * 0.5 ** np.arange(8)
    assert "bfloat16" not in diagnose(schedule, schedule * (1 + 1e-5 * np.arange(8)), LIMIT)


def test_numbers_that_agree_are_not_explained():
    assert diagnose(LEFT, LEFT + 1e-14, LIMIT) == ""
    assert not Gap(LEFT, LEFT, LIMIT).open


def test_a_tiny_gap_is_no_absolute_value():
    positive = np.abs(LEFT)
    assert "|" not in diagnose(positive, positive + 1e-8 * draw.normal(size=LEFT.shape), LIMIT)


def test_a_constant_leaf_says_no_more_than_one_number():
    assert Gap(np.full((4, 5), 2.0), np.full((4, 5), 1.7), LIMIT).evidence == 1


def test_causes_that_are_not_there_are_hardly_ever_named():
    """`python parity_tests/meta/false_names.py 3000` measures 2 of 2421; both say where round inputs differ."""
    looked, named = false_names(300, seed=7)
    assert looked > 200
    assert len(named) <= 1, named
