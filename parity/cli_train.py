"""``parity train``: the main job, from the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from parity.train import TrainSettings, train

__all__ = ["train_command"]


def train_command(
    data: Annotated[str, typer.Option(help="The data set: digits, 1,797 real images.")] = "digits",
    impl: Annotated[str, typer.Option(help="Who trains: both, torch or jax.")] = "both",
    epochs: Annotated[int, typer.Option(help="How often each image is seen.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights and of the batches.")] = 0,
    out: Annotated[Path, typer.Option(help="The PNG of the curves, or a folder for it.")] = Path("train-digits.png"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Train a digits classifier in PyTorch and in JAX from the same start; show both losses and the gap between them.

    Both sides get the same initial weights and the same batches, drawn once in NumPy. Test images are held back.

    Example: [bold]parity train --data digits --impl both --epochs 20 --seed 1 --out curves.png[/bold]
    """
    from rich.console import Console

    from parity.curves import summary, table

    # The net is too small for a second thread, and torch's sums change with the number. Read when torch is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    settings = TrainSettings(data, impl, epochs, seed)
    with _progress_bar(epochs) as advance:
        run = train(settings, out=out, progress=advance)
    if as_json:
        typer.echo(run.to_json())
    else:
        console = Console()
        console.print(table(run))
        console.print(summary(run), highlight=False, soft_wrap=True)


@contextmanager
def _progress_bar(epochs: int) -> Iterator:
    """A bar for each side, on stderr, so that stdout is the result alone."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, TextColumn("{task.fields[now]}"), console=Console(stderr=True)) as progress:
        tasks = {}

        def advance(side: str, loss: float, accuracy: float) -> None:
            if side not in tasks:
                tasks[side] = progress.add_task(side, total=epochs, now="")
            progress.update(tasks[side], advance=1, now=f"loss {loss:.4f}, accuracy {accuracy:.4f}")

        yield advance
