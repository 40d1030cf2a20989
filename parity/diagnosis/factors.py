"""What a constant factor between the two sides equals, and what that says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from parity.diagnosis.findings import Clues, Finding, Gap

__all__ = ["factor_finding"]

_CLOSE = 1e-6  # relative; float32 sides determine a factor to about this
_MEAN = "look for a sum on one side and a mean on the other"

_CONSTANTS: dict[str, tuple[float, str, str]] = {
    "log(2)": (math.log(2), "look for a logarithm to base 2 against a natural one", ""),
    "log(10)": (math.log(10), "look for a logarithm to base 10 against a natural one", ""),
    "pi": (math.pi, "look for a missing scale", ""),
    "2 pi": (2 * math.pi, "look for turns or hertz against radians", ""),
    "180/pi": (180 / math.pi, "look for degrees against radians", ""),
    "sqrt(2)": (math.sqrt(2), "look for a missing scale", ""),
    "sqrt(2 pi)": (math.sqrt(2 * math.pi), "look for the normal density's constant", ""),
    "255": (255.0, "look for pixels divided by 255 on one side only", "totensor-scaling"),
}
_SOME = " that are "  # in the name of a count of some elements
_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 3e-4, 5e-4)
_DROPPED = (0.1, 0.2, 0.3, 0.4, 0.05, 0.15)


def factor_finding(factor: float, gap: Gap, lengths: Mapping[str, int]) -> Finding:
    """What "torch == factor x jax" is likely to come from.

    Args:
        factor: torch over JAX.
        gap: the leaf.
        lengths: axis lengths by what they are called.
    """
    shown, finding = f"{factor:.10g}", None
    if math.isclose(factor, -1, rel_tol=_CLOSE):
        shown, finding = "-1", Finding("look for a sign")
    elif 1 < round(abs(factor)) < 1e6 and math.isclose(abs(factor), round(abs(factor)), rel_tol=_CLOSE):
        shown = str(round(factor))
    elif 1 < round(1 / abs(factor)) < 1e6 and math.isclose(1 / abs(factor), round(1 / abs(factor)), rel_tol=_CLOSE):
        shown = f"{'-' * (factor < 0)}1/{round(1 / abs(factor))}"
    finding = finding or _named(factor, gap, lengths) or Finding("look for a missing scale", strong=False)
    separator = "; " if finding.sentence.startswith("look") else ", "
    return Finding(f"torch == {shown} x jax everywhere{separator}{finding.sentence}", finding.trap, finding.strong)


def _named(factor: float, gap: Gap, lengths: Mapping[str, int]) -> Finding | None:
    clues, dropped = gap.clues, _looks_dropped(gap)
    close = 1e-9 if clues.dtype == "float64" else 1e-5  # as far as the leaf determines it

    def equals(value: float, target: float) -> bool:
        return target != 0 and math.isclose(value, target, rel_tol=close)

    families = (_of_statistics, _of_counts, _small, _of_length, _of_inputs, *(_of_dropout,) * dropped)
    for family in (*families, _of_two_lengths, _of_constants, _whole):
        for value in (factor, 1 / factor):
            for target, finding in family(clues, lengths):
                if equals(value, target):
                    return finding
    if any(5 <= round(value) < 10_000 and equals(value, round(value)) for value in (abs(factor), 1 / abs(factor))):
        return Finding(_MEAN, "sum-vs-mean-reduction", strong=False)
    return None


Named = Iterator[tuple[float, Finding]]


def _small(_: Clues, lengths: Mapping[str, int]) -> Named:
    for small in (2, 3, 4):
        names = [name for name, length in lengths.items() if length == small]
        also = f" ({small} is {names[0]})" if names else ""
        yield small, Finding(f"look for a halved or doubled term, or a mean taken for a sum{also}", "l2-loss-half")


def _of_length(_: Clues, lengths: Mapping[str, int]) -> Named:
    ddof = "division by n against n - 1"
    for name, n in ((name, n) for name, n in lengths.items() if n > 1):
        yield n, Finding(f"{_MEAN} ({n} is {name})", "sum-vs-mean-reduction")
        yield n / (n - 1), Finding(f"which is {n}/{n - 1}; look for a {ddof} ({n} is {name})", "std-ddof")
        root = f"which is sqrt({n}/{n - 1}); look for a standard deviation with a {ddof} ({n} is {name})"
        yield math.sqrt(n / (n - 1)), Finding(root, "std-ddof")
        yield math.sqrt(n), Finding(f"which is sqrt({n}) or its inverse; look for a scale by the root of {name}")
        yield n * n, Finding(f"look for a mean taken twice ({n} is {name})", "sum-vs-mean-reduction")


def _of_counts(_: Clues, lengths: Mapping[str, int]) -> Named:
    """How many elements a mask or an ignored label leaves, against all of them."""
    for one, n in lengths.items():
        for other, m in lengths.items() if _SOME in one else ():
            if m > n > 1 and _SOME not in other:
                text = f"which is {m}/{n} or its inverse; look for a mean over masked or ignored elements too"
                yield m / n, Finding(f"{text}: {n} is {one}, {m} is {other}", "ignore-index")


def _of_two_lengths(_: Clues, lengths: Mapping[str, int]) -> Named:
    for (one, n), (other, m) in combinations(lengths.items(), 2):
        if n > 1 and m > 1 and n != m:
            text = f"which is {n}/{m} or its inverse; look for a mean over other elements: {n} is {one}, {m} is {other}"
            yield n / m, Finding(text, "mse-feature-sum")


def _of_inputs(clues: Clues, _: Mapping[str, int]) -> Named:
    for path, array in clues.inputs.items():
        if np.size(array) == 1 and np.asarray(array).dtype.kind in "fiu":
            number = float(np.asarray(array).reshape(()))
            for value, name in ((number, path), (number**2, f"{path} squared"), (1 - number, f"1 - {path}")):
                if value not in (0.0, 1.0):
                    yield value, Finding(f"which is {name} or its inverse; look for {path} used on one side only")


def _of_constants(_: Clues, __: Mapping[str, int]) -> Named:
    for name, (number, cause, trap) in _CONSTANTS.items():
        yield number, Finding(f"which is {name} or its inverse; {cause}", trap)
    for rate in _RATES:
        yield rate, Finding(f"which is {rate:g} or its inverse; look for a learning rate or a scale on one side only")


def _looks_dropped(gap: Gap) -> bool:
    """Whether elements are zero on both sides here and there, no whole slices of them, or a mask has this shape."""
    zero = (gap.left == 0) & (gap.right == 0)
    rows = any(zero.all(axis=axis).any() for axis in range(zero.ndim)) if zero.ndim > 1 else _at_an_end(zero)
    masks = (a for a in gap.clues.inputs.values() if a.shape == gap.left.shape and a.ndim and a.dtype.kind in "bf")
    return bool(zero.any() and not rows) or any(np.isin(mask, (0, 1)).all() and np.ptp(1 * mask) for mask in masks)


def _at_an_end(zero: np.ndarray) -> bool:
    """Whether the zeros of one axis stand together at its start or its end, as padding does."""
    places = np.flatnonzero(zero)
    together = places.size and places[-1] - places[0] + 1 == places.size
    return bool(together and (places[0] == 0 or places[-1] == zero.size - 1))


def _of_dropout(_: Clues, __: Mapping[str, int]) -> Named:
    for share in _DROPPED:
        text = f"which is 1 - {share:g} or its inverse; look for dropout's rescaling, or a decay of {1 - share:g}"
        yield 1 - share, Finding(text, "dropout-keep-vs-drop")
        text = f"which is {share:g}/{1 - share:g}; look for dropout's share to keep against the share to drop"
        yield share / (1 - share), Finding(text, "dropout-keep-vs-drop")


def _of_statistics(clues: Clues, _: Mapping[str, int]) -> Named:
    """The weights that labels choose, and what an input sums up to."""
    for path, array in clues.inputs.items():
        if array.dtype.kind != "f" or array.size < 2:
            continue
        for labels, chosen in clues.inputs.items():
            if chosen.dtype.kind in "iu" and chosen.size and array.ndim == 1 and chosen.max() < array.size:
                weights = array[chosen[chosen >= 0]]
                cause = "look for a mean over the sum of weights against one over the count"
                for value, name in ((weights.mean(), "mean"), (weights.sum(), "sum")):
                    text = f"which is the {name} of {path}[{labels}] or its inverse; {cause}"
                    yield float(value), Finding(text, "sum-vs-mean-reduction")
        statistics = {"sum": array.sum(), "mean": array.mean(), "norm": np.linalg.norm(array), "std": array.std()}
        for name, value in statistics.items():
            if abs(value) > 1e-3 and not math.isclose(abs(value), 1, rel_tol=1e-6) and not _is_short(float(value)):
                text = f"which is the {name} of {path} or its inverse; look for a normalisation by it on one side only"
                yield float(value), Finding(text)


def _is_short(value: float) -> bool:
    """Whether a number is round: it may be many things."""
    return math.isclose(value, float(f"{value:.2g}"), rel_tol=1e-9)


def _whole(_: Clues, __: Mapping[str, int]) -> Named:
    """Numbers that are no length of anything here: it is said what they equal, and no more."""
    for n in range(7, 65):
        root = f"which is sqrt({n}/{n - 1}) or its inverse; look for a mean over {n} against {n - 1}"
        yield math.sqrt(n / (n - 1)), Finding(root, strong=False)
