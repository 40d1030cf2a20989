"""What enters and what leaves every submodule while a model is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.arrays import as_value, is_array
from parity.trees import flatten

__all__ = ["Call", "linen_calls", "torch_calls"]


@dataclass(frozen=True)
class Call:
    """The first call of a submodule.

    Attributes:
        taken: the arrays of its arguments; none where they are being traced, as inside a scan.
        given: the arrays of its result.
        around: the paths of the calls that it is inside of, the innermost first.
    """

    taken: tuple[np.ndarray, ...]
    given: tuple[np.ndarray, ...]
    around: tuple[str, ...] = ()


def torch_calls(module: Any, run: Callable[[], Any]) -> dict[str, Call]:
    """Every submodule's first call, by path, in the order in which they return.

    Args:
        module: whose submodules to watch; no hook is left behind.
        run: calls it.
    """
    found: dict[str, Call] = {}

    def watch(path: str, child: Any) -> Any:
        def record(_: Any, taken: Any, keywords: Any, given: Any) -> None:
            found.setdefault(path, Call(_arrays((taken, keywords)), _arrays(given)))

        return child.register_forward_hook(record, with_kwargs=True)

    hooks = [watch(path, child) for path, child in module.named_modules()]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return found


def linen_calls(run: Callable[[], Any]) -> dict[str, Call]:
    """The same of linen's submodules, by path."""
    import flax.linen as nn

    found: dict[str, Call] = {}
    inside: list[str] = []

    def record(call: Callable, args: Any, kwargs: Any, context: Any) -> Any:
        if context.method_name != "__call__":
            return call(*args, **kwargs)
        path, around = "/".join(context.module.path), tuple(reversed(inside))
        inside.append(path)
        try:
            out = call(*args, **kwargs)
        finally:
            inside.pop()
        found.setdefault(path, Call(_arrays((args, kwargs)), _arrays(out), around))
        return out

    with nn.intercept_methods(record):
        run()
    return found


def _arrays(values: Any) -> tuple[np.ndarray, ...]:
    from jax.core import Tracer

    leaves = [leaf for leaf in flatten(values, "x").values() if is_array(leaf)]
    return () if any(isinstance(leaf, Tracer) for leaf in leaves) else tuple(as_value(leaf).data for leaf in leaves)
