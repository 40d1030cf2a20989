"""Other inputs of the same two functions, where a remedy has to hold as well: what fits one gap by accident does not.

They stay in the domain of the first ones: rows are mixed with their neighbours, so that what is positive, or adds up to
1, or lies in a range, still does; then all but shares is made larger, or smaller. Masks, labels and counts stay as they
are, and so does what torch does not read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from parity.inputs import Inputs
from parity.trees import map_leaves
from parity.vjp import TorchSide

__all__ = ["Elsewhere", "elsewhere"]

_FAR = (100.0, 0.01)
_SCALES = (1.0, 3.0, 0.3, *_FAR)
_WILD = 1e4  # times what it was: an exponential, a pole, where a right port may have no clamp
_CLOSE, _LEFT = 1e-8, 1e-2  # of the scale; of the gap that was there
Values = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Elsewhere:
    """Other inputs, and what torch returns for them.

    Attributes:
        inputs: as both sides take them.
        wanted: torch's outputs by path, all of them finite.
        far: whether the inputs are so large or small that a formula may overflow where another does not.
    """

    inputs: Inputs
    wanted: Values
    far: bool = False

    def met_by(self, results: Values, before: Values, paths: Collection[str]) -> bool:
        """Whether these are torch's too on these paths, but for a hundredth of what differed before."""
        if self.far and not all(np.isfinite(results[path]).all() for path in paths):
            return True  # says nothing
        return all(_near(self.wanted[path], results[path], before[path]) for path in paths)


def elsewhere(torch: TorchSide, inputs: Inputs, names: bool) -> Iterator[Elsewhere]:
    """Those that torch takes."""
    start = _outputs(torch, inputs, names)
    read = [name for name in inputs.tree if _differ(start, _outputs(torch, _moved(inputs, 1.0, [name]), names))]
    for scale in _SCALES if read else ():
        other = _moved(inputs, scale, read)
        wanted = _outputs(torch, other, names)
        if wanted and _size(wanted) <= _WILD * _size(start):
            yield Elsewhere(other, wanted, scale in _FAR)


def _size(values: Values) -> float:
    """The largest number; infinite where one is, or is none."""
    floats = [np.abs(data).max(initial=0.0) for data in values.values() if data.dtype.kind in "fc"]
    return float(np.nan_to_num(max(floats, default=0.0), nan=np.inf))


def _outputs(torch: TorchSide, inputs: Inputs, names: bool) -> Values:
    """None at all where torch refuses."""
    try:
        return {path: value.data for path, value in torch.run(inputs, "float64", names).outputs.items()}
    except Exception:  # not of its domain
        return {}


def _differ(one: Values, other: Values) -> bool:
    return any(path not in other or not np.array_equal(one[path], other[path]) for path in one)


def _moved(inputs: Inputs, scale: float, read: Collection[str]) -> Inputs:
    tree = {
        name: map_leaves(lambda _, leaf: _scaled(leaf, scale), part) if name in read else part
        for name, part in inputs.tree.items()
    }
    return replace(inputs, tree=tree)


def _scaled(leaf: object, scale: float) -> object:
    if not isinstance(leaf, np.ndarray) or leaf.dtype.kind != "f" or np.array_equal(leaf, np.round(leaf)):
        return leaf
    mixed = 0.7 * leaf + 0.3 * np.roll(leaf, 1, 0) if leaf.ndim and len(leaf) > 1 else leaf
    shares = leaf.ndim and (leaf >= 0).all() and np.allclose(leaf.sum(-1), 1)
    return np.asarray(mixed if shares else scale * mixed)


def _near(wanted: np.ndarray, got: np.ndarray, before: np.ndarray) -> bool:
    if got.shape != wanted.shape or not np.isfinite(got).all():
        return False
    limit = _CLOSE * float(np.abs(wanted).max(initial=0.0))
    if before.shape == wanted.shape and np.isfinite(before).all():
        limit = max(limit, _LEFT * float(np.abs(wanted - 1.0 * before).max(initial=0.0)))
    return bool(np.abs(wanted - 1.0 * got).max(initial=0.0) <= limit)
