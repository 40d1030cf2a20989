"""What several leaves say together: one factor in all of them, values that changed places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from parity.diagnosis.findings import Finding

__all__ = ["exchanged", "strong", "together"]

Findings = Sequence[tuple[str, Finding | None]]
"""The leaves that differ, in the order compared, each with what its numbers say."""


def strong(findings: Findings) -> bool:
    """Whether the first leaf names a cause, or says weakly what every other leaf says too."""
    first = findings[0][1]
    return first is not None and (first.strong or (first.lone and len(findings) > 1 and _same(findings)))


def together(findings: Findings) -> Iterator[tuple[str, Finding]]:
    """The findings worth saying: the first leaf's, then causes that other leaves name, then descriptions."""
    found = [(path, finding) for path, finding in findings if finding is not None]
    if len(findings) > 1 and found and _same(findings) and findings[0][0].startswith("grad/"):
        yield "every gradient that differs", found[0][1]
        return
    first = [pair for pair in found[:1] if pair[1] is findings[0][1]]
    rest = sorted(found[len(first) :], key=lambda pair: not pair[1].strong)
    yield from first
    yield from rest


def _same(findings: Findings) -> bool:
    """Whether all leaves differ by one factor, in one sentence."""
    said = {finding.sentence if finding is not None else "" for _, finding in findings}
    return len(said) == 1 and " x jax everywhere" in next(iter(said))


def exchanged(leaves: Mapping[str, tuple[np.ndarray, np.ndarray, float]]) -> Iterator[Finding]:
    """Two leaves that hold each other's values.

    Args:
        leaves: torch's values, JAX's and the allowance of every leaf that differs.
    """
    for one, other in combinations(leaves, 2):
        (a, b, near), (c, d, there) = leaves[one], leaves[other]
        if not a.shape == b.shape == c.shape == d.shape or a.size < 2 or np.abs(a - c).max() <= max(near, there):
            continue
        if np.abs(a - d).max() <= near and np.abs(c - b).max() <= there:
            sentence = f"{one} and {other} hold each other's values; look for the order of a tree"
            yield Finding(sentence, "dict-key-sort")
            return
