"""The proof of one entry of ``module_db``: every sample of it, output and all gradients, or a reason why not."""

from typing import Any

import pytest
import torch

from module_samples import Counterpart, Sample, entries, samples

__all__ = ["check_coverage", "check_entry", "of_this_torch"]

of_this_torch = pytest.mark.skipif(
    not torch.__version__.startswith("2.13."), reason="PyTorch 2.13 was counted; other versions have other samples"
)


def check_coverage(kind: str, counterparts: dict[str, Counterpart], elsewhere: dict[str, str]) -> None:
    """Every entry of one file of ``torch.nn.modules`` has a counterpart, or a reason why it is proven elsewhere."""
    assert set(entries(kind)) == counterparts.keys() | elsewhere.keys()
    assert not counterparts.keys() & elsewhere.keys()
    assert all(elsewhere.values())


def check_entry(parity: Any, entry: str, counterpart: Counterpart, unmatched: dict[str, str], **options: Any) -> int:
    """Compare every sample of an entry.

    Args:
        parity: the fixture.
        entry: the module's name.
        counterpart: the module in JAX.
        unmatched: the samples without a counterpart, each with its reason; one that agrees is an error.
        **options: of the comparison.

    Returns:
        How many samples there are.
    """
    known = {"jit": False, "edge_cases": True, **options}
    found = list(samples(entry))
    reports = {sample.name: _compared(parity, sample, counterpart, unmatched, known) for sample in found}
    differing = {name: report for name, report in reports.items() if not report.ok}
    unexpected = [str(differing[name]) for name in differing.keys() - unmatched.keys()]
    assert not unexpected, f"{len(unexpected)} of {len(found)} samples differ. The first:\n{unexpected[0]}"
    stale = reports.keys() & unmatched.keys() - differing.keys()
    assert not stale, f"These samples agree by now; take them off the list: {sorted(stale)}"
    return len(found)


def _compared(parity: Any, sample: Sample, counterpart: Counterpart, unmatched: dict, options: dict) -> Any:
    sides_and_inputs = sample.case(counterpart)
    return parity.compare(*sides_and_inputs, name=sample.name, record=sample.name not in unmatched, **options)
