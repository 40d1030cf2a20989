"""A gap that is a multiple of something known: of a parameter (weight decay), of the way from it (momentum, a rate)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from parity.diagnosis.findings import Finding, Gap, Remedy

__all__ = ["multiples", "round_number"]

_FEWEST = 4  # different numbers that must speak for a multiple
_LARGEST = 2**16  # elements
_STILL = 0.1  # the share of elements that an update may leave as they are
_NEAR = 0.7  # how far, as a share of the state, the nearer side has moved
_MOMENTA = (0.9, 0.99, 0.999, 0.95, 0.98, 0.8, 0.5, 0.1, 0.01, 0.001)


def multiples(gap: Gap) -> Iterator[Remedy]:
    """Multiples of an input of the leaf's shape, or broadcast to it."""
    if gap.left.dtype.kind != "f" or gap.evidence < _FEWEST or gap.left.size > _LARGEST:
        return
    for path, array in gap.clues.inputs.items():
        if array.dtype.kind != "f" or array.size < 3 or np.ptp(array) == 0:
            continue
        try:
            known = np.broadcast_to(array, gap.left.shape)
        except ValueError:
            continue
        if not known.any():
            continue
        yield from _unchanged(gap, path, known)
        yield from _powered(gap, path, known)
        # A slope of one branch only is no update: there, all elements move.
        if np.mean((gap.left == gap.right) | (gap.left == known) | (gap.right == known)) <= _STILL:
            yield from _moved(gap, path, known)
            yield from _added(gap, path, known)
            yield from _mixed(gap, path, known)


def round_number(value: float) -> str:
    """A number of at most three digits, or a simple fraction, as it is written; "" for any other."""
    if not math.isfinite(value) or value == 0:
        return ""
    if math.isclose(value, float(f"{value:.3g}"), rel_tol=1e-7):
        return f"{value:.3g}"
    for below in (3, 6, 7, 9, 11, 12, 13, 99, 999):
        if math.isclose(value * below, round(value * below), rel_tol=1e-7) and abs(value * below) < 1000:
            return f"{round(value * below)}/{below}"
    for momentum in _MOMENTA:
        if math.isclose(value, momentum / (1 - momentum), rel_tol=1e-7):
            return f"{momentum:g}/{1 - momentum:.3g}"
    return ""


def _along(one: np.ndarray, other: np.ndarray) -> float:
    """By how much ``other`` is to be multiplied to come nearest ``one``."""
    return float(np.vdot(other, one) / np.vdot(other, other)) if other.any() else math.nan


def _unchanged(gap: Gap, path: str, known: np.ndarray) -> Iterator[Remedy]:
    for side, other, names in ((gap.right, gap.left, ("jax", "torch")), (gap.left, gap.right, ("torch", "jax"))):
        if gap.clues.gradient or not np.array_equal(side, known):
            continue
        for name, array in gap.clues.inputs.items():
            if np.array_equal(array, other):
                sentence = f"{names[0]} is {path} where {names[1]} is {name}; look for the other argument"
                yield Remedy(Finding(sentence, "positional-arguments"), gap.left)
        cause = (
            "an update that is discarded or not carried on, a step or a mode (dropout, a batch's statistics) left out"
        )
        yield Remedy(Finding(f"{names[0]} is {path} unchanged; look for {cause}"), gap.left)


def _moved(gap: Gap, path: str, known: np.ndarray) -> Iterator[Remedy]:
    """Both move away from an input, one further than the other."""
    away = [np.linalg.norm(side - known) for side in (gap.left, gap.right)]
    if gap.clues.gradient or min(away) > _NEAR * np.linalg.norm(known):
        return
    factor = _along(gap.left - known, gap.right - known)
    shown = round_number(factor) or (round_number(1 / factor) and f"1/({round_number(1 / factor)})" if factor else "")
    if shown and not math.isclose(factor, 1, rel_tol=1e-6):
        cause = "look for a learning rate, or a momentum against 1 - momentum"
        trap = "bn-momentum-convention" if any(_near(factor, m / (1 - m)) for m in _MOMENTA) else ""
        sentence = f"torch moves {shown} x as far from {path} as jax does; {cause}"
        alone = gap.clues.inputs[path].shape == gap.left.shape  # no steps in front, over which more may change
        yield Remedy(Finding(sentence, trap, alone), known + factor * (gap.right - known), freedom=1)


def _sign(value: float) -> str:
    return "-" if value < 0 else "+"


def _near(value: float, other: float) -> bool:
    return math.isclose(value, other, rel_tol=1e-6)


def _added(gap: Gap, path: str, known: np.ndarray) -> Iterator[Remedy]:
    factor = _along(gap.left - gap.right, known)
    shown = round_number(factor)
    if shown:
        cause = "look for a weight decay, a momentum or a residual on one side only"
        sentence = f"torch == jax {_sign(factor)} {shown.lstrip('-')} x {path}; {cause}"
        yield Remedy(Finding(sentence), gap.right + factor * known, freedom=1)


def _powered(gap: Gap, path: str, known: np.ndarray) -> Iterator[Remedy]:
    """Shares of an input, raised to another power."""
    shares = [side / known for side in (gap.left, gap.right)]
    if not all((share > 0).all() and np.isfinite(share).all() for share in shares):
        positive = (shares[0] > 0) & (shares[1] > 0)
        if positive.mean() < 1 - 2 * _STILL or not np.array_equal(gap.left[~positive], gap.right[~positive]):
            return
        shares = [np.where(positive, share, 1.0) for share in shares]
    if np.unique(np.round(shares[1], 9)).size < _FEWEST:
        return  # a slope to the power of 2 is another slope
    one, other = (np.log(share) for share in shares)
    power = _along(one, other)
    for value, name in ((2.0, "2"), (3.0, "3"), (4.0, "4"), (0.5, "1/2"), (1 / 3, "1/3"), (0.25, "1/4")):
        if _near(power, value):
            sentence = f"torch / {path} == jax / {path} to the power of {name}; look for a power, a square or a root"
            yield Remedy(Finding(sentence), np.where(gap.left == gap.right, gap.left, known * shares[1] ** value))


def _mixed(gap: Gap, path: str, known: np.ndarray) -> Iterator[Remedy]:
    """Both sides average the same two things, by other shares."""
    if gap.evidence < 3 * _FEWEST or np.mean((gap.left == 0) | (gap.right == 0)) > _STILL:
        return
    basis = np.stack([gap.right.ravel(), known.ravel()], axis=1)
    (own, other), *_ = np.linalg.lstsq(basis, gap.left.ravel(), rcond=None)
    shown = round_number(float(own)), round_number(float(other))
    if all(shown) and not _near(own + other, 1):  # that one is a way from the input, and has its own words
        cause = "look for the shares of an average, a decay or a momentum"
        sentence = f"torch == {shown[0]} x jax {_sign(other)} {shown[1].lstrip('-')} x {path}; {cause}"
        yield Remedy(Finding(sentence), own * gap.right + other * known, freedom=2)
