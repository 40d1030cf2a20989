"""What a comparison configures in torch and in JAX while it runs; the caller's settings are back when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from parity.devices import chosen, jax_placement

__all__ = ["jax_scope", "torch_scope"]


@contextmanager
def torch_scope(dtype: str) -> Iterator[None]:
    """float64 as the default where it is under test, gradients on, no autocast, products in full.

    All is as it was at the end.
    """
    import torch

    default = torch.get_default_dtype()
    coarse = [(switch, name, getattr(switch, name)) for switch, name in _coarse_switches()]
    kinds = {"cpu", chosen().partition(":")[0]}
    torch.set_default_dtype(torch.float64 if dtype == "float64" else torch.float32)
    for switch, name, _ in coarse:
        setattr(switch, name, "ieee" if name == _FLOAT32 else False)
    try:
        with ExitStack() as scopes:
            for scope in (torch.inference_mode(False), torch.enable_grad()):
                scopes.enter_context(scope)
            for kind in filter(torch.amp.is_autocast_available, sorted(kinds)):
                scopes.enter_context(torch.autocast(kind, enabled=False))
            yield
    finally:
        torch.set_default_dtype(default)
        for switch, name, before in coarse:
            setattr(switch, name, before)


_FLOAT32 = "fp32_precision"
_SIXTEEN_BITS = ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")


def _coarse_switches() -> list[tuple[Any, str]]:
    """Those that let products on this machine be rounded more coarsely than their dtype, or be summed so.

    Only these are touched: once one is, torch's older getters refuse to answer until it is back.
    """
    import torch

    backends: Any = torch.backends
    switches = [backends.mkldnn.matmul, backends.mkldnn.conv, backends.mkldnn.rnn]
    gpu = torch.cuda.is_available()
    switches += [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn] * gpu
    found = [(switch, _FLOAT32) for switch in switches if switch.fp32_precision not in ("none", "ieee")]
    product = backends.cuda.matmul
    return found + [(product, name) for name in _SIXTEEN_BITS * gpu if getattr(product, name)]


@contextmanager
def jax_scope(dtype: str, device: str | None = None) -> Iterator[None]:
    """64-bit types exactly where float64 is under test, float32 products in full, on the chosen device or on this one.

    All is as it was at the end.
    """
    import jax

    wide, full = jax.enable_x64(dtype == "float64"), jax.default_matmul_precision("highest")
    with wide, full, jax_placement(device or chosen()):
        yield
