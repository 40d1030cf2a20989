"""Where the implementations are: whatever is installed under the entry points ``parity.implementations``."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

from parity.errors import InputError

__all__ = ["implementations", "load_topic"]

GROUP = "parity.implementations"


def implementations() -> dict[str, str]:
    """Each implementation's short name and its package, torch before the rest."""
    found = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    return dict(sorted(found.items(), key=lambda item: (item[0] != "torch", item[0])))


def load_topic(function: str, name: str, topic: str) -> ModuleType:
    """Import one topic of one implementation.

    Args:
        function: who complains.
        name: the implementation's short name.
        topic: the module inside its package.

    Raises:
        InputError: if the framework that it is written in is not installed.
    """
    package = implementations()[name]
    try:
        return import_module(f"{package}.{topic}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(package):
            raise
        raise InputError(
            f"{function}: impl must be an installed framework, got {name!r} without {error.name}."
            f" Install it with: pip install 'torch-jax-parity[{name}]'"
        ) from error
