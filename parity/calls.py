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
        kind: the name of its class.
        taken: the first array of its arguments.
        given: the first array of its result.
    """

    kind: str
    taken: np.ndarray | None
    given: np.ndarray | None


def torch_calls(module: Any, run: Callable[[], Any]) -> dict[str, Call]:
    """Every submodule's first call, by path, in the order in which they return.

    Args:
        module: whose submodules to watch; no hook is left behind.
        run: calls it.
    """
    found: dict[str, Call] = {}

    def watch(path: str, child: Any) -> Any:
        def record(_: Any, taken: Any, keywords: Any, given: Any) -> None:
            found.setdefault(path, Call(type(child).__name__, _first((taken, keywords)), _first(given)))

        return child.register_forward_hook(record, with_kwargs=True)

    hooks = [watch(path, child) for path, child in module.named_modules()]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return found


def linen_calls(run: Callable[[], Any], change: Callable[[Any], None] | None = None) -> dict[str, Call]:
    """The same of linen's submodules, by path.

    Args:
        run: calls the module.
        change: may alter a submodule before its call.
    """
    import flax.linen as nn

    found: dict[str, Call] = {}

    def record(call: Callable, args: Any, kwargs: Any, context: Any) -> Any:
        if change is not None:
            change(context.module)
        out = call(*args, **kwargs)
        if context.method_name == "__call__":
            path = "/".join(context.module.path)
            found.setdefault(path, Call(type(context.module).__name__, _first((args, kwargs)), _first(out)))
        return out

    with nn.intercept_methods(record):
        run()
    return found


def _first(values: Any) -> np.ndarray | None:
    """The first array of a call's arguments or of its result; None where it is being traced, as inside a scan."""
    leaves = [leaf for leaf in flatten(values, "x").values() if is_array(leaf)]
    if not leaves or _is_tracer(leaves[0]):
        return None
    return as_value(leaves[0]).data


def _is_tracer(leaf: Any) -> bool:
    from jax.core import Tracer

    return isinstance(leaf, Tracer)
