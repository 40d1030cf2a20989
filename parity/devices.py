"""Where a comparison runs: on the CPU, or with both frameworks' arrays on one accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from parity.errors import InputError

__all__ = ["chosen", "find_device", "jax_placement", "on_device"]

_CHOSEN: ContextVar[str] = ContextVar("device", default="cpu")


@contextmanager
def on_device(name: str) -> Iterator[None]:
    """Compare on a device inside a ``with`` block: inputs, weights and states of both frameworks are put there.

    What a torch function makes of its own accord is its own affair: a tensor made without ``device=`` stands on the
    CPU, and torch will say that it does not meet the others. Rounding is simulated on the CPU wherever the sides run.

    Args:
        name: as torch spells it: "cpu", "cuda", "cuda:1".

    Raises:
        InputError: if one of the frameworks has no such device.

    Example:
        >>> with parity.on_device("cpu"):
        ...     report = parity.compare(torch.tanh, jnp.tanh, (np.linspace(-2, 2, 9),))
        >>> report.ok
        True
    """
    find_device(name)
    token = _CHOSEN.set(name)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def chosen() -> str:
    """The name of the device on which comparisons run."""
    return _CHOSEN.get()


def find_device(name: str, function: str = "on_device", argument: str = "name") -> None:
    """Ask both frameworks for a device; "cpu" is there.

    Raises:
        InputError: if one of them has none of this name.
    """
    if name == "cpu":
        return
    for framework, find, remedy in (("torch", _torch_device, _TORCH_REMEDY), ("JAX", _jax_device, _JAX_REMEDY)):
        try:
            find(name)
        except (AssertionError, IndexError, RuntimeError, ValueError) as error:  # what they raise, each in its turn
            said = str(error).strip().partition("\n")[0].rstrip(".")
            raise InputError(
                f"{function}: {argument} must be a device of torch and of JAX, got {name!r}, which {framework} has not"
                f" ({said}).{remedy}"
            ) from error


_TORCH_REMEDY = " An NVIDIA GPU needs a CUDA build of PyTorch."
_JAX_REMEDY = " An NVIDIA GPU needs: pip install 'jax[cuda13]'; and JAX_PLATFORMS empty or cuda,cpu."


def _torch_device(name: str) -> Any:
    import torch

    return torch.zeros(1, device=name).device  # made, not only named: torch.device asks no hardware


def _jax_device(name: str) -> Any:
    """JAX's platforms answer to torch's "cuda" and "cpu"; both are needed, since rounding is simulated on the CPU."""
    import jax

    jax.local_devices(backend="cpu")
    kind, _, number = name.partition(":")
    return jax.local_devices(backend=kind)[int(number or 0)]


@contextmanager
def jax_placement(name: str) -> Iterator[None]:
    """Have JAX put and compute there what nobody has committed to a device."""
    import jax

    if name == jax.default_backend() == "cpu":
        yield  # nothing to change, and a default device, though it be the same, would compile everything again
        return
    with jax.default_device(_jax_device(name)):
        yield
