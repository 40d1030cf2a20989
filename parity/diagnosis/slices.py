"""One factor for each slice of a leaf, and what those factors equal: weights, norms, powers of the step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from parity.diagnosis.findings import Finding, Gap, Remedy

__all__ = ["slices", "vectors"]

_CLOSE = 1e-7  # relative
_FEWEST = 4  # steps that a law of steps must hold for
_EPSILON = 0.05  # how far from 1 the epsilon of a norm moves its factors
_LARGEST = 2**16  # elements
_COUNTED = 16  # values of an input that may be the padding

Told: TypeAlias = Iterator[tuple[str, np.ndarray]]
"""What the factors would be, in words that end with what to look for, and the factors."""


def slices(gap: Gap) -> Iterator[Remedy]:
    """Factors along one axis, or along all but one, that equal something known."""
    if gap.left.dtype.kind != "f" or not 1 < gap.left.size <= _LARGEST:
        return
    for axes in _axes(gap.left.ndim):
        factors = _factors(gap, axes)
        if factors is None:
            continue
        for text, known in (*_by_step(factors, axes), *_by_inputs(gap, factors), *_by_slices(gap, factors, axes)):
            if _equal(known, factors):
                wide = np.expand_dims(known, _others(gap.left.ndim, axes))
                name = "step" if text.startswith("the step") else f"slice of {_named(axes)}"
                sure = "power of" not in text  # which any two geometric sequences have
                yield Remedy(
                    Finding(f"torch == jax times a factor for each {name}: {text}", "", sure), gap.right * wide
                )


def vectors(gap: Gap) -> Iterator[Remedy]:
    """One vector added, or multiplied with, along one axis: it describes a gap, and explains none."""
    left, right = gap.left, gap.right
    for axis in reversed(range(left.ndim if left.ndim > 1 else 0)):
        others = tuple(a for a in range(left.ndim) if a != axis)
        name = "the last axis" if axis == left.ndim - 1 else f"axis {axis}"
        bias = (left - right).mean(axis=others, keepdims=True)
        sentence = f"they differ by one vector along {name}; look for a bias missing or added twice"
        yield Remedy(Finding(sentence, strong=False), right + bias, freedom=left.shape[axis])
        squares = (np.abs(right) ** 2).sum(axis=others, keepdims=True)
        scale = (right.conj() * left).sum(axis=others, keepdims=True) / np.where(squares == 0, 1, squares)
        sentence = f"torch == jax times one vector along {name}; look for a scale or a weight on one side only"
        yield Remedy(Finding(sentence, strong=False), right * scale, freedom=left.shape[axis])


def _axes(ndim: int) -> Iterator[tuple[int, ...]]:
    for axis in range(ndim):
        yield (axis,)
    for axis in reversed(range(ndim if ndim > 2 else 0)):
        yield _others(ndim, (axis,))


def _others(ndim: int, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a for a in range(ndim) if a not in axes)


def _named(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"


def _factors(gap: Gap, axes: tuple[int, ...]) -> np.ndarray | None:
    """torch over JAX for each slice, NaN where both are zero; None where a slice has no one factor, or all have one."""
    others = _others(gap.left.ndim, axes)
    if others and gap.left.size == math.prod(gap.left.shape[axis] for axis in axes):
        return None
    squares = np.square(gap.right).sum(axis=others)
    factors = (gap.right * gap.left).sum(axis=others) / np.where(squares == 0, np.nan, squares)
    rebuilt = gap.right * np.nan_to_num(np.expand_dims(factors, others))
    known = factors[np.isfinite(factors)]
    if known.size < 2 or np.ptp(known) <= 1e-6 * np.abs(known).max():
        return None
    return factors if np.abs(gap.left - rebuilt).max() <= max(gap.limit, _CLOSE * np.abs(gap.left).max()) else None


def _equal(known: np.ndarray, factors: np.ndarray) -> bool:
    there = np.isfinite(factors)
    return known.shape == factors.shape and bool(
        (np.abs(known[there] - factors[there]) <= _CLOSE * np.abs(factors[there]).max()).all()
    )


def _by_step(factors: np.ndarray, axes: tuple[int, ...]) -> Told:
    """Laws of the index along one axis; a law has a parameter at most, and several steps to hold for."""
    if len(axes) > 1 or factors.size < _FEWEST or not np.isfinite(factors).all():
        return
    step = np.arange(factors.size)
    yield from _of_batches(factors.size)
    for start in (0, 1, 2):
        yield from _of_count(step + float(start), start)
    growth = factors[1] / factors[0]
    cause = "look for a decay, a rate or a momentum of another value"
    yield f"the step's power of {growth:.6g}; {cause}", factors[0] * growth**step
    for rest, name in ((1 - factors, ""), (1 - 1 / factors, "1 / ")):
        rate = rest[1] / rest[0]
        if 0 < rate < 1 and np.isclose(rest[0], rate, rtol=1e-6):
            made = 1 - rate ** (step + 1)
            text = f"the step's {name}(1 - {rate:.6g}^t), t from 1; look for a bias correction on one side only"
            yield text, 1 / made if name else made


def _of_batches(count: int) -> Told:
    """Means of batches of one size, the last of which is shorter, averaged as if all were alike."""
    for size in (size for size in range(2, count) if count % size):
        sizes = np.minimum(size, count - np.arange(count) // size * size)
        shares = sizes * (-(-count // size)) / count
        text = (
            f"jax is a mean of means, of batches of {size} and a short last batch of {count % size} that counts as much"
        )
        yield f"{text}; look for an average over batches", shares
        yield text.replace("jax", "torch"), 1 / shares


def _of_count(count: np.ndarray, start: int) -> Told:
    """Powers of the step's number, and the ratio of two numbers in a row."""
    for power, name in ((1.0, "t"), (-1.0, "1/t"), (0.5, "sqrt(t)"), (-0.5, "1/sqrt(t)"), (2.0, "t^2")):
        if start or power > 0:
            text = f"the step's {name}, t from {start}; look for a sum against an average, or a schedule of the step"
            yield text, count**power
    if start:
        for power, name in ((1.0, "(t + 1)/t"), (0.5, "sqrt((t + 1)/t)")):
            for sign in (power, -power):
                text = f"the step's {name} or its inverse; look for steps counted from 0 against 1: off by one"
                yield text, ((count + 1) / count) ** sign


