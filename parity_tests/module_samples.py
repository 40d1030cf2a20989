"""PyTorch's own sample inputs of its modules, as comparisons of each module with its counterpart in JAX.

``torch.testing._internal.common_modules.module_db`` is what PyTorch tests itself with: for each module constructor
arguments, forward arguments and shapes in many variants. It is private to torch; this file alone knows how it is read.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from torch_internals import internal

__all__ = ["Counterpart", "Sample", "entries", "samples"]

Counterpart = Callable[..., Any]
"""(settings, arrays, parameters, inputs) to the module's output.

``settings`` are the constructor's arguments by name that are no tensors, ``arrays`` those that are; ``parameters`` by
torch's names; ``inputs`` those of the forward call, in order.
"""


@cache
def _database() -> dict[str, Any]:
    """The entries by the name of their module, CrossEntropyLoss for ``torch.nn.CrossEntropyLoss``."""
    return {entry.module_cls.__name__: entry for entry in internal("common_modules").module_db}


def entries(kind: str) -> list[str]:
    """The names of the entries whose modules stand in one file of ``torch.nn.modules``: "loss", "activation", ..."""
    return [name for name, entry in _database().items() if entry.module_cls.__module__ == f"torch.nn.modules.{kind}"]


@dataclass(frozen=True)
class Sample:
    """One sample of a module: how it is built and what it is called with.

    Attributes:
        name: entry, number, description and mode, as one word.
        module: in the mode that the sample is for.
        settings: the constructor's arguments by name, defaults too.
        inputs: of the forward call, in order.
    """

    name: str
    module: nn.Module
    settings: dict[str, Any]
    inputs: tuple[Any, ...]

    def case(self, counterpart: Counterpart) -> tuple[Callable, Callable, dict[str, Any]]:
        """Both sides and their inputs, ready for ``parity.compare``.

        What torch differentiates (parameters, and the inputs that require it) stands in ``free``, all else in
        ``fixed``.
        """
        import jax

        plain = {name: value for name, value in self.settings.items() if not isinstance(value, Tensor)}
        parts = {"parameters": dict(self.module.named_parameters()), "arrays": dict(self.module.named_buffers())}
        parts["inputs"] = {str(place): value for place, value in enumerate(self.inputs)}
        free, fixed = ({part: _chosen(values, kind) for part, values in parts.items()} for kind in (True, False))

        def torch_side(free: dict, fixed: dict) -> Any:
            fixed = jax.tree.map(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, fixed)
            owned = free["parameters"] | fixed["arrays"]
            return functional_call(self.module, owned, _ordered(free["inputs"] | fixed["inputs"]))

        def jax_side(free: dict, fixed: dict) -> Any:
            fixed = jax.lax.stop_gradient(fixed)
            inputs = _ordered(free["inputs"] | fixed["inputs"])
            return counterpart(plain, fixed["arrays"], free["parameters"], inputs)

        return torch_side, jax_side, {"free": _numbers(free), "fixed": _numbers(fixed)}


def _chosen(values: dict[str, Any], differentiated: bool) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if (isinstance(value, Tensor) and value.requires_grad) == differentiated
    }


def _ordered(inputs: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(inputs[name] for name in sorted(inputs, key=int))


def _numbers(tree: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Tensors as NumPy arrays that nobody else holds."""

    def number(value: Any) -> Any:
        return value.detach().numpy().copy() if isinstance(value, Tensor) else value

    return {part: {name: number(value) for name, value in values.items()} for part, values in tree.items()}


def samples(name: str, sample: Callable[..., Sample] | None = None) -> list[Sample]:
    """Every sample of one entry: float64, on the CPU, inputs that require gradients, in each mode that differs.

    Args:
        name: of the entry.
        sample: makes one of its name, its class, torch's record and the mode; None takes inputs that are tensors.
    """
    with torch.random.fork_rng(), _float64():
        return [(sample or _sample)(*known) for known in _recorded(name)]


def _recorded(name: str) -> Iterator[tuple[str, Callable[..., nn.Module], Any, bool]]:
    entry = _database()[name]
    for training in (False, True) if entry.train_and_eval_differ else (False,):
        options = {"device": "cpu", "dtype": torch.float64, "requires_grad": True, "training": training}
        torch.manual_seed(0)
        for number, given in enumerate(entry.module_inputs_func(entry, **options)):
            words = [name, str(number), given.desc, "train" if training else ""]
            yield "-".join(filter(None, words)), entry.module_cls, given, training


def _sample(name: str, make: Callable[..., nn.Module], given: Any, training: bool) -> Sample:
    arguments, call = given.constructor_input, given.forward_input
    bound = inspect.signature(make).bind(*arguments.args, **arguments.kwargs)
    bound.apply_defaults()
    settings = {} if make.__init__ is nn.Module.__init__ else bound.arguments  # which takes anything
    module = make(*arguments.args, **arguments.kwargs).train(training)
    called = inspect.signature(module.forward).bind(*call.args, **call.kwargs)
    return Sample(name, module, settings, called.args)


@contextmanager
def _float64() -> Iterator[None]:
    """Parameters are born as float64, so that none is rounded on the way."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
