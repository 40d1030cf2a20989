"""`compare_modules`: a torch module and its port to linen, with the same weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Unpack

from parity.arrays import as_value
from parity.bridge import Link, carried, links
from parity.comparison import Asked, Comparison
from parity.errors import InputError
from parity.inputs import Inputs
from parity.kinds import is_linen_module, is_torch_module
from parity.layers import mode_flags
from parity.localize import Layers
from parity.report import Report
from parity.settings import Options, Settings
from parity.trees import map_leaves
from parity.vjp import JaxSide, TorchSide

__all__ = ["compare_modules"]


def compare_modules(
    torch_module: Any, linen_module: Any, inputs: Any, *, train: bool = False, **options: Unpack[Options]
) -> Report:
    """Compare a torch module with its port to linen: outputs, and the gradient of every weight and float input.

    The torch module's weights are carried across (`parity.to_linen`), so nothing has to be loaded first; both modules
    are left as they were. Gradients of weights are reported in linen's layout, at linen's paths.

    Args:
        torch_module: an ``nn.Module``.
        linen_module: a ``flax.linen.Module``, not bound.
        inputs: a tuple of positional arguments or a dict of keywords, as for `parity.compare`.
        train: the mode of both: ``torch_module.train()``, and ``train=True`` or ``deterministic=False`` where the
            linen module's ``__call__`` takes it.
        **options: see `parity.Options`.

    Returns:
        The report.

    Raises:
        InputError: if the weights do not match, or the comparison cannot be made.
    """
    settings = Settings.of("compare_modules", options)
    _check_kinds(torch_module, linen_module)
    named = Inputs.of("compare_modules", inputs, (torch_module.forward, linen_module.__call__), settings)
    if named.keywords and "params" in named.tree:
        raise InputError("compare_modules: inputs must not have the weights' name as a keyword, got params.")
    arguments = named.tree if named.keywords else tuple(named.tree.values())
    pairs = links("compare_modules", torch_module, linen_module, arguments)
    weights = map_leaves(lambda _, leaf: as_value(leaf).data, carried(torch_module, pairs))
    others = {f"{name}_" if name == "params" else name: value for name, value in named.tree.items()}
    named = Inputs({"params": weights.get("params", {}), **others}, named.keywords)
    sides = (type(torch_module).__name__, type(linen_module).__name__)
    call = f"parity.compare_modules({', '.join(sides)}, inputs, train={train}, {settings.chosen})"
    asked = Asked("compare_modules", ("torch_module", "linen_module"), call)
    settings = replace(settings, name=settings.name or sides[1])
    flags = mode_flags(linen_module, train, arguments)
    torch_side = TorchSide(_torch_function(torch_module, pairs, train))
    jax_side = JaxSide(_linen_function(linen_module, flags), settings.jit)
    layers = Layers(torch_module, linen_module, pairs, flags, train)
    return Comparison(torch_side, jax_side, named, settings, asked, layers).report()


def _check_kinds(torch_module: Any, linen_module: Any) -> None:
    kinds = (("torch_module", torch_module, is_torch_module, "a torch module"),)
    kinds += (("linen_module", linen_module, is_linen_module, "a linen module"),)
    for argument, side, is_kind, rule in kinds:
        if not is_kind(side):
            raise InputError(f"compare_modules: {argument} must be {rule}, got {type(side).__name__}.")


def _torch_function(module: Any, pairs: list[Link], train: bool) -> Callable:
    """The module as a function of linen's weights, so that its gradients arrive in linen's layout."""
    replica = copy.deepcopy(module).train(train)

    def function(params: Any, *args: Any, **kwargs: Any) -> Any:
        import torch

        state = {}
        for link in pairs:
            leaf = params
            for key in link.linen[1:]:
                leaf = leaf[key]
            state[link.torch] = link.rule.to_torch(leaf)
        return torch.func.functional_call(replica, state, args, kwargs)

    return function


def _linen_function(module: Any, flags: dict[str, bool]) -> Callable:
    def function(params: Any, *args: Any, **kwargs: Any) -> Any:
        return module.apply({"params": params}, *args, **kwargs, **flags)

    return function