def _by_inputs(gap: Gap, factors: np.ndarray) -> Told:
    """Entries of an input, or of a vector that the labels choose from."""
    inputs = gap.clues.inputs
    for path, array in inputs.items():
        yield from _masked(path, array, factors)
        yield from _counted(path, array, factors, gap)
        if array.shape == factors.shape and array.ndim and array.dtype.kind in "fiub":
            yield from _powers(array.astype(float), path)
            if array.dtype.kind == "f" and array.sum():
                share = array / array.sum()
                yield from _powers(share, f"{path} / sum({path})")
                yield from _powers(share * array.size, f"{path} / mean({path})")
    for path, labels in inputs.items():
        for name, weight in inputs.items():
            fits = labels.dtype.kind in "iu" and labels.shape == factors.shape and weight.dtype.kind == "f"
            if fits and labels.ndim and weight.ndim == 1 and 0 <= labels.min() <= labels.max() < weight.size:
                yield from _powers(weight[labels], f"{name}[{path}]")
                yield from _powers(weight[labels] / weight[labels].sum() * labels.size, f"{name}[{path}] over its mean")


def _counted(path: str, array: np.ndarray, factors: np.ndarray, gap: Gap) -> Told:
    """All elements over those that count: a row's that are not the padding, or as many as a row's length says."""
    cause = "look for padding or masked elements that are counted in a mean"
    few = array.dtype.kind in "iub" or np.isin(array, (0, 1)).all()
    if few and array.ndim == 2 and factors.shape == array.shape[:1]:
        for value in np.unique(array)[:_COUNTED]:
            left = (array != value).sum(1)
            if left.all() and np.ptp(left):
                yield f"{array.shape[1]} over how many of {path} are not {value:g}; {cause}", array.shape[1] / left
    if array.dtype.kind in "iu" and array.ndim == 1 and array.shape == factors.shape and (array > 0).all():
        for length in {n for other in gap.clues.inputs.values() for n in other.shape if n >= array.max()}:
            yield f"{length} / {path}; {cause}", length / array


def _masked(path: str, array: np.ndarray, factors: np.ndarray) -> Told:
    """0 where a label is negative or a mask says no, and one factor elsewhere."""
    if array.shape != factors.shape or not array.ndim or array.dtype.kind not in "ibf":
        return
    cases = {"negative": array < 0} if array.dtype.kind == "i" else {"False": array == 0, "True": array == 1}
    if array.dtype.kind == "f" and not np.isin(array, (0, 1)).all():
        return
    for word, out in cases.items():
        if 0 < out.sum() < out.size and (factors[out] == 0).all() and np.isfinite(factors[~out]).any():
            rest = factors[~out][np.isfinite(factors[~out])][0]
            text = (
                f"0 where {path} is {word}, {rest:.6g} elsewhere; look for masked or ignored elements that still count"
            )
            yield text, np.where(out, 0.0, rest)


def _powers(array: np.ndarray, name: str) -> Told:
    for text, power in ((name, 1.0), (f"1 / {name}", -1.0), (f"{name} squared", 2.0), (f"1 / {name} squared", -2.0)):
        yield (
            f"{text}; look for a weight or a scale used on one side only, or a power, a factor of a derivative",
            array**power,
        )


def _by_slices(gap: Gap, factors: np.ndarray, axes: tuple[int, ...]) -> Told:
    """Statistics of the slices themselves, of either side or of an input of this shape."""
    others = _others(gap.left.ndim, axes)
    if not others:
        return
    arrays = {p: a for p, a in gap.clues.inputs.items() if a.shape == gap.left.shape and a.dtype.kind == "f"}
    for path, array in {"jax": gap.right, "torch": gap.left, **arrays}.items():
        found = {
            "norm": np.sqrt(np.square(array).sum(axis=others)),
            "root mean square": np.sqrt(np.square(array).mean(axis=others)),
            "standard deviation": array.std(axis=others),
            "sum": array.sum(axis=others),
            "mean": array.mean(axis=others),
            "largest magnitude": np.abs(array).max(axis=others),
        }
        for name, value in found.items():
            for text, power in ((name, 1.0), (f"{name} inverted", -1.0), (f"{name} squared", 2.0), (name, -2.0)):
                cause = "look for a root left out, a square for its root, or a normalisation on one side only"
                if name == "sum":
                    cause = "look for shares that do not add up to 1: a mask after the softmax, or no normalisation"
                if np.nanmax(np.abs(factors - 1)) < _EPSILON:
                    cause = "all near 1; look for the epsilon (eps) of a normalisation"
                yield f"the {text} of {path} over the other axes; {cause}", value**power
