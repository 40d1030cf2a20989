"""Containers to ``{path: leaf}`` and back, without importing a framework."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from parity.errors import InputError

__all__ = ["flatten", "map_leaves"]


def flatten(tree: Any, root: str = "", *, names: bool = True) -> dict[str, Any]:
    """Leaves of nested mappings, sequences and dataclasses, keyed by their path.

    ``None`` holds no leaf, as in JAX. A single leaf stands at ``root`` itself.

    Args:
        tree: what a function takes or returns.
        root: the first part of every path.
        names: key the fields of a named tuple or a dataclass by name; otherwise by position, which lets a named
            tuple on one side meet a plain tuple on the other.

    Raises:
        InputError: if two leaves have one path, as under the keys 1 and "1".
    """
    leaves: dict[str, Any] = {}
    for path, leaf in _walk(tree, root, names):
        if path in leaves:
            raise InputError(
                f"flatten: paths must be distinct, got {path} twice. Rename a key: {path!r} can be read two ways."
            )
        leaves[path] = leaf
    return leaves


def _walk(tree: Any, path: str, names: bool) -> Iterator[tuple[str, Any]]:
    if tree is None:
        return
    children = _children(tree, names)
    if children is None:
        yield path, tree
        return
    for key, child in children:
        yield from _walk(child, f"{path}/{key}" if path else str(key), names)


def _children(tree: Any, names: bool) -> list[tuple[Any, Any]] | None:
    """The (key, child) pairs of a container; None for a leaf."""
    if isinstance(tree, Mapping):
        return list(tree.items())
    fields = getattr(tree, "_fields", None)  # of a named tuple
    if isinstance(tree, tuple) and names and fields:
        return list(zip(fields, tree, strict=True))
    if isinstance(tree, (list, tuple)):
        return list(enumerate(tree))
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        pairs = [(field.name, getattr(tree, field.name)) for field in dataclasses.fields(tree)]
        return pairs if names else list(enumerate(value for _, value in pairs))
    return None


def map_leaves(function: Callable[[str, Any], Any], tree: Any, root: str = "") -> Any:
    """The same containers with every leaf replaced by ``function(path, leaf)``."""
    if tree is None:
        return None
    children = _children(tree, names=True)
    if children is None:
        return function(root, tree)
    mapped = [map_leaves(function, child, f"{root}/{key}" if root else str(key)) for key, child in children]
    if isinstance(tree, Mapping):
        return {key: child for (key, _), child in zip(children, mapped, strict=True)}
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return dataclasses.replace(tree, **{key: child for (key, _), child in zip(children, mapped, strict=True)})
    kind: Any = type(tree)
    return kind(*mapped) if hasattr(tree, "_fields") else kind(mapped)
