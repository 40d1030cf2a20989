"""Devices: choose one, move data to it, wait for it, and pin the precision of its matrix products.

Differs from its twin: tensors stay on the CPU until they are moved, and operands on two devices never meet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float32, Shaped
from torch import Tensor

__all__ = [
    "available_devices",
    "choose_device",
    "move",
    "round_trip",
    "synchronize",
    "seeded_normal",
    "full_float32_matmul",
]


def available_devices() -> list[str]:
    """Name the devices of this process, accelerators first.

    Returns:
        Names such as ``["cuda:0", "cuda:1", "cpu"]``; the CPU always closes the list.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    count = 0 if accelerator is None else torch.accelerator.device_count()
    return [f"{accelerator}:{index}" for index in range(count)] + ["cpu"]


def choose_device(name: str | None = None) -> torch.device:
    """Find the device that was asked for, or the best one there is.

    Args:
        name: a name that ``available_devices`` lists; without its number, the first of that kind. None stands for the
            first accelerator, or the CPU where there is none.

    Returns:
        The device.

    Raises:
        ValueError: if this process has no such device.
    """
    available = available_devices()
    wanted = available[0] if name is None else name
    for candidate in available:
        if wanted in (candidate, candidate.partition(":")[0]):
            return torch.device(candidate)
    raise ValueError(f"choose_device: name must be one of {', '.join(available)}, got {name!r}.")


def move(tree: Any, device: torch.device) -> Any:
    """Put every array of a tree on a device.

    Args:
        tree: an array, or dicts, lists and tuples of arrays; other leaves pass unchanged.
        device: where to.

    Returns:
        The tree with its arrays there. An array that is already there is not copied.

    Differs from its twin: PyTorch's tree functions are private, so the containers are walked here; an operation on
    tensors of two devices raises RuntimeError.
    """
    if isinstance(tree, Tensor):
        return tree.to(device)
    if isinstance(tree, dict):
        return {key: move(branch, device) for key, branch in tree.items()}
    if isinstance(tree, list | tuple):
        branches = [move(branch, device) for branch in tree]
        # A named tuple takes its fields one by one.
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return tree


def round_trip(x: Shaped[Tensor, "*shape"], name: str | None = None) -> Shaped[Tensor, "*shape"]:
    """Send an array to a device and back to the CPU.

    Args:
        x: any shape and dtype.
        name: the device, as in ``choose_device``.

    Returns:
        The array on the CPU, each value as it was.
    """
    return move(move(x, choose_device(name)), choose_device("cpu"))


def synchronize(tree: Any) -> Any:
    """Wait until the values of a tree are computed; a time taken without waiting is the time to ask.

    Args:
        tree: an array, or dicts, lists and tuples of arrays.

    Returns:
        The same tree.

    Differs from its twin: waits for everything queued on the current accelerator, not only for this tree. The CPU has
    no queue.
    """
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return tree


def seeded_normal(shape: tuple[int, ...], *, seed: int, name: str | None = None) -> Float32[Tensor, "..."]:
    """Draw a float32 array from the standard normal distribution, on a device.

    Args:
        shape: the size of each axis.
        seed: the same seed gives the same draw, whatever was drawn before.
        name: the device, as in ``choose_device``.

    Returns:
        The draw, on that device.

    Differs from its twin: each kind of device has a stream of its own, so a seed means other numbers on the CPU than
    on an accelerator. Draw on the CPU and move where both must agree.
    """
    device = choose_device(name)
    generator = torch.Generator(device).manual_seed(seed)
    return torch.randn(shape, generator=generator, device=device, dtype=torch.float32)


@contextmanager
def full_float32_matmul() -> Iterator[None]:
    """Compute float32 products and convolutions in float32 inside a ``with`` block, then restore what was set.

    NVIDIA's tensor cores can round float32 factors to TF32, with 10 stored bits of mantissa instead of 23. On a CPU
    without such units the block changes nothing.

    Returns:
        A context manager.

    Differs from its twin: by default products are exact and cuDNN's convolutions are TF32; both switches belong to
    the process, not to the thread.
    """
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions
