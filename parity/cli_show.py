"""``parity show``: the twins side by side, and the table of a topic's own run."""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from parity.errors import InputError
from parity.topics import implementation, known, source

__all__ = ["show_command"]

_SIDES = ("torch", "jax")
_SIDE_BY_SIDE = 120  # columns; a narrower terminal gets the twins one below the other


def show_command(
    name: Annotated[
        str, typer.Argument(metavar="TOPIC[.NAME]", help="A topic, or one name of it.", show_default=False)
    ],
    run: Annotated[bool, typer.Option("--run", help="Print the table of the topic's own run, both sides.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --run: print the columns as JSON.")] = False,
) -> None:
    """Print the twins of a topic side by side, or of one of its functions.

    Example: [bold]parity show gradient_descent.descend[/bold]
    """
    topic, _, member = name.partition(".")
    files = {side: source(side, topic) for side in _SIDES}
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    if as_json and not run:
        raise InputError("show: --json must come with --run, got --json alone.")
    if run:
        _show_run(console, topic, as_json)
    else:
        _show_source(console, files, member)


def _show_source(console: Console, files: dict[str, Path], member: str) -> None:
    blocks = {side: _blocks(path) for side, path in files.items()}
    if member:
        known("show", member, [name for name in blocks["torch"] if name], f"NAME of {files['torch'].stem}")
    names = [member] if member else list(dict.fromkeys([*blocks["torch"], *blocks["jax"]]))
    for name in names:
        code = [Syntax(blocks[side].get(name, ""), "python", word_wrap=True, theme="ansi_dark") for side in _SIDES]
        titles = [f"{implementation(side)}/{files[side].name}" for side in _SIDES]
        if console.width >= _SIDE_BY_SIDE:
            grid = Table(*titles, box=None, expand=True, show_header=name == names[0], padding=(0, 2, 0, 0))
            for column in grid.columns:
                column.ratio = 1
            grid.add_row(*code)
            console.print(grid)
        else:
            for title, text in zip(titles, code, strict=True):
                console.rule(title, align="left")
                console.print(text)


def _blocks(path: Path) -> dict[str, str]:
    """The source by public name, in order; what stands before the first one is under ""."""
    blocks = _definitions(path)
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        # A topic too long for one file keeps part of itself in a private module and names it here.
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{path.parent.name}._{path.stem}_"):
            part = _definitions(path.parent / f"{(node.module or '').rpartition('.')[2]}.py")
            blocks |= {alias.name: part[alias.name] for alias in node.names}
    return blocks


def _definitions(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    starts: list[tuple[int, str]] = [(0, "")]
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            starts.append((first - 1, node.name))
    ends = [start for start, _ in starts[1:]] + [len(lines)]
    return {name: "\n".join(lines[start:end]).strip("\n") for (start, name), end in zip(starts, ends, strict=True)}


def _show_run(console: Console, topic: str, as_json: bool) -> None:
    columns = {side: _columns(side, topic) for side in _SIDES}
    if as_json:
        plain = {side: {name: _plain(values) for name, values in table.items()} for side, table in columns.items()}
        print(json.dumps(plain, indent=1))
        return
    grid = Table(title=f"{topic}: both runs", box=None, header_style="bold")
    headings = list(columns["torch"])
    grid.add_column(headings[0], justify="right")
    for name in headings[1:]:
        for side in _SIDES:
            grid.add_column(f"{name}\n{side}", justify="right")
    for row in range(len(columns["torch"][headings[0]])):
        values = [_text(columns[side][name][row]) for name in headings[1:] for side in _SIDES]
        grid.add_row(_text(columns["torch"][headings[0]][row]), *values)
    console.print(grid)
    console.print(_agreement(columns["torch"], columns["jax"]), highlight=False)


def _agreement(torch: dict[str, Any], jax: dict[str, Any]) -> str:
    gap = max(float(np.abs(np.subtract(torch[name], jax[name], dtype=np.float64)).max()) for name in torch)
    return "Both runs are equal bit for bit." if gap == 0 else f"The largest gap between both runs is {gap:.2g}."


def _columns(side: str, topic: str) -> dict[str, Any]:
    module = importlib.import_module(f"{implementation(side)}.{topic}")
    if not hasattr(module, "example"):
        raise InputError(f"show: --run must be given a topic with a run of its own, got {topic}, which has none.")
    return module.example()


def _plain(values: Any) -> Any:
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _text(value: Any) -> str:
    plain = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(plain, list):
        return " ".join(_text(item) for item in plain)
    return str(plain) if isinstance(plain, int) else f"{plain:.6g}"
