"""Two modules with the same weights as two functions of linen's variables: gradients arrive in linen's layout."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from parity.bridge import Link, as_linen, as_torch
from parity.devices import chosen
from parity.images import with_channels_first, with_channels_last

__all__ = ["STATISTICS", "LinenFunction", "TorchFunction"]

STATISTICS = "batch_stats"
"""linen's collection of running statistics."""


@dataclass(frozen=True)
class TorchFunction:
    """An ``nn.Module``, called with linen's weights before its own arguments, and its running statistics if it has any.

    Attributes:
        module: it is not changed.
        pairs: which tensor holds which leaf's numbers.
        train: its mode.
    """

    module: Any
    pairs: list[Link]
    train: bool

    @cached_property
    def replica(self) -> Any:
        """What is called in its place."""
        return copy.deepcopy(self.module).train(self.train).to(chosen())

    @property
    def running(self) -> list[Link]:
        """The links of running statistics."""
        return [link for link in self.pairs if link.linen[0] == STATISTICS]

    def __call__(self, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The module's result; in training with the new running statistics, in linen's layout."""
        import torch

        variables, args = _variables(bool(self.running), params, args, kwargs)
        state = as_torch(self.pairs, variables)
        dtype = next((tensor.dtype for tensor in state.values() if tensor.is_floating_point()), None)
        buffers = {name: buffer.clone() for name, buffer in self.replica.named_buffers()}
        floats = {name: buffer.to(dtype) for name, buffer in buffers.items() if buffer.is_floating_point()}
        state = buffers | floats | {name: tensor.clone() for name, tensor in state.items()}
        result = torch.func.functional_call(self.replica, state, args, kwargs)
        return {"result": result, **as_linen(self.running, state)} if self.train and self.running else result


@dataclass(frozen=True)
class LinenFunction:
    """A linen module, called with its weights before its own arguments, and its running statistics if it has any.

    Attributes:
        module: not bound.
        flags: its mode.
        running: whether it has running statistics.
        train: whether the call changes them; they are returned then.
        channels_last: whether it takes images with their channels last; results go back to channels first.
    """

    module: Any
    flags: Mapping[str, bool]
    running: bool
    train: bool
    channels_last: bool

    def __call__(self, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The module's result; in training with the new running statistics."""
        import jax

        variables, args = _variables(self.running, params, args, kwargs)
        if self.channels_last:
            args, kwargs = with_channels_last(args), with_channels_last(kwargs)
        mutable = [STATISTICS] if self.running and self.train else False
        result = self.module.apply(variables, *args, **kwargs, **self.flags, mutable=mutable)
        result, moved = result if mutable else (result, {})
        result = with_channels_first(result) if self.channels_last else result
        return {"result": result, **jax.lax.stop_gradient(moved)} if mutable else result


def _variables(running: bool, params: Any, args: tuple, kwargs: dict) -> tuple[dict[str, Any], tuple]:
    """linen's variables, and the arguments without them."""
    if not running:
        return {"params": params}, args
    if STATISTICS in kwargs:
        return {"params": params, STATISTICS: kwargs.pop(STATISTICS)}, args
    return {"params": params, STATISTICS: args[0]}, args[1:]
