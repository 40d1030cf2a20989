"""PyTorch's own samples of convolutions, pools and paddings: output and every gradient; float64, float32 in time.

jit against eager is shown where these functions are proven by themselves (test_convolution.py). Folding, shuffling
and unpooling have no samples in ``module_db``.
"""

import pytest

from counterparts_convolution import CONVOLUTIONS, PADDINGS, POOLS
from layer_samples import check_layer, layer_samples, without_buffers
from module_samples import entries
from proven_samples import check_coverage, of_this_torch

COUNTERPARTS = {**CONVOLUTIONS, **PADDINGS, **POOLS}
# Three axes cost three times as much as two and differ in nothing but their number.
QUICK = [entry if not entry.endswith("3d") else pytest.param(entry, marks=pytest.mark.slow) for entry in COUNTERPARTS]


def test_every_entry_has_a_counterpart():
    for kind, counterparts in (("conv", CONVOLUTIONS), ("padding", PADDINGS), ("pooling", POOLS)):
        check_coverage(kind, counterparts, {})
    assert [entries(kind) for kind in ("fold", "pixelshuffle", "channelshuffle", "upsampling")] == [[]] * 4


@pytest.mark.parametrize("entry", QUICK)
def test_every_sample_holds_at_float64(parity, entry):
    assert check_layer(parity, entry, without_buffers(COUNTERPARTS[entry]), dtypes=("float64",)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("entry", COUNTERPARTS)
def test_every_sample_holds_at_float32(parity, entry):
    assert check_layer(parity, entry, without_buffers(COUNTERPARTS[entry]), dtypes=("float32",)) > 0


@of_this_torch
def test_the_samples_are_counted():
    names = [sample.name for entry in COUNTERPARTS for sample in layer_samples(entry)]
    assert len(names) == len(set(names)) == 153
