"""A second device for a machine that has one CPU: what stands on it computes on the CPU, and meets nothing else.

PyTorch's is called "meta", a name that every build of it knows; a tensor of it keeps the numbers in a CPU tensor. What
a GPU refuses is refused: an operation on tensors of both, save for a CPU number without axes, and a way to NumPy.
JAX's is the second of two CPU devices, which XLA makes on request.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

__all__ = ["NAME", "simulated_device"]

NAME = "meta"
_MAY_MEET = {"aten::_to_copy", "aten::copy_", "aten::index", "aten::index_put", "aten::index_put_"}
_MAY_MEET |= {"aten::_pack_padded_sequence"}
"""What takes tensors of both on a GPU too: copies, rows and lengths that stand on the CPU."""


class _Held(torch.Tensor):
    """A tensor that says it stands on the device."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "_Held":
        facts = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, held.shape, device=NAME, requires_grad=False, **facts)
        made.held = held
        return made

    def __repr__(self) -> str:
        return f"{NAME}({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Makes on the device what is asked for there by name."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})


def _computed(func, args, kwargs):
    leaves = _pytree.tree_leaves((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    here = any(isinstance(tensor, _Held) for tensor in tensors)
    strangers = [tensor for tensor in tensors if not isinstance(tensor, _Held) and tensor.dim() > 0]
    if here and strangers and func.name().partition(".")[0] not in _MAY_MEET:
        raise RuntimeError(f"Expected all tensors to be on the same device, got cpu and {NAME} in {func}.")
    asked = kwargs.get("device")
    inner = {**kwargs, "device": torch.device("cpu")} if asked is not None else kwargs
    inside = _pytree.tree_map_only(_Held, lambda one: one.held, (args, inner))
    out = func(*inside[0], **inside[1])
    there = torch.device(asked).type == NAME if asked is not None else here
    if func is torch.ops.aten.copy_.default:
        return args[0]
    if not there:
        return out
    wrapped = _pytree.tree_map_only(torch.Tensor, _Held, out)
    return return_and_correct_aliasing(func, args, kwargs, wrapped) if here else wrapped


@contextmanager
def simulated_device() -> Iterator[None]:
    """Have `parity.on_device("meta")` mean this device; XLA_FLAGS must ask for two CPU devices before JAX starts."""
    from parity import devices

    before = devices._jax_device
    devices._jax_device = lambda name: before("cpu:1" if name == NAME else name)
    try:
        with _Mode():
            yield
    finally:
        devices._jax_device = before


def two_cpus() -> None:
    """Ask XLA for two CPU devices; in time only before JAX has started."""
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2".strip()
