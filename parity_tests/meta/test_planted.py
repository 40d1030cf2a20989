"""Every planted mistake is caught, at its dtype and its leaves, and its right twin is left alone."""

from collections import Counter

import pytest

import parity
from mistake import EVERY_LEAF, Mistake
from planted import MISTAKES, TOPICS

DTYPES = ("float64", "float32", "float16")
COURSE = ("tensors", "devices", "autograd", "gradient_descent", "linear_regression", "linear", "activations")
QUICK = {True: 2, False: 20}  # one in so many of a course topic's mistakes and of others'; `make slow` takes the rest


def shared_out():
    """The catalogue as parameters: some of each topic quick, the others slow."""
    seen = Counter()
    for mistake in MISTAKES:
        quick = seen[mistake.topic] % QUICK[mistake.topic in COURSE] == 0
        seen[mistake.topic] += 1
        yield pytest.param(mistake, id=str(mistake), marks=() if quick else pytest.mark.slow)


def run(mistake, port):
    """At every dtype down to the one that shows the mistake, uncompiled: most of the cost would be compilation."""
    dtypes = DTYPES[: DTYPES.index(mistake.dtype) + 1]
    options = {"jit": False, "dtypes": dtypes, **mistake.options}
    return parity.case(mistake.torch_side, port, mistake.inputs, **options).run()


@pytest.mark.parametrize("mistake", [*shared_out()])
def test_a_mistake_is_caught_at_its_leaves_and_its_right_twin_left_alone(mistake):
    right, wrong = run(mistake, mistake.right), run(mistake, mistake.wrong)
    assert right.ok, str(right)
    compared = {leaf.path for leaf in wrong.leaves}
    caught = {leaf.path for leaf in wrong.failures if leaf.dtype == mistake.dtype}
    assert caught == (compared if mistake.caught == EVERY_LEAF else set(mistake.caught))
    assert {leaf.dtype for leaf in wrong.failures} == {mistake.dtype}, "seen already at a wider dtype"


def test_every_topic_has_planted_mistakes():
    counts = Counter(mistake.topic for mistake in MISTAKES)
    assert set(counts) == set(TOPICS)
    assert min(counts.values()) >= 2, counts


def test_the_catalogue_is_large_enough_and_has_no_name_twice():
    assert len({str(mistake) for mistake in MISTAKES}) == len(MISTAKES) >= 120


def test_every_mistake_says_what_would_name_it():
    assert [str(mistake) for mistake in MISTAKES if not mistake.named] == []


@pytest.mark.parametrize(
    ("diagnosis", "named"),
    [
        ("grad/w: look for a Sign", True),
        ("the gap vanishes if 0.05 at wrong.py:3 `sign(x)` is 0.1", False),
        ("the gap vanishes if 10.05 is 0.1", False),
        ("the gap vanishes if 0.05 is 0.1", True),
        ("assign", False),
        (None, False),
    ],
)
def test_a_diagnosis_is_judged_by_its_own_words(diagnosis, named):
    mistake = Mistake("the sign", "topic", None, None, None, None, named=("sign", "0.05"))
    # The number alone names it too, unless it stands in a longer one or in a quoted line.
    assert mistake.is_named_by((diagnosis or "").replace("0.05 at", "0.06 at") or None) is named
