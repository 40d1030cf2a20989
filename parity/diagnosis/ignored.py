"""Inputs that the JAX program never takes, although torch's results depend on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from parity.diagnosis.findings import Finding
from parity.diagnosis.traced import Traced
from parity.inputs import Inputs
from parity.trees import map_leaves
from parity.vjp import TorchSide

__all__ = ["ignored"]

_MOST = 16  # inputs that torch is asked about


def ignored(traced: Traced, torch: TorchSide, inputs: Inputs, names: bool) -> Iterator[Finding]:
    """One sentence that says which; of floats alone, which can be moved a little."""
    flat = traced.flat
    taken = {slot for step in flat.steps for slot in step.inputs} | set(flat.outputs)
    idle = [name for name, slot in zip(traced.names, flat.inputs, strict=False) if slot not in taken]
    start = torch.run(inputs, "float64", names).outputs
    read = []
    for path in idle[:_MOST]:
        other = replace(inputs, tree=map_leaves(lambda at, x, p=path: _moved(x) if at == p else x, inputs.tree))
        outputs = torch.run(other, "float64", names).outputs
        if any(not np.array_equal(start[one].data, outputs[one].data) for one in start):
            read.append(path)
    if read:
        shown = " and ".join(read)
        text = (
            f"the JAX function never reads {shown}, and torch's result depends on {'it' if len(read) == 1 else 'them'}"
        )
        yield Finding(f"{text}; look for an argument that is not used: statistics, a mask, a memory, a weight")


def _moved(leaf: object) -> object:
    movable = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
    return np.asarray(1.1 * leaf + 0.01) if movable and isinstance(leaf, np.ndarray) else leaf
