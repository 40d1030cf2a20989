"""Arrays that stand in a program as they were computed before: frequencies of another base, angles counted from 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.diagnosis.flat import Flat
from parity.diagnosis.guesses import named_value
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Program, Proposal
from parity.diagnosis.screen import Screen, Values
from parity.diagnosis.solver import Solver

__all__ = ["tables"]

_LARGEST = 2**16
_CLOSE = 1e-9  # relative, of what makes an array a law


@dataclass(frozen=True)
class _Table:
    """An array of a law: its slot, the ratio of its neighbours, and the array for another ratio's power."""

    slot: int
    ratio: float
    count: int
    at: Callable[[float], np.ndarray]


def tables(screen: Screen, program: Program) -> Iterator[Proposal]:
    """Geometric arrays of one ratio, and sines and cosines of such angles, raised to whatever power it takes."""
    found: dict[tuple[float, int], list[_Table]] = {}
    for slot, value in _arrays(program.flat):
        for make in (_geometric, _circular):
            table = make(slot, value)
            if table is not None and table.slot in program.takers:
                found.setdefault((round(table.ratio, 9), table.count), []).append(table)
                break
    for group in found.values():

        def at(power: float, group: list[_Table] = group) -> Values | None:
            return screen.start if power == 1 else screen.trial(_edits(program, group, power))

        power = Solver(screen).solved(at, 1.0)
        for base in _bases(group[0], power) if power is not None else ():
            text = f"the frequencies or slopes that fall by {named_value(group[0].ratio)} a place (base {base[0]})"
            text += f" fall by {named_value(group[0].ratio ** base[2])} (base {base[1]})"
            yield Proposal(text, _edits(program, group, base[2]))


def _bases(table: _Table, power: float) -> Iterator[tuple[str, str, float]]:
    """The base whose powers 0, 1/n, 2/n ... stand there, as it is and as it should be."""
    old = table.ratio**-table.count
    new = float(f"{old**power:.6g}")
    yield f"{old:.6g}", f"{new:g}", float(np.log(new) / np.log(old)) if old != 1 and new > 0 else power


def _arrays(flat: Flat) -> Iterator[tuple[int, np.ndarray]]:
    for slot, (value, aval) in flat.constants.items():
        if getattr(getattr(aval, "dtype", None), "kind", "") == "f" and 1 < np.size(value) <= _LARGEST:
            yield slot, np.asarray(value, np.float64)
    for step in flat.steps:
        for body in step.bodies:
            yield from _arrays(body)


def _geometric(slot: int, value: np.ndarray) -> _Table | None:
    """1, r, r^2 ... along the last axis."""
    row = value.reshape(-1, value.shape[-1])[0] if value.ndim else value
    if row.size < 2 or (row <= 0).any() or np.abs(value - row).max() > 0 or row[0] == row[1]:
        return None
    ratio = float(row[1] / row[0])
    if np.abs(row - row[0] * ratio ** np.arange(row.size)).max() > _CLOSE * row.max():
        return None
    return _Table(slot, ratio, row.size, lambda power: value[..., :1] * (value / value[..., :1]) ** power)


def _circular(slot: int, value: np.ndarray) -> _Table | None:
    """Sines or cosines of row times frequency, which are geometric."""
    rows = value.reshape(-1, value.shape[-1]) if value.ndim > 1 else value[None]
    if len(rows) < 3 or rows.shape[1] < 2 or np.abs(value).max() > 1:
        return None
    for function, inverse in ((np.cos, np.arccos), (np.sin, np.arcsin)):
        row = inverse(rows[1])
        count = row.size // 2 if row.size > 3 and np.allclose(row[: row.size // 2], row[row.size // 2 :]) else row.size
        places = np.arange(row.size) % count
        if count < 2 or not 0 < row[1] < row[0]:
            continue
        ratio = float(row[1] / row[0])
        at = np.arange(len(rows))[:, None] * row[0]

        def made(power: float, f: Any = function, r: float = ratio, p: Any = places, a: Any = at) -> np.ndarray:
            return f(a * (r**power) ** p).reshape(value.shape)

        if np.abs(made(1.0) - value).max() <= 1e-6:
            return _Table(slot, ratio, count, made)
    return None


def _edits(program: Program, group: list[_Table], power: float) -> dict[int, Edit]:
    new = {table.slot: table.at(power) for table in group}

    def edit(call: Call) -> list[Any]:
        pairs = zip(call.step.inputs, call.inputs, strict=True)
        return call.run([call.xp.asarray(new[slot], x.dtype) if slot in new else x for slot, x in pairs])

    return {taker.number: edit for table in group for taker in program.takers[table.slot]}
