"""How often the numbers alone name a cause that nobody put there.

Small random programs (elementwise steps, a product, a reduction) are changed in a way that no sentence describes: a
step becomes another function, a constant a multiple that is not round, some elements get unrelated values. Leaves hold
1 to 1000 numbers; a third of the programs work on quarters, which coincide most easily. A finding that names a cause
is then false; one that only describes the gap is not counted.

    python parity_tests/meta/false_names.py 3000
"""

import sys
from collections.abc import Iterator

import numpy as np

from parity.diagnosis.diagnose import finding_of
from parity.diagnosis.findings import Clues, Finding

STEPS = (np.sin, np.cos, np.arctan, np.tanh, lambda x: x**3 - 0.37 * x, lambda x: np.log1p(np.exp(0.731 * x)))
SHAPES = ((), (1,), (2,), (3,), (7,), (40,), (1000,), (2, 3), (5, 4), (4, 4), (1, 6), (3, 2, 4), (2, 3, 4, 4), (31, 32))
LIMIT = 1e-12


def pairs(count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, Clues]]:
    """(torch's, JAX's, what is known) of ``count`` programs and their unrelated changes."""
    for number in range(count):
        draw = np.random.default_rng([seed, number])
        shape = SHAPES[draw.integers(len(SHAPES))]
        x = draw.normal(size=shape)
        if number % 3 == 0:
            x = np.round(4 * x) / 4
        one, other = _program(draw, x), _program(draw, x)
        change = (_another, _scaled, _some, _kept)[draw.integers(4)]
        left, right = one(x), change(draw, x, one, other)
        if number % 3 == 0:
            left, right = np.round(4 * left) / 4, np.round(4 * right) / 4
        if left.any() and right.any() and np.abs(left - right).max() > LIMIT:  # that a side is 0 is no guess
            yield left, right, Clues(_inputs(draw, x), bool(draw.integers(2)))


def _program(draw, x):
    steps, scale, shift = [STEPS[i] for i in draw.integers(len(STEPS), size=2)], *draw.normal(size=2)
    weight = draw.normal(size=(x.shape[-1],) * 2) if x.ndim else None
    linear, centred = draw.integers(2, size=2)

    def run(values):
        values = steps[0](values * scale + shift)
        if linear and weight is not None:
            values = values @ weight
        values = values - values.mean() if centred and values.size > 1 else values
        return np.asarray(steps[1](values))

    return run


def _another(draw, x, one, other):
    return other(x)


def _scaled(draw, x, one, other):
    return one(x * (1 + draw.normal() * 10.0 ** draw.integers(-4, 1)))


def _some(draw, x, one, other):
    return np.where(draw.random(x.shape) < draw.random(), one(x), other(x))


def _kept(draw, x, one, other):
    return one(x) + draw.normal() * 10.0 ** draw.integers(-6, 1) * other(x)


def _inputs(draw, x):
    length = x.shape[-1] if x.ndim else 1
    return {
        "x": x,
        "w": draw.normal(size=length),
        "labels": draw.integers(0, 5, size=x.shape[:1]),
        "mask": draw.random(x.shape) < 0.5,
        "rate": np.array(round(draw.random(), 2)),
    }


def false_names(count: int, seed: int = 0) -> tuple[int, list[tuple[tuple[int, ...], Finding]]]:
    """How many pairs were looked at, and what was wrongly named of which shape."""
    looked, named = 0, []
    for left, right, clues in pairs(count, seed):
        looked += 1
        finding = finding_of(left, right, LIMIT * max(1.0, np.abs(left).max()), clues)
        if finding is not None and finding.strong:
            named.append((left.shape, finding))
    return looked, named


if __name__ == "__main__":
    looked, named = false_names(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
    for shape, finding in named:
        print(list(shape), finding)
    print(f"{len(named)} of {looked} unrelated gaps were given a cause")
