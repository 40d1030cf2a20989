"""Hypotheses that the numbers alone can confirm: each is a remedy to be tried on the JAX side, simplest first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from parity.diagnosis.classed import classed
from parity.diagnosis.factors import factor_finding
from parity.diagnosis.findings import Finding, Gap, Remedy
from parity.diagnosis.functions import functions
from parity.diagnosis.multiples import multiples
from parity.diagnosis.narrowed import narrowed
from parity.diagnosis.rearranged import rearranged
from parity.diagnosis.slices import slices, vectors
from parity.diagnosis.stepped import geometric, stepped

__all__ = ["remedies"]


def remedies(gap: Gap) -> Iterator[Remedy]:
    """Every remedy that might turn the right side into the left, the simplest first."""
    simple = (_zero, _conjugated, geometric, _factor, _offset, _input, rearranged, stepped, narrowed)
    for family in (*simple, _complementary, _clipped, functions, slices, multiples, classed, _affine, vectors):
        if family is rearranged or gap.alike:
            yield from family(gap)


def _zero(gap: Gap) -> Iterator[Remedy]:
    trap = "detach-vs-stop-gradient" if gap.clues.gradient else ""
    sure = gap.clues.gradient or gap.left.size > 1  # one output may be 0 for many reasons
    for side, name, cause in ((gap.right, "jax", "a stop_gradient"), (gap.left, "torch", "a detach")):
        if not side.any():
            sentence = f"{name} is zero everywhere; look for {cause}, or a value that is not used"
            yield Remedy(Finding(sentence, trap, sure, lone=not sure), gap.left)


def _conjugated(gap: Gap) -> Iterator[Remedy]:
    if np.iscomplexobj(gap.right):
        yield Remedy(Finding("torch == the conjugate of jax", "complex-grad-conjugate"), gap.right.conj())


def _factor(gap: Gap) -> Iterator[Remedy]:
    if not gap.right.any():
        return
    factor = float(np.real(np.vdot(gap.right, gap.left) / np.vdot(gap.right, gap.right)))
    if factor == 0 or not math.isfinite(factor) or math.isclose(factor, 1, rel_tol=1e-9):
        return
    finding = factor_finding(factor, gap, _lengths(gap))
    # One number is some multiple of any other: only a factor that mistakes have explains it, and that one weakly.
    if finding.strong and gap.evidence == 1:
        finding = replace(finding, strong=False, lone=True)
    yield Remedy(finding, factor * gap.right, freedom=0 if finding.strong or finding.lone else 1)


def _lengths(gap: Gap) -> dict[str, int]:
    """Axis lengths and sizes of the leaf and of the inputs, by what they are called; weights last."""
    found: dict[str, int] = {}
    for name, array in gap.clues.inputs.items():
        if array.dtype.kind == "i" and array.ndim and array.min() < 0:
            found[f"the number of elements of {name} that are not negative"] = int((array >= 0).sum())
        if array.dtype.kind == "b" and array.ndim:
            found[f"the number of elements of {name} that are True"] = int(array.sum())
    rows = gap.left.any(axis=tuple(range(1, gap.left.ndim))) if gap.left.ndim else np.ones(1, bool)
    if 1 < rows.sum() < rows.size:
        found["the number of rows of this leaf that are not 0"] = int(rows.sum())
    ordered = sorted(gap.clues.inputs.items(), key=lambda item: item[0].startswith("params"))
    for name, array in [*ordered, ("this leaf", gap.left)]:
        for axis, length in enumerate(np.shape(array)):
            found[f"the length of axis {axis} of {name}"] = length
    for name, array in [*ordered, ("this leaf", gap.left)]:
        found[f"the number of elements of {name}"] = int(np.size(array))
    lengths: dict[int, str] = {}
    for name, length in found.items():
        lengths.setdefault(length, name)
    return {name: length for length, name in lengths.items()}


def _offset(gap: Gap) -> Iterator[Remedy]:
    shift = (gap.left - gap.right).mean() if gap.left.dtype.kind != "b" else 0
    whole = gap.left.dtype.kind in "iu" and abs(shift) == 1 and gap.evidence >= 3
    sentence = f"torch == jax + {shift:.6g} everywhere; look for "
    if whole:
        yield Remedy(Finding(f"{sentence}an index or a count that starts one off"), gap.right + shift)
    cause = "a constant or a bias that one side adds"
    yield Remedy(Finding(sentence + cause, strong=False), gap.right + shift, freedom=1)


def _input(gap: Gap) -> Iterator[Remedy]:
    """An input added, left out, or used twice: nothing is fitted, so little evidence is enough."""
    for path, array in gap.clues.inputs.items():
        if array.dtype.kind not in "fc" or not array.size or gap.clues.gradient:
            continue
        try:
            added = np.broadcast_to(array, gap.right.shape)
        except ValueError:
            continue
        for sign, word in ((1, "missing"), (-1, "added twice, or only there")):
            yield Remedy(
                Finding(f"torch == jax {'+-'[sign < 0]} {path}: {path} is {word} in jax"), gap.right + sign * added
            )
        yield Remedy(Finding(f"torch == jax x {path}: the product with {path} is missing in jax"), gap.right * added)
        with np.errstate(all="ignore"):
            sentence = f"torch == jax / {path}: jax multiplies by {path} once too often, or a division is missing"
            yield Remedy(Finding(sentence), np.where(added == 0, 0, gap.right / added))


def _complementary(gap: Gap) -> Iterator[Remedy]:
    """Each side is zero exactly where the other is not."""
    zero = gap.left == 0
    if min(zero.sum(), (~zero).sum()) >= 3 and np.array_equal(zero, gap.right != 0):
        sentence = "each side is zero exactly where the other is not; look for a mask inverted"
        yield Remedy(Finding(sentence, "mask-polarity"), gap.left)


def _clipped(gap: Gap) -> Iterator[Remedy]:
    """Where they differ one side sits on a bound, and the other goes beyond it."""
    if gap.left.dtype.kind not in "fiu":
        return
    for side, other, names in ((gap.right, gap.left, ("jax", "torch")), (gap.left, gap.right, ("torch", "jax"))):
        apart = np.abs(side - other) > gap.limit
        bounds = np.unique(side[apart])
        if not 1 <= bounds.size <= 2 or apart.sum() < 3 * bounds.size or apart.all():
            continue
        if np.array_equal(np.clip(other, *_range(bounds, side)), side):
            shown = " and ".join(f"{bound:.6g}" for bound in bounds)
            sentence = f"{names[0]} stops at {shown} where {names[1]} goes on; look for a clip, a clamp or a relu"
            yield Remedy(Finding(sentence), gap.left)


def _range(bounds: np.ndarray, side: np.ndarray) -> tuple[float, float]:
    if bounds.size == 2:
        return float(bounds[0]), float(bounds[1])
    upper = bool((side <= bounds[0]).all())
    return (-np.inf, float(bounds[0])) if upper else (float(bounds[0]), np.inf)


def _affine(gap: Gap) -> Iterator[Remedy]:
    if gap.left.dtype.kind != "f" or gap.left.size < 6 or np.ptp(gap.right) == 0:
        return
    if np.ptp(gap.left) <= 1e-9 * np.abs(gap.left).max():
        return  # a constant is any array times zero, plus itself
    center = gap.right.mean()
    slope = ((gap.right - center) * gap.left).sum() / np.square(gap.right - center).sum()
    shift = gap.left.mean() - slope * center
    if not slope or not np.isfinite(slope):
        return
    named = factor_finding(float(slope), gap, {})
    sentence = f"torch == {slope:.6g} x jax + {shift:.6g} everywhere"
    if named.strong and gap.evidence > 8:
        cause = named.sentence.partition(" x jax everywhere")[2]
        yield Remedy(Finding(f"{sentence}; the scale{cause}", named.trap), slope * gap.right + shift, freedom=2)
    cause = "; look for a scale and an offset on one side only"
    yield Remedy(Finding(sentence + cause, strong=False), slope * gap.right + shift, freedom=2)
