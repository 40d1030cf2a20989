"""What PyTorch tests itself with, imported without the harm: no backend flag could be set again in the process."""

import importlib
from types import ModuleType

import torch

__all__ = ["internal"]


def internal(name: str) -> ModuleType:
    """``torch.testing._internal.NAME``; torch's flags may be set afterwards as before."""
    module = importlib.import_module(f"torch.testing._internal.{name}")
    # `torch.backends` is a stand-in for the module whose global this is.
    torch.backends.flags_frozen.__globals__["__allow_nonbracketed_mutation_flag"] = True
    return module
