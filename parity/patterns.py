"""Hypotheses that the numbers alone can confirm: each is a remedy to be tried on the JAX side, simplest first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from parity.arrays import ROUNDOFF, rounded
from parity.factors import factor_finding
from parity.findings import Finding, Gap, Remedy
from parity.rearranged import rearranged

__all__ = ["remedies"]


def remedies(gap: Gap) -> Iterator[Remedy]:
    """Every remedy that might turn the right side into the left, the simplest first."""
    families = (_zero, _conjugated, _factor, _offset, _input, rearranged, _narrowed, _vectors)
    for family in (*families, _clipped, _shifted, _accumulated, _functions, _affine):
        if family is rearranged or gap.alike:
            yield from family(gap)


def _zero(gap: Gap) -> Iterator[Remedy]:
    trap = "detach-vs-stop-gradient" if gap.clues.gradient else ""
    if not gap.right.any():
        sentence = "jax is zero everywhere; look for a stop_gradient, or a value that is not used"
        yield Remedy(Finding(sentence, trap), gap.left)
    if not gap.left.any():
        sentence = "torch is zero everywhere; look for a detach, or a value that is not used"
        yield Remedy(Finding(sentence, trap), gap.left)


def _conjugated(gap: Gap) -> Iterator[Remedy]:
    if np.iscomplexobj(gap.right):
        yield Remedy(Finding("torch == the conjugate of jax", "complex-grad-conjugate"), gap.right.conj())


def _factor(gap: Gap) -> Iterator[Remedy]:
    if not gap.right.any():
        return
    factor = float(np.real(np.vdot(gap.right, gap.left) / np.vdot(gap.right, gap.right)))
    if factor == 0 or not math.isfinite(factor) or math.isclose(factor, 1, rel_tol=1e-9):
        return
    finding = factor_finding(factor, gap.clues, _lengths(gap))
    # One number is some multiple of any other: only a factor that mistakes have explains it.
    yield Remedy(finding, factor * gap.right, freedom=0 if finding.strong else 1)


def _lengths(gap: Gap) -> dict[str, int]:
    """Axis lengths and sizes of the leaf and of the inputs, by what they are called; weights last."""
    found: dict[str, int] = {}
    for name, array in gap.clues.inputs.items():
        if array.dtype.kind == "i" and array.ndim and array.min() < 0:
            found[f"the number of elements of {name} that are not negative"] = int((array >= 0).sum())
        if array.dtype.kind == "b" and array.ndim:
            found[f"the number of elements of {name} that are True"] = int(array.sum())
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
    whole = gap.left.dtype.kind in "iu" and abs(shift) == 1
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


def _narrowed(gap: Gap) -> Iterator[Remedy]:
    """A side whose numbers all fit a narrower dtype has been through it."""
    if gap.left.dtype.kind != "f" or gap.left.size < 3:
        return
    for name in ("bfloat16", "float16", "float32"):
        if ROUNDOFF[name] <= ROUNDOFF.get(gap.clues.dtype, 1.0):
            continue
        fits = [np.array_equal(rounded(side, name), side) for side in (gap.left, gap.right)]
        if fits[0] != fits[1] and np.abs(gap.left - gap.right).max() <= 64 * ROUNDOFF[name] * np.abs(gap.left).max():
            side = "torch" if fits[0] else "jax"
            sentence = f"every number of {side} is a {name} one: {side} computes in {name} or casts to it"
            yield Remedy(Finding(sentence, "x64-float32-leaks"), gap.left)


def _vectors(gap: Gap) -> Iterator[Remedy]:
    """One vector added, or multiplied with, along one axis."""
    left, right = gap.left, gap.right
    for axis in reversed(range(left.ndim if left.ndim > 1 else 0)):
        others = tuple(a for a in range(left.ndim) if a != axis)
        name = "the last axis" if axis == left.ndim - 1 else f"axis {axis}"
        bias = (left - right).mean(axis=others, keepdims=True)
        sentence = f"they differ by one vector along {name}; look for a bias missing or added twice"
        yield Remedy(Finding(sentence), right + bias, freedom=left.shape[axis])
        squares = (np.abs(right) ** 2).sum(axis=others, keepdims=True)
        scale = (right.conj() * left).sum(axis=others, keepdims=True) / np.where(squares == 0, 1, squares)
        sentence = f"torch == jax times one vector along {name}; look for a scale or a weight on one side only"
        yield Remedy(Finding(sentence, strong=False), right * scale, freedom=left.shape[axis])


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


def _shifted(gap: Gap) -> Iterator[Remedy]:
    """Later or earlier by a step, the border apart."""
    for axis, length in enumerate(gap.left.shape):
        for step in (1, -1, 2, -2):
            if length < abs(step) + 3:
                continue
            here, there = slice(max(step, 0), length + min(step, 0)), slice(max(-step, 0), length + min(-step, 0))
            at = (slice(None),) * axis
            remedied = gap.left.copy()  # the border is not explained
            remedied[(*at, here)] = gap.right[(*at, there)]
            sentence = f"torch == jax {abs(step)} step{'s' * (abs(step) > 1)} {'later' if step > 0 else 'earlier'}"
            sentence += f" along axis {axis}, the border apart; look for an index, a step or a schedule off by one"
            yield Remedy(Finding(sentence, "scheduler-step-order"), remedied)


def _accumulated(gap: Gap) -> Iterator[Remedy]:
    for axis, length in enumerate(gap.left.shape):
        if length < 3:
            continue
        sentence = f"torch == the running sum of jax along axis {axis}; look for a gradient or a sum never reset"
        yield Remedy(Finding(sentence, "forgot-zero-grad"), np.cumsum(gap.right, axis))
        sentence = f"jax == the running sum of torch along axis {axis}; look for a gradient or a sum never reset"
        yield Remedy(Finding(sentence), np.diff(gap.right, axis=axis, prepend=0))


_FUNCTIONS: dict[str, tuple[Callable, str, str]] = {
    "the square of {}": (np.square, "look for a root left out, or a variance for a standard deviation", ""),
    "the root of {}": (np.sqrt, "look for a root left out, or a variance for a standard deviation", ""),
    "log({})": (np.log, "look for probabilities against log-probabilities", "nll-on-probabilities"),
    "exp({})": (np.exp, "look for probabilities against log-probabilities", "nll-on-probabilities"),
    "1 / {}": (np.reciprocal, "look for a quotient the wrong way up", ""),
    "1 - {}": (lambda x: 1 - x, "look for a complement: a mask, a keep rate", "mask-polarity"),
    "|{}|": (np.abs, "look for an absolute value on one side only", ""),
    "relu({})": (lambda x: np.maximum(x, 0), "look for an activation on one side only", ""),
    "tanh({})": (np.tanh, "look for an activation on one side only", ""),
    "sigmoid({})": (lambda x: 1 / (1 + np.exp(-x)), "look for probabilities against logits", "nll-on-probabilities"),
    "log(1 + {})": (np.log1p, "look for log1p against log", ""),
}


def _functions(gap: Gap) -> Iterator[Remedy]:
    """A known function of the other side."""
    if gap.left.dtype.kind != "f":
        return
    with np.errstate(all="ignore"):
        for template, (function, cause, trap) in _FUNCTIONS.items():
            yield Remedy(Finding(f"torch == {template.format('jax')} everywhere; {cause}", trap), function(gap.right))
            if np.allclose(function(gap.left), gap.right, rtol=1e-5, atol=gap.limit):
                yield Remedy(Finding(f"jax == {template.format('torch')} everywhere; {cause}", trap), gap.left)
        for axis in range(gap.left.ndim):
            yield from _along(gap, axis)


def _along(gap: Gap, axis: int) -> Iterator[Remedy]:
    """What is done to one axis at a time: softmax, centring, unit length."""
    right, left = gap.right, gap.left
    if right.shape[axis] < 3:
        return

    def softmax(x: np.ndarray) -> np.ndarray:
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        return powers / powers.sum(axis=axis, keepdims=True)

    cases: dict[str, tuple[Callable, str]] = {
        f"the softmax of {{}} over axis {axis}": (softmax, "look for probabilities against logits"),
        f"{{}} less its mean over axis {axis}": (
            lambda x: x - x.mean(axis=axis, keepdims=True),
            "look for a mean not subtracted",
        ),
        f"{{}} at unit length along axis {axis}": (
            lambda x: x / np.linalg.norm(x, axis=axis, keepdims=True),
            "look for a normalisation on one side only",
        ),
    }
    for template, (function, cause) in cases.items():
        yield Remedy(Finding(f"torch == {template.format('jax')}; {cause}"), function(right))
        if np.allclose(function(left), right, rtol=1e-9, atol=gap.limit):
            yield Remedy(Finding(f"jax == {template.format('torch')}; {cause}"), left)


def _affine(gap: Gap) -> Iterator[Remedy]:
    if gap.left.dtype.kind != "f" or gap.left.size < 6 or np.ptp(gap.right) == 0:
        return
    if np.ptp(gap.left) <= 1e-9 * np.abs(gap.left).max():
        return  # a constant is any array times zero, plus itself
    center = gap.right.mean()
    slope = ((gap.right - center) * gap.left).sum() / np.square(gap.right - center).sum()
    shift = gap.left.mean() - slope * center
    sentence = f"torch == {slope:.6g} x jax + {shift:.6g} everywhere; look for a scale and an offset on one side only"
    yield Remedy(Finding(sentence, strong=False), slope * gap.right + shift, freedom=2)
