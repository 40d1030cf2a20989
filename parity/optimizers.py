"""A live torch optimizer as an optax transformation with its state, and the state back again.

The transformations are those of the implementation that is registered for JAX (`parity.topics`): functions of torch's
settings, one for each class of ``torch.optim``.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Unpack

import numpy as np

from parity.errors import InputError
from parity.optimizer_kinds import KINDS, Kind, state_from_torch, state_to_torch
from parity.optimizer_memory import as_array
from parity.optimizers_linen import Port, over_linen
from parity.topics import implementation

__all__ = ["optimizer_from_torch", "optimizer_to_torch"]

Named = dict[str, Any]


def optimizer_from_torch(
    torch_optimizer: Any, module: Any = None, *, learning_rate: Any = None, **port: Unpack[Port]
) -> tuple[Any, dict[str, Any], Any]:
    """A torch optimizer as an optax transformation that goes on where it stands.

    Args:
        torch_optimizer: of a class of ``torch.optim``, before its first step or in mid-run.
        module: whose parameters it optimizes, for their names; without it they are named by position, "0", "1", ...
        learning_rate: a number or a schedule of the steps taken, in place of every group's own.
        **port: see `parity.optimizers_linen.Port`; with ``linen_module`` and ``inputs`` the parameters are the linen
            module's tree, and the transformation is one of that tree; its state stays under torch's names.

    Returns:
        The transformation, the parameters by name and the transformation's state, both of NumPy arrays, so that float64
        survives whether or not ``jax_enable_x64`` is on. Several groups make a partition. ``state`` counts the steps
        that torch counts; its SGD, Muon and LBFGS count none, so that there the count says only whether one was taken.

    Raises:
        InputError: if it is of another class, or its parameters of one group have not taken the same steps.

    Example:
        >>> layer = torch.nn.Linear(3, 2)
        >>> adam = torch.optim.Adam(layer.parameters(), lr=0.1)
        >>> layer(torch.ones(3)).sum().backward()
        >>> adam.step()
        >>> transformation, params, state = parity.optimizer_from_torch(adam, layer)
        >>> sorted(params), int(optax.tree.get(state[1], "count"))
        (['bias', 'weight'], 1)
    """
    import jax
    import optax

    kind, groups = _read("optimizer_from_torch", torch_optimizer, module)
    library = _library()
    rules: dict[Any, Any] = {
        str(number): _rule(library, kind, group, learning_rate)
        for number, group in enumerate(torch_optimizer.param_groups)
    }
    labels = {name: str(number) for number, group in enumerate(groups) for name in group}
    rule: Any = rules["0"] if len(rules) == 1 else optax.partition(rules, labels)
    params = {name: as_array(tensor) for group in groups for name, tensor in group.items()}
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        state = rule.init(params)
        for number, group in enumerate(groups):
            inner = _inner(state, number, len(groups))
            filled = state_from_torch(kind, inner, group, torch_optimizer.state)
            state = _with_inner(state, number, len(groups), filled)
        state = jax.tree.map(np.asarray, state)
    if port:
        rule, params = over_linen(rule, params, module, port)
    return rule, params, state


def optimizer_to_torch(
    state: Any, torch_optimizer: Any, module: Any = None, *, params: Mapping[str, Any] | None = None
) -> None:
    """Put the state of such a transformation into a live torch optimizer, which then goes on from there.

    Args:
        state: of the transformation that ``optimizer_from_torch`` made of this optimizer.
        torch_optimizer: changed in place.
        module: the one that gave the names, if one did.
        params: by name; put into the optimizer's parameters too where they are given.

    Raises:
        InputError: if the optimizer is of another class, or the state is of other parameters.
    """
    import torch

    kind, groups = _read("optimizer_to_torch", torch_optimizer, module)
    named = {name: tensor for group in groups for name, tensor in group.items()}
    if params is not None and set(params) != set(named):
        raise InputError(f"optimizer_to_torch: params must be named {sorted(named)}, got {sorted(params)}.")
    for number, group in enumerate(groups):
        try:
            state_to_torch(kind, _inner(state, number, len(groups)), group, torch_optimizer.state)
        except (KeyError, AttributeError, RuntimeError) as error:
            said = f"{type(error).__name__} at {error}"
            raise InputError(
                f"optimizer_to_torch: state must be that of {kind.rule} over {sorted(named)}, got {said}."
            ) from error
    with torch.no_grad():
        for name, value in (params or {}).items():
            named[name].copy_(torch.tensor(np.array(value)))


def _library() -> ModuleType:
    name = f"{implementation('jax')}.optimizers"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise InputError(f"optimizer_from_torch: the implementation registered for jax must have {name}.") from error


def _read(function: str, torch_optimizer: Any, module: Any) -> tuple[Kind, list[Named]]:
    """The optimizer's kind, and its parameters by name, group by group."""
    import torch

    cls = type(torch_optimizer)
    if cls.__name__ not in KINDS or cls is not getattr(torch.optim, cls.__name__, None):
        raise InputError(f"{function}: torch_optimizer must be one of torch.optim's {', '.join(KINDS)}, got {cls!r}.")
    owned = [parameter for group in torch_optimizer.param_groups for parameter in group["params"]]
    names = {id(p): name for name, p in module.named_parameters()} if module is not None else {}
    strangers = [p for p in owned if module is not None and id(p) not in names]
    if strangers:
        shape = tuple(strangers[0].shape)
        raise InputError(f"{function}: module must have all parameters of torch_optimizer, got none of shape {shape}.")
    names = names or {id(p): str(position) for position, p in enumerate(owned)}
    if any(p.is_complex() for p in owned):
        raise InputError(f"{function}: torch_optimizer must have real parameters, got complex ones.")
    return KINDS[cls.__name__], [{names[id(p)]: p for p in group["params"]} for group in torch_optimizer.param_groups]


def _rule(library: ModuleType, kind: Kind, group: Mapping[str, Any], learning_rate: Any) -> Any:
    """The transformation of one group's settings."""
    decoupled = kind.rule == "adam" and group.get("decoupled_weight_decay")
    make = getattr(library, "adamw" if decoupled else kind.rule)
    settings = {"learning_rate": group["lr"], **kind.settings(group, library)}
    if learning_rate is not None:
        settings["learning_rate"] = learning_rate
    taken = inspect.signature(make).parameters
    rule = make(**{name: _plain(value) for name, value in settings.items() if name in taken})
    return library.maximize(rule) if group.get("maximize") else rule


def _plain(value: Any) -> Any:
    """torch admits tensors for numbers."""
    if type(value) is tuple:
        return tuple(map(_plain, value))
    return value.item() if hasattr(value, "item") else value


def _inner(state: Any, number: int, count: int) -> Any:
    return state if count == 1 else state.inner_states[str(number)].inner_state


def _with_inner(state: Any, number: int, count: int, filled: Any) -> Any:
    if count == 1:
        return filled
    key = str(number)
    parts = {**state.inner_states, key: state.inner_states[key]._replace(inner_state=filled)}
    return state._replace(inner_states=parts)
