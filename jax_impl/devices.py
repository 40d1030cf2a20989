"""Devices: choose one, move data to it, wait for it, and pin the precision of its matrix products.

Differs from its twin: arrays start on the accelerator, if there is one, and follow others until they are moved.
"""

# pyright: reportInvalidTypeForm=false
# jaxlib ships no type stubs, so pyright takes jax.Device for a variable.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32, Shaped

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
    return list(_local_devices())


def choose_device(name: str | None = None) -> jax.Device:
    """Find the device that was asked for, or the best one there is.

    Args:
        name: a name that ``available_devices`` lists; without its number, the first of that kind. None stands for the
            first accelerator, or the CPU where there is none.

    Returns:
        The device.

    Raises:
        ValueError: if this process has no such device.
    """
    devices = _local_devices()
    wanted = next(iter(devices)) if name is None else name
    for candidate, device in devices.items():
        if wanted in (candidate, candidate.partition(":")[0]):
            return device
    raise ValueError(f"choose_device: name must be one of {', '.join(devices)}, got {name!r}.")


def move(tree: Any, device: jax.Device) -> Any:
    """Put every array of a tree on a device.

    Args:
        tree: an array, or dicts, lists and tuples of arrays; other leaves pass unchanged.
        device: where to.

    Returns:
        The tree with its arrays there. An array that is already there is not copied.

    Differs from its twin: a moved array is committed: it no longer follows the arrays it meets, and one that is
    committed elsewhere raises ValueError.
    """
    # device_put alone would make arrays of Python numbers.
    return jax.tree.map(lambda leaf: jax.device_put(leaf, device) if isinstance(leaf, Array) else leaf, tree)


def round_trip(x: Shaped[Array, "*shape"], name: str | None = None) -> Shaped[Array, "*shape"]:
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

    Differs from its twin: waits for this tree only; the CPU has a queue as well.
    """
    return jax.block_until_ready(tree)


def seeded_normal(shape: tuple[int, ...], *, seed: int, name: str | None = None) -> Float32[Array, "..."]:
    """Draw a float32 array from the standard normal distribution, on a device.

    Args:
        shape: the size of each axis.
        seed: the same seed gives the same draw, whatever was drawn before.
        name: the device, as in ``choose_device``.

    Returns:
        The draw, on that device.

    Differs from its twin: a seed means the same bits on every device; the last digit of a draw may differ.
    """
    key = jax.device_put(jax.random.key(seed), choose_device(name))
    return jax.random.normal(key, shape, dtype=jnp.float32)


@contextmanager
def full_float32_matmul() -> Iterator[None]:
    """Compute float32 products and convolutions in float32 inside a ``with`` block, then restore what was set.

    NVIDIA's tensor cores can round float32 factors to TF32, with 10 stored bits of mantissa instead of 23. On a CPU
    without such units the block changes nothing.

    Returns:
        A context manager.

    Differs from its twin: by default products are TF32 on NVIDIA GPUs since Ampere; the setting belongs to the thread,
    and a function compiled outside the block is compiled again inside.
    """
    with jax.default_matmul_precision("highest"):
        yield


def _local_devices() -> dict[str, jax.Device]:
    accelerators = [device for device in jax.local_devices() if device.platform != "cpu"]
    # The platform "gpu" is CUDA or ROCm, and PyTorch calls both "cuda".
    kinds = ["cuda" if device.platform == "gpu" else device.platform for device in accelerators]
    named = {f"{kind}:{index}": device for index, (kind, device) in enumerate(zip(kinds, accelerators, strict=True))}
    # A CPU can be split into several virtual devices; the first stands for it.
    return named | {"cpu": jax.local_devices(backend="cpu")[0]}
