"""One-step maps: the JAX side is put where torch stands, and both take the same step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from parity.arrays import rounded
from parity.inputs import Inputs
from parity.leaves import Sides, compare_leaf
from parity.report import Leaf
from parity.simulation import Simulation
from parity.training_sides import told
from parity.vjp import JaxSide, Run

__all__ = ["OneStep", "sampled"]


@dataclass(frozen=True)
class OneStep:
    """The map (state, batch) to (next state, loss) as a function that `parity.compare` could judge.

    Attributes:
        side: the JAX step over flat states; its programs and simulations are compiled once.
    """

    side: JaxSide

    def leaves(self, number: int, before: Mapping[str, Any], batch: Any, after: Run, dtype: str) -> list[Leaf]:
        """Hold torch's step ``number`` against JAX's from the same state.

        Args:
            number: of the step.
            before: torch's state, with which the JAX side starts.
            batch: of this step.
            after: torch's next state and the loss, by path.
            dtype: under test.
        """
        state = {path: _held(data, dtype) for path, data in before.items()}
        inputs = Inputs({"state": state, "batch": batch}, keywords=True)
        with told("jax_side.step", dtype):
            right = self.side.run(inputs, dtype, True)
            truth = right if dtype == "float64" else self.side.run(inputs, "float64", True)
        simulation = Simulation(self.side, inputs, dtype, True, None, truth)
        leaves = []
        for path, left in after.outputs.items():
            name, below = f"output/{path}", dtype != "float64"
            exact = truth.outputs[name] if below else None
            sides = Sides(left, right.outputs[name], exact, simulate=partial(simulation.noise, name))
            leaves.append(compare_leaf("step", f"step {number}/{path}", dtype, sides))
        return leaves


def _held(data: np.ndarray, dtype: str) -> np.ndarray:
    return np.asarray(rounded(data, dtype)) if data.dtype.kind == "f" else data


def sampled(steps: int, maps: int, batches: list[Any]) -> frozenset[int]:
    """Which steps are mapped: evenly spread, the first two and the last, and the first of every shape of batch."""
    even = np.linspace(0, steps - 1, min(maps, steps)).round().astype(int)
    shapes: dict[tuple, int] = {}
    for number, batch in enumerate(batches):
        shapes.setdefault(Inputs({"batch": batch}, True).signature, number)
    return frozenset([*even.tolist(), min(1, steps - 1), *shapes.values()])
