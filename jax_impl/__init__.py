"""The course in idiomatic JAX: one module a topic, each the twin of its namesake in ``torch_impl``.

Importing this package loads no framework; ``jax_impl.linear`` loads what it needs.
"""

from importlib import import_module
from types import ModuleType

__all__ = [
    "tensors",
    "devices",
    "autograd",
    "gradient_descent",
    "linear_regression",
    "linear",
    "activations",
    "sequential",
    "losses",
    "initializers",
    "optimizers",
    "schedules",
    "data",
    "training",
    "mixed_precision",
    "compilation",
    "convolution",
    "normalization",
    "embedding",
    "recurrent",
    "attention",
    "transformer",
    "resampling",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
