"""The same numbers in another order: transposed, flattened otherwise, blocks permuted, reversed, shifted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product

import numpy as np

from parity.diagnosis.findings import Finding, Gap, Remedy

__all__ = ["rearranged"]

_LARGEST = 2**20  # elements; sorting more would cost seconds
_FEWEST = 3  # different numbers that change places
_LONGEST = 4096  # of an axis whose factors are tried


def rearranged(gap: Gap) -> Iterator[Remedy]:
    """Remedies that only move numbers; none where the sides do not hold the same ones."""
    if gap.left.size != gap.right.size or not 1 < gap.left.size <= _LARGEST:
        return
    if _same_numbers(gap.left, gap.right, gap.limit):
        for family in (_transposed, _reshaped, _along_one_axis, _flattened):
            for remedy in family(gap):
                few = gap.alike and gap.evidence < _FEWEST  # two numbers of one size are each other's by chance
                yield replace(remedy, finding=replace(remedy.finding, strong=False, lone=True)) if few else remedy
        yield from _unordered(gap)


def _same_numbers(left: np.ndarray, right: np.ndarray, limit: float) -> bool:
    one, other = np.sort(left, axis=None), np.sort(right, axis=None)
    return bool(np.abs(one - other).max() <= max(limit, 1e-3 * np.abs(one).max()))


def _transposed(gap: Gap) -> Iterator[Remedy]:
    if gap.left.ndim != gap.right.ndim or not 1 < gap.right.ndim <= 5:
        return
    for order in permutations(range(gap.right.ndim)):
        if order != tuple(range(gap.right.ndim)):
            sentence = f"torch == jax with its axes in the order {order}; look for a transpose"
            trap = "linear-transpose" if gap.right.ndim == 2 else "transpose-semantics"
            trap = "nchw-accepted-silently" if gap.right.ndim == 4 and not gap.clues.gradient else trap
            yield Remedy(Finding(sentence, trap), gap.right.transpose(order))


def _reshaped(gap: Gap) -> Iterator[Remedy]:
    text = "torch == jax once reshaped"
    if gap.alike:
        sentence = f"{text} in the other order; look for a flatten of another layout"
        yield Remedy(Finding(sentence, "nchw-accepted-silently"), gap.right.T.reshape(gap.left.shape))
    else:
        yield Remedy(Finding(f"{text}; look for an axis kept, dropped or merged"), gap.right.reshape(gap.left.shape))


def _along_one_axis(gap: Gap) -> Iterator[Remedy]:
    """One permutation of the slices along one axis, described by the simplest rule that makes it."""
    for axis in range(gap.left.ndim if gap.alike else 0):
        order = _matching(gap, axis)
        if order is None:
            continue
        finding = _described(order, axis)
        yield Remedy(finding, np.take(gap.right, order, axis))


def _matching(gap: Gap, axis: int) -> np.ndarray | None:
    """For each slice of the left side the place on the right that holds it; None where some has none."""
    left, right = (np.moveaxis(side, axis, 0).reshape(side.shape[axis], -1) for side in (gap.left, gap.right))
    if not 1 < len(left) <= _LONGEST:
        return None
    # A random projection tells slices apart; the remedy is held against all of their elements afterwards.
    weights = np.random.default_rng(0).normal(size=left.shape[1])
    keys, wanted = right @ weights, left @ weights
    places = np.argsort(keys, kind="stable")
    order = np.empty(len(left), int)
    order[np.argsort(wanted, kind="stable")] = places
    return None if np.array_equal(order, np.arange(len(order))) else order


def _described(order: np.ndarray, axis: int) -> Finding:
    n = len(order)
    if np.array_equal(order, np.arange(n)[::-1]):
        sentence = f"torch == jax with axis {axis} reversed; look for the direction of a scan, a sort or a kernel"
        return Finding(sentence, "convolve-flips")
    if np.array_equal(order, np.roll(np.arange(n), (step := -order[0] % n))):
        step = step if step <= n // 2 else step - n
        return Finding(f"torch == jax rolled by {step:+d} along axis {axis}; look for an index off by one")
    for blocks in (b for b in range(2, n // 2 + 1) if n % b == 0):
        firsts = order.reshape(blocks, -1)[:, 0]
        if np.array_equal(order.reshape(blocks, -1), firsts[:, None] + np.arange(n // blocks)):
            places = tuple(int(first) // (n // blocks) for first in firsts)
            sentence = f"torch == jax with its {blocks} blocks along axis {axis} in the order {places}"
            trap = {3: "mha-weight-packing", 4: "lstm-gate-order"}.get(blocks, "")
            return Finding(f"{sentence}; look for the order of gates, of heads or of q, k and v", trap)
        if np.array_equal(order, np.arange(n).reshape(blocks, -1).T.reshape(-1)):
            sentence = f"torch == jax with axis {axis} read as ({blocks}, {n // blocks}) and transposed"
            cause = "a flatten of another layout, heads split the other way round, or a repeat against a tile"
            return Finding(f"{sentence}; look for {cause}")
    shown = f" ({', '.join(map(str, order))})" if n <= 16 else ""
    sentence = f"torch == jax with axis {axis} in another order{shown}; look for a sort, an index or a shuffle"
    return Finding(sentence, strong=False)


def _flattened(gap: Gap) -> Iterator[Remedy]:
    """One axis is a merger of several: split it, put the parts in another order, merge it again."""
    for axis, length in enumerate(gap.right.shape if gap.alike else ()):
        for split in _splits(length):
            shape = gap.right.shape
            parts = gap.right.reshape(*shape[:axis], *split, *shape[axis + 1 :])
            for order in permutations(range(len(split))):
                whole = [*range(axis), *(axis + place for place in order), *range(axis + len(split), parts.ndim)]
                sentence = f"torch == jax with axis {axis} read as {split} and those axes in the order {order}"
                finding = Finding(f"{sentence}; look for a flatten of another layout", "nchw-accepted-silently")
                yield Remedy(finding, parts.transpose(whole).reshape(shape))


def _splits(length: int) -> Iterator[tuple[int, ...]]:
    """Into three factors; two were tried as one permutation of the axis."""
    factors = [n for n in range(2, math.isqrt(length) * 4) if length % n == 0][:8] if length <= _LONGEST else []
    for one, other in product(factors, factors):
        if length % (one * other) == 0 and length // (one * other) > 1:
            yield one, other, length // (one * other)


def _unordered(gap: Gap) -> Iterator[Remedy]:
    if np.unique(gap.left).size < 8:
        return
    left, right = gap.left.reshape(-1), gap.right.reshape(-1)
    found = np.empty_like(left)
    found[np.argsort(left, kind="stable")] = right[np.argsort(right, kind="stable")]
    sentence = "torch and jax hold the same numbers in different places; look for a layout, a sort or an index"
    yield Remedy(Finding(sentence, strong=False), found.reshape(gap.left.shape))
