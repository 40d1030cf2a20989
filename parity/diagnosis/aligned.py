"""How far two functions agree: which values of the JAX program occur on the torch side too, in whatever layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jax import core

from parity.diagnosis.sites import placed
from parity.diagnosis.traced import Traced
from parity.inputs import Inputs
from parity.interpret import evaluated, walk, widened
from parity.vjp import TorchSide

__all__ = ["first_apart"]

_MOST, _LARGEST = 3000, 200_000  # values kept, and the size of each
_MOVES = ("broadcast_in_dim", "reshape", "transpose", "squeeze", "expand_dims", "convert_element_type", "copy", "slice")


def first_apart(traced: Traced, torch: TorchSide, inputs: Inputs, names: bool) -> str:
    """Where the JAX program leaves the torch one: a sentence, "" if that cannot be told.

    A fused torch kernel shows nothing of its inside; so the line is where to start to look, not where to stop.
    """
    recorder = _Recorder({id(here.eqn): here.source for here in placed(traced.program)})
    arguments = [widened(argument) for argument in traced.arguments]
    recorder.nodes.update({id(argument): _Node(argument, "", (), True) for argument in arguments})
    walk(traced.program, arguments, recorder, 0)
    held = _Values(_torch_values(torch, inputs, names))
    nodes = [node for node in recorder.nodes.values() if node.source]
    for node in nodes:
        node.shared = held.contain(np.asarray(node.value))
    for node in reversed(nodes):  # what leads to a value that torch has is right itself
        if node.shared or node.leads:
            for parent in node.parents:
                parent.leads = True
    agreed = [node for node in nodes if node.shared and node.computes]
    apart = [node for node in nodes if not (node.shared or node.leads) and node.computes]
    first = next((node for node in apart if all(parent.shared or parent.leads for parent in node.parents)), None)
    if not agreed or first is None:
        return ""
    before = [node.source for node in agreed if node.number < first.number]
    text = f"the first value that torch does not hold is computed at {first.source}"
    return f"{text}; both hold what {before[-1]} computes" if before and before[-1] != first.source else text


@dataclass
class _Node:
    """One value of the JAX program."""

    value: Any
    source: str
    parents: tuple[_Node, ...]
    shared: bool = False
    leads: bool = False
    computes: bool = False
    number: int = 0


@dataclass
class _Recorder:
    """A step that keeps every value which depends on an input."""

    sources: dict[int, str]
    nodes: dict[int, _Node] = field(default_factory=dict)

    def __call__(self, eqn: Any, inputs: list[Any], _: Any) -> list[Any]:
        outputs = evaluated(eqn, inputs)
        parents = tuple(self.nodes[id(x)] for x in inputs if id(x) in self.nodes)
        for out in outputs if parents and len(self.nodes) < _MOST else ():
            if not isinstance(out, core.Tracer) and out.dtype.kind == "f" and out.size <= _LARGEST:
                computes = eqn.primitive.name not in _MOVES
                source = self.sources.get(id(eqn), "")
                self.nodes[id(out)] = _Node(out, source, parents, computes=computes, number=len(self.nodes))
        return outputs


def _torch_values(side: TorchSide, inputs: Inputs, names: bool) -> list[np.ndarray]:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    kept: list[np.ndarray] = []

    class Keep(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            for leaf in out if isinstance(out, (tuple, list)) else (out,):
                if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() and leaf.numel() <= _LARGEST:
                    kept.append(leaf.detach().double().numpy().copy())
            return out

    with Keep():
        side.run(inputs, "float64", names)
    return kept[:_MOST]


class _Values:
    """Arrays to be found again by their numbers, whatever their order."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        self._by_size: dict[int, list[np.ndarray]] = {}
        for array in arrays:
            self._by_size.setdefault(array.size, []).append(np.sort(array, axis=None))

    def contain(self, array: np.ndarray) -> bool:
        """Whether one of them holds the same numbers."""
        flat = np.sort(array, axis=None)
        if not flat.size or not np.isfinite(flat).all():
            return False
        limit = 1e-10 * float(np.abs(flat).max())
        return any(np.abs(flat - other).max() <= limit for other in self._by_size.get(flat.size, ()))
