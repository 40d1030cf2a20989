"""PyTorch's samples of layers: as of modules, in the sample's own mode, and with the buffers that the call leaves."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from module_samples import Counterpart, Sample, samples

__all__ = ["LayerCounterpart", "check_layer", "layer_samples", "without_buffers"]

LayerCounterpart = Callable[..., tuple[Any, dict[str, Any]]]
"""(training, settings, arrays, parameters, inputs) to the output and the arrays after the call, by torch's names.

``training`` is the mode, all else as for ``module_samples.Counterpart``.
"""


def layer_samples(entry: str) -> Iterator[Sample]:
    """Every sample of an entry; a lazy module has seen its input, for before it has no weights."""
    for sample in samples(entry):
        if entry.startswith("Lazy"):
            with torch.no_grad():
                sample.module(*sample.inputs)
        yield sample


def check_layer(parity: Any, entry: str, counterpart: LayerCounterpart, **options: Any) -> int:
    """Compare every sample of an entry: output, buffers afterwards, and the gradient of all that torch differentiates.

    Args:
        parity: the fixture.
        entry: the module's name.
        counterpart: the module in JAX.
        **options: of the comparison.

    Returns:
        How many samples there are.
    """
    known = {"jit": False, "edge_cases": True, **options}
    found = list(layer_samples(entry))
    reports = [parity.compare(*sides(sample, counterpart), name=sample.name, **known) for sample in found]
    differing = [str(report) for report in reports if not report.ok]
    assert not differing, f"{len(differing)} of {len(found)} samples differ. The first:\n{differing[0]}"
    return len(found)


def sides(sample: Sample, counterpart: LayerCounterpart) -> tuple[Callable, Callable, dict[str, Any]]:
    """Both sides and their inputs, ready for ``parity.compare``."""

    def named(*given: Any) -> dict[str, Any]:
        output, arrays = counterpart(sample.module.training, *given)
        return {"output": output, "arrays": arrays}

    torch_side, jax_side, inputs = sample.case(named)

    def torch_named(free: dict, fixed: dict) -> dict[str, Any]:
        arrays = {name: array.detach().clone() for name, array in fixed["arrays"].items()}  # changed in place
        return {"output": torch_side(free, {**fixed, "arrays": arrays}), "arrays": arrays}

    return torch_named, jax_side, inputs


def without_buffers(counterpart: Counterpart) -> LayerCounterpart:
    """A module of one mode, whose call leaves its buffers as they are."""
    return lambda training, settings, arrays, parameters, inputs: (
        counterpart(settings, arrays, parameters, inputs),
        arrays,
    )
