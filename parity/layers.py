"""The layers of a module that hold weights, in the order in which they are called."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.bridge_rules import parts_of, suffixes
from parity.trees import flatten, map_leaves

__all__ = ["LinenLayer", "TorchLayer", "linen_layers", "mode_flags", "torch_layers", "tree_layers"]

_PASSING = ("intermediates", "cache")
"""Collections of what a call leaves behind, which no weight fills."""

_MODES = {"train": True, "training": True, "is_training": True, "deterministic": False, "use_running_average": False}
"""Arguments by which linen modules are put into training mode, and their value there."""


@dataclass(frozen=True)
class TorchLayer:
    """A torch module that owns tensors; one layer, and one way, of a recurrent stack.

    Attributes:
        path: "encoder.0"; "" for the root.
        module: itself.
        shapes: of the tensors that it owns, by name.
        suffix: of their names, "_l0_reverse"; "" where the module is one layer.
    """

    path: str
    module: Any
    shapes: dict[str, tuple[int, ...]]
    suffix: str = ""

    @property
    def kind(self) -> str:
        """The name of its class."""
        return type(self.module).__name__

    def under(self, name: str) -> str:
        """A tensor's name in the state dict."""
        return f"{self.path}.{name}" if self.path else name

    def __str__(self) -> str:
        return f"{self.path or '(root)'}{self.suffix and ' ' + self.suffix} {self.kind} {_listed(self.shapes)}"


@dataclass(frozen=True)
class LinenLayer:
    """A linen module that owns leaves.

    Attributes:
        path: "encoder/Dense_0"; "" for the root.
        kind: the name of its class; "" where only its variables are known.
        shapes: of the leaves that it owns, by name; "batch_stats/mean" for those that are no parameters.
        module: itself; None where only its variables are known.
    """

    path: str
    kind: str
    shapes: dict[str, tuple[int, ...]]
    module: Any = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.path or '(root)'} {self.kind} {_listed(self.shapes)}".replace("  ", " ")


def _listed(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name}{list(shape)}" for name, shape in shapes.items())


def torch_layers(module: Any, inputs: Any = None) -> list[TorchLayer]:
    """In the order of their first call on ``inputs``; in the order of definition where that cannot be known.

    A tensor that two layers share belongs to the first that is defined, to an embedding before any other.
    """
    found, free = {}, _tensors(module)
    for path, child in module.named_modules():
        own = _own(path, child, free)
        for suffix in suffixes(child):
            shapes = {name: tuple(tensor.shape) for name, tensor in own.items() if name.endswith(suffix)}
            if shapes:
                found.setdefault(path, []).append(TorchLayer(path, child, shapes, suffix))
    called = [] if inputs is None else _torch_call_order(module, inputs)
    first = [path for path in dict.fromkeys(called) if path in found]
    return [layer for path in [*first, *(path for path in found if path not in first)] for layer in found[path]]


def _tensors(module: Any) -> dict[str, Any]:
    """The tensors of a state dict, each under one of its names."""
    import torch

    modules, tables = dict(module.named_modules()), (torch.nn.Embedding, torch.nn.EmbeddingBag)
    tensors = {name: tensor for name, tensor in module.state_dict(keep_vars=True).items() if torch.is_tensor(tensor)}
    ranked = sorted(tensors, key=lambda name: not isinstance(modules.get(name.rpartition(".")[0]), tables))
    names = {id(tensors[name]): name for name in reversed(ranked)}
    return {name: tensor for name, tensor in tensors.items() if names[id(tensor)] == name}


def _own(path: str, child: Any, free: dict[str, Any]) -> dict[str, Any]:
    """Take the tensors that a module holds from those that are ``free``; attention holds its projection's too."""
    prefix = f"{path}." if path else ""
    inside = [name for name in free if name.startswith(prefix)]
    held = inside if parts_of(child) else [name for name in inside if "." not in name.removeprefix(prefix)]
    return {name.removeprefix(prefix): free.pop(name) for name in held}


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


def linen_layers(module: Any, inputs: Any, parts: Collection[frozenset[str]] = ()) -> list[LinenLayer]:
    """In the order of their first call; nothing is computed, the initialiser is only traced.

    Args:
        module: of linen, not bound.
        inputs: what it is called with.
        parts: names of submodules that together are one layer, as of `tree_layers`.
    """
    import flax.linen as nn
    import jax

    called: dict[str, Any] = {}

    def record(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        called.setdefault("/".join(context.module.path), context.module)
        return call(*args, **kwargs)

    def initialise() -> Any:
        key = jax.random.key(0)
        arrays = map_leaves(lambda _, leaf: jax.numpy.asarray(leaf) if hasattr(leaf, "shape") else leaf, inputs)
        args, kwargs = ((), arrays) if isinstance(arrays, Mapping) else (arrays, {})
        return module.init(key, *args, **kwargs, **mode_flags(module, False, inputs))

    with nn.intercept_methods(record):
        layers = {layer.path: layer for layer in tree_layers(jax.eval_shape(initialise), parts)}
    order = [*(path for path in called if path in layers), *(path for path in layers if path not in called)]
    kinds = {path: type(child).__name__ for path, child in called.items()}
    return [LinenLayer(path, kinds.get(path, ""), layers[path].shapes, called.get(path)) for path in order]


def mode_flags(module: Any, train: bool, inputs: Any) -> dict[str, bool]:
    """The keyword that puts a linen module into the mode, where its call takes one that ``inputs`` do not give."""
    parameters = list(inspect.signature(module.__call__).parameters)
    given = set(inputs) if isinstance(inputs, Mapping) else set(parameters[: len(inputs)])
    return {name: value is train for name, value in _MODES.items() if name in parameters and name not in given}


def tree_layers(variables: Mapping[str, Any], parts: Collection[frozenset[str]] = ()) -> list[LinenLayer]:
    """The layers of a tree of variables, Dense_2 before Dense_10 (JAX sorts keys as strings).

    A module whose children are exactly those of one of ``parts`` is one layer with them: linen's cells have a pair of
    layers for every gate, its attention one for each projection.
    """
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for collection, tree in variables.items():
        if collection in _PASSING:
            continue
        for path, leaf in flatten(tree).items():
            parent, _, name = path.rpartition("/")
            place = name if collection == "params" else f"{collection}/{name}"
            shapes.setdefault(parent, {})[place] = tuple(np.shape(leaf))
    whole = _gathered(shapes, parts)
    return [LinenLayer(path, "", whole[path]) for path in sorted(whole, key=_natural)]


def _gathered(shapes: dict[str, dict], parts: Collection[frozenset[str]]) -> dict[str, dict]:
    """The same leaves, those of modules that are parts of a layer under the layer's path."""
    children: dict[str, set[str]] = {}
    for path in shapes:
        parent, _, name = path.rpartition("/")
        children.setdefault(parent, set()).add(name)
    found: dict[str, dict] = {}
    for path, leaves in shapes.items():
        parent, _, name = path.rpartition("/")
        if children[parent] in parts:
            found.setdefault(parent, {}).update({f"{name}/{leaf}": shape for leaf, shape in leaves.items()})
        else:
            found.setdefault(path, {}).update(leaves)
    return found


def _natural(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]
