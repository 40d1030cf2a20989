"""`compare_modules`: a torch module and its port to linen, or a second torch module, with the same weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Unpack

from parity.arrays import as_value
from parity.bridge import Link, carried, links
from parity.comparison import Asked, Comparison
from parity.diagnosis.localize import Layers
from parity.errors import InputError
from parity.inputs import Inputs
from parity.kinds import is_linen_module, is_torch_module
from parity.layers import mode_flags
from parity.report import Report
from parity.settings import Options, Settings
from parity.trees import map_leaves
from parity.vjp import JaxSide, TorchSide

__all__ = ["compare_modules"]

_ARGUMENTS = ("torch_module", "linen_module")


def compare_modules(
    torch_module: Any, linen_module: Any, inputs: Any, *, train: bool = False, **options: Unpack[Options]
) -> Report:
    """Compare a torch module with its port to linen: outputs, and the gradient of every weight and float input.

    The torch module's weights are carried across (`parity.to_linen`), so nothing has to be loaded first; both modules
    are left as they were. Gradients of weights are reported in linen's layout, at linen's paths.

    Args:
        torch_module: an ``nn.Module``.
        linen_module: a ``flax.linen.Module``, not bound; or a second ``nn.Module``, whose ``state_dict`` must have the
            same keys and shapes: it is given the first one's weights.
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
    if is_torch_module(torch_module) and is_torch_module(linen_module):
        return _two_of_torch((torch_module, linen_module), inputs, train, settings)
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
    asked = Asked("compare_modules", _ARGUMENTS, call)
    settings = replace(settings, name=settings.name or sides[1])
    flags = mode_flags(linen_module, train, arguments)
    torch_side = TorchSide(_torch_function(torch_module, pairs, train))
    jax_side = JaxSide(_linen_function(linen_module, flags), settings.jit)
    layers = Layers(torch_module, linen_module, pairs, flags, train)
    return Comparison(torch_side, jax_side, named, settings, asked, layers).report()


def _two_of_torch(modules: tuple[Any, Any], inputs: Any, train: bool, settings: Settings) -> Report:
    """Both with the first one's parameters and buffers, at the first one's paths."""
    one, other = ({name: tuple(leaf.shape) for name, leaf in module.state_dict().items()} for module in modules)
    if one != other:
        name = sorted(set(one.items()) ^ set(other.items()))[0][0]
        raise InputError(
            "compare_modules: two torch modules must have the same state_dict keys and shapes,"
            f" got {name} {one.get(name, 'nowhere')} and {other.get(name, 'nowhere')}."
        )
    named = Inputs.of("compare_modules", inputs, (modules[0].forward, modules[0].forward), settings)
    weights = {name: as_value(leaf).data for name, leaf in modules[0].named_parameters()}
    named = Inputs({"params": weights, **named.tree}, named.keywords)
    first, second = (TorchSide(_called(module, modules[0], train)) for module in modules)
    kinds = tuple(type(module).__name__ for module in modules)
    call = f"parity.compare_modules({', '.join(kinds)}, inputs, train={train}, {settings.chosen})"
    settings = replace(settings, name=settings.name or kinds[1])
    return Comparison(first, second, named, settings, Asked("compare_modules", _ARGUMENTS, call)).report()


def _called(module: Any, owner: Any, train: bool) -> Callable:
    """``module`` as a function of its parameters by name, with the buffers of ``owner``."""
    replica = copy.deepcopy(module).train(train)

    def function(params: Any, *args: Any, **kwargs: Any) -> Any:
        import torch

        dtype = next((leaf.dtype for leaf in params.values() if leaf.is_floating_point()), None)
        buffers = {
            name: leaf.detach().clone().to(dtype if leaf.is_floating_point() else None)
            for name, leaf in owner.named_buffers()
        }
        return torch.func.functional_call(replica, {**buffers, **params}, args, kwargs)

    return function


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
