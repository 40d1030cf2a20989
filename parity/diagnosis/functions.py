"""A gap explained by one known function: a root left out, a logarithm, a softmax along one axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from parity.diagnosis.findings import Finding, Gap, Remedy
from parity.diagnosis.multiples import round_number

__all__ = ["functions"]


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


_EVERYWHERE: dict[str, tuple[Callable, str, str]] = {
    "the square of {}": (np.square, "look for a root left out, or a variance for a standard deviation", ""),
    "the root of {}": (np.sqrt, "look for a root left out, or a variance for a standard deviation", ""),
    "log({})": (np.log, "look for probabilities against log-probabilities", "nll-on-probabilities"),
    "exp({})": (np.exp, "look for probabilities against log-probabilities", "nll-on-probabilities"),
    "1 / {}": (np.reciprocal, "look for a quotient the wrong way up", ""),
    "1 - {}": (lambda x: 1 - x, "look for a complement: a mask, a keep rate", "mask-polarity"),
    "|{}|": (np.abs, "look for an absolute value on one side only", ""),
    "relu({})": (_relu, "look for an activation on one side only", ""),
    "tanh({})": (np.tanh, "look for an activation on one side only", ""),
    "sigmoid({})": (lambda x: 1 / (1 + np.exp(-x)), "look for probabilities against logits", "nll-on-probabilities"),
    "log(1 + {})": (np.log1p, "look for log1p against log", ""),
    "{} rounded down": (np.floor, "look for a floor, an integer division or a staircase on one side only", ""),
    "{} rounded to the nearest": (np.round, "look for a rounding to integers on one side only", ""),
}
_BRANCHES = (np.abs, _relu, np.floor, np.round)  # of one number they say only its sign


def functions(gap: Gap) -> Iterator[Remedy]:
    """A known function of the other side, in either direction."""
    if gap.left.dtype.kind != "f":
        return
    lone = gap.evidence == 1
    if lone and any(round_number(float(side.flat[0])) for side in (gap.left, gap.right)):
        return  # 1 is its own root
    with np.errstate(all="ignore"):
        for template, (function, cause, trap) in _EVERYWHERE.items():
            if lone and function in _BRANCHES:
                continue
            sure = not (gap.clues.gradient and function in _BRANCHES)  # a derivative's sign says little
            yield from _either(gap, f"{template} everywhere; {cause}", trap, function, sure)
        for axis in range(gap.left.ndim):
            yield from _along(gap, axis)


def _either(gap: Gap, template: str, trap: str, function: Callable, strong: bool = True) -> Iterator[Remedy]:
    """torch as a function of jax, then jax as a function of torch, which has to close the gap as well."""
    yield Remedy(Finding(f"torch == {template.format('jax')}", trap, strong), function(gap.right))
    finding = Finding(f"jax == {template.format('torch')}", trap, strong)
    if gap.reverse.closed_by(Remedy(finding, function(gap.left))):
        yield Remedy(finding, gap.left)


def _along(gap: Gap, axis: int) -> Iterator[Remedy]:
    """What is done to one axis at a time: softmax, centring, unit length."""
    if gap.right.shape[axis] < 3:
        return

    def softmax(x: np.ndarray) -> np.ndarray:
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        return powers / powers.sum(axis=axis, keepdims=True)

    def centred(x: np.ndarray) -> np.ndarray:
        return x - x.mean(axis=axis, keepdims=True)

    def normalised(x: np.ndarray) -> np.ndarray:
        return centred(x) / x.std(axis=axis, keepdims=True)

    def unit(x: np.ndarray) -> np.ndarray:
        return x / np.linalg.norm(x, axis=axis, keepdims=True)

    cases: dict[str, tuple[Callable, str]] = {
        f"the softmax of {{}} over axis {axis}": (softmax, "look for probabilities against logits, or a softmax twice"),
        f"{{}} less its mean over axis {axis}": (centred, "look for a mean not subtracted"),
        f"{{}} at unit length along axis {axis}": (
            unit,
            "look for a normalisation on one side only, or by a norm without its root",
        ),
        f"{{}} centred and scaled to unit variance over axis {axis}": (normalised, "look for a norm on one side only"),
    }
    for template, (function, cause) in cases.items():
        # What is normalised over two axes is so over one of them too, once it has been done again.
        yield from _either(gap, f"{template}; {cause}", "", function, function is not normalised)
