"""Inside two modules with the same weights: the first layer that differs, and the field that would mend it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from parity.arrays import as_value, is_array
from parity.bridge import Link
from parity.diagnosis.findings import Explanation, Finding
from parity.inputs import Inputs
from parity.scopes import jax_scope, torch_scope
from parity.trees import flatten, map_leaves
from parity.vjp import Run

__all__ = ["Layers"]

_IGNORED = {"parent", "name", "features", "num_features", "axis_name", "axis_index_groups", "use_running_average"}
_TRIALS = 80
_PADDINGS = ("SAME", "VALID", "CIRCULAR")
_ACTIVATIONS = ("gelu", "relu", "silu", "tanh", "elu", "leaky_relu", "sigmoid", "logistic")
_FIELD_TRAPS = {
    "epsilon": "layernorm-eps", "momentum": "bn-momentum-convention", "use_fast_variance": "norm-fast-variance",
    "approximate": "gelu-tanh-default", "padding": "conv-default-padding",
}  # fmt: skip


@dataclass(frozen=True)
class Layers:
    """Two modules and the layers of theirs that hold the same weights.

    Attributes:
        torch: an ``nn.Module``; it is not changed.
        linen: a linen module, not bound.
        pairs: which tensor holds which leaf's numbers.
        flags: the linen module's mode.
        train: torch's.
    """

    torch: Any
    linen: Any
    pairs: list[Link]
    flags: Mapping[str, bool]
    train: bool

    def __call__(self, inputs: Inputs, left: Run, limits: Mapping[str, float]) -> Explanation:
        """The fields that close the gap of the outputs, and the first layer that differs."""
        wanted = {path: left.outputs[path].data for path in limits if path in left.outputs}
        notes = tuple(self._located(inputs))
        sentences = tuple(str(finding) for finding in self._mended(inputs, wanted, limits)) if wanted else ()
        return Explanation(sentences, notes)

    def _located(self, inputs: Inputs) -> Iterator[str]:
        ours, theirs, before = self._torch_layers(inputs), self._linen_layers(inputs), ""
        shared = dict.fromkeys((link.torch.rpartition(".")[0], "/".join(link.linen[1:-1])) for link in self.pairs)
        order = [pair for name in ours for pair in shared if pair[0] == name and pair[1] in theirs]
        for one, other in order:
            (taken, given), (also_taken, also_given) = ours[one], theirs[other]
            name = f"{other or 'the module'} (torch: {one or 'the module'})"
            if not _same(taken, also_taken):
                yield f"{before}what enters {name} differs already"
                return
            if not _same(given, also_given):
                yield f"{before}{name} is the first layer whose output differs; what enters it agrees"
                return
            before = f"the layers agree up to {name}; "
        if before:
            yield f"{before}look behind it"

    def _torch_layers(self, inputs: Inputs) -> dict[str, tuple[Any, Any]]:
        import torch

        found: dict[str, tuple[Any, Any]] = {}
        replica = copy.deepcopy(self.torch).double().train(self.train)
        for path, child in replica.named_modules():

            def record(_: Any, taken: Any, given: Any, path: str = path) -> None:
                found.setdefault(path, (_first(taken), _first(given)))

            child.register_forward_hook(record)
        with torch_scope("float64"), torch.no_grad():
            arrays = {path: torch.tensor(array) for path, array in inputs.arrays().items()}
            _without_weights(inputs).call(lambda *args, **kwargs: replica(*args, **kwargs), arrays)
        return found

    def _linen_layers(self, inputs: Inputs, change: Callable | None = None) -> dict[str, tuple[Any, Any]]:
        """Every submodule's first argument and result; ``change`` may alter a module before its call."""
        import flax.linen as nn
        import jax.numpy as jnp

        found: dict[str, tuple[Any, Any]] = {}

        def record(call: Callable, args: Any, kwargs: Any, context: Any) -> Any:
            if change is not None:
                change(context.module)
            out = call(*args, **kwargs)
            if context.method_name == "__call__":
                found.setdefault("/".join(context.module.path), (_first(args), _first(out)))
                found["*"] = (None, out)
            return out

        with jax_scope("float64"), nn.intercept_methods(record):
            arrays = {path: jnp.asarray(array) for path, array in inputs.arrays().items()}
            weights = map_leaves(lambda path, _: arrays[path], inputs.tree["params"], "params")

            def apply(*args: Any, **kwargs: Any) -> Any:
                return self.linen.apply({"params": weights}, *args, **kwargs, **self.flags)

            _without_weights(inputs).call(apply, arrays)
        return found

    def _mended(self, inputs: Inputs, wanted: Mapping, limits: Mapping[str, float]) -> Iterator[Finding]:
        for kind, name, old, new in self._trials(inputs)[:_TRIALS]:

            def change(module: Any, kind: str = kind, name: str = name, new: Any = new) -> None:
                if type(module).__name__ == kind:
                    object.__setattr__(module, name, new)  # linen's own would refuse: a module is frozen

            try:
                outputs = flatten(self._linen_layers(inputs, change)["*"][1], "output")
                got = {path: as_value(outputs[path]).data for path in wanted}
            except Exception:  # a field of another value may ask for other weights
                continue
            if all(_within(wanted[path], got[path], limits[path]) for path in wanted):
                sentence = f"the gap vanishes with {kind}({name}={_shown(new)}) instead of {_shown(old)}"
                yield Finding(sentence, _FIELD_TRAPS.get(name, ""))

    def _trials(self, inputs: Inputs) -> list[tuple[str, str, Any, Any]]:
        """(class, field, value, another value) of every submodule that is called."""
        kinds: dict[tuple[str, str], Any] = {}

        def note(module: Any) -> None:
            for field in fields(module):
                if field.name not in _IGNORED:
                    kinds.setdefault((type(module).__name__, field.name), getattr(module, field.name))

        self._linen_layers(inputs, note)
        return [(kind, name, old, new) for (kind, name), old in kinds.items() for new in _others(old)]


