"""Every planted mistake is caught, at its dtype and its leaves, and its right twin is left alone."""

from collections import Counter

import pytest

import parity
from planted import MISTAKES, TOPICS

DTYPES = ("float64", "float32", "float16")


def dtypes_down_to(mistake):
    """The dtypes down to the one that shows the mistake."""
    return DTYPES[: DTYPES.index(mistake.dtype) + 1]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_the_right_port_agrees(mistake):
    options = {"dtypes": dtypes_down_to(mistake), **mistake.options}
    parity.assert_equivalent(mistake.torch_side, mistake.right, mistake.inputs, **options)


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_the_mistake_is_caught_at_its_leaves(mistake):
    options = {"dtypes": dtypes_down_to(mistake), **mistake.options}
    report = parity.case(mistake.torch_side, mistake.wrong, mistake.inputs, **options).run()
    caught = {leaf.path for leaf in report.failures if leaf.dtype == mistake.dtype}
    assert caught == set(mistake.caught)
    assert {leaf.dtype for leaf in report.failures} == {mistake.dtype}, "seen already at a wider dtype"
    assert mistake.diagnosis in (report.diagnosis or ""), report.diagnosis


def test_every_topic_has_planted_mistakes():
    counts = Counter(mistake.topic for mistake in MISTAKES)
    assert set(counts) == set(TOPICS)
    assert min(counts.values()) >= 4, counts


def test_the_catalogue_is_large_enough_and_has_no_name_twice():
    assert len({str(mistake) for mistake in MISTAKES}) == len(MISTAKES) >= 30
