"""The order of a flattened image: torch flattens (channels, space), linen (space, channels).

A linear layer behind a flattened image then has the rows of its kernel in another order, and one whose outputs are
unfolded to an image the columns and the bias. Which one a port has cannot be read from shapes: a port may move the
channels first before it flattens. So both modules are run on random inputs, with the same weights, and the order is the
one in which the same numbers enter the layer, or the next one.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from parity.arrays import as_value
from parity.bridge_moves import Rule
from parity.bridge_pairs import Pair
from parity.calls import linen_calls, torch_calls
from parity.inputs import cotangent
from parity.layers import mode_flags
from parity.scopes import jax_scope, torch_scope
from parity.trees import map_leaves

__all__ = ["drawn", "in_order", "undecided", "unfolded"]

_IMAGES = ("in_channels", "num_channels", "num_features")
"""Fields of layers that take images."""

_FORGETS = ("in_features", "hidden_size", "embedding_dim", "embed_dim")
"""Fields of layers behind which no image's channels are left."""


def undecided(pairs: list[Pair]) -> Iterator[tuple[int, int]]:
    """Pairs, by number, whose linear layer may stand behind a flattened image, and the image's channels."""
    channels = 0
    for number, pair in enumerate(pairs):
        module = pair.torch.module
        width = getattr(module, "in_features", 0) if "weight" in pair.torch.shapes else 0
        if channels and width > channels and width % channels == 0 and len(pair.linen.shapes.get("kernel", ())) == 2:
            yield number, channels
        if any(hasattr(module, name) for name in _FORGETS):
            channels = 0
        else:
            fields = ("out_channels", "num_features", "num_channels")
            channels = next((getattr(module, name) for name in fields if hasattr(module, name)), channels)


def unfolded(pairs: list[Pair]) -> Iterator[tuple[int, int]]:
    """Pairs, by number, whose outputs the next layer may take as an image, and the image's channels."""
    for number, (pair, after) in enumerate(itertools.pairwise(pairs)):
        width = getattr(pair.torch.module, "out_features", 0) if "weight" in pair.torch.shapes else 0
        module = after.torch.module
        channels = next((getattr(module, name) for name in _IMAGES if hasattr(module, name)), 0)
        # A norm of vectors has as many features as the layer.
        if channels and width > channels and width % channels == 0 and len(pair.linen.shapes.get("kernel", ())) == 2:
            yield number, channels


def in_order(
    pairs: list[Pair], modules: tuple[Any, Any], inputs: tuple[Any, Any], variables: Callable[[list[Pair]], Any]
) -> list[Pair]:
    """The same pairs, the kernels of linear layers in the order in which linen flattens what enters them.

    Args:
        pairs: in the order of torch's calls.
        modules: torch's and linen's.
        inputs: of each.
        variables: of linen under given pairs.
    """
    pairs = list(pairs)
    for number, channels in list(undecided(pairs)):
        with suppress(Exception):  # a call that fails is reported by the comparison itself
            pair = pairs[number]
            ours = _torch_taken(modules[0], inputs[0])[pair.torch.path].taken
            theirs = _linen_taken(modules[1], inputs[1], variables(pairs))[pair.linen.path].taken
            if _is_moved(ours[0], theirs[0], channels):
                pairs[number] = replace(pair, rules=tuple(_moved(rule, pair, channels) for rule in pair.rules))
    for number, channels in list(unfolded(pairs)):
        with suppress(Exception):
            pair, after = pairs[number], pairs[number + 1]
            ours = _torch_taken(modules[0], inputs[0])[after.torch.path].taken[0]
            other = replace(pair, rules=tuple(_unfolded(rule, pair, channels) for rule in pair.rules))
            trials = [pairs, [*pairs[:number], other, *pairs[number + 1 :]]]
            taken = [
                _linen_taken(modules[1], inputs[1], variables(trial))[after.linen.path].taken[0] for trial in trials
            ]
            pairs = trials[int(np.argmin([_gap(ours, theirs) for theirs in taken]))]
    return pairs


def _gap(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Between an image of torch's and one of linen's."""
    return float(np.abs(ours - np.moveaxis(theirs, -1, 1)).max())


def _unfolded(rule: Rule, pair: Pair, channels: int) -> Rule:
    """The rule of a kernel whose columns, and of a bias whose numbers, go through space first."""
    if rule.torch == "bias":
        return replace(rule, axes=(1, 0), view=(channels, -1), leaf=(-1,), splits=False)
    outputs, width = pair.torch.shapes["weight"]
    if rule.torch != "weight" or rule.view is not None:  # its rows go through another image
        return rule
    return replace(rule, axes=(2, 1, 0), view=(channels, -1, width), leaf=(width, outputs), splits=False)


def _is_moved(ours: np.ndarray, theirs: np.ndarray, channels: int) -> bool:
    moved = ours.reshape(*ours.shape[:-1], channels, -1).swapaxes(-1, -2).reshape(ours.shape)
    return bool(np.abs(moved - theirs).max() < np.abs(ours - theirs).max())


def _moved(rule: Rule, pair: Pair, channels: int) -> Rule:
    """The rule of a kernel whose rows go through space first."""
    if rule.torch != "weight":
        return rule
    outputs = pair.torch.shapes["weight"][0]
    return replace(rule, axes=(2, 1, 0), view=(outputs, channels, -1), leaf=(-1, outputs), splits=False)


def drawn(inputs: Any) -> Any:
    """Random numbers for the float arrays among inputs: only their shapes and dtypes matter."""

    def leaf_drawn(path: str, leaf: Any) -> Any:
        if not hasattr(leaf, "shape"):
            return leaf
        array = as_value(leaf).data
        return cotangent(0, path, array.shape) if array.dtype.kind == "f" else array

    return map_leaves(leaf_drawn, inputs)


def _torch_taken(module: Any, inputs: Any) -> Any:
    import torch

    replica = copy.deepcopy(module).double().eval()
    with torch_scope("float64"), torch.no_grad():
        tensors = map_leaves(lambda path, leaf: torch.as_tensor(leaf) if hasattr(leaf, "shape") else leaf, inputs)
        return torch_calls(replica, lambda: _called(replica, tensors))


def _linen_taken(module: Any, inputs: Any, variables: Any) -> Any:
    flags = mode_flags(module, False, inputs)
    with jax_scope("float64"):
        return linen_calls(
            lambda: _called(lambda *args, **kw: module.apply(_wide(variables), *args, **kw, **flags), inputs)
        )


def _wide(tree: Any) -> Any:
    return map_leaves(lambda _, leaf: leaf.astype(float) if leaf.dtype.kind in "fV" else leaf, tree)


def _called(function: Callable, inputs: Any) -> Any:
    return function(**inputs) if isinstance(inputs, Mapping) else function(*inputs)
