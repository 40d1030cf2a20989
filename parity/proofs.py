"""Run a suite's proofs under pytest, quietly, with a progress bar on standard error."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.summary import Record
from parity.topics import topic_of

__all__ = ["Outcome", "run_proofs"]


@dataclass
class Outcome:
    """What the tests found.

    Attributes:
        records: of every comparison.
        failures: what each failed test says, by its id.
        passed: how many tests passed.
        skipped: how many were skipped.
    """

    records: list[Record] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    passed: int = 0
    skipped: int = 0


def run_proofs(command: str, files: list[Path], workers: int, device: str = "cpu") -> Outcome:
    """Run the test files but those marked slow; those marked gpu run where ``device`` is not the CPU.

    Raises:
        InputError: if pytest is missing, or a file cannot be collected.
    """
    try:
        import pytest
    except ModuleNotFoundError as error:
        raise InputError(
            f"{command}: pytest must be installed, got none. pip install 'torch-jax-parity[dev]'"
        ) from error
    marked = "not slow and not gpu" if device == "cpu" else "not slow"
    arguments = [*map(str, files), "--capture=no", "-p", "no:cacheprovider", "-m", marked, "--parity-device", device]
    if workers > 1 and importlib.util.find_spec("xdist"):
        arguments += ["-n", str(workers)]
    # pytest's own report goes nowhere: the table is the report, and the bar has standard error.
    with _progress() as watcher, redirect_stdout(io.StringIO()):
        code = pytest.main(arguments, plugins=[watcher])
    if watcher.broken:
        raise InputError(f"{command}: every test file must import, got {watcher.broken}.")
    if code not in (0, 1):
        raise InputError(f"{command}: pytest must run the suite, got its exit code {int(code)} for {files[0].parent}.")
    return watcher.outcome


@contextmanager
def _progress() -> Iterator[_Watcher]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    parts = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*parts, console=Console(stderr=True), transient=True) as bar:
        yield _Watcher(bar, bar.add_task("collecting", total=None))


class _Watcher:
    """A pytest plugin that moves the bar and keeps what the tests report."""

    def __init__(self, bar: Any, task: Any) -> None:
        self.outcome = Outcome()
        self.broken = ""
        self._bar, self._task = bar, task

    def pytest_collection_finish(self, session: Any) -> None:
        self._bar.update(self._task, total=len(session.items) or None, description="compiling")

    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        self._bar.update(self._task, total=len(ids), description="compiling")

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.broken:
            self.broken = f"{report.nodeid}: {str(report.longrepr).strip().splitlines()[-1].removeprefix('E').strip()}"

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.outcome.failures[report.nodeid] = _text(report)
        if report.when == "call":
            self._bar.update(self._task, advance=1, description=topic_of(Path(report.nodeid.partition("::")[0])))
            self.outcome.passed += report.passed
            plain = [value for key, value in report.user_properties if key == "parity"]
            self.outcome.records += [Record.from_plain(value) for value in plain]
        if report.skipped:
            self.outcome.skipped += 1
            self._bar.update(self._task, advance=report.when == "setup")


def _text(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message if crash is not None else str(report.longrepr)
