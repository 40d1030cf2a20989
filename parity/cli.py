"""The command line: ``parity run``, ``show``, ``check``, ``convert``, ``train`` and ``report``.

Exit codes: 0 all hold, 1 something differs, 2 wrong usage, with one sentence that says what to do.
"""

from __future__ import annotations

import sys

import typer

from parity.cli_check import check_command
from parity.cli_convert import convert_command
from parity.cli_run import report_command, run_command
from parity.cli_show import show_command
from parity.cli_train import train_command
from parity.errors import InputError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Does the port to JAX compute what the PyTorch original computes?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run_command)
app.command("show")(show_command)
app.command("check")(check_command)
app.command("convert")(convert_command)
app.command("train")(train_command)
app.command("report")(report_command)


def main() -> None:
    """Run the command line; bad input is one sentence on standard error and exit code 2."""
    try:
        app()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
