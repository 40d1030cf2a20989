"""Inside two modules with the same weights: the first layer that differs, and the field that would mend it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from parity.arrays import as_value
from parity.calls import Call, linen_calls, torch_calls
from parity.diagnosis.apart import first_apart
from parity.diagnosis.findings import Finding
from parity.inputs import Inputs
from parity.module_sides import STATISTICS, LinenFunction, TorchFunction
from parity.scopes import jax_scope, torch_scope
from parity.trees import flatten
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
_VARIANCE = ", and every mean: linen's BatchNorm keeps the variance of the batch, torch n / (n - 1) times it"


@dataclass(frozen=True)
class Layers:
    """Two modules and the layers of theirs that hold the same weights.

    Attributes:
        torch: an ``nn.Module`` as a function.
        linen: a linen module as a function.
    """

    torch: TorchFunction
    linen: LinenFunction

    def __call__(self, inputs: Inputs, left: Run, limits: Mapping[str, float]) -> Iterator[Finding]:
        """The fields that close the gap of the outputs."""
        wanted = {path: left.outputs[path].data for path in limits if path in left.outputs}
        return self._mended(inputs, wanted, limits) if wanted else iter(())

    def located(self, inputs: Inputs, failing: Collection[str]) -> Iterator[str]:
        """The first layer that differs: where torch's calls and linen's part, or whose statistics do."""
        ours, theirs = self._torch_layers(inputs), self._linen_layers(inputs)[0]
        order = self._order(ours, theirs)
        remembered = f"output/{STATISTICS}/"
        if failing and all(path.startswith(remembered) for path in failing):
            parents = {path.removeprefix(remembered).rpartition("/")[0] for path in failing}
            one, other = next(pair for pair in order if pair[1] in parents)
            agrees = "every output agrees" + ("" if any(path.endswith("/mean") for path in failing) else _VARIANCE)
            yield f"{other} (torch: {one}) is the first layer whose running statistics differ; {agrees}"
        elif any(not path.startswith("grad/") for path in failing):
            yield from first_apart(ours, theirs, order)

    def _order(self, ours: Mapping[str, Call], theirs: Mapping[str, Call]) -> list[tuple[str, str]]:
        """Pairs of layers in the order of torch's calls."""
        shared = dict.fromkeys(link.layers for link in self.torch.pairs)
        return [pair for name in ours for pair in shared if pair[0] == name and pair[1] in theirs]

    def _torch_layers(self, inputs: Inputs) -> dict[str, Call]:
        import torch

        with torch_scope("float64"), torch.no_grad():
            arrays = {path: torch.tensor(array) for path, array in inputs.arrays().items()}
            return torch_calls(self.torch.replica, lambda: inputs.call(self.torch, arrays))

    def _linen_layers(self, inputs: Inputs, change: Callable | None = None) -> tuple[dict[str, Call], Any]:
        """Every submodule's first call, and the result; ``change`` may alter a module before its call."""
        import jax.numpy as jnp

        results: list[Any] = []
        with jax_scope("float64"):
            arrays = {path: jnp.asarray(array) for path, array in inputs.arrays().items()}
            calls = linen_calls(lambda: results.append(inputs.call(self.linen, arrays)), change)
        return calls, results[0]

    def _mended(self, inputs: Inputs, wanted: Mapping, limits: Mapping[str, float]) -> Iterator[Finding]:
        for kind, name, old, new in self._trials(inputs)[:_TRIALS]:

            def change(module: Any, kind: str = kind, name: str = name, new: Any = new) -> None:
                if type(module).__name__ == kind:
                    object.__setattr__(module, name, new)  # linen's own would refuse: a module is frozen

            try:
                outputs = flatten(self._linen_layers(inputs, change)[1], "output")
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
