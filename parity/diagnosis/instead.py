"""What a function of PyTorch does and the JAX function of that name, or nearest it, has no argument for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["INSTEAD"]


def _aligned(image: Any, shape: Sequence[int], method: Any, antialias: bool = True, precision: Any = None) -> Any:
    """The corner pixels' centres on the corners."""
    axes = [axis for axis, size in enumerate(shape) if size != image.shape[axis]]
    scale = jnp.array([(shape[axis] - 1) / max(image.shape[axis] - 1, 1) for axis in axes])
    return jax.image.scale_and_translate(image, tuple(shape), axes, scale, 0.5 - 0.5 * scale, method, antialias=False)


def _floored(image: Any, shape: Sequence[int], method: Any, antialias: bool = True, precision: Any = None) -> Any:
    """The pixel at floor(i x scale), not the one whose centre is nearest."""
    for axis, size in enumerate(shape):
        image = jnp.take(image, jnp.arange(size) * image.shape[axis] // size, axis)
    return image


def _cubic(image: Any, shape: Sequence[int], method: Any, antialias: bool = True, precision: Any = None) -> Any:
    return jax.image.resize(image, tuple(shape), "bicubic-pytorch", antialias=False)


def _lower(x: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    return jnp.quantile(x, 0.5, axis=axis, method="lower", keepdims=keepdims)


INSTEAD = {
    "jax.image.resize": {
        "corners aligned, as align_corners=True has them, by jax.image.scale_and_translate for": (_aligned, ""),
        "the pixel at floor(i x scale), torch's nearest, not the nearest centre of": (_floored, ""),
        "method='bicubic-pytorch', whose a is -0.75 for -0.5, and antialias=False in": (_cubic, "bicubic-coefficient"),
    },
    "jax.numpy.median": {
        "the lower of two middle values, torch's median, not the mean of both of": (_lower, "median-even"),
    },
}
"""By function: what to say before its name, another function of the same arguments, and the known trap."""
