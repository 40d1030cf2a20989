"""PyTorch's own samples of recurrent modules: outputs, last states and every gradient, packed sequences too.

jit against eager is shown where these functions are proven by themselves (test_recurrent.py).
"""

import pytest

from counterparts_recurrent import RECURRENT
from nested_samples import check_nested_entry, nested_samples
from proven_samples import check_coverage, of_this_torch

ELSEWHERE: dict[str, str] = {}
UNMATCHED: dict[str, str] = {}
"""Samples without a counterpart, each with its reason: at most one in twenty."""

SLOW = dict.fromkeys(("RNN", "GRU", "LSTM"), pytest.mark.slow)  # layers and directions make many programs


def test_every_entry_has_a_counterpart():
    check_coverage("rnn", RECURRENT, ELSEWHERE)


@pytest.mark.filterwarnings("ignore")  # several samples ask for what torch warns of
@pytest.mark.parametrize("entry", [pytest.param(name, marks=SLOW.get(name, ())) for name in RECURRENT])
def test_every_sample_holds_at_float64(parity, entry):
    assert check_nested_entry(parity, entry, RECURRENT[entry], UNMATCHED, dtypes=("float64",)) > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("entry", RECURRENT)
def test_every_sample_holds_at_float32(parity, entry):
    assert check_nested_entry(parity, entry, RECURRENT[entry], UNMATCHED, dtypes=("float32",)) > 0


@of_this_torch
def test_the_samples_are_counted():
    names = [sample.name for entry in RECURRENT for sample in nested_samples(entry)]
    print(f"{len(names) - len(UNMATCHED)} of {len(names)} samples of {len(RECURRENT)} entries are proven.")
    assert len(names) == len(set(names)) == 167
    assert UNMATCHED.keys() <= set(names)
    assert 20 * len(UNMATCHED) <= len(names)
    assert all(UNMATCHED.values())
