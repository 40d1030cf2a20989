"""PyTorch's own samples of attention: outputs, weights and every gradient.

jit against eager is shown where these functions are proven by themselves (test_attention.py).
"""

import pytest

from counterparts_attention import ATTENTION
from module_samples import entries
from nested_samples import check_nested_entry, nested_samples
from proven_samples import of_this_torch

UNMATCHED: dict[str, str] = {}
"""Samples without a counterpart, each with its reason: at most one in twenty."""


def test_every_entry_is_one_of_torch_s():
    """The other entries of this file of ``torch.nn`` are functions of one number (test_activations__samples.py)."""
    assert ATTENTION.keys() <= set(entries("activation"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # several samples ask for what torch warns of
@pytest.mark.parametrize("entry", ATTENTION)
def test_every_sample_holds_at_float64(parity, entry):
    assert check_nested_entry(parity, entry, ATTENTION[entry], UNMATCHED, dtypes=("float64",)) > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("entry", ATTENTION)
def test_every_sample_holds_at_float32(parity, entry):
    assert check_nested_entry(parity, entry, ATTENTION[entry], UNMATCHED, dtypes=("float32",)) > 0


@of_this_torch
def test_the_samples_are_counted():
    names = [sample.name for entry in ATTENTION for sample in nested_samples(entry)]
    print(f"{len(names) - len(UNMATCHED)} of {len(names)} samples of {len(ATTENTION)} entries are proven.")
    assert len(names) == len(set(names)) == 128
    assert UNMATCHED.keys() <= set(names)
    assert 20 * len(UNMATCHED) <= len(names)
    assert all(UNMATCHED.values())
