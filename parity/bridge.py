"""Weights from an ``nn.Module`` to the variables of a linen module, and back, bit for bit.

Layers are matched by name where the names agree, and otherwise in the order in which they are called. A leaf that
nothing fills, a tensor left over or a shape that does not fit is an error which shows both trees side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bridge_match import Rename, paired
from parity.bridge_moves import Rule, joined, tensor_of, zeros_like
from parity.bridge_order import drawn, in_order, undecided, unfolded
from parity.bridge_pairs import Pair
from parity.bridge_rules import parts_of
from parity.errors import InputError
from parity.images import with_channels_last
from parity.layers import TorchLayer, linen_layers, torch_layers, tree_layers
from parity.message import first_line
from parity.optimizer_memory import as_array
from parity.trees import flatten, map_leaves

__all__ = ["Link", "Rename", "as_linen", "as_torch", "carried", "links", "to_linen", "to_torch"]


@dataclass(frozen=True)
class Link:
    """One torch tensor, or a block of one, and the linen leaf that holds the same numbers.

    Attributes:
        torch: the tensor's name in the state dict, "0.weight".
        linen: the leaf's path in the variables, ("params", "layers_0", "kernel").
        rule: how the layouts differ.
        shape: of the torch tensor.
        leaf: the shape of the leaf.
        layers: the paths of the layers that hold the two.
    """

    torch: str
    linen: tuple[str, ...]
    rule: Rule
    shape: tuple[int, ...]
    leaf: tuple[int, ...]
    layers: tuple[str, str]


def to_linen(
    torch_module: Any, linen_module: Any, inputs: Any, *, rename: Rename | None = None, channels_last: bool = False
) -> dict[str, Any]:
    """The weights of a torch module as the variables of a linen module.

    Where linen has one place for two tensors, the biases of a recurrent layer, it gets their sum; where torch has no
    biases and linen's cells do, zeros, which linen trains unless it is told not to. What linen has no place for and
    need not have, the number of batches of a batch norm, stays behind.

    Args:
        torch_module: whose weights to take.
        linen_module: whose variables to make, not bound.
        inputs: what both are called with, a tuple or a dict of keywords; only shapes and dtypes matter.
        rename: where names and structure leave a choice: torch's name of a layer or a tensor to linen's path, as a dict
            or a function; None leaves a tensor out.
        channels_last: the linen module takes the inputs' axis 1 as their last, as `parity.compare_modules` has it.

    Returns:
        ``{"params": ...}`` of NumPy arrays, for ``linen_module.apply``, with ``"batch_stats"`` where there are running
        statistics. NumPy's, so that float64 weights survive whether or not ``jax_enable_x64`` is on.

    Raises:
        InputError: if the two trees of weights do not match.
    """
    return carried(torch_module, links("to_linen", (torch_module, linen_module), inputs, rename, channels_last))


def carried(torch_module: Any, pairs: list[Link]) -> dict[str, Any]:
    """The variables that ``pairs`` make of a torch module's weights."""
    names = {link.torch for link in pairs}
    state = {name: as_array(tensor) for name, tensor in torch_module.state_dict().items() if name in names}
    return as_linen(pairs, state, lambda leaf: np.array(leaf, order="C"))


def as_linen(pairs: list[Link], named: Mapping[str, Any], each: Any = lambda leaf: leaf) -> dict[str, Any]:
    """Arrays by torch's names as a tree of linen's: weights, gradients, an optimizer's updates.

    Args:
        pairs: which tensor is which leaf.
        named: arrays of any framework.
        each: what is done to every leaf.
    """
    leaves: dict[tuple[str, ...], Any] = {}
    for link in pairs:
        leaf = link.rule.to_linen(named[link.torch]).reshape(link.leaf)
        leaves[link.linen] = leaves[link.linen] + leaf if link.linen in leaves else leaf
    variables: dict[str, Any] = {}
    for (*parents, name), leaf in leaves.items():
        node = variables
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = each(leaf)
    return variables


def as_torch(pairs: list[Link], variables: Mapping[str, Any], *, gradients: bool = False) -> dict[str, Any]:
    """A tree of linen's as arrays by torch's names; the way back of `as_linen`.

    Of two tensors whose sum linen holds, the first gets the sum and the second zeros; as ``gradients``, each gets all.

    Args:
        pairs: which tensor is which leaf.
        variables: arrays of any framework.
        gradients: whether they are gradients.
    """
    blocks: dict[str, list[Any]] = {}
    for link in pairs:
        if link.rule.absent:
            continue
        leaf: Any = variables
        for key in link.linen:
            leaf = leaf[key]
        block = link.rule.to_torch(leaf, link.shape)
        blocks.setdefault(link.torch, []).append(zeros_like(block) if link.rule.added and not gradients else block)
    return {name: joined(parts) for name, parts in blocks.items()}


