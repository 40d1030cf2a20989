"""False alarms: random correct pairs, each held to its allowance; none may be flagged. `make calibrate` runs it.

Writes what the constants of `parity.tolerance` rest on: the distribution of error over allowance, by dtype and side.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path.insert(0, str(Path(__file__).parent))

import jax
import numpy as np

from calibrate_programs import Program, program
from calibrate_report import write
from parity.inputs import Inputs, cotangent
from parity.leaves import Sides, compare_leaf
from parity.settings import Settings
from parity.simulation import Simulation
from parity.tolerance import Allowance, Noise
from parity.vjp import JaxSide, Run, TorchSide

__all__ = ["Measured", "main", "measure"]


@dataclass(frozen=True)
class Measured:
    """One leaf of one side.

    Attributes:
        pair: the program's number and the draw's; the same numbers at every dtype, less offset at float16.
        name: the program's operations.
        dtype: under test.
        side: "torch" or "jax".
        path: of the leaf.
        judged: the leaf's ratio in a report, of both sides; NaN where float16 overflows on both.
        ratio: this side's error over 8 simulated rounding errors, simulated whether a report needs it or not.
        problem: why it is flagged, in words; "" if it is not.
    """

    pair: tuple[int, int]
    name: str
    dtype: str
    side: str
    path: str
    judged: float
    ratio: float
    problem: str


@np.errstate(all="ignore")
def measure(number: int, draws: int) -> list[Measured]:
    """Every leaf of a program under ``draws`` inputs, at every dtype that it has."""
    case = program(number)
    sides = TorchSide(case.torch), JaxSide(case.jax)
    settings = Settings.of("calibrate", {})
    found = []
    for draw in range(draws):
        for dtype in case.dtypes:
            drawn = case.inputs(np.random.default_rng([11, number, draw]), dtype)
            inputs = Inputs.of("calibrate", drawn, (case.torch, case.jax), settings).at(dtype)
            found += _leaves((number, draw), case, sides, inputs, dtype)
    jax.clear_caches()
    return found


_DRAW = partial(cotangent, 0)  # one object: a compiled program is kept under it


def _leaves(
    pair: tuple[int, int], case: Program, sides: tuple[TorchSide, JaxSide], inputs: Inputs, dtype: str
) -> Iterator[Measured]:
    vectors = _DRAW if case.gradients else None
    left, right = (side.run(inputs, dtype, True, vectors) for side in sides)
    truth = sides[1].run(inputs, "float64", True, vectors)
    in_range = dtype != "float16" or all(map(_finite, (left, right))) or not _finite(truth)
    simulation = Simulation(sides[1], inputs, dtype, True, vectors, truth)
    for path, exact in _values(truth).items():
        noise = simulation.noise(path)
        values = _values(left)[path], _values(right)[path]
        leaf = compare_leaf("output", path, dtype, Sides(*values, exact, simulate=partial(simulation.noise, path)))
        allowed = _allowed(noise)
        for side, value in zip(("torch", "jax"), values, strict=True):
            ratio = allowed.ratio(np.abs(value.data - exact.data))
            problem = "" if leaf.ok else (leaf.problem or leaf.reason)
            judged = leaf.ratio if in_range or _finite(left) != _finite(right) else np.nan
            yield Measured(pair, case.name, dtype, side, path, judged, ratio, problem + noise.unread)


def _allowed(noise: Noise) -> Allowance:
    coarse = None if noise.full is None else noise.full()
    both = [noise] if coarse is None else [noise, replace(noise, runs=coarse)]
    largest, spread = max(one.largest for one in both), max(one.spread for one in both)
    return Allowance(noise.factor * largest, noise.factor * spread, "")


def _finite(run: Run) -> bool:
    return all(np.isfinite(value.data).all() for value in _values(run).values())


def _values(run: Run) -> dict:
    return {**run.outputs, **run.gradients}


def main() -> int:
    """Measure, write, and exit with 1 if a correct pair is flagged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=100, help="random programs (default: 100)")
    parser.add_argument("--draws", type=int, default=20, help="inputs of each (default: 20)")
    parser.add_argument("--first", type=int, default=0, help="number of the first program (default: 0)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--out", type=Path, default=Path("notebooks/calibration"), help="without its suffix")
    options = parser.parse_args()
    start, found = time.perf_counter(), []
    numbers = range(options.first, options.first + options.programs)
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        for number, leaves in zip(numbers, pool.map(partial(measure, draws=options.draws), numbers), strict=True):
            found += leaves
            for leaf in _flagged(leaves):
                print(f"flagged: {leaf}", flush=True)
            print(f"program {number}: {leaves[0].name}; {time.perf_counter() - start:.0f} s", flush=True)
            write(found, options.out)  # what an interrupted run has measured stays
    print(options.out.with_suffix(".md").read_text())
    return int(bool(_flagged(found)))


def _flagged(leaves: list[Measured]) -> list[Measured]:
    return [leaf for leaf in leaves if leaf.side == "torch" and leaf.judged > 1]


if __name__ == "__main__":
    sys.exit(main())
