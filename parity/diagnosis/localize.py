"""Inside two modules with the same weights: the first layer that differs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from parity.calls import Call, linen_calls, torch_calls
from parity.devices import chosen
from parity.diagnosis.apart import first_apart
from parity.inputs import Inputs
from parity.module_sides import STATISTICS, LinenFunction, TorchFunction
from parity.scopes import jax_scope, torch_scope

__all__ = ["Layers"]

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

    def located(self, inputs: Inputs, failing: Collection[str]) -> Iterator[str]:
        """The first layer that differs: where torch's calls and linen's part, or whose statistics do."""
        ours, theirs = self._torch_layers(inputs), self._linen_layers(inputs)
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
            arrays = {path: torch.tensor(array).to(chosen()) for path, array in inputs.arrays().items()}
            return torch_calls(self.torch.replica, lambda: inputs.call(self.torch, arrays))

    def _linen_layers(self, inputs: Inputs) -> dict[str, Call]:
        import jax.numpy as jnp

        with jax_scope("float64"):
            arrays = {path: jnp.asarray(array) for path, array in inputs.arrays().items()}
            return linen_calls(lambda: inputs.call(self.linen, arrays))
