"""The likeliest porting mistake behind a gap, named only where it explains the whole of it.

Each hypothesis is a remedy: applied to the JAX side it must bring the leaf within its allowance, or shrink the gap a
thousandfold. Simplest first; the first that does so is named. What a remedy fits to the gap is over-determined three
times, so that unrelated values are never explained.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.findings import Clues, Finding, Gap
from parity.located import located
from parity.patterns import remedies

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
    if not (gap.left.size and gap.right.size and _numeric(gap.left) and _numeric(gap.right)):
        return
    if np.isfinite(gap.left).all() and np.isfinite(gap.right).all():
        for remedy in remedies(gap):
            if gap.closed_by(remedy):
                yield remedy.finding
    yield from _shapes(gap)
    if gap.alike and gap.clues.inputs:
        same = (gap.left == gap.right) | (np.isnan(gap.left) & np.isnan(gap.right))
        within = np.nan_to_num(np.abs(gap.left - gap.right), nan=np.inf) <= gap.limit
        yield from located(gap, ~(same | within))


def _numeric(data: np.ndarray) -> bool:
    return data.dtype.kind in "fciu"


def _shapes(gap: Gap) -> Iterator[Finding]:
    """A broadcast that should not have been: (n,) met (n, 1) and became (n, n)."""
    for one, other, names in ((gap.left, gap.right, ("torch", "jax")), (gap.right, gap.left, ("jax", "torch"))):
        if one.ndim == 1 and other.shape == (*one.shape, *one.shape) and one.size > 1:
            n = one.size
            sentence = f"{names[1]} is {[n, n]} where {names[0]} is {[n]}: an array of shape ({n},) met one of ({n}, 1)"
            yield Finding(f"{sentence}, and both were broadcast")
