"""PyTorch's samples of modules that take pairs of states, packed sequences, or arguments by keyword.

`module_samples` knows inputs that are tensors, in order. Here each is taken apart into its tensors and put together
again on either side, so that every one of them has its gradient compared.
"""

import inspect
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils import _pytree as pytree

from module_samples import Counterpart, Sample, samples

__all__ = ["Packed", "check_nested_entry", "nested_case", "nested_samples"]


class Packed(NamedTuple):
    """A packed sequence: the steps of all sequences, time by time, and how many run at each time."""

    data: Any
    sizes: tuple[int, ...]


class _Flat(nn.Module):
    """A module whose inputs and outputs are tensors in a row."""

    def __init__(self, inner: nn.Module, names: tuple[str, ...], spec: pytree.TreeSpec) -> None:
        super().__init__()
        self.inner, self.names, self.spec = inner, names, spec

    def forward(self, *leaves: Any) -> list[Tensor]:
        given = zip(self.names, pytree.tree_unflatten(leaves, self.spec), strict=True)
        out = self.inner(**{name: _as_torch_has_it(value) for name, value in given})
        return _tensors(out)


def _as_torch_has_it(value: Any) -> Any:
    return PackedSequence(value.data, torch.tensor(value.sizes)) if isinstance(value, Packed) else value


def _apart(value: Any) -> Any:
    """A packed sequence as what it is made of, and a tensor as nobody else's."""
    if isinstance(value, PackedSequence):
        return Packed(_apart(value.data), tuple(value.batch_sizes.tolist()))
    return value.detach().clone().requires_grad_(value.requires_grad) if isinstance(value, Tensor) else value


def _tensors(out: Any) -> list[Tensor]:
    parts = out if isinstance(out, tuple) and not isinstance(out, PackedSequence) else (out,)
    parts = [part.data if isinstance(part, PackedSequence) else part for part in parts]
    return [leaf for leaf in pytree.tree_leaves(parts) if leaf is not None]


def nested_samples(name: str) -> list[Sample]:
    """Every sample of one entry, as `samples` gives them."""
    return samples(name, _sample)


def _sample(name: str, make: Any, given: Any, training: bool) -> Sample:
    arguments, call = given.constructor_input, given.forward_input
    module = make(*arguments.args, **arguments.kwargs).train(training)
    settings = arguments.kwargs | dict(zip(inspect.signature(make).parameters, arguments.args, strict=False))
    called = inspect.signature(module.forward).bind(*call.args, **call.kwargs)
    values = pytree.tree_map(_apart, list(called.arguments.values()), is_leaf=_is_packed)
    leaves, spec = pytree.tree_flatten(values)
    return Sample(name, _Flat(module, tuple(called.arguments), spec), settings, tuple(leaves))


def _is_packed(value: Any) -> bool:
    return isinstance(value, PackedSequence)


def check_nested_entry(
    parity: Any, entry: str, counterpart: Counterpart, unmatched: dict[str, str], *, every: int = 1, **options: Any
) -> int:
    """Compare the samples of an entry; a sample that is on the list of the unmatched and agrees is an error.

    Args:
        parity: the fixture.
        entry: the module's name.
        counterpart: the module in JAX; its ``inputs`` are a dict by the names of the forward call.
        unmatched: the samples without a counterpart, each with its reason.
        every: of so many samples one.
        **options: of the comparison.

    Returns:
        How many samples were compared.
    """
    found, differing = nested_samples(entry)[::every], {}
    for sample in found:
        known = {"jit": False, "edge_cases": True, "name": sample.name, "record": sample.name not in unmatched}
        report = parity.compare(*nested_case(sample, counterpart), **known, **options)
        differing |= {} if report.ok else {sample.name: str(report)}
    unexpected = [differing[name] for name in differing.keys() - unmatched.keys()]
    assert not unexpected, f"{len(unexpected)} of {len(found)} samples differ. The first:\n{unexpected[0]}"
    stale = {sample.name for sample in found} & unmatched.keys() - differing.keys()
    assert not stale, f"These samples agree by now; take them off the list: {sorted(stale)}"
    return len(found)


def nested_case(sample: Sample, counterpart: Counterpart) -> tuple[Any, Any, dict[str, Any]]:
    """Both sides and their inputs, ready for ``parity.compare``."""
    return sample.case(_rebuilt(sample.module, counterpart))


def _rebuilt(module: Any, counterpart: Counterpart) -> Counterpart:
    def flat(settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
        owned = ({name.removeprefix("inner."): value for name, value in part.items()} for part in (arrays, parameters))
        given = dict(zip(module.names, pytree.tree_unflatten(inputs, module.spec), strict=True))
        out = counterpart(settings, *owned, given)  # pyright: ignore[reportArgumentType]
        return [leaf for leaf in pytree.tree_leaves(out) if leaf is not None]

    return flat
