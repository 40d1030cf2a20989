"""The same sequence read too early or too late: moved by a step or two, rolled round the end, or summed up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from parity.diagnosis.findings import Finding, Gap, Remedy

__all__ = ["geometric", "stepped"]

_FAR = 2  # steps
_SHARE = 0.3  # of the elements that a move must carry along
_ENOUGH = 3  # different numbers among them
_MANY = 8  # the same for round ones
_LARGEST = 2**16  # elements


def stepped(gap: Gap) -> Iterator[Remedy]:
    """Moves along one axis, along two at once, and round the end once flattened; running sums."""
    if 1 < gap.left.size <= _LARGEST:
        for family in (_moved, _rolled, _accumulated, _mapped):
            yield from family(gap)


def geometric(gap: Gap) -> Iterator[Remedy]:
    """A sequence that grows by one factor a step looks like a constant factor when it is read a step too early."""
    for axis, length in enumerate(gap.left.shape if gap.left.dtype.kind == "f" else ()):
        if length < _ENOUGH + 1:
            continue
        left, right = (np.moveaxis(side, axis, 0) for side in (gap.left, gap.right))
        growth = left[1:].sum() / left[:-1].sum()
        if (
            not np.isfinite(growth)
            or abs(abs(growth) - 1) < 1e-6
            or np.abs(right[1:] - growth * right[:-1]).max() > (1e-9 * np.abs(right).max())
        ):
            continue
        for step in (1, -1):
            sentence = f"torch == jax one step {'earlier' if step > 0 else 'later'} along axis {axis}"
            sentence += f", which is {growth:.6g} times what it was; look for an index, a step or a schedule off by one"
            yield Remedy(Finding(sentence, "scheduler-step-order"), gap.right * growth**step)


def _moves(ndim: int) -> Iterator[tuple[int, ...]]:
    """Along one axis first, then along two."""
    steps = range(-_FAR, _FAR + 1)
    found = [move for move in product(steps, repeat=min(ndim, 4)) if 0 < sum(step != 0 for step in move) <= 2]
    yield from sorted(found, key=lambda move: (sum(step != 0 for step in move), sum(map(abs, move))))


def _moved(gap: Gap) -> Iterator[Remedy]:
    """Later or earlier by a step or two, the border apart."""
    whole = gap.left * 64.0
    needed = _MANY if np.array_equal(whole, np.round(whole)) else _ENOUGH
    for move in _moves(gap.left.ndim):
        here = tuple(
            slice(max(step, 0), length + min(step, 0)) for step, length in zip(move, gap.left.shape, strict=False)
        )
        there = tuple(
            slice(max(-step, 0), length + min(-step, 0)) for step, length in zip(move, gap.left.shape, strict=False)
        )
        part, found = gap.left[here], gap.right[there]
        if part.size < _SHARE * gap.left.size or np.unique(part[part != 0]).size < needed:
            continue
        if not np.abs(part - found).max() <= max(gap.limit, 1e-9 * np.abs(part).max()):
            continue
        remedied = gap.left.copy()  # the border is not explained
        remedied[here] = found
        yield Remedy(Finding(f"{_told(move)}, the border apart; {_cause(move)}", _trap(move)), remedied)


def _told(move: tuple[int, ...]) -> str:
    parts = [
        f"{abs(step)} step{'s' * (abs(step) > 1)} {'later' if step > 0 else 'earlier'} along axis {axis}"
        for axis, step in enumerate(move)
        if step
    ]
    return f"torch == jax {' and '.join(parts)}"


def _cause(move: tuple[int, ...]) -> str:
    if sum(step != 0 for step in move) > 1:
        return "look for padding on the other sides, or a shift of a window"
    return "look for an index, a shift, a step or a schedule off by one"


def _trap(move: tuple[int, ...]) -> str:
    return "scheduler-step-order" if sum(step != 0 for step in move) == 1 else "conv-default-padding"


def _rolled(gap: Gap) -> Iterator[Remedy]:
    """One side rolls an axis, the other the flattened array."""
    if gap.left.ndim < 2:
        return
    for side, other, names in ((gap.left, gap.right, ("torch", "jax")), (gap.right, gap.left, ("jax", "torch"))):
        for axis, step in product(range(side.ndim), (1, -1, 2, -2)):
            if np.array_equal(np.roll(side, -step), np.roll(other, -step, axis)):
                sentence = f"{names[0]} is rolled by {step:+d} across all axes, {names[1]} along axis {axis} alone"
                yield Remedy(Finding(f"{sentence}; look for a roll without its axis"), gap.left)


def _mapped(gap: Gap) -> Iterator[Remedy]:
    """One side's step t is the other's at f(t): held for some steps, slowed down, stopped, or begun again."""
    for axis, length in enumerate(gap.left.shape if gap.left.dtype.kind == "f" else ()):
        for side, other, names in ((gap.left, gap.right, ("torch", "jax")), (gap.right, gap.left, ("jax", "torch"))):
            for template, index in _maps(length):
                found = np.take(other, index, axis)
                if np.unique(found).size < _ENOUGH or not np.abs(side - found).max() <= gap.limit:
                    continue
                sentence = f"along axis {axis} {template.format(*names)}"
                yield Remedy(Finding(sentence), gap.left)


def _maps(length: int) -> Iterator[tuple[str, np.ndarray]]:
    step = np.arange(length)
    for size in range(2, length // 2 + 1):
        yield (
            f"{{0}} holds one value of {{1}} in {size} for {size} steps; look for a staircase, a floor",
            step // size * size,
        )
        yield f"{{0}} takes {size} steps where {{1}} takes one; look for epochs counted as steps", step // size
        yield (
            f"{{0}} begins again with {{1}}'s first value after step {size}, and after every {size}; "
            "look for a period, a restart, or a height that changes from cycle to cycle",
            step % size,
        )
    for last in range(_ENOUGH, length - 1):
        text = f"{{0}} stays at {{1}}'s value of step {last} after step {last}; look for a clamp, or a total of steps"
        yield text, np.minimum(step, last)


def _accumulated(gap: Gap) -> Iterator[Remedy]:
    for axis, length in enumerate(gap.left.shape):
        if length < 3:
            continue
        cause = "look for a gradient or a sum never reset"
        sentence = f"torch == the running sum of jax along axis {axis}; {cause}"
        yield Remedy(Finding(sentence, "forgot-zero-grad"), np.cumsum(gap.right, axis))
        sentence = f"jax == the running sum of torch along axis {axis}; {cause}"
        yield Remedy(Finding(sentence), np.diff(gap.right, axis=axis, prepend=0))
        sentence = f"torch == the running mean of jax along axis {axis}; look for an average kept on one side only"
        shape = (-1,) + (1,) * (gap.left.ndim - axis - 1)
        yield Remedy(Finding(sentence), np.cumsum(gap.right, axis) / np.arange(1, length + 1).reshape(shape))
