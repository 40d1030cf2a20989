"""One torch tensor, or one block of it, and the linen leaf with the same numbers: cut, permuted, never computed.

Works on arrays of NumPy, torch and JAX alike, traced ones too, so that gradients travel the way that weights do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.arrays import is_jax, is_torch

__all__ = ["Rule", "joined", "refines", "tensor_of", "zeros_like"]


@dataclass(frozen=True)
class Rule:
    """Where one torch tensor lives in linen.

    Attributes:
        torch: the tensor's name in its module.
        linen: the leaf's path in its module, "kernel" or "query/kernel".
        axes: the order in which torch's axes stand in linen; None keeps them.
        block: (k, n): it is the k-th of n equal blocks of the tensor's first axis.
        view: the shape in which the block's axes are permuted; None for its own.
        leaf: the shape that the permuted block is folded to; None for its own.
        reversed: how many of the leaf's first axes run the other way.
        absent: torch has no such numbers: the leaf is zeros, one for each row of the block.
        added: the leaf holds another tensor's numbers plus this one's. On the way back this one is zero.
        collection: of linen's variables.
        splits: whether linen may write one axis as several, as ``DenseGeneral`` does.
    """

    torch: str
    linen: str
    axes: tuple[int, ...] | None = None
    block: tuple[int, int] = (0, 1)
    view: tuple[int, ...] | None = field(default=None, kw_only=True)
    leaf: tuple[int, ...] | None = field(default=None, kw_only=True)
    reversed: int = field(default=0, kw_only=True)
    absent: bool = field(default=False, kw_only=True)
    added: bool = field(default=False, kw_only=True)
    collection: str = field(default="params", kw_only=True)
    splits: bool = field(default=False, kw_only=True)

    @property
    def place(self) -> str:
        """The leaf's path; with its collection where that is not the parameters'."""
        return self.linen if self.collection == "params" else f"{self.collection}/{self.linen}"

    def to_linen(self, tensor: Any) -> Any:
        """The block of the tensor in linen's layout."""
        place, count = self.block
        if count > 1:
            size = tensor.shape[0] // count
            tensor = tensor[place * size : (place + 1) * size]
        if self.absent:
            return zeros_like(tensor[:, 0])
        tensor = tensor if self.view is None else tensor.reshape(self.view)
        tensor = tensor if self.axes is None else _permuted(tensor, self.axes)
        tensor = _reversed(tensor, self.reversed)
        return tensor if self.leaf is None else tensor.reshape(self.leaf)

    def to_torch(self, leaf: Any, shape: tuple[int, ...]) -> Any:
        """The leaf in torch's layout, as the block of a tensor of ``shape``."""
        block = (shape[0] // self.block[1], *shape[1:]) if self.block[1] > 1 else shape
        view = block if self.view is None else np.empty(block, bool).reshape(self.view).shape
        axes = self.axes or tuple(range(len(view)))
        leaf = _reversed(leaf.reshape(tuple(view[axis] for axis in axes)), self.reversed)
        return _permuted(leaf, tuple(axes.index(axis) for axis in range(len(axes)))).reshape(block)

    def fitted(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a tensor of ``shape`` in linen's layout."""
        return tuple(self.to_linen(np.empty(shape, bool)).shape)


def joined(blocks: list[Any]) -> Any:
    """The blocks one after the other along the first axis."""
    if len(blocks) == 1:
        return blocks[0]
    if is_torch(blocks[0]):
        import torch

        return torch.cat(blocks)
    if is_jax(blocks[0]):
        import jax

        return jax.numpy.concatenate(blocks)
    return np.concatenate(blocks)


def zeros_like(array: Any) -> Any:
    """Zeros of an array's shape, dtype and framework."""
    if is_torch(array):
        return array.new_zeros(array.shape)
    if is_jax(array):
        import jax

        return jax.numpy.zeros_like(array)
    return np.zeros_like(array)


def tensor_of(array: np.ndarray) -> Any:
    """A NumPy array, bfloat16 ones too, as a tensor."""
    import torch

    # torch takes no bfloat16 from NumPy; through float32 it is exact.
    return torch.from_numpy(np.array(array.astype(np.float32) if array.dtype.kind == "V" else array, order="C"))


def refines(fine: tuple[int, ...], coarse: tuple[int, ...]) -> bool:
    """Whether ``fine`` writes every axis of ``coarse`` as one or several of its own, in order."""
    rest = list(fine)
    for length in coarse:
        product = rest.pop(0) if rest else 0
        while product < length and rest:
            product *= rest.pop(0)
        if product != length:
            return False
    return all(length == 1 for length in rest)


def _permuted(array: Any, axes: tuple[int, ...]) -> Any:
    return array.permute(axes) if is_torch(array) else array.transpose(axes)


def _reversed(array: Any, count: int) -> Any:
    """The first ``count`` axes run the other way; torch has no slices of negative step."""
    if not count:
        return array
    return array.flip(tuple(range(count))) if is_torch(array) else array[(slice(None, None, -1),) * count]
