"""Both sides trained in lockstep at one dtype: free runs, the ensemble beside them, and the one-step maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.arrays import Value, as_value
from parity.one_step import OneStep
from parity.report import Leaf
from parity.scopes import jax_scope, torch_scope
from parity.spread import RUNS, Drift, Ensemble, Ruler, band, gate
from parity.training_sides import Program, TorchRun, TorchTraining, told
from parity.vjp import JaxSide, Run

__all__ = ["FreeRun", "Track", "Training", "numbers"]


@dataclass(frozen=True)
class FreeRun:
    """What one dtype has shown.

    Attributes:
        drift: how far torch and the ensemble have been from the JAX side's run.
        losses: of torch and JAX, a row a step.
        maps: the leaves of every one-step map, by the number of the step.
        metric: the leaf of the final metric; None if there is none.
    """

    drift: Drift
    losses: np.ndarray
    maps: dict[int, list[Leaf]]
    metric: Leaf | None = None


@dataclass(frozen=True)
class Training:
    """Two sides and what they are trained on.

    Attributes:
        torch: the torch side.
        program: the JAX side's step.
        batches: NumPy arrays, one tree a step.
        sampled: the steps that are mapped.
        metric: of the JAX side's state.
    """

    torch: TorchTraining
    program: Program
    batches: list[Any]
    sampled: frozenset[int]
    metric: Callable[[Any], Any] | None = None
    _side: list[OneStep] = field(default_factory=list)

    def run(self, dtype: str) -> FreeRun:
        """Train at ``dtype``."""
        with torch_scope(dtype), jax_scope(dtype), np.errstate(all="ignore"):  # NaN is judged, not stumbled over
            return self._run(dtype)

    def _run(self, dtype: str) -> FreeRun:
        live, track = TorchRun(self.torch, dtype), Track(self.program, dtype)
        mapping, maps, ended = self._mapping(), {}, None
        for number, batch in enumerate(self.batches):
            before, loss = track.torch, live.step(batch)
            after = live.read(track.jax)
            ended = number if not _finite(after, loss) else None
            if ended is not None and not track.follows(batch):
                break  # both overflow from one state: the run diverged, and there is nothing left to compare
            if number in self.sampled or ended is not None:
                maps[number] = mapping.leaves(number, before, batch, Run({"loss": loss, **after}), dtype)
            track.advance(number, batch, loss, after)
            if ended is not None:
                break
        return FreeRun(track.drift(ended), np.array(track.losses), maps, self._final(dtype, track))

    def _mapping(self) -> OneStep:
        if not self._side:
            self._side.append(OneStep(JaxSide(self.program.step)))
        return self._side[0]

    def _final(self, dtype: str, track: Track) -> Leaf | None:
        """The metric of all final states, by the JAX side's own function."""
        if self.metric is None:
            return None
        theirs = {path: track.jax[path].dtype.type(data) for path, data in track.torch.items()}
        with told("metric", dtype):
            states = [theirs, track.jax, *track.members]
            return band([_number(as_value(self.metric(self.program.tree(state)))) for state in states], dtype)


class Track:
    """Where torch, the JAX side and the ensemble stand, and how far apart they have been."""

    def __init__(self, program: Program, dtype: str) -> None:
        self._program, self._dtype = program, dtype
        self.jax = program.start(dtype)
        self.torch = numbers(self.jax)
        self._ensemble, self._ruler = Ensemble(program, self.jax, dtype), Ruler(self.torch)
        self.losses: list[tuple[float, float]] = []
        self._gaps: list[np.ndarray] = []
        self._spreads: list[np.ndarray] = []

    def follows(self, batch: Any) -> bool:
        """Whether one step of the JAX side from torch's state is finite."""
        state = {path: self.jax[path].dtype.type(data) for path, data in self.torch.items()}
        after, loss = self._program.advance(state, batch, self._dtype)
        return _finite({path: as_value(leaf) for path, leaf in after.items()}, as_value(loss))

    def advance(self, number: int, batch: Any, loss: Value, after: Mapping[str, Value]) -> None:
        """Take the step that torch has taken, to ``after``."""
        self._ensemble.advance(batch, self.torch)
        self.jax, other = self._program.advance(self.jax, batch, self._dtype)
        self.torch = {path: value.data for path, value in after.items()}
        ours = numbers(self.jax)
        self._ruler.grow(self.torch, ours)
        spread, carried = self._ensemble.spread(self._ruler, ours)
        if self._gaps and gate(carried, self._gaps[-1], self._spreads):
            self._ensemble.adopt(number)
            spread = np.maximum(spread, carried)
        self._gaps.append(self._ruler.distance(self.torch, ours))
        self._spreads.append(spread)
        self.losses.append((_number(loss), _number(as_value(other))))

    def drift(self, ended: int | None) -> Drift:
        """What was measured."""
        gaps, spreads = (np.array(rows).reshape(-1, len(self._ruler.shapes)) for rows in (self._gaps, self._spreads))
        return Drift(self._ruler.shapes, gaps, spreads, self._dtype, tuple(self._ensemble.gates), ended)

    @property
    def members(self) -> list[dict[str, Any]]:
        """The states of the ensemble."""
        return [{path: leaf[run] for path, leaf in self._ensemble.states.items()} for run in range(RUNS)]


def numbers(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of a state as NumPy's, floats at float64."""
    return {path: as_value(leaf).data for path, leaf in state.items()}


def _finite(state: Mapping[str, Value], loss: Value) -> bool:
    return all(np.isfinite(value.data).all() for value in (loss, *state.values()))


def _number(value: Value) -> float:
    return float(value.data.reshape(-1)[0])
