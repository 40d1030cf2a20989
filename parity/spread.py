"""How far a training run drifts from itself when it starts one rounding elsewhere.

A trained state amplifies rounding by a factor that belongs to the run, not to the port: nothing at a sane learning
rate, e^0.25 a step beyond it. Eight runs of the JAX side, started one rounding apart, measure that factor without a
formula, and torch may stay as far from the JAX side's own run as 4 times the widest they have been.

Distances are root mean squares, as shares of the leaf's own. Once the runs are 1e-2 apart, the leaf is where chaos has
put it, and its place says nothing any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.arrays import ROUNDOFF, as_value, rounded
from parity.report import Leaf, Place
from parity.tolerance import FACTOR, rms

if TYPE_CHECKING:
    from parity.training_sides import Program

__all__ = ["CHAOS", "LIMIT", "RUNS", "Drift", "Ensemble", "Ruler", "band", "gate", "moved", "parts_of"]

RUNS = 8
LIMIT = 4.0  # times the widest spread so far
CHAOS = 1e-2  # of a leaf's size: beyond, nothing is asserted of it
_LEAST = 8.0  # roundings: those of one update, a dozen operations in Adam, which all JAX runs make alike
_ALONE = 100.0  # times wider than half of the state: the leaf is noise, as where a gradient cancels, and no chaos


class Ensemble:
    """Runs of the JAX side, started one rounding apart; they stand along a leading axis of every array.

    A relu whose input is within rounding of 0 opens on one side alone, and the runs part at once, some hundred times
    wider than before; eight runs may all be on the other side of such a gate. So torch's own state goes one step with
    the ensemble. Where that step of the JAX side carries it away from the JAX run by more than 4 times what either has
    been apart, rounding decided, and the run of the JAX side from there on is one more of the ensemble.
    """

    def __init__(self, program: Program, start: Mapping[str, Any], dtype: str) -> None:
        self._program, self._dtype = program, dtype
        self._generator = np.random.default_rng(0)
        self._unmoved = {path for path, leaf in start.items() if not np.any(np.asarray(leaf))}
        stack = {path: np.stack([np.asarray(leaf)] * (RUNS + 2)) for path, leaf in start.items()}
        self.states = self._moved(stack, start)
        self.gates: list[int] = []

    def advance(self, batch: Any, torch: Mapping[str, np.ndarray]) -> None:
        """Every run goes one step, torch's state too. What was zero at the start, a moment say, is moved once."""
        import jax.numpy as jnp

        held = {path: jnp.asarray(leaf).at[-1].set(torch[path]) for path, leaf in self.states.items()}
        self.states = self._program.advance_all(held, batch, self._dtype)
        if self._unmoved:
            self.states = self._moved(self.states, self._unmoved)
            self._unmoved = set()

    def spread(self, ruler: Ruler, ours: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """How far the farthest run is from the JAX side's own, and how far torch's state was carried, leaf by leaf."""
        states = {path: as_value(leaf).data for path, leaf in self.states.items()}
        runs = RUNS + bool(self.gates)
        members = {path: leaf[:runs] for path, leaf in states.items()}
        return ruler.distance(members, ours), ruler.distance({path: leaf[-1] for path, leaf in states.items()}, ours)

    def adopt(self, number: int) -> None:
        """Make torch's state, after the step ``number`` of the JAX side, the start of one more run."""
        self.gates.append(number)
        self.states = {path: leaf.at[-2].set(leaf[-1]) for path, leaf in self.states.items()}

    def _moved(self, states: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
        import jax.numpy as jnp

        for path in paths:
            if jnp.issubdtype(states[path].dtype, jnp.floating):
                near = moved(as_value(states[path]).data, self._dtype, self._generator)
                states[path] = jnp.asarray(near, states[path].dtype)
        return states


def moved(data: np.ndarray, dtype: str, generator: np.random.Generator) -> np.ndarray:
    """Every number one unit in its last place up, as much down, or where it is."""
    _, exponent = np.frexp(data)
    unit = np.ldexp(ROUNDOFF[dtype], exponent)
    return rounded(data + np.where(data == 0, 0, unit) * generator.integers(-1, 2, data.shape), dtype)


@dataclass(frozen=True)
class Drift:
    """Distances of every float leaf at every step, as shares of its size, the largest it has had so far.

    Attributes:
        shapes: of the leaves, by path.
        gaps: of torch from the JAX side's run, a row a step.
        spreads: of the ensemble's farthest run from the same.
        dtype: of the runs.
        gates: the steps at which rounding decided, so that the JAX run from torch's state joined the ensemble.
        ended: the step whose results were no longer finite, where the run was ended; None for a whole run.
    """

    shapes: dict[str, tuple[int, ...]]
    gaps: np.ndarray
    spreads: np.ndarray
    dtype: str
    gates: tuple[int, ...] = ()
    ended: int | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """Of the leaves, in the order of the columns."""
        return tuple(self.shapes)

    @cached_property
    def noise(self) -> np.ndarray:
        """Which leaves are rounding alone: beyond any assertion while half of the state is a hundred times closer."""
        passed = self.spreads > CHAOS
        first = passed.argmax(axis=0)
        middle = np.sort(self.spreads, axis=1)[first, (len(self.paths) - 1) // 2]
        return passed.any(axis=0) & (self.spreads[first, np.arange(len(first))] > _ALONE * middle)

    @cached_property
    def widest(self) -> np.ndarray:
        """The spread so far of the part of the state to which a leaf belongs, the roundings of one update at least.

        A part is what has the parameters' names: the parameters, the first moments, the second. A small leaf, a bias of
        ten numbers, says little by itself about how far rounding carries.
        """
        spreads = np.where(self.noise, 0.0, self.spreads)
        parts = np.array(parts_of(self.paths))
        for part in set(parts):
            spreads[:, parts == part] = spreads[:, parts == part].max(axis=1, keepdims=True)
        return np.maximum.accumulate(np.maximum(spreads, _LEAST * ROUNDOFF[self.dtype]), axis=0)

    @cached_property
    def asserted(self) -> np.ndarray:
        """Where a gap is held against the spread."""
        return (self.widest <= CHAOS) & ~self.noise

    @cached_property
    def ratios(self) -> np.ndarray:
        """Gap over spread; 0 where nothing is asserted."""
        return np.where(self.asserted, self.gaps / self.widest, 0.0)

    @property
    def chaos(self) -> tuple[int, str] | None:
        """The first step at which a leaf is no longer asserted, and the leaf; None if there is none."""
        lost = ~self.asserted & ~self.noise
        if not lost.any():
            return None
        step = int(lost.any(axis=1).argmax())
        return step, self.paths[int(np.where(lost[step], self.spreads[step], -1.0).argmax())]

    def curves(self) -> tuple[np.ndarray, np.ndarray]:
        """Gap and spread of the leaf that is farthest off, a value a step; leaves of mere noise are left out."""
        kept = ~self.noise
        return self.gaps[:, kept].max(axis=1, initial=0.0), self.spreads[:, kept].max(axis=1, initial=0.0)


def parts_of(paths: tuple[str, ...]) -> list[str]:
    """The part of the state that each path belongs to: what stands before a name which another part has too.

    "state/params/w" and "state/mu/w" belong to "state/params" and "state/mu"; names that occur once, to "state".
    """
    splits = [[(path[:at], path[at:]) for at, c in enumerate(path) if c == "/"] for path in paths]
    counts = Counter(name for split in splits for _, name in split)
    return [next((before for before, name in split if counts[name] > 1), "state") for split in splits]


def gate(carried: np.ndarray, gap: np.ndarray, spreads: list[np.ndarray]) -> bool:
    """Whether one step carried torch's state farther than the end-to-end limit, from well within it."""
    widest = np.maximum(np.max(spreads, axis=0), gap)
    within = gap.max(initial=0.0) <= LIMIT * np.max(spreads)
    return bool(within and carried.max(initial=0.0) > LIMIT * widest.max(initial=0.0))


class Ruler:
    """Distances of one state from another, leaf by leaf, in units that only grow."""

    def __init__(self, state: Mapping[str, np.ndarray]) -> None:
        self.shapes = {path: leaf.shape for path, leaf in state.items() if leaf.dtype.kind == "f"}
        self._parts = np.array(parts_of(tuple(self.shapes)))
        self._counts = np.array([np.prod(shape) for shape in self.shapes.values()])
        self._size = np.zeros(len(self.shapes))
        self.grow(state)

    def grow(self, *states: Mapping[str, np.ndarray]) -> None:
        """Let the units be the largest root mean squares so far, of a leaf or of the part of the state it belongs to.

        What decays to zero keeps the size it had; a bias near zero has the size of the weights beside it, by which
        every step moves it.
        """
        for state in states:
            squares = np.array([rms(np.abs(state[path])) ** 2 for path in self.shapes])
            for part in set(self._parts):
                mine = self._parts == part
                whole = np.average(squares[mine], weights=self._counts[mine])
                size = np.sqrt(np.maximum(squares[mine], whole))
                self._size[mine] = np.maximum(self._size[mine], np.where(np.isfinite(size), size, 0.0))

    def distance(self, left: Mapping[str, np.ndarray], right: Mapping[str, np.ndarray]) -> np.ndarray:
        """The root mean square of the difference over that of the leaf; of the farthest run, where there are several.

        Not the largest difference: a gate that opens for one example moves a few elements by 1e-2, and the rest by
        nothing; the largest would give up on a whole layer for them.
        """
        apart = np.array([_apart(left[path], right[path]) for path in self.shapes])
        return np.divide(apart, self._size, out=np.where(apart == 0, 0.0, np.inf), where=self._size > 0)


@np.errstate(invalid="ignore", over="ignore")
def _apart(left: np.ndarray, right: np.ndarray) -> float:
    runs = left.reshape(-1, *right.shape)
    same = (runs == right) | (np.isnan(runs) & np.isnan(right))
    error = np.where(same, 0.0, np.nan_to_num(np.abs(runs - right), nan=np.inf))
    return max(rms(run) for run in error)


def band(values: list[float], dtype: str) -> Leaf:
    """The final metric as torch and JAX have it, first two of ``values``, and the ensemble's, which make the band."""
    torch, jax, *others = values
    widest = max(abs(value - jax) for value in others)
    floor = FACTOR * ROUNDOFF[dtype] * abs(jax)
    limit, error = max(LIMIT * widest, floor), abs(torch - jax)
    reason = f"{LIMIT:g} x the largest distance of {len(others)} JAX runs started one rounding apart"
    ratio = 0.0 if error == 0 else error / limit if limit else np.inf
    facts = {"shape": (), "size": 1, "mismatched": int(ratio > 1), "absolute": Place((), torch, jax, None, error)}
    if np.isnan(error):  # equal where both are NaN
        facts["problem"] = "" if np.isnan(torch) and np.isnan(jax) else "not finite on one side only"
        ratio = np.inf if facts["problem"] else 0.0
    reason = reason if limit > floor else f"{FACTOR:g} roundings of the metric; more than {reason}"
    return Leaf("metric", "metric", dtype, error=error, ratio=float(ratio), limit=limit, reason=reason, **facts)
