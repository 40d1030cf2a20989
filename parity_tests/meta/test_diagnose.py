"""The likeliest mistake: named where it explains the whole gap, and never guessed."""

import numpy as np
import pytest

from parity.diagnosis.diagnose import diagnose, finding_of

draw = np.random.default_rng(11)
LEFT = draw.normal(size=(3, 4))
CUBE = draw.normal(size=(2, 3, 4))
LIMIT = 1e-12


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        (LEFT, LEFT / 2, "torch == 2 x jax everywhere; look for a halved or doubled term"),
        (LEFT, 2 * LEFT, "torch == 1/2 x jax everywhere; look for a halved or doubled term"),
        (LEFT, LEFT * 12, "torch == 1/12 x jax everywhere; look for a sum on one side and a mean on the other"),
        (LEFT, -LEFT, "torch == -1 x jax everywhere; look for a sign"),
        (LEFT, LEFT * 3.21, "x jax everywhere; look for a missing scale"),
        (LEFT, LEFT + 0.5, "torch == jax + -0.5 everywhere; look for a constant or a bias"),
        (LEFT, LEFT + LEFT[0], "they differ by one vector along the last axis; look for a bias"),
        (LEFT, LEFT.T, "with its axes in the order (1, 0); look for a transpose"),
        (CUBE, CUBE.transpose(2, 0, 1), "with its axes in the order (1, 2, 0); look for a transpose"),
        (LEFT, LEFT.reshape(12), "once reshaped; look for an axis kept, dropped or merged"),
        (LEFT, LEFT.reshape(4, 3).T, "once reshaped in the other order; look for a flatten of another layout"),
        (LEFT, LEFT[::-1], "with axis 0 reversed"),
        (LEFT, LEFT[:, ::-1], "with axis 1 reversed"),
        (LEFT, np.roll(LEFT, 1, axis=1), "rolled by -1 along axis 1; look for an index off by one"),
        (LEFT, 0 * LEFT, "jax is zero everywhere; look for a stop_gradient"),
        (0 * LEFT, LEFT, "torch is zero everywhere; look for a detach"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_mistake_is_named(left, right, words):
    assert words in diagnose(left, right, LIMIT)


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (2,), (1, 6), (6, 1), ()], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_unrelated_values_are_not_explained(shape, seed):
    """One number is a multiple of any other, and one row differs from another by a vector: neither explains a thing."""
    draw = np.random.default_rng(seed)
    assert diagnose(draw.normal(size=shape), draw.normal(size=shape), LIMIT) == ""


@pytest.mark.parametrize("factor", [2.0, -1.0, 0.5])
def test_a_factor_that_mistakes_have_is_named_for_a_single_number_too(factor):
    assert "x jax everywhere" in diagnose(np.array(0.7), np.array(0.7 / factor), LIMIT)


def test_a_gap_half_explained_is_not_explained():
    assert diagnose(LEFT, 2 * LEFT + 0.1 * draw.normal(size=LEFT.shape), LIMIT) == ""


def test_a_factor_near_one_is_shown_with_digits_that_tell_it_from_one():
    assert "torch == 1 x" not in diagnose(LEFT, LEFT * (1 + 1e-8), LIMIT)


@pytest.mark.parametrize(("value", "words"), [(np.nan, "torch is NaN at"), (np.inf, "torch is infinite at")])
def test_values_that_are_not_finite_are_described_and_not_explained(value, words):
    left = np.where(LEFT > 0, LEFT, value)
    assert words in diagnose(left, LEFT, LIMIT)
    assert not finding_of(left, LEFT, LIMIT).strong


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (np.array([True, False]), np.array([False, True])),
        (LEFT, draw.normal(size=(2, 4))),
    ],
    ids=["empty", "booleans", "another shape"],
)
def test_what_no_remedy_fits_is_not_explained(left, right):
    assert diagnose(left, right, LIMIT) == ""


def test_the_simplest_explanation_comes_first():
    constant = np.full((3, 3), 2.0)
    assert diagnose(constant, constant / 2, LIMIT).startswith("torch == 2 x jax")


def test_integers_and_complex_numbers_are_explained_too():
    assert "torch == 2 x jax" in diagnose(np.array([2, 4, 6]), np.array([1, 2, 3]), 0.0)
    assert "torch == -1 x jax" in diagnose(LEFT + 1j, -LEFT - 1j, LIMIT)


def test_the_inputs_are_not_changed():
    left, right = LEFT.copy(), LEFT / 2
    diagnose(left, right, LIMIT)
    assert np.array_equal(left, LEFT)
    assert np.array_equal(right, LEFT / 2)


def test_a_constant_is_not_explained_as_a_multiple_of_what_varies():
    assert diagnose(np.full((3, 4), 0.3), LEFT, LIMIT) == ""
