"""PyTorch's own samples of losses: output and every gradient, float64 at once, float32 when there is time.

jit against eager is shown where these functions are proven by themselves (test_losses.py).
"""

import pytest

from module_counterparts import LOSSES
from module_samples import samples
from proven_samples import check_coverage, check_entry, of_this_torch

ELSEWHERE: dict[str, str] = {}
UNMATCHED: dict[str, str] = {}
"""Samples without a counterpart, each with its reason: at most one in twenty."""


def test_every_entry_has_a_counterpart():
    check_coverage("loss", LOSSES, ELSEWHERE)


# 857 samples of the first, most of which differ in how torch cuts up its work, and many options of the others.
LONG = ("LinearCrossEntropyLoss", "CrossEntropyLoss", "GaussianNLLLoss")


@pytest.mark.filterwarnings("ignore")  # several samples ask for what torch warns of
@pytest.mark.parametrize(
    "entry", [pytest.param(entry, marks=pytest.mark.slow) if entry in LONG else entry for entry in LOSSES]
)
def test_every_sample_holds_at_float64(parity, entry):
    assert check_entry(parity, entry, LOSSES[entry], UNMATCHED, dtypes=("float64",)) > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("entry", LOSSES)
def test_every_sample_holds_at_float32(parity, entry):
    assert check_entry(parity, entry, LOSSES[entry], UNMATCHED, dtypes=("float32",)) > 0


@of_this_torch
def test_the_samples_are_counted():
    names = [sample.name for entry in LOSSES for sample in samples(entry)]
    print(f"{len(names) - len(UNMATCHED)} of {len(names)} samples of {len(LOSSES)} entries are proven.")
    assert len(names) == len(set(names)) == 1133
    assert UNMATCHED.keys() <= set(names)
    assert 20 * len(UNMATCHED) <= len(names)
    assert all(UNMATCHED.values())
