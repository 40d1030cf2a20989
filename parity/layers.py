"""The layers of a module that hold weights, in the order in which they are called."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.trees import flatten, map_leaves

__all__ = ["LinenLayer", "TorchLayer", "linen_layers", "mode_flags", "torch_layers", "tree_layers"]

_MODES = {"train": True, "training": True, "is_training": True, "deterministic": False, "use_running_average": False}
"""Arguments by which linen modules are put into training mode, and their value there."""


@dataclass(frozen=True)
class TorchLayer:
    """A torch module that owns tensors.

    Attributes:
        path: "encoder.0"; "" for the root.
        module: itself.
        shapes: of the tensors that it owns, by name.
    """

    path: str
    module: Any
    shapes: dict[str, tuple[int, ...]]

    @property
    def kind(self) -> str:
        """The name of its class."""
        return type(self.module).__name__

    def __str__(self) -> str:
        return f"{self.path or '(root)'} {self.kind} {_listed(self.shapes)}"


@dataclass(frozen=True)
class LinenLayer:
    """A linen module that owns leaves.

    Attributes:
        path: "encoder/Dense_0"; "" for the root.
        kind: the name of its class; "" where only its variables are known.
        shapes: of the leaves that it owns, by name.
    """

    path: str
    kind: str
    shapes: dict[str, tuple[int, ...]]

    def __str__(self) -> str:
        return f"{self.path or '(root)'} {self.kind} {_listed(self.shapes)}".replace("  ", " ")


def _listed(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name}{list(shape)}" for name, shape in shapes.items())


def torch_layers(module: Any, inputs: Any = None) -> list[TorchLayer]:
    """In the order of their first call on ``inputs``; in the order of definition where that cannot be known.

    A tensor that two layers share belongs to the first that is defined.
    """
    found, seen = {}, set()
    for path, child in module.named_modules():
        tensors = [*child.named_parameters(recurse=False), *child.named_buffers(recurse=False)]
        own = {name: tuple(tensor.shape) for name, tensor in tensors if id(tensor) not in seen}
        seen |= {id(tensor) for _, tensor in tensors}
        if own:
            found[path] = TorchLayer(path, child, own)
    called = [] if inputs is None else _torch_call_order(module, inputs)
    first = [path for path in dict.fromkeys(called) if path in found]
    return [found[path] for path in [*first, *(path for path in found if path not in first)]]


def _torch_call_order(module: Any, inputs: Any) -> list[str]:
    """Paths of the submodules as a call on ``inputs`` reaches them; the module is left as it was."""
    import copy

    import torch

    replica, called = copy.deepcopy(module).eval(), []
    for path, child in replica.named_modules():
        child.register_forward_pre_hook(lambda *_, path=path: called.append(path))
    dtype = next((p.dtype for p in replica.parameters() if p.is_floating_point()), torch.get_default_dtype())
    tensors = map_leaves(lambda _, leaf: _like(leaf, dtype) if hasattr(leaf, "shape") else leaf, inputs)
    with suppress(Exception), torch.no_grad():  # a call that fails is reported by the comparison itself
        replica(**tensors) if isinstance(tensors, Mapping) else replica(*tensors)
    return called


def _like(leaf: Any, dtype: Any) -> Any:
    import torch

    tensor = torch.as_tensor(np.array(leaf))
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def linen_layers(module: Any, inputs: Any) -> list[LinenLayer]:
    """In the order of their first call; nothing is computed, the initialiser is only traced."""
    import flax.linen as nn
    import jax

    kinds: dict[str, str] = {}

    def record(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        kinds.setdefault("/".join(context.module.path), type(context.module).__name__)
        return call(*args, **kwargs)

    def initialise() -> Any:
        key = jax.random.key(0)
        arrays = map_leaves(lambda _, leaf: jax.numpy.asarray(leaf) if hasattr(leaf, "shape") else leaf, inputs)
        args, kwargs = ((), arrays) if isinstance(arrays, Mapping) else (arrays, {})
        return module.init(key, *args, **kwargs, **mode_flags(module, False, inputs))

    with nn.intercept_methods(record):
        layers = {layer.path: layer for layer in tree_layers(jax.eval_shape(initialise))}
    order = [*(path for path in kinds if path in layers), *(path for path in layers if path not in kinds)]
    return [LinenLayer(path, kinds.get(path, ""), layers[path].shapes) for path in order]


def mode_flags(module: Any, train: bool, inputs: Any) -> dict[str, bool]:
    """The keyword that puts a linen module into the mode, where its call takes one that ``inputs`` do not give."""
    parameters = list(inspect.signature(module.__call__).parameters)
    given = set(inputs) if isinstance(inputs, Mapping) else set(parameters[: len(inputs)])
    return {name: value is train for name, value in _MODES.items() if name in parameters and name not in given}


def tree_layers(variables: Mapping[str, Any]) -> list[LinenLayer]:
    """The layers of a tree of variables, Dense_2 before Dense_10 (JAX sorts keys as strings)."""
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for path, leaf in flatten(variables.get("params", {})).items():
        parent, _, name = path.rpartition("/")
        shapes.setdefault(parent, {})[name] = tuple(np.shape(leaf))
    return [LinenLayer(path, "", shapes[path]) for path in sorted(shapes, key=_natural)]


def _natural(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]
