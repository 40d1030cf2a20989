"""What the numbers alone tell: each pattern named from an instance of it, and nothing named from chance."""

import math

import numpy as np
import pytest

from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.findings import Clues
from parity.traps import TRAPS

draw = np.random.default_rng(23)
LEFT = draw.normal(size=(6, 8))
X = draw.normal(size=(6, 8))
FLOOR = np.where(X > 0, LEFT, 0)
LIMIT = 1e-12
CLUES = Clues({"x": X, "rate": np.array(0.03), "mask": X > 0.5, "y": np.arange(-1, 5)})


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (LEFT * 6, "torch == 1/6 x jax everywhere; look for a sum on one side and a mean on the other (6 is"),
        (LEFT * 48, "(48 is the number of elements of x)"),
        (LEFT * 8 / 7, "look for a division by n against n - 1 (8 is the length of axis 1 of x)"),
        (LEFT * math.sqrt(6 / 5), "look for a standard deviation with a division by n against n - 1 (6 is"),
        (LEFT * math.sqrt(8), "look for a scale by the root of the length of axis 1 of x"),
        (LEFT * 0.03, "which is rate or its inverse"),
        (LEFT * 0.001, "torch == 1000 x jax everywhere"),
        (LEFT + X, "torch == jax - x: x is added twice, or only there"),
        (LEFT - X, "torch == jax + x: x is missing in jax"),
        (LEFT[:, [0, 1, 4, 5, 2, 3, 6, 7]], "with its 4 blocks along axis 1 in the order (0, 2, 1, 3)"),
        (LEFT[[2, 3, 4, 5, 0, 1]], "rolled by +2 along axis 0"),
        (LEFT.reshape(6, 2, 4).transpose(0, 2, 1).reshape(6, 8), "with axis 1 read as (4, 2) and transposed"),
        (LEFT[:, [3, 1, 0, 2, 7, 6, 5, 4]], "with axis 1 in another order (2, 1, 3, 0, 7, 6, 5, 4)"),
        (draw.permutation(LEFT.reshape(-1)).reshape(6, 8), "the same numbers in different places"),
        (np.float32(LEFT).astype(float), "every number of jax is a float32 one"),
        (np.clip(LEFT, -1, 1), "jax stops at -1 and 1 where torch goes on"),
        (np.concatenate([LEFT[1:], X[:1]]), "torch == jax 1 step later along axis 0, the border apart"),
        (np.cumsum(LEFT, 0), "jax == the running sum of torch along axis 0"),
        (LEFT**3, ""),
        (np.exp(LEFT), "torch == log(jax) everywhere"),
        (np.exp(LEFT) / np.exp(LEFT).sum(1, keepdims=True), "jax == the softmax of torch over axis 1"),
        (LEFT - LEFT.mean(0), "jax == torch less its mean over axis 0; look for a mean not subtracted"),
        (LEFT - X[0], "they differ by one vector along the last axis"),
        (3 * LEFT + 2, "torch == 0.333333 x jax + -0.666667 everywhere"),
        (np.where(X > 0.5, LEFT, 0), "they differ exactly where mask is False; look for how the mask is applied"),
        (np.where(X > 0.5, LEFT, LEFT**3), "they differ exactly where mask is False"),
        (np.where(X > 1, LEFT**3, LEFT), "they differ exactly where x > 1; look for a clip"),
        (np.concatenate([LEFT[:4], LEFT[4:] ** 3]), "they differ only in the last 2 of 6 along axis 0"),
        (np.concatenate([LEFT[:1] ** 3, LEFT[1:]]), "they differ exactly where y is -1; look for an index"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_pattern_is_named(right, words):
    found = diagnose(LEFT, right, LIMIT, clues=CLUES)
    assert words in found
    assert bool(found) == bool(words)


def test_a_kink_is_named_by_its_input():
    x = np.where(np.abs(X) < 0.4, 0.0, X)
    gradient = Clues({"x": x}, gradient=True)
    found = diagnose(LEFT, np.where(x == 0, 0.5 * LEFT, LEFT), LIMIT, clues=gradient)
    assert found.startswith("they differ exactly where x is 0; look for the derivative at a kink")
    broken = diagnose(LEFT, np.where(x == 0, np.nan, LEFT), LIMIT, clues=gradient)
    assert "jax is not finite there (see trap where-nan-grad)" in broken


def test_a_broadcast_to_the_wrong_shape_is_named():
    column = draw.normal(size=7)
    found = diagnose(column, column[:, None] - column[None], 0.0)
    assert found.startswith("jax is [7, 7] where torch is [7]: an array of shape (7,) met one of (7, 1)")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("shape", [(7,), (4, 6), (2, 3, 4), (1,), ()], ids=str)
def test_chance_is_not_explained_with_inputs_at_hand(seed, shape):
    draw = np.random.default_rng(seed)
    clues = Clues(
        {"x": draw.normal(size=shape), "n": draw.integers(0, 9, size=shape), "m": draw.normal(size=shape) > 0}
    )
    left = draw.normal(size=shape)
    assert diagnose(left, draw.normal(size=shape), LIMIT, clues=clues) == ""
    some = np.where(draw.normal(size=shape) > 0, left, left + draw.normal(size=shape))
    found = diagnose(left, some, LIMIT, clues=clues)
    assert "exactly where" not in found, found


@pytest.mark.parametrize("seed", range(10))
def test_a_gap_near_the_noise_is_not_fitted(seed):
    draw = np.random.default_rng(seed)
    left = draw.normal(size=(5, 6))
    assert diagnose(left, left + 1e-7 * draw.normal(size=(5, 6)), 5e-8) == ""


def test_one_large_element_does_not_speak_for_the_others():
    left = LEFT.copy()
    left[0, 0] = 1e9
    right = X.copy()
    right[0, 0] = 0.5e9
    assert diagnose(left, right, LIMIT) == ""


def test_every_trap_that_is_pointed_to_has_its_line():
    from pathlib import Path

    import parity.traps

    folder = Path(parity.traps.__file__).parent
    texts = [path.read_text() for path in folder.rglob("*.py") if path.name != "traps.py"]
    written = {word for text in texts for word in text.replace("(", '"').split('"')}
    assert all(line.endswith(".") and len(line) < 110 for line in TRAPS.values())
    assert sum(name in written for name in TRAPS) > 25


def test_a_sequence_held_slowed_down_or_begun_again_is_described():
    rates = np.cumsum(np.array([1.0, 0.3, 0.7, 0.45, 0.2, 0.9, 0.15, 0.6]))
    cases = {
        "torch holds one value of jax in 2 for 2 steps; look for a staircase": (np.repeat(rates[::2], 2), rates),
        "torch takes 2 steps where jax takes one; look for epochs": (np.repeat(rates[:4], 2), rates),
        "jax begins again with torch's first value after step 4, and after every 4": (rates, np.tile(rates[:4], 2)),
        "jax stays at torch's value of step 5 after step 5; look for a clamp": (rates, np.minimum(rates, rates[5])),
    }
    for words, (left, right) in cases.items():
        assert words in diagnose(left, right, 1e-12)


def test_masked_rows_that_count_are_told_by_their_zero():
    labels, rows = np.array([1, -100, 2, -100, 0]), np.random.default_rng(5).normal(size=(5, 3))
    left = rows * np.where(labels < 0, 0.0, 5 / 3)[:, None]
    found = diagnose(left, rows, 1e-12, clues=Clues({"y": labels}))
    assert "0 where y is negative, 1.66667 elsewhere; look for masked or ignored elements that still count" in found
