"""What a framework's object is, told from the names of its classes: no framework is imported to ask."""

from __future__ import annotations

from typing import Any

__all__ = ["is_linen_module", "is_torch_module"]


def is_torch_module(side: Any) -> bool:
    """Whether this is an ``nn.Module`` of torch."""
    return _is(side, "torch.nn.modules.module", "Module")


def is_linen_module(side: Any) -> bool:
    """Whether this is a ``flax.linen.Module``."""
    return _is(side, "flax.linen.module", "Module")


def _is(side: Any, module: str, name: str) -> bool:
    return any(base.__module__ == module and base.__name__ == name for base in type(side).__mro__)
