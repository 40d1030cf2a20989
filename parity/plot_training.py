"""Gap and spread of a training run over its steps, in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from parity.errors import InputError
from parity.pictures import check_writable, save
from parity.spread import CHAOS, LIMIT, RUNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from parity.training_report import TrainingReport

__all__ = ["draw"]

_GAP, _SPREAD, _CHAOS = "#d1495b", "#1d3557", "#edae49"


def draw(report: TrainingReport, path: Path) -> Path:
    """One panel for each dtype, all on one log axis; where the picture stands.

    Raises:
        InputError: if it cannot be written, or matplotlib is not installed.
    """
    if path.suffix.lower() != ".png":
        raise InputError(f"plot: path must be a .png file, got {str(path)!r}.")
    check_writable("plot: path", path)
    from matplotlib.figure import Figure

    dtypes = list(dict.fromkeys(step.dtype for step in report.steps))
    figure = Figure(figsize=(7, 1.2 + 2.7 * len(dtypes)), layout="constrained")
    panels = figure.subplots(len(dtypes), sharex=True, squeeze=False)[:, 0]
    for axis, dtype in zip(panels, dtypes, strict=True):
        _panel(axis, report, dtype)
    figure.suptitle(f"{report.name}: {'holds' if report.ok else 'differs'}", fontsize=11)
    panels[-1].set_xlabel("step")
    save(figure, path)
    return path


def _panel(axis: Axes, report: TrainingReport, dtype: str) -> None:
    steps = [step for step in report.steps if step.dtype == dtype]
    numbers = np.array([step.number for step in steps])
    gap, spread = (np.array([getattr(step, name) for step in steps]) for name in ("gap", "spread"))
    # An exact 0 has no place on a log axis and is left out.
    name = f"spread of {RUNS} JAX runs one rounding apart"
    axis.semilogy(numbers, _shown(spread), color=_SPREAD, lw=2.4, alpha=0.75, label=name)
    axis.semilogy(numbers, _shown(gap), color=_GAP, lw=1.1, marker=".", ms=3, label="gap between torch and jax")
    _limits(axis, report.chaos[dtype], numbers, spread)
    failing = [step for step in steps if step.one_step is not None and step.one_step > 1]
    if failing:
        heights = _shown(np.array([step.gap for step in failing]))
        axis.plot([step.number for step in failing], heights, "kx", ms=7, label="one-step map fails here")
    axis.set_ylabel(f"{dtype}\nshare of a leaf's size")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, loc="best")


def _limits(axis: Axes, chaos: tuple[int, str] | None, numbers: np.ndarray, spread: np.ndarray) -> None:
    """How far torch may be from JAX, and the step from which on that is not asked."""
    end = chaos[0] if chaos else len(numbers)
    allowed = LIMIT * np.maximum.accumulate(np.nan_to_num(spread[:end], posinf=0.0))
    axis.semilogy(numbers[:end], _shown(allowed), color="gray", ls=":", label=f"{LIMIT:g} x the widest spread")
    if chaos:
        name = f"chaos: spread beyond {CHAOS:g} from step {end} on"
        axis.axvspan(end, numbers[-1], color=_CHAOS, alpha=0.18, label=name)


def _shown(values: np.ndarray) -> np.ndarray:
    return np.where((values > 0) & np.isfinite(values), values, np.nan)
