"""Images as torch holds them, (batch, channels, *space), and as linen does, (batch, *space, channels)."""

from __future__ import annotations

from typing import Any

from parity.arrays import is_array, is_torch
from parity.trees import map_leaves

__all__ = ["with_channels_first", "with_channels_last"]


def with_channels_last(tree: Any) -> Any:
    """The same tree, axis 1 of every array of three or more axes moved to the end."""
    return map_leaves(lambda _, leaf: _moved(leaf, lambda n: (0, *range(2, n), 1)), tree)


def with_channels_first(tree: Any) -> Any:
    """The way back."""
    return map_leaves(lambda _, leaf: _moved(leaf, lambda n: (0, n - 1, *range(1, n - 1))), tree)


def _moved(leaf: Any, axes: Any) -> Any:
    if not is_array(leaf) or leaf.ndim < 3:
        return leaf
    return leaf.permute(axes(leaf.ndim)) if is_torch(leaf) else leaf.transpose(axes(leaf.ndim))
