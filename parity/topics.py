"""Where the twins and their proofs are: found, never named, so that anyone can register a pair of trees.

A pair registers its packages under the entry-point group ``parity.implementations``, as ``torch`` and ``jax``.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from parity.errors import InputError

__all__ = ["implementation", "known", "proofs", "reading_order", "source", "topic_of", "topics"]

_GROUP = "parity.implementations"


def implementation(side: str) -> str:
    """The package that is registered for "torch" or "jax".

    Raises:
        InputError: if none is.
    """
    for entry in importlib.metadata.entry_points(group=_GROUP):
        if entry.name == side:
            return entry.value
    raise InputError(
        f"parity: a {side} implementation must be registered as an entry point of {_GROUP}, got none."
        " Install the project: pip install -e ."
    )


def _folder(side: str) -> Path:
    package = importlib.util.find_spec(implementation(side))
    if package is None or not package.submodule_search_locations:
        raise InputError(f"parity: {implementation(side)} must be an installed package, got none.")
    return Path(package.submodule_search_locations[0])


def topics(side: str) -> list[str]:
    """The topics of a tree: its public modules; no framework is loaded."""
    return sorted(path.stem for path in _folder(side).glob("[!_]*.py"))


def reading_order(names: Iterable[str]) -> list[str]:
    """Topics in the order in which the registered tree lists them; others after them, by name."""
    try:
        listed = getattr(importlib.import_module(implementation("torch")), "__all__", [])
    except (InputError, ImportError):  # a suite of one's own needs no registered pair
        listed = []
    order = {name: place for place, name in enumerate(listed)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def source(side: str, topic: str) -> Path:
    """The file of a topic.

    Raises:
        InputError: if the topic does not exist.
    """
    known("show", topic, topics(side))
    return _folder(side) / f"{topic}.py"


def proofs(command: str, suite: Path, chosen: Iterable[str]) -> list[Path]:
    """The test files of the chosen topics, of all without a choice.

    Raises:
        InputError: if the suite or a topic does not exist.
    """
    files: dict[str, list[Path]] = {}
    for path in sorted(suite.glob("test_*.py")):
        files.setdefault(topic_of(path), []).append(path)
    if not files:
        raise InputError(
            f"{command}: --suite must be a folder of test_TOPIC.py files, got {suite}."
            " Run from a checkout of the project, or name your own folder."
        )
    for topic in chosen:
        known(command, topic, files)
    return [path for topic in list(chosen) or reading_order(files) for path in files[topic]]


def topic_of(test_file: Path) -> str:
    """``test_TOPIC.py`` and ``test_TOPIC__part.py`` both prove TOPIC."""
    return test_file.stem.removeprefix("test_").partition("__")[0]


def known(command: str, name: str, names: Iterable[str], what: str = "TOPIC") -> None:
    """Refuse a name that is not among ``names``.

    Raises:
        InputError: which lists them, and guesses what was meant.
    """
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise InputError(f"{command}: {what} must be one of {', '.join(names)}, got {name}.{hint}")
