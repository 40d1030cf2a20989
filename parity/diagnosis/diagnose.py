"""The likeliest porting mistake behind a gap, named only where it explains the whole of it.

Each hypothesis is a remedy: applied to the JAX side it must bring the leaf within its allowance, or shrink the gap a
thousandfold. Simplest first; the first that names a cause is said, else the first that describes the gap. What a remedy
fits to the gap is over-determined three times, a constant leaf counts as one number, and one number, or few round ones,
name no cause: leaves beside it may. So unrelated values are hardly ever explained: of 2421 unrelated gaps in random
programs (leaves of 1 to 1000 numbers, a third of them round ones) 2 were given a cause, both where values of a round
input stood; `python parity_tests/meta/false_names.py 3000` measures it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from parity.diagnosis.findings import Clues, Finding, Gap
from parity.diagnosis.located import located
from parity.diagnosis.narrowed import overflowed
from parity.diagnosis.patterns import remedies
from parity.diagnosis.shapes import shapes
from parity.diagnosis.unread import unread

__all__ = ["diagnose", "finding_of"]


def diagnose(
    left: np.ndarray,
    right: np.ndarray,
    limit: float,
    names: tuple[str, str] = ("torch", "jax"),
    clues: Clues | None = None,
) -> str:
    """One sentence that says what turns the right side into the left; "" where nothing known does.

    Args:
        left: torch's values.
        right: JAX's values; the shape may differ.
        limit: the allowance of the leaf.
        names: what the sides are called.
        clues: what is known around the leaf.
    """
    finding = finding_of(left, right, limit, clues)
    return _renamed(str(finding), names) if finding else ""


def _renamed(sentence: str, names: tuple[str, str]) -> str:
    """The sentence with the sides' own names."""
    if names == ("torch", "jax"):
        return sentence
    return sentence.replace("torch", names[0]).replace("jax", names[1])


@np.errstate(all="ignore")
def finding_of(left: np.ndarray, right: np.ndarray, limit: float, clues: Clues | None = None) -> Finding | None:
    """What explains the gap of one leaf, the simplest of all that do; None where nothing known does."""
    return next(_findings(Gap(left, right, limit, clues or Clues())), None)


def _findings(gap: Gap) -> Iterator[Finding]:
    """Those that name a cause first; of those that only describe the gap, the one that says most."""
    if not (gap.left.size and gap.right.size and _numeric(gap.left) and _numeric(gap.right) and gap.open):
        return
    whole, fitted = [], []
    if np.isfinite(gap.left).all() and np.isfinite(gap.right).all():
        for remedy in remedies(gap):
            if gap.closed_by(remedy):
                finding = remedy.finding
                if finding.strong and gap.coincides and gap.left.any() and gap.right.any():
                    finding = replace(finding, strong=False, lone=True)
                if finding.strong:
                    yield finding
                (whole if remedy.freedom <= 1 else fitted).append(finding)
    yield from shapes(gap)
    yield from unread(gap)
    yield from whole
    yield from sorted(_places(gap), key=lambda finding: not finding.strong)
    yield from fitted
    yield from overflowed(gap)


def _places(gap: Gap) -> list[Finding]:
    if not (gap.alike and gap.clues.inputs):
        return []
    same = (gap.left == gap.right) | (np.isnan(gap.left) & np.isnan(gap.right))
    within = np.nan_to_num(np.abs(gap.left - gap.right), nan=np.inf) <= gap.limit
    return list(located(gap, ~(same | within)))


def _numeric(data: np.ndarray) -> bool:
    return data.dtype.kind in "fciu"
