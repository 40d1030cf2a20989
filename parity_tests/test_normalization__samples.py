"""PyTorch's own samples of norms: output, every gradient and the buffers afterwards; float64, float32 in time.

jit against eager is shown where these layers are proven by themselves (test_normalization.py). ``module_db`` has no
sample of a dropout, whose mask is drawn.
"""

import pytest

from counterparts_normalization import BATCH, INSTANCE, NORMS
from layer_samples import check_layer, layer_samples
from module_samples import entries
from proven_samples import check_coverage, of_this_torch

COUNTERPARTS = {**BATCH, **INSTANCE, **NORMS}
# The numbers of axes differ in nothing else.
SLOW = ("3d", "BatchNorm1d", "InstanceNorm2d", "GroupNorm", "LocalResponseNorm")
QUICK = [pytest.param(entry, marks=pytest.mark.slow) if entry.endswith(SLOW) else entry for entry in COUNTERPARTS]


def test_every_entry_has_a_counterpart():
    for kind, counterparts in (("batchnorm", BATCH), ("instancenorm", INSTANCE), ("normalization", NORMS)):
        check_coverage(kind, counterparts, {})
    assert entries("dropout") == []


@pytest.mark.parametrize("entry", QUICK)
def test_every_sample_holds_at_float64(parity, entry):
    assert check_layer(parity, entry, COUNTERPARTS[entry], dtypes=("float64",)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("entry", COUNTERPARTS)
def test_every_sample_holds_at_float32(parity, entry):
    assert check_layer(parity, entry, COUNTERPARTS[entry], dtypes=("float32",)) > 0


@of_this_torch
def test_the_samples_are_counted():
    names = [sample.name for entry in COUNTERPARTS for sample in layer_samples(entry)]
    assert len(names) == len(set(names)) == 106
