"""What a comparison configures in torch and in JAX while it runs; the caller's settings are back when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["jax_scope", "torch_scope"]


@contextmanager
def torch_scope(dtype: str) -> Iterator[None]:
    """float64 as the default where it is under test, gradients on, no autocast, float32 products in full.

    All is as it was at the end.
    """
    import torch

    default = torch.get_default_dtype()
    coarse = [(switch, switch.fp32_precision) for switch in _precision_switches()]
    torch.set_default_dtype(torch.float64 if dtype == "float64" else torch.float32)
    for switch, _ in coarse:
        switch.fp32_precision = "ieee"
    try:
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
            yield
    finally:
        torch.set_default_dtype(default)
        for switch, before in coarse:
            switch.fp32_precision = before


def _precision_switches() -> list[Any]:
    """Those that let float32 products be rounded more coarsely on this machine.

    Only these are touched: once one is, torch's older getters refuse to answer until it is back.
    """
    import torch

    backends: Any = torch.backends
    switches = [backends.mkldnn.matmul, backends.mkldnn.conv, backends.mkldnn.rnn]
    if torch.cuda.is_available():
        switches += [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]
    return [switch for switch in switches if switch.fp32_precision not in ("none", "ieee")]


@contextmanager
def jax_scope(dtype: str) -> Iterator[None]:
    """64-bit types exactly where float64 is under test, float32 products in full; all as it was at the end."""
    import jax

    with jax.enable_x64(dtype == "float64"), jax.default_matmul_precision("highest"):
        yield
