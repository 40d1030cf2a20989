"""What a comparison of two training loops found: the leaves of a report, and a row for every step."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from parity import message, training_message
from parity.report import Leaf, Report
from parity.spread import LIMIT, Drift

if TYPE_CHECKING:
    from parity.free_run import FreeRun

__all__ = ["Step", "TrainingReport"]


@dataclass(frozen=True)
class Step:
    """One step of both free runs.

    Attributes:
        number: of the batch, from 0.
        dtype: of the run.
        losses: of torch and of JAX, before the step.
        gap: how far apart the states are after it, in the leaf where that is most, as a share of the leaf's size.
        spread: the same of the JAX runs that started one rounding apart.
        ratio: the worst leaf's gap over its widest spread so far, up to 4 allowed; None where no leaf is asserted.
        one_step: the worst error over allowance of the one-step map; None where none was made.
    """

    number: int
    dtype: str
    losses: tuple[float, float]
    gap: float
    spread: float
    ratio: float | None
    one_step: float | None


@dataclass(frozen=True)
class TrainingReport(Report):
    """One comparison of two training loops.

    Among ``leaves`` are those of every one-step map ("step", "step 7/state/w"), one for each leaf of the state end to
    end ("trajectory", "state/w", at the step where it is worst) and the final metric.

    Attributes:
        steps: the rows of the table, all of one dtype, then all of the next.
        chaos: by dtype, the first step whose states are not asserted, and the leaf that forbids it; None without one.
        asserted: by dtype, how many leaves are asserted at the end, and of how many.
    """

    steps: tuple[Step, ...] = ()
    chaos: dict[str, tuple[int, str] | None] = field(default_factory=dict)
    asserted: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, runs: dict[str, FreeRun], versions: dict[str, str], rerun: str) -> TrainingReport:
        """Condense what was seen at every dtype."""
        leaves: list[Leaf] = []
        for run in runs.values():
            leaves += [leaf for step in run.maps.values() for leaf in step]
            leaves += _end_to_end(run.drift)
            leaves += [run.metric] if run.metric else []
        drifts = {dtype: run.drift for dtype, run in runs.items()}
        return cls(
            name=name,
            leaves=tuple(leaves),
            seed=0,
            versions=versions,
            rerun=rerun,
            notes=tuple(note for drift in drifts.values() for note in training_message.notes(drift)),
            steps=tuple(step for dtype, run in runs.items() for step in _rows(dtype, run)),
            chaos={dtype: drift.chaos for dtype, drift in drifts.items()},
            asserted={dtype: (int(drift.asserted[-1].sum()), len(drift.paths)) for dtype, drift in drifts.items()},
        )

    def of_kind(self, quantity: str, dtype: str | None = None) -> tuple[Leaf, ...]:
        """The leaves of one quantity: "step", "trajectory" or "metric"."""
        return tuple(x for x in self.leaves if x.quantity == quantity and dtype in (None, x.dtype))

    def plot(self, path: str | Path) -> Path:
        """Draw gap and spread over the steps into a PNG.

        Raises:
            InputError: if it cannot be written, or matplotlib is not installed.
        """
        from parity.plot_training import draw

        return draw(self, Path(path))

    def to_json(self) -> str:
        """The whole report as a JSON object: that of `Report`, and ``steps``, ``chaos``, ``asserted``."""
        document = json.loads(super().to_json())
        more = {"steps": [asdict(step) for step in self.steps], "chaos": self.chaos, "asserted": self.asserted}
        return json.dumps(document | message.jsonable(more), indent=2, allow_nan=False)

    def __str__(self) -> str:
        return training_message.text(self)

    def _repr_html_(self) -> str:
        return training_message.page(self)


def _rows(dtype: str, run: FreeRun) -> list[Step]:
    gaps, spreads = run.drift.curves()
    ratios, asked = run.drift.ratios.max(axis=1), np.asarray(run.drift.asserted.any(axis=1))
    return [
        Step(
            number,
            dtype,
            (float(losses[0]), float(losses[1])),
            float(gaps[number]),
            float(spreads[number]),
            float(ratios[number]) if asked[number] else None,
            max(leaf.ratio for leaf in run.maps[number]) if number in run.maps else None,
        )
        for number, losses in enumerate(run.losses)
    ]


def _end_to_end(drift: Drift) -> list[Leaf]:
    """One leaf of the report for each of the state, at the step where torch strays farthest from the spread."""
    leaves = []
    for place, path in enumerate(drift.paths):
        if not drift.asserted[:, place].any():
            continue
        step = int(drift.ratios[:, place].argmax())
        gap, widest = float(drift.gaps[step, place]), float(drift.widest[step, place])
        ratio = gap / (LIMIT * widest)
        facts: dict[str, Any] = {"shape": drift.shapes[path], "size": int(np.prod(drift.shapes[path]))}
        problem = training_message.strayed(drift, step, place) if ratio > 1 else ""
        reason = f"of the leaf's size, {LIMIT:g} x the widest spread so far"
        leaves.append(
            Leaf(
                "trajectory",
                path,
                drift.dtype,
                error=gap,
                ratio=ratio,
                limit=LIMIT * widest,
                reason=reason,
                problem=problem,
                **facts,
            )
        )
    return leaves
