"""``parity run`` and ``parity report``: the proofs, with a progress bar, in one table."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from parity.devices import find_device
from parity.errors import InputError
from parity.page import json_text, write_html
from parity.proofs import Outcome, run_proofs
from parity.summary import cells, closing_line, columns, rows
from parity.topics import proofs

__all__ = ["report_command", "run_command"]

_WORKERS = min(2, os.cpu_count() or 1)  # more rarely helps: most of the time is one compilation after another

Topics = Annotated[list[str] | None, typer.Argument(metavar="[TOPIC]...", help="Topics to prove; all without one.")]
Suite = Annotated[Path, typer.Option(help="Folder of test_TOPIC.py files.")]
Workers = Annotated[int, typer.Option(help="Processes; 0 runs in this one.", min=0)]
Device = Annotated[str, typer.Option(help="Where both sides compute: cpu, cuda, cuda:1.")]


def run_command(
    topics: Topics = None,
    suite: Suite = Path("parity_tests"),
    workers: Workers = _WORKERS,
    device: Device = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the table and every comparison as JSON.")] = False,
) -> None:
    """Run the proofs and print the worst error over its allowance: topic x quantity x dtype.

    Example: [bold]parity run linear activations[/bold]
    """
    outcome = _proved("run", suite, topics, workers, device)
    if as_json:
        sys.stdout.write(json_text(outcome.records))
    else:
        _print_table(Console(), outcome)
    _finish(outcome)


def report_command(
    topics: Topics = None,
    out: Annotated[Path, typer.Option(help="The HTML page to write.")] = Path("parity.html"),
    suite: Suite = Path("parity_tests"),
    workers: Workers = _WORKERS,
    device: Device = "cpu",
) -> None:
    """Run the proofs and write one HTML page with every comparison.

    Example: [bold]parity report --out parity.html[/bold]
    """
    if not out.absolute().parent.is_dir():
        raise InputError(f"report: --out must be in a folder that exists, got {out}.")
    outcome = _proved("report", suite, topics, workers, device)
    write_html(out, outcome.records)
    Console().print(f"{closing_line(outcome.records)}\nWritten to {out}", highlight=False, soft_wrap=True)
    _finish(outcome)


def _proved(command: str, suite: Path, topics: list[str] | None, workers: int, device: str) -> Outcome:
    files = proofs(command, suite, topics or [])
    if device != "cpu":
        os.environ.setdefault("JAX_PLATFORMS", "")  # every platform, before the suite may ask for the CPU alone
    find_device(device, command, "--device")
    return run_proofs(command, files, workers, device)


def _print_table(console: Console, outcome: Outcome) -> None:
    """The table, and below it what went wrong."""
    table = rows(outcome.records)
    headings = columns(table)
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for position, name in enumerate(headings):
        grid.add_column(name, justify="left" if position < 2 else "right")
    for row in table:
        grid.add_row(*cells(row, headings), style="red" if row.differing else None)
    console.print(grid)
    for test, text in outcome.failures.items():
        console.print(f"\n[bold red]{test}[/bold red]", highlight=False)
        console.print(text, markup=False, highlight=False)
    console.print(closing_line(outcome.records), highlight=False, soft_wrap=True)
    console.print(f"{outcome.passed} tests passed, {len(outcome.failures)} failed, {outcome.skipped} skipped.")


def _finish(outcome: Outcome) -> None:
    if outcome.failures or not all(record.ok for record in outcome.records):
        raise typer.Exit(1)