def _without_weights(inputs: Inputs) -> Inputs:
    return Inputs({name: value for name, value in inputs.tree.items() if name != "params"}, inputs.keywords)


def _first(values: Any) -> np.ndarray | None:
    """The first array of a call's arguments or of its result."""
    leaves = [leaf for leaf in flatten(values, "x").values() if is_array(leaf)]
    return as_value(leaves[0]).data if leaves else None


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """The same numbers, in whatever layout."""
    if one is None or other is None or one.size != other.size:
        return one is other
    return _within(np.sort(one, axis=None), np.sort(other, axis=None), 1e-10 * float(np.abs(one).max(initial=1.0)))


def _within(one: np.ndarray, other: np.ndarray, limit: float) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max(initial=0.0) <= limit)


def _others(old: Any) -> list[Any]:
    """Other values that a field may have been meant to have."""
    import flax.linen as nn

    if isinstance(old, bool):
        return [not old]
    if isinstance(old, float):
        near = (1e-5, 1e-6, 1e-8, 1e-12, 1e-3, 0.1, 0.9, 0.99, 0.01, 0.2, 0.5, 1 - old)
        return [value for value in near if value != old]
    if isinstance(old, str):
        return [value for value in _PADDINGS if old in _PADDINGS and value != old]
    if callable(old) and getattr(old, "__name__", "") in _ACTIVATIONS:
        return [_exact_gelu, nn.relu, nn.gelu, nn.silu, nn.tanh, nn.elu, nn.sigmoid]
    return []


def _exact_gelu(x: Any) -> Any:
    import flax.linen as nn

    return nn.gelu(x, approximate=False)


def _shown(value: Any) -> str:
    return getattr(value, "__name__", "").lstrip("_") or repr(value)
