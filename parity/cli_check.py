"""``parity check``: the comparisons that a user's own file declares."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from parity.check import Case
from parity.devices import find_device, on_device
from parity.errors import InputError, MismatchError
from parity.message import first_line
from parity.report import Report
from parity.topics import known

__all__ = ["check_command"]


def check_command(
    file: Annotated[Path, typer.Argument(help="A Python file that declares comparisons.", show_default=False)],
    only: Annotated[str | None, typer.Option(help="Run the comparison of this name alone.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the random cotangent; the declared one by default.")] = None,
    device: Annotated[str, typer.Option(help="Where both sides compute: cpu, cuda, cuda:1.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the reports as a JSON list.")] = False,
) -> None:
    """Run the comparisons that FILE declares at its top level: NAME = parity.case(torch_side, jax_side, inputs).

    Example: [bold]parity check my_port.py --only attention[/bold]
    """
    find_device(device, "check", "--device")
    declared = _declared(file)
    if only is not None:
        known("check", only, declared, "--only")
        declared = {only: declared[only]}
    options = {} if seed is None else {"seed": seed}
    reports, refused = [], []
    for name, case in declared.items():
        try:
            with on_device(device):
                reports.append(_run(file, name, case, options))
        except InputError as error:  # the other comparisons still run
            refused.append(f"{name}: {error}")
            continue
        if not as_json:
            Console(soft_wrap=True).print(str(reports[-1]), markup=False, highlight=False)
    if as_json:
        print(json.dumps([json.loads(report.to_json()) for report in reports], indent=2))
    if refused:
        raise InputError("\n".join(refused))
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


def _run(file: Path, name: str, case: Case | Report, options: dict[str, Any]) -> Report:
    """One comparison, called what the file calls it."""
    report = case.run(**options) if isinstance(case, Case) else case
    rerun = f"parity check {file} --only {name} --seed {report.seed}"
    return replace(report, name=name if isinstance(case, Case) else report.name, rerun=rerun)


def _declared(file: Path) -> dict[str, Case | Report]:
    """The cases and finished reports at the top level of a file, by name.

    Raises:
        InputError: if the file does not exist, does not import, or declares nothing.
    """
    if not file.is_file():
        raise InputError(f"check: FILE must be a Python file, got {file}, which does not exist.")
    try:
        names = vars(_imported(file))
    except MismatchError as error:  # an assert_equivalent at the top level of the file
        return {error.report.name: error.report}
    found = {name: value for name, value in names.items() if isinstance(value, (Case, Report))}
    if not found:
        raise InputError(
            f"check: FILE must declare a comparison at its top level, got none in {file}."
            " Write: name = parity.case(torch_side, jax_side, inputs)"
        )
    return found


def _imported(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise InputError(f"check: FILE must be a Python file, got {file}. Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.absolute().parent))  # the file's neighbours import as they do when it is run
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except (InputError, MismatchError):
        raise
    except (Exception, SystemExit) as error:
        kind = type(error).__name__
        raise InputError(f"check: FILE must import, got {kind} from {file}: {first_line(error)}.") from error
    return module
