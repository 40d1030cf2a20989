"""Weights from an ``nn.Module`` to the variables of a linen module, and back, bit for bit.

Layers are matched by name where the names agree, and otherwise in the order in which they are called. A leaf that
nothing fills, a tensor left over or a shape that does not fit is an error which shows both trees side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from parity.bridge_rules import Rule, rules_of, unknown_kind
from parity.errors import InputError
from parity.layers import LinenLayer, TorchLayer, linen_layers, torch_layers, tree_layers
from parity.message import first_line

__all__ = ["Link", "carried", "links", "to_linen", "to_torch"]


@dataclass(frozen=True)
class Link:
    """One torch tensor and the linen leaf that holds the same numbers.

    Attributes:
        torch: the tensor's name in the state dict, "0.weight".
        linen: the leaf's path in the variables, ("params", "layers_0", "kernel").
        rule: how the layouts differ.
    """

    torch: str
    linen: tuple[str, ...]
    rule: Rule


def to_linen(torch_module: Any, linen_module: Any, inputs: Any) -> dict[str, Any]:
    """The weights of a torch module as the variables of a linen module.

    Args:
        torch_module: whose weights to take.
        linen_module: whose variables to make, not bound.
        inputs: what both are called with, a tuple or a dict of keywords; only shapes and dtypes matter.

    Returns:
        ``{"params": ...}`` of NumPy arrays, for ``linen_module.apply``. NumPy's, so that float64 weights survive
        whether or not ``jax_enable_x64`` is on.

    Raises:
        InputError: if the two trees of weights do not match.
    """
    return carried(torch_module, links("to_linen", torch_module, linen_module, inputs))


def carried(torch_module: Any, pairs: list[Link]) -> dict[str, Any]:
    """The variables that ``pairs`` make of a torch module's weights."""
    state = torch_module.state_dict()
    variables: dict[str, Any] = {}
    for link in pairs:
        *parents, name = link.linen
        node = variables
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = np.ascontiguousarray(link.rule.to_linen(_to_numpy(state[link.torch])))
    return variables


def to_torch(
    variables: Mapping[str, Any], torch_module: Any, linen_module: Any = None, inputs: Any = None
) -> dict[str, Any]:
    """The variables of a linen module as a torch state dict.

    Names and shapes settle which layer is which. Where several layers have one shape and other names than torch's,
    only the linen module can: it numbers layers as they are made, and ``Dense(4)(Dense(4)(x))`` makes the outer first.

    Args:
        variables: of linen, ``{"params": ...}``.
        torch_module: whose names, dtypes and devices the result takes; it is not changed.
        linen_module: whose variables they are; needed where names and shapes leave a choice.
        inputs: what both modules are called with; needed with ``linen_module``.

    Returns:
        For ``torch_module.load_state_dict``.

    Raises:
        InputError: if the two trees of weights do not match, or match in more than one way.
    """
    if linen_module is not None:
        pairs = links("to_torch", torch_module, linen_module, inputs)
    else:
        pairs = _matched("to_torch", torch_layers(torch_module), tree_layers(variables), called=False)
    owners = torch_module.state_dict(keep_vars=True)
    state = {name: tensor.detach().clone() for name, tensor in owners.items()}
    for link in pairs:
        leaf: Any = variables
        for key in link.linen:
            leaf = leaf[key]
        tensor = _to_tensor(np.asarray(link.rule.to_torch(np.asarray(leaf)))).to(state[link.torch])
        # A shared tensor has several names: under any of them the old values would be loaded over the new.
        state |= {name: tensor for name, owner in owners.items() if owner is owners[link.torch]}
    return state


def _to_tensor(array: np.ndarray) -> Any:
    import torch

    # torch takes no bfloat16 from NumPy; through float32 it is exact.
    return torch.from_numpy(np.array(array.astype(np.float32) if array.dtype.kind == "V" else array, order="C"))


