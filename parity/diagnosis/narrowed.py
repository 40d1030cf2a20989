"""A side that has been through a narrower dtype: all of its numbers fit one, or it overflowed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.arrays import ROUNDOFF, rounded
from parity.diagnosis.findings import Finding, Gap, Remedy

__all__ = ["narrowed", "overflowed"]

_LARGEST = {"float16": 65504.0, "float32": 3.4028235e38, "bfloat16": 3.39e38}
_FEWEST = 4  # different numbers that use the whole of a narrow dtype
_ROUNDINGS = 16  # of the narrow dtype that a gap may be
_SPARE = 3  # bits of the narrow dtype that round numbers (1/4, 0.375) leave unused


def narrowed(gap: Gap) -> Iterator[Remedy]:
    """A side whose numbers all fit a narrower dtype, and use its last bits, has been through it."""
    if gap.left.dtype.kind != "f":
        return
    yield from _constant(gap)
    for name in ("bfloat16", "float16", "float32"):
        if ROUNDOFF[name] <= ROUNDOFF.get(gap.clues.dtype, 1.0):
            continue
        fits = [np.array_equal(rounded(side, name), side) for side in (gap.left, gap.right)]
        near = np.abs(gap.left - gap.right).max() <= _ROUNDINGS * ROUNDOFF[name] * np.abs(gap.left).max()
        if fits[0] != fits[1] and near and _uses(gap.left if fits[0] else gap.right, name):
            side = "torch" if fits[0] else "jax"
            sentence = f"every number of {side} is a {name} one: {side} computes in {name} or casts to it"
            yield Remedy(Finding(sentence, "x64-float32-leaks"), gap.left)


def _uses(side: np.ndarray, name: str) -> bool:
    """Whether the numbers need the last bits of the dtype; 0.25 would fit any."""
    numbers = np.unique(np.abs(side[side != 0]))
    significand, _ = np.frexp(numbers)
    coarse = np.ldexp(significand, int(-np.log2(ROUNDOFF[name])) - _SPARE)
    return int((coarse != np.round(coarse)).sum()) >= max(_FEWEST, numbers.size // 2)


def _constant(gap: Gap) -> Iterator[Remedy]:
    """A factor so near to 1 that it is the rounding of one constant."""
    factor = float(np.vdot(gap.right, gap.left) / (np.vdot(gap.right, gap.right) or 1))
    if gap.clues.dtype == "float64" and 1e-12 < abs(factor - 1) <= ROUNDOFF["float32"]:
        sentence = f"torch == {factor!r} x jax everywhere, nearer to 1 than float32 tells apart"
        finding = Finding(f"{sentence}; look for a constant or a factor rounded to float32", "x64-float32-leaks")
        yield Remedy(finding, factor * gap.right, freedom=1)


def overflowed(gap: Gap) -> Iterator[Finding]:
    """Where one side is infinite or NaN and the other is a number."""
    if not gap.alike or gap.left.dtype.kind != "f":
        return
    for side, other, names in ((gap.right, gap.left, ("jax", "torch")), (gap.left, gap.right, ("torch", "jax"))):
        bad = ~np.isfinite(side)
        if not bad.any() or not np.isfinite(other[bad]).any():
            continue
        share = "everywhere" if bad.all() else f"at {int(bad.sum())} of {bad.size} elements"
        if np.isinf(side[bad]).all():
            cause = "a division by zero, a logarithm of 0, or an overflow (an exponential, a sum in float16)"
            yield Finding(f"{names[0]} is infinite {share} where {names[1]} is finite; look for {cause}", strong=False)
        else:
            cause = "0/0, a root or a logarithm of a negative number, inf - inf, or an overflow"
            if gap.clues.gradient:
                cause = f"what a where, a maximum or a clip hides from the output: {cause}"
            yield Finding(f"{names[0]} is NaN {share} where {names[1]} is not; look for {cause}", strong=False)
