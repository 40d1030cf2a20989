"""What every picture needs: a place that can be written, and a file that appears whole or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from parity.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["check_writable", "save"]


def check_writable(argument: str, path: Path) -> None:
    """Refuse a place that cannot take a file, or a machine that cannot draw one.

    Args:
        argument: how the message names the path, "train: out".
        path: of the file.

    Raises:
        InputError: if the folder is missing or closed, or matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            f"{argument} must be left out, got {str(path)!r} without matplotlib."
            " Install it with: pip install 'torch-jax-parity[study]'"
        ) from error
    try:
        # The one test that holds for every user and file system: to write.
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise InputError(
            f"{argument} must be in a folder that can be written, got {str(path)!r} ({error.strerror})."
        ) from error


def save(figure: Figure, path: Path) -> None:
    """Write a PNG; one that stands there is replaced whole, or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        figure.savefig(unfinished, format="png", dpi=150)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
