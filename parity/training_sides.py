"""Both sides of a training run, brought to one dtype and stepped: torch in place, JAX from state to state."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.arrays import Value, as_value
from parity.devices import chosen
from parity.errors import InputError
from parity.message import first_line
from parity.trees import flatten, map_leaves

__all__ = ["JaxTraining", "Program", "TorchRun", "TorchTraining", "by_path", "called", "told"]


@dataclass(frozen=True)
class TorchTraining:
    """The torch side of `parity.compare_training`.

    Attributes:
        state: what a step changes, module and optimizer in a tuple, say; a copy is trained, never this one.
        step: ``step(state, *batch)`` takes one step in place and returns the loss.
        read: ``read(state)`` returns the numbers in it as the JAX side's state holds them: the same names and shapes,
            tensors as leaves. It is called after a step, when every optimizer has its moments.
    """

    state: Any
    step: Callable[..., Any]
    read: Callable[[Any], Any]


@dataclass(frozen=True)
class JaxTraining:
    """The JAX side of `parity.compare_training`.

    Attributes:
        state: the pytree before the first step: parameters, moments, counts. Its floats are cast to the dtype under
            test, and its numbers must be those that torch starts from.
        step: ``step(state, *batch)`` returns the next state and the loss, and is pure; it is compiled here.
    """

    state: Any
    step: Callable[..., tuple[Any, Any]]


@contextmanager
def told(what: str, dtype: str) -> Iterator[None]:
    """Whatever the caller's own function raises becomes one sentence."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"compare_training: {what} must run on the batches at {dtype}, got {said}.") from error


class TorchRun:
    """A copy of the torch side at one dtype."""

    def __init__(self, side: TorchTraining, dtype: str) -> None:
        self._side, self._dtype = side, dtype
        with told("torch_side.state", dtype):
            self._state = copy.deepcopy(side.state)
            for part in flatten(self._state).values():
                _cast(part, dtype)

    def step(self, batch: Any) -> Value:
        """Go one step; the loss."""
        import torch

        kinds = {"f": getattr(torch, self._dtype)}
        tensors = map_leaves(lambda _, x: torch.tensor(x, dtype=kinds.get(x.dtype.kind)).to(chosen()), batch)
        with told("torch_side.step", self._dtype):
            loss = as_value(called(self._side.step, self._state, tensors))
        if loss.data.size != 1:
            raise InputError(f"compare_training: torch_side.step must return the loss, got shape {loss.data.shape}.")
        return loss

    def read(self, like: Mapping[str, Any]) -> dict[str, Value]:
        """The state in the places of the JAX side's arrays ``like``.

        Raises:
            InputError: if names or shapes are others.
        """
        with told("torch_side.read", self._dtype):
            found = {path: as_value(leaf) for path, leaf in by_path(self._side.read(self._state)).items()}
        _check_tree(found, like)
        return {path: _counted(found[path], leaf) for path, leaf in like.items()}


def _cast(part: Any, dtype: str) -> None:
    """Bring a part of a torch state to ``dtype`` and the device in place: whoever holds its tensors still does."""
    import torch

    wanted = getattr(torch, dtype)
    if isinstance(part, torch.nn.Module):
        part.to(chosen(), wanted)
    elif isinstance(part, torch.optim.Optimizer):
        for parameter in (p for group in part.param_groups for p in group["params"]):
            _cast(parameter, dtype)
        part.load_state_dict(part.state_dict())  # casts the moments to the dtype of their parameter
    elif isinstance(part, torch.Tensor):
        part.data = part.data.to(chosen(), wanted if part.is_floating_point() else None)


def _counted(value: Value, like: Any) -> Value:
    """torch counts steps in floats; where JAX has an integer, a whole number is one."""
    whole = value.data == np.round(value.data)
    if np.issubdtype(like.dtype, np.integer) and np.all(whole):
        return Value(like.dtype.name, value.data.astype(like.dtype))
    return value


def _check_tree(found: Mapping[str, Value], like: Mapping[str, Any]) -> None:
    rule = "compare_training: torch_side.read must return the tree of jax_side.state, got"
    if found.keys() != like.keys():
        extra, missing = (sorted(a - b) for a, b in ((found.keys(), like.keys()), (like.keys(), found.keys())))
        raise InputError(f"{rule} {', '.join(extra) or 'nothing'} too much and without {', '.join(missing) or 'none'}.")
    for path, leaf in like.items():
        if found[path].data.shape != leaf.shape:
            raise InputError(f"{rule} shape {found[path].data.shape} at {path}, where JAX has {leaf.shape}.")


class Program:
    """The JAX side's step over flat states, ``{path: array}``; compiled once for each dtype and shape."""

    def __init__(self, side: JaxTraining) -> None:
        import jax

        self._side = side
        self._structure = jax.tree.structure(side.state)
        self._paths = tuple(by_path(side.state))
        self._compiled = jax.jit(self.step)
        # One after the other in one program: whatever can be compiled can be run so, and each run is rounded alike.
        self._compiled_all = jax.jit(lambda states, batch: jax.lax.map(lambda state: self.step(state, batch), states))

    def start(self, dtype: str) -> dict[str, Any]:
        """The state before the first step, floats at ``dtype``."""
        import jax.numpy as jnp

        arrays = {}
        with told("jax_side.state", dtype):
            for path, leaf in by_path(self._side.state).items():
                data = as_value(leaf).data
                arrays[path] = jnp.asarray(data, dtype if data.dtype.kind == "f" else None)
        return arrays

    def step(self, state: Mapping[str, Any], batch: Any) -> dict[str, Any]:
        """The next state by path, and the loss beside it as "loss"."""
        import jax

        after, loss = called(self._side.step, self.tree(state), batch)
        if jax.tree.structure(after) != self._structure:
            raise InputError("compare_training: jax_side.step must return a state nested like the one it was given.")
        return {"loss": loss, **by_path(after)}

    def advance(self, state: Mapping[str, Any], batch: Any, dtype: str) -> tuple[dict[str, Any], Any]:
        """``step``, compiled: the next state and the loss."""
        with told("jax_side.step", dtype):
            after = dict(self._compiled(state, batch))
        return after, after.pop("loss")

    def advance_all(self, states: Mapping[str, Any], batch: Any, dtype: str) -> dict[str, Any]:
        """The next states of several runs, which stand along a leading axis."""
        with told("jax_side.step", dtype):
            after = dict(self._compiled_all(states, batch))
        del after["loss"]
        return after

    def tree(self, state: Mapping[str, Any]) -> Any:
        """The state as the JAX side nests it."""
        import jax

        return jax.tree.unflatten(self._structure, [state[path] for path in self._paths])


def called(step: Callable, state: Any, batch: Any) -> Any:
    """A step on a batch of positional arguments or of keywords."""
    return step(state, **batch) if isinstance(batch, Mapping) else step(state, *batch)


def by_path(tree: Any) -> dict[str, Any]:
    """The leaves of a pytree; names and positions make the path, the kind of container does not."""
    import jax

    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {"/".join(["state", *map(_key, keys)]): leaf for keys, leaf in leaves}


def _key(key: Any) -> str:
    return str(next(getattr(key, name) for name in ("key", "idx", "name") if hasattr(key, name)))
