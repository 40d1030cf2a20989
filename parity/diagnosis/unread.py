"""What one side never reads: its gradient is 0 there, and the other side's is not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.diagnosis.findings import Finding, Gap

__all__ = ["unread"]

_READ = {
    "torch": "only jax reads them; look for padding or masked elements that count, or a mask left out",
    "jax": "only torch reads them; look for what jax leaves out: a short last batch, a step, a slice, a mask too many",
}


def unread(gap: Gap) -> Iterator[Finding]:
    """Where one side's gradient is 0: from a length on, under a mask, in some rows at an end."""
    if not (gap.alike and gap.clues.gradient and gap.left.any() and gap.right.any()):
        return
    for side, other, name in ((gap.left, gap.right, "torch"), (gap.right, gap.left, "jax")):
        away = "jax" if name == "torch" else "torch"
        for place in _places(gap, side == 0, other != 0):
            yield Finding(f"{name} is 0 {place} and {away} is not: {_READ[name]}", "padding-idx-gradient", strong=False)
            return


def _places(gap: Gap, idle: np.ndarray, used: np.ndarray) -> Iterator[str]:
    if not (idle & used).any() or (idle & ~used).mean() > 0.5:
        return
    for path, array in gap.clues.inputs.items():
        if array.dtype.kind in "iu" and array.ndim == 1:
            yield from (f"from step {path} on" for mask in _ended(array, idle.shape) if _only(idle, used, mask))
        if array.ndim and array.shape == idle.shape[: array.ndim] and np.isin(array, (0, 1)).all():
            wide = array.reshape(array.shape + (1,) * (idle.ndim - array.ndim)) != 0
            for value in (True, False):
                if _only(idle, used, np.broadcast_to(wide == value, idle.shape)):
                    yield f"where {path} is {value}"
    for axis, length in enumerate(idle.shape):
        others = tuple(other for other in range(idle.ndim) if other != axis)
        rows = np.flatnonzero((idle.all(others)) & used.any(others))
        ends = 0 < rows.size < length > 2 and (rows[0] == 0 or rows[-1] == length - 1)
        if ends and rows[-1] - rows[0] + 1 == rows.size:
            few = f"at index {rows[0]}" if rows.size == 1 else f"in the {'last' if rows[0] else 'first'} {rows.size}"
            yield f"{few} of {length} along axis {axis}"


def _ended(lengths: np.ndarray, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """What lies behind each row's length, by the axis of steps and the axis of rows."""
    for time, steps in enumerate(shape):
        for row, count in enumerate(shape):
            if row != time and lengths.size == count and lengths.min() < steps:
                place, rows = np.indices(shape)[time], np.indices(shape)[row]
                yield place >= lengths[rows]


def _only(idle: np.ndarray, used: np.ndarray, mask: np.ndarray) -> bool:
    """Whether one side is 0 all over the mask, where the other mostly is not, and not 0 beside it."""
    return bool(mask.any() and not mask.all() and idle[mask].all() and used[mask].any() and (~idle)[~mask].mean() > 0.5)
