"""PyTorch's own samples of transformers: outputs and every gradient, some of each entry quick, and all in time.

jit against eager is shown where these modules are proven by themselves (test_transformer.py).
"""

import pytest

from counterparts_transformer import TRANSFORMERS
from nested_samples import check_nested_entry, nested_samples
from proven_samples import check_coverage, of_this_torch

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")  # several samples ask for it
UNMATCHED: dict[str, str] = {}
"""Samples without a counterpart, each with its reason: at most one in twenty."""


def test_every_entry_has_a_counterpart():
    check_coverage("transformer", TRANSFORMERS, {})


@pytest.mark.parametrize("entry", TRANSFORMERS)
def test_samples_hold_at_float64(parity, entry):
    """One in 35, for the settings of neighbours take turns by powers of two."""
    assert check_nested_entry(parity, entry, TRANSFORMERS[entry], UNMATCHED, every=35, dtypes=("float64",)) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("entry", TRANSFORMERS)
def test_every_sample_holds(parity, entry, dtype):
    assert check_nested_entry(parity, entry, TRANSFORMERS[entry], UNMATCHED, dtypes=(dtype,)) > 60


@of_this_torch
def test_the_samples_are_counted():
    names = [sample.name for entry in TRANSFORMERS for sample in nested_samples(entry)]
    assert len(names) == len(set(names)) == 279
    assert UNMATCHED.keys() <= set(names)
    assert 20 * len(UNMATCHED) <= len(names)
    assert all(UNMATCHED.values())
