"""An optimizer of torch's parameters as one of linen's tree: gradients go one way, updates come back.

So every rule holds, those too that see a matrix as a whole or flatten all parameters; and where torch trains two
tensors whose sum linen holds, the biases of a recurrent layer, the sum moves by both updates, as it does in torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict

from parity.bridge import Link, Rename, as_linen, as_torch, carried, links
from parity.errors import InputError

__all__ = ["Port", "over_linen"]


class Port(TypedDict, total=False):
    """The port whose parameters an optimizer is to change.

    Attributes:
        linen_module: not bound.
        inputs: what both modules are called with.
        rename: as for `parity.to_linen`.
        channels_last: as for `parity.to_linen`.
    """

    linen_module: Any
    inputs: Any
    rename: Rename | None
    channels_last: bool


def over_linen(rule: Any, named: Mapping[str, Any], module: Any, port: Port) -> tuple[Any, dict[str, Any]]:
    """The transformation of a port's tree, and the tree.

    Args:
        rule: a transformation of parameters by torch's names.
        named: its parameters; updates of all others are zero.
        module: whose parameters they are.
        port: its port.

    Raises:
        InputError: if the port's weights are others, or there is no module.
    """
    import optax

    if module is None or "linen_module" not in port:
        raise InputError("optimizer_from_torch: a port must come with module and linen_module, got one of them.")
    pairs = _pairs(module, port)

    def by_name(tree: Any, gradients: bool = False) -> dict[str, Any]:
        arrays = as_torch(pairs, {"params": tree}, gradients=gradients)
        return {name: array for name, array in arrays.items() if name in named}

    def init(params: Any) -> Any:
        return rule.init(by_name(params))

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        weights = None if params is None else by_name(params)
        moves, state = rule.update(by_name(updates, True), state, weights, **extra)
        still = {name: 0 * array for name, array in as_torch(pairs, {"params": updates}).items()}
        return as_linen(pairs, still | moves)["params"], state

    return optax.GradientTransformationExtraArgs(init, update), carried(module, pairs)["params"]


def _pairs(module: Any, port: Port) -> list[Link]:
    """The links of parameters, under the names that `named_parameters` has for shared ones."""
    modules = module, port.get("linen_module")
    found = links(
        "optimizer_from_torch", modules, port.get("inputs"), port.get("rename"), port.get("channels_last", False)
    )
    names = {id(tensor): name for name, tensor in module.named_parameters()}
    owners = module.state_dict(keep_vars=True)
    return [replace(link, torch=names[id(owners[link.torch])]) for link in found if link.linen[0] == "params"]
