"""A training run for the eye: one table, and one picture of both losses and the gap between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from parity.digits import LAYERS
from parity.pictures import save
from parity.spread import LIMIT, RUNS
from parity.tolerance import FACTOR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

    from parity.train import TrainingRun

__all__ = ["table", "summary", "draw"]

# A small marker on a large one, and a dashed line on a full one: equal curves both stay visible.
STYLES = (
    {"color": "#d1495b", "linestyle": "-", "linewidth": 3, "marker": "o", "markersize": 8},
    {"color": "#1d3557", "linestyle": "--", "linewidth": 1.2, "marker": "s", "markersize": 3},
)


def table(run: TrainingRun) -> Table:
    """One row an epoch: every side's loss and test accuracy, the gap between the losses and the spread beside it."""
    from rich.table import Table

    gap = run.gap
    shown = Table(title=_title(run))
    shown.add_column("epoch", justify="right")
    for heading in ("loss", "accuracy"):
        for name in run.histories:
            shown.add_column(f"{heading} {name}", justify="right")
    if gap is not None:
        shown.add_column("gap", justify="right")
    if run.spread is not None:
        shown.add_column("spread", justify="right")
    for index in range(run.settings.epochs):
        losses = [f"{history.loss[index]:.6f}" for history in run.histories.values()]
        accuracies = [f"{history.accuracy[index]:.4f}" for history in run.histories.values()]
        gaps = [f"{column[index]:.2e}" for column in (gap, run.spread) if column is not None]
        shown.add_row(str(index + 1), *losses, *accuracies, *gaps)
    return shown


def summary(run: TrainingRun) -> str:
    """What the table says, in a sentence or two."""
    accuracies = ", ".join(f"{name} {history.accuracy[-1]:.4f}" for name, history in run.histories.items())
    lines = [f"Test accuracy on {run.examples[1]} held-back images: {accuracies}."]
    if (gap := run.gap) is not None:
        lines.append(f"Largest gap between the losses: {gap.max():.2e}, in epoch {gap.argmax() + 1}.")
    if run.spread is not None and run.beyond is not None:
        lines.append(
            f"Spread: {RUNS} JAX runs that start one rounding off come up to {run.spread[-1]:.2e} apart from it."
        )
        epochs = ", ".join(map(str, run.beyond))
        rule = f"{LIMIT:g} times the spread so far, or {FACTOR:g} float32 roundings of the loss"
        lines.append(f"In epoch {epochs} the gap is more than {rule}." if epochs else f"Every gap is within {rule}.")
    if run.picture:
        lines.append(f"Curves: {run.picture}")
    return "\n".join(lines)


def _title(run: TrainingRun) -> str:
    """What was trained, how, and by which versions."""
    settings = run.settings
    layers = "-".join(str(size) for size in LAYERS)
    sides = ", ".join(f"{name} {run.versions.get(name, '')}".strip() for name in run.histories)
    adam = f"Adam {settings.learning_rate:g}, batches of {settings.batch_size}, seed {settings.seed}"
    return f"{settings.data}, {layers}, {adam}\n{sides}"


def draw(run: TrainingRun, path: Path) -> None:
    """Draw both losses above and, where there are two, the gap below on a log axis; the file appears whole or not."""
    from matplotlib.figure import Figure

    gap = run.gap
    epochs = np.arange(1, run.settings.epochs + 1)
    figure = Figure(figsize=(7, 6 if gap is not None else 4), layout="constrained")
    axes = figure.subplots(1 if gap is None else 2, sharex=True, squeeze=False)[:, 0]
    axes[0].set_title(_title(run), fontsize=10)
    for style, (name, history) in zip(STYLES * len(run.histories), run.histories.items(), strict=False):
        axes[0].plot(epochs, history.loss, label=f"{name}, test accuracy {history.accuracy[-1]:.4f}", **style)
    axes[0].set_ylabel("mean training loss (nats)")
    if gap is not None:
        _draw_gap(axes[1], run, epochs, gap)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend()
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    save(figure, path)


def _draw_gap(axis: Axes, run: TrainingRun, epochs: np.ndarray, gap: np.ndarray) -> None:
    """The gap beside how far the run drifts from itself, and what float32 can resolve at all."""
    loss = np.mean([history.loss for history in run.histories.values()], axis=0)
    # A gap of exactly 0 has no place on a log axis and is left out.
    axis.semilogy(epochs, np.where(gap > 0, gap, np.nan), color="#2a9d8f", marker="o", label="gap between the losses")
    if run.spread is not None:
        axis.semilogy(epochs, run.spread, color="#e9c46a", label=f"spread of {RUNS} JAX runs one rounding apart")
    axis.semilogy(epochs, loss * 2.0**-24, color="gray", linestyle=":", label="float32 rounding of one loss")
    axis.set_ylabel("gap (nats)")