def to_torch(
    variables: Mapping[str, Any],
    torch_module: Any,
    linen_module: Any = None,
    inputs: Any = None,
    *,
    rename: Rename | None = None,
    channels_last: bool = False,
) -> dict[str, Any]:
    """The variables of a linen module as a torch state dict.

    Names and shapes settle which layer is which. Where several layers have one shape and other names than torch's,
    only the linen module can: it numbers layers as they are made, and ``Dense(4)(Dense(4)(x))`` makes the outer first.
    Of two biases whose sum linen holds, the first gets the sum and the second zeros: the same function, so that there
    and back is exact in every other tensor, and from then on in these too.

    Args:
        variables: of linen, ``{"params": ...}``.
        torch_module: whose names, dtypes and devices the result takes; it is not changed.
        linen_module: whose variables they are; needed where names and shapes leave a choice.
        inputs: what both modules are called with; needed with ``linen_module``.
        rename: as for `to_linen`.
        channels_last: as for `to_linen`.

    Returns:
        For ``torch_module.load_state_dict``; what linen has no place for is as it is in ``torch_module``.

    Raises:
        InputError: if the two trees of weights do not match, or match in more than one way.
    """
    if linen_module is not None:
        pairs = links("to_torch", (torch_module, linen_module), inputs, rename, channels_last)
    else:
        pairs = _links_of_trees(variables, torch_module, rename)
    _check_absent(pairs, variables)
    owners = torch_module.state_dict(keep_vars=True)
    state = {name: tensor.detach().clone() for name, tensor in owners.items()}
    for name, array in as_torch(pairs, map_leaves(lambda _, leaf: np.asarray(leaf), variables)).items():
        tensor = tensor_of(array).to(state[name])
        # A shared tensor has several names: under any of them the old values would be loaded over the new.
        state |= {alias: tensor for alias, owner in owners.items() if owner is owners[name]}
    return state


def links(
    function: str,
    modules: tuple[Any, Any],
    inputs: Any,
    rename: Rename | None = None,
    channels_last: bool = False,
) -> list[Link]:
    """Every torch tensor of a module with its linen leaf.

    Args:
        function: who asks.
        modules: torch's and linen's.
        inputs: of torch's.
        rename: as for `to_linen`.
        channels_last: as for `to_linen`.

    Raises:
        InputError: if the two trees of weights do not match, or the linen module does not take the inputs.
    """
    left = torch_layers(modules[0], inputs)
    theirs = with_channels_last(inputs) if channels_last else inputs
    try:
        right = linen_layers(modules[1], theirs, _parts(left))
    except Exception as error:
        said = f"{type(error).__name__}: {first_line(error)}"
        images = not channels_last and any(getattr(leaf, "ndim", 0) > 2 for leaf in flatten(inputs).values())
        hint = " A port that takes channels last is told so by channels_last." if images else ""
        raise InputError(f"{function}: linen_module must initialise on the inputs, got {said}.{hint}") from error
    pairs = paired(function, left, right, rename, called=True)
    numbers = drawn(inputs)
    moved = with_channels_last(numbers) if channels_last else numbers

    def variables(pairs: list[Pair]) -> dict[str, Any]:
        return carried(modules[0], _linked(pairs))

    return _linked(in_order(pairs, modules, (numbers, moved), variables))


def _links_of_trees(variables: Mapping[str, Any], torch_module: Any, rename: Rename | None) -> list[Link]:
    left = torch_layers(torch_module)
    pairs = paired("to_torch", left, tree_layers(variables, _parts(left)), rename, called=False)
    for number, channels in undecided(pairs):
        raise InputError(
            f"to_torch: shapes must tell how an image is flattened, got {pairs[number].torch.path} behind"
            f" {channels} channels, which linen may have last. Pass linen_module and inputs, whose calls tell."
        )
    for number, channels in unfolded(pairs):
        raise InputError(
            f"to_torch: shapes must tell how an image is unfolded, got {pairs[number].torch.path} before {channels}"
            " channels, which linen may have last. Pass linen_module and inputs, whose calls tell."
        )
    return _linked(pairs)


def _check_absent(pairs: list[Link], variables: Mapping[str, Any]) -> None:
    """Only zeros may stay behind where torch has no such tensor."""
    leaves = flatten(variables)
    for path in ("/".join(link.linen) for link in pairs if link.rule.absent):
        if np.asarray(leaves[path]).any():
            raise InputError(f"to_torch: {path} must be zeros, as torch has no such tensor, got other numbers.")


def _parts(layers: list[TorchLayer]) -> set[frozenset[str]]:
    return {parts for layer in layers if (parts := parts_of(layer.module))}


def _linked(pairs: list[Pair]) -> list[Link]:
    found = []
    for pair in pairs:
        one, other = pair.torch, pair.linen
        for rule in pair.rules:
            place = [rule.collection, *other.path.split("/"), *rule.linen.split("/")]
            path = tuple(part for part in place if part)
            shapes = one.shapes[rule.torch], other.shapes[rule.place]
            found.append(Link(one.under(rule.torch), path, rule, *shapes, (one.path, other.path)))
    return found
