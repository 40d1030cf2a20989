"""`compare_modules`: a torch module and its port to linen, or a second torch module, with the same weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Unpack

from parity.arrays import as_value
from parity.bridge import Rename, carried, links
from parity.comparison import Asked, Comparison
from parity.devices import chosen
from parity.diagnosis.localize import Layers
from parity.errors import InputError
from parity.inputs import Inputs
from parity.kinds import is_linen_module, is_torch_module
from parity.layers import mode_flags
from parity.module_sides import STATISTICS, LinenFunction, TorchFunction
from parity.report import Report
from parity.settings import Options, Settings
from parity.trees import map_leaves
from parity.vjp import JaxSide, TorchSide

__all__ = ["compare_modules"]

_ARGUMENTS = ("torch_module", "linen_module")


def compare_modules(
    torch_module: Any,
    linen_module: Any,
    inputs: Any,
    *,
    train: bool = False,
    channels_last: bool = False,
    rename: Rename | None = None,
    **options: Unpack[Options],
) -> Report:
    """Compare a torch module with its port to linen: outputs, and the gradient of every weight and float input.

    The torch module's weights are carried across (`parity.to_linen`), so nothing has to be loaded first; both modules
    are left as they were. Gradients of weights are reported in linen's layout, at linen's paths. Where the modules have
    running statistics, they are carried too, and in training those after the call are compared: the result is then
    called "output/result", a new mean "output/batch_stats/.../mean"; of two torch modules, every buffer is compared so,
    "output/buffers/bn.running_mean". Where linen trains a leaf that torch has not, the bias of a cell that has none
    there, its gradient differs, and says so.

    Args:
        torch_module: an ``nn.Module``.
        linen_module: a ``flax.linen.Module``, not bound; or a second ``nn.Module``, whose ``state_dict`` must have the
            same keys and shapes: it is given the first one's weights.
        inputs: a tuple of positional arguments or a dict of keywords, as for `parity.compare`.
        train: the mode of both: ``torch_module.train()``, and ``train=True`` or ``deterministic=False`` where the
            linen module's ``__call__`` takes it.
        channels_last: hand the linen module every array of three or more axes with axis 1, torch's channels, as the
            last, and move the last axis of such results back.
        rename: torch's name of a layer or a tensor to linen's path, where names and structure leave a choice.
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
    arguments = named.tree if named.keywords else tuple(named.tree.values())
    pairs = links("compare_modules", (torch_module, linen_module), arguments, rename, channels_last)
    weights = map_leaves(lambda _, leaf: as_value(leaf).data, carried(torch_module, pairs))
    flags = mode_flags(linen_module, train, arguments)
    torch_side = TorchFunction(torch_module, pairs, train)
    jax_side = LinenFunction(linen_module, flags, STATISTICS in weights, train, channels_last)
    sides = TorchSide(torch_side), JaxSide(jax_side, settings.jit)
    kinds = type(torch_module).__name__, type(linen_module).__name__
    asked = Asked("compare_modules", _ARGUMENTS, _call(kinds, train, channels_last, settings))
    settings = replace(settings, name=settings.name or kinds[1])
    return Comparison(*sides, _with(weights, named), settings, asked, Layers(torch_side, jax_side)).report()


def _with(weights: dict[str, Any], named: Inputs) -> Inputs:
    """The arguments, behind the weights and the running statistics."""
    weights = {"params": weights.get("params", {}), **weights}
    if taken := named.keywords and [name for name in weights if name in named.tree]:
        raise InputError(f"compare_modules: inputs must not have the weights' name as a keyword, got {taken[0]}.")
    others = {f"{name}_" if name in weights else name: value for name, value in named.tree.items()}
    return Inputs({**weights, **others}, named.keywords, frozenset(weights) - {"params"})


def _call(kinds: tuple[str, str], train: bool, channels_last: bool, settings: Settings) -> str:
    moved = "channels_last=True, " * channels_last
    return f"parity.compare_modules({', '.join(kinds)}, inputs, train={train}, {moved}{settings.chosen})"


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
    asked = Asked("compare_modules", _ARGUMENTS, _call((kinds[0], kinds[1]), train, False, settings))
    settings = replace(settings, name=settings.name or kinds[1])
    return Comparison(first, second, named, settings, asked).report()


def _called(module: Any, owner: Any, train: bool) -> Callable:
    """``module`` as a function of its parameters by name, with ``owner``'s buffers; in training it returns them."""
    replica = copy.deepcopy(module).train(train).to(chosen())

    def function(params: Any, *args: Any, **kwargs: Any) -> Any:
        import torch

        dtype = next((leaf.dtype for leaf in params.values() if leaf.is_floating_point()), None)
        buffers = {
            name: leaf.detach().clone().to(chosen(), dtype if leaf.is_floating_point() else None)
            for name, leaf in owner.named_buffers()
        }
        state = {**buffers, **params}
        result = torch.func.functional_call(replica, state, args, kwargs)  # it puts new buffers into the dict
        if not (train and buffers):
            return result
        return {"result": result, "buffers": {name: state[name].detach() for name in buffers}}

    return function


def _check_kinds(torch_module: Any, linen_module: Any) -> None:
    kinds = (("torch_module", torch_module, is_torch_module, "a torch module"),)
    kinds += (("linen_module", linen_module, is_linen_module, "a linen module"),)
    for argument, side, is_kind, rule in kinds:
        if not is_kind(side):
            raise InputError(f"compare_modules: {argument} must be {rule}, got {type(side).__name__}.")