def links(function: str, torch_module: Any, linen_module: Any, inputs: Any) -> list[Link]:
    """Every torch tensor of a module with its linen leaf; ``function`` is who asks.

    Raises:
        InputError: if the two trees of weights do not match, or the linen module does not take the inputs.
    """
    try:
        right = linen_layers(linen_module, inputs)
    except Exception as error:
        said = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"{function}: linen_module must initialise on the inputs, got {said}.") from error
    return _matched(function, torch_layers(torch_module, inputs), right, called=True)


def _to_numpy(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":
        import ml_dtypes

        return tensor.float().numpy().astype(ml_dtypes.bfloat16)
    return np.array(tensor.numpy())


def _matched(function: str, left: list[TorchLayer], right: list[LinenLayer], called: bool) -> list[Link]:
    """Pair the layers, then their tensors; ``called`` says that both lists are in the order of the calls."""
    by_name = {_words(layer.path): layer for layer in right}
    trees = _side_by_side(left, right)
    if {_words(layer.path) for layer in left} == set(by_name):
        pairs = [(layer, by_name[_words(layer.path)]) for layer in left]
    elif len(left) != len(right):
        raise InputError(f"{function}: both modules must have the same layers, got these.\n{trees}")
    else:
        pairs = list(zip(left, right, strict=True)) if called else _by_shape(function, left, right, trees)
    for one, other in pairs:
        _check_pair(function, one, other, trees)
    return [link for pair in pairs for link in _tensor_links(*pair)]


def _words(path: str) -> str:
    """A layer's path with the frameworks' punctuation evened out: layers.0 and layers_0 are one name."""
    return re.sub(r"[._/]+", ".", path)


def _by_shape(
    function: str, left: list[TorchLayer], right: list[LinenLayer], trees: str
) -> list[tuple[TorchLayer, LinenLayer]]:
    """Pair layers whose weights have the same shapes, if that leaves no choice."""
    pairs = []
    for one in left:
        fitting = [other for other in right if _fitted(one) == other.shapes]
        if len(fitting) > 1:
            raise InputError(
                f"{function}: names or shapes must tell the layers apart, got {len(fitting)} that fit {one.path}:"
                f" {', '.join(other.path for other in fitting)}. Pass linen_module and inputs, whose calls tell."
                f"\n{trees}"
            )
        pairs.append((one, fitting[0] if fitting else right[left.index(one)]))
    return pairs


def _fitted(layer: TorchLayer) -> dict[str, tuple[int, ...]]:
    """The shapes of a torch layer's tensors in linen's layout."""
    rules = rules_of(layer.module, list(layer.shapes))
    return {rule.linen: tuple(rule.to_linen(np.empty(layer.shapes[rule.torch], bool)).shape) for rule in rules}


def _tensor_links(one: TorchLayer, other: LinenLayer) -> Iterator[Link]:
    for rule in rules_of(one.module, list(one.shapes)):
        name = f"{one.path}.{rule.torch}" if one.path else rule.torch
        parts = [part for part in other.path.split("/") if part]
        yield Link(name, ("params", *parts, rule.linen), rule)


def _check_pair(function: str, one: TorchLayer, other: LinenLayer, trees: str) -> None:
    expected = _fitted(one)
    where = f"{one.path or 'the module'} ({one.kind}) and {other.path or 'the module'} ({other.kind or 'linen'})"
    if set(expected) != set(other.shapes) or len(expected) != len(one.shapes):
        raise InputError(
            f"{function}: matched layers must hold the same weights, got {sorted(one.shapes)} against"
            f" {sorted(other.shapes)} in {where}.{unknown_kind(one.module)}\n{trees}"
        )
    for name, shape in expected.items():
        if shape != other.shapes[name]:
            raise InputError(
                f"{function}: {name} must have shape {shape}, that of torch's tensor in linen's layout,"
                f" got {other.shapes[name]} in {where}.\n{trees}"
            )


def _side_by_side(left: list[TorchLayer], right: list[LinenLayer]) -> str:
    rows = list(zip_longest([str(layer) for layer in left], [str(layer) for layer in right], fillvalue="-"))
    width = max((len(row[0]) for row in rows), default=5)
    return "\n".join([f"  {'torch':<{width}} | linen", *(f"  {one:<{width}} | {other}" for one, other in rows)])
