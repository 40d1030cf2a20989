"""Which other values a constant of a program is likely to have been meant to have, and what they are called."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from parity.diagnosis.sites import ADDED, BESIDE, SCALED, Constant

__all__ = ["guesses", "named_value", "rounder", "trap_of"]

_EPSILONS = (1e-5, 1e-6, 1e-8, 1e-12, 1e-3, 1e-7, 1e-10, 1e-4, 0.0)
_SHARES = (0.1, 0.9, 0.99, 0.01, 0.999, 0.5, 0.95, 0.98, 0.2, 0.3, 0.05, 1.0, 0.0)
_MARGINS = (-1.0, -0.5, -0.2, -0.1, -0.25, -0.3, 1.0, 0.5, 0.2, 0.1)
_SPECIAL = (0.0, 1.0, -1.0, 2.0, 0.5, float("-inf"), -1e9, -1e4, 20.0, 100.0)
_NAMES = {
    math.sqrt(2 / math.pi): "sqrt(2 / pi)",
    1 / math.sqrt(2): "1 / sqrt(2)",
    math.sqrt(2): "sqrt(2)",
    math.pi: "pi",
    2 * math.pi: "2 pi",
    math.log(2): "log(2)",
    math.e: "e",
    1.0507009873554805: "selu's scale",
}


_MASK = 1e30
"""What is farther from 0 stands for infinity, as a mask's value does; its square may be no number."""


def guesses(constant: Constant) -> Iterator[float]:
    """Other values, the likeliest first."""
    value = constant.value
    if constant.whole:
        yield from (v for v in (value + 1, value - 1, 0.0, 1.0, 2.0, -value, 3.0, 4.0, 5.0, 10.0) if v != value)
    elif abs(value) > _MASK:
        yield from (-1e9, -1e4, -100.0, -10.0)
    elif constant.keys[0][1] in (BESIDE, ADDED):
        yield from _MARGINS if constant.keys[0][1] == BESIDE else _EPSILONS[:-1]
    else:
        idle = (value, 0.0) if constant.keys[0][1] == SCALED else (value,)  # times 0 is no scale
        yield from dict.fromkeys(guess for guess in _others(value) if guess not in idle)


def _others(value: float) -> list[float]:
    near: list[float] = [float("-inf")] if value <= -3 else []
    if 0 < abs(value) <= 2e-3:
        near += _EPSILONS
    if 0 <= abs(value) <= 1:
        near += [*_SHARES, 1 - value]
    if value == round(value) and abs(value) > 1:
        near += [value - 1, value + 1, math.sqrt(abs(value)), value**2]
    if abs(value) >= 10:
        near += [10 * value, value / 10, 100 * value, value / 100]
    near += [2 * value, value / 2, -value, math.sqrt(abs(value)), value**2]
    near += [guess for guess in _SPECIAL if value <= 0 or guess > -1e3]  # no mask was meant by a count
    return [*near, 1 / value] if value else near


def rounder(value: float) -> Iterator[float]:
    """Rounder numbers next to one that was solved for, the roundest first; never the number itself."""
    if not 0 < abs(value) < _MASK:
        return
    near = [float(f"{value:.{digits}e}") for digits in range(4)] + [float(round(value))]
    for power, root in ((-1, lambda n: 1 / n), (2, math.sqrt), (-2, lambda n: 1 / math.sqrt(n))):
        whole = round(abs(value) ** power) if abs(value) > 1e-9 else 0
        if 0 < whole < 10_000:
            near.append(math.copysign(root(whole), value))
    near += [number for number in _NAMES if math.isclose(number, value, rel_tol=1e-4)]
    yield from (number for number in near if number)


def named_value(value: float) -> str:
    """The number, and what it equals where that is not plain."""
    shown = f"{value:.12g}"
    if len(shown) < 8:
        return shown
    for number, name in _NAMES.items():
        if math.isclose(value, number, rel_tol=1e-9):
            return f"{shown} = {name}"
    for power, text in ((-1, "1/{}"), (2, "sqrt({})"), (-2, "1/sqrt({})")):
        whole = value**power if value > 0 else 0.0
        if 1 < round(whole) < 1e6 and math.isclose(whole, round(whole), rel_tol=1e-9):
            return f"{shown} = {text.format(round(whole))}"
    return f"{value:.8g}"


def trap_of(constant: Constant, value: float) -> str:
    """The known trap behind such a change; "" without one, or if the line speaks of something else."""
    trap = _trap_of(constant, value)
    return trap if re.search(_SPEAKS.get(trap, ""), constant.source.partition("`")[2]) else ""


_SPEAKS = {
    "std-ddof": r"var|std|ddof",
    "l2-loss-half": r"loss|mean|sum|\*\* ?2|square",
    "layernorm-eps": r"var|mean|norm",
    "bn-momentum-convention": r"mean|var|moment|running|average",
    "mask-value-half": r"mask|where|blocked|full|triu|tril",
}


def _trap_of(constant: Constant, value: float) -> str:
    old, operand = constant.value, constant.keys[0][1]
    if operand in (SCALED, BESIDE):
        return ""
    if operand == ADDED:
        return "layernorm-eps" if 0 < value <= 2e-3 else ""
    if old > 0 and value > 0 and old + value == 1:
        return "bn-momentum-convention"
    if (old > 1 and old.is_integer() and abs(value - old) == 1) or (constant.whole and {old, value} == {0.0, 1.0}):
        return "std-ddof"
    if 0 < old <= 2e-3 and 0 <= value <= 2e-3 and constant.used == "add":
        return "layernorm-eps"
    if {old, value} in ({0.5, 1.0}, {1.0, 2.0}, {0.25, 0.5}):
        return "l2-loss-half"
    if old <= -10 or value <= -10:
        return "mask-value-half"
    return "rmsprop-defaults" if {old, value} == {0.9, 0.99} else ""
