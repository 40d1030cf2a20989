"""The pytest plugin: the fixture ``parity``, a closing table, ``--parity-json`` and ``-html``, ``--parity-device``.

It works in any suite: install the package, ask for the fixture. A comparison's topic is its test file's name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parity.check import assert_equivalent
from parity.compare import compare
from parity.devices import find_device, on_device
from parity.errors import InputError, MismatchError
from parity.modules import compare_modules
from parity.page import write_html, write_json
from parity.report import Report
from parity.summary import Record, cells, closing_line, columns, rows
from parity.topics import topic_of
from parity.training_report import TrainingReport
from parity.trajectory import compare_training

__all__ = ["Recorder", "parity"]

_PROPERTY = "parity"
_RECORDS = pytest.StashKey[list[Record]]()


class Recorder:
    """`parity.compare` and its relatives, each comparison entered in the session's table."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def compare(
        self, torch_fn: Callable, jax_fn: Callable, inputs: Any, *, record: bool = True, **options: Any
    ) -> Report:
        """`parity.compare`; ``record=False`` leaves it out of the table, as a divergence that is asserted should be."""
        return self._entered(compare(torch_fn, jax_fn, inputs, **options), record)

    def compare_modules(
        self, torch_module: Any, linen_module: Any, inputs: Any, *, record: bool = True, **options: Any
    ) -> Report:
        """`parity.compare_modules`; ``record=False`` leaves it out of the table."""
        return self._entered(compare_modules(torch_module, linen_module, inputs, **options), record)

    def compare_training(
        self, torch_side: Any, jax_side: Any, batches: Any, *, record: bool = True, **options: Any
    ) -> TrainingReport:
        """`parity.compare_training`; ``record=False`` leaves it out of the table."""
        report = compare_training(torch_side, jax_side, batches, **options)
        self._entered(report, record)
        return report

    def assert_equivalent(self, torch_side: Any, jax_side: Any, inputs: Any, **options: Any) -> Report:
        """`parity.assert_equivalent`, entered in the table whether or not it holds."""
        __tracebackhide__ = True
        try:
            return self._entered(assert_equivalent(torch_side, jax_side, inputs, **options), True)
        except MismatchError as error:
            self._entered(error.report, True)
            raise

    def _entered(self, report: Report, record: bool) -> Report:
        if record:
            entry = Record.of(report, topic_of(self._item.path), self._item.nodeid)
            self._item.user_properties.append((_PROPERTY, vars(entry)))  # plain values: xdist carries them home
        return report


@pytest.fixture
def parity(request: pytest.FixtureRequest) -> Recorder:
    """Compare torch with JAX; every comparison is entered in the session's closing table."""
    return Recorder(request.node)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity", "PyTorch against JAX")
    group.addoption("--parity-json", metavar="FILE", type=Path, help="write every parity comparison as JSON")
    group.addoption("--parity-html", metavar="FILE", type=Path, help="write the parity table as an HTML page")
    group.addoption("--parity-device", metavar="NAME", default="cpu", help="where to compare: cuda, cuda:1")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    if early_config.known_args_namespace.parity_device != "cpu":
        os.environ.setdefault("JAX_PLATFORMS", "")  # every platform, before a conftest may ask for the CPU alone


def pytest_configure(config: pytest.Config) -> None:
    for option in ("--parity-json", "--parity-html"):
        path = config.getoption(option)
        if path is not None and not path.absolute().parent.is_dir():
            raise pytest.UsageError(f"{option}: FILE must be in a folder that exists, got {path}.")
    try:
        find_device(_device(config), "pytest", "--parity-device")
    except InputError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[_RECORDS] = []
    if not hasattr(config, "workerinput"):  # xdist's workers report to the main process, which keeps the records
        config.pluginmanager.register(_Collector(config), "parity-collector")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with on_device(_device(item.config)):
        return (yield)


def _device(config: pytest.Config) -> str:
    return str(config.getoption("--parity-device"))


class _Collector:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            plain = [value for key, value in report.user_properties if key == _PROPERTY]
            self._config.stash[_RECORDS] += [Record.from_plain(value) for value in plain]  # type: ignore[arg-type]

    def pytest_sessionfinish(self) -> None:
        records = self._config.stash[_RECORDS]
        for option, write in (("--parity-json", write_json), ("--parity-html", write_html)):
            path = self._config.getoption(option)
            if path is not None:
                write(path, records)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    records = config.stash[_RECORDS]
    if not records:
        return
    table = rows(records)
    headings = columns(table)
    lines = [headings, *(cells(row, headings) for row in table)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    terminalreporter.section("parity: PyTorch against JAX")
    for line, row in zip(lines, [None, *table], strict=True):
        text = "  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        terminalreporter.write_line(text, red=bool(row and row.differing), bold=row is None)
    terminalreporter.write_line(closing_line(records))
