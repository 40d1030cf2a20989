"""Padding by zeros, by reflection, by the edge, or around the corner."""

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

__all__ = ["pad"]


_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(
    x: Float[Array, "batch *space channels"],
    padding: tuple[tuple[int, int], ...],
    *,
    mode: str = "zeros",
    value: float = 0.0,
) -> Float[Array, "batch *padded channels"]:
    """Add to the ends of each axis.

    Args:
        x: images, or whatever has so many axes.
        padding: how much before and behind, a pair an axis; in mode ``"zeros"`` negative numbers cut off.
        mode: ``"zeros"``, ``"reflect"`` (without the edge), ``"replicate"`` or ``"circular"``.
        value: what stands for zero in mode ``"zeros"``.

    Returns:
        The larger images.

    Raises:
        ValueError: if there is no such mode.

    Differs from its twin: channels are the last axis.
    """
    if mode not in _MODES:
        raise ValueError(f"pad: mode must be one of {', '.join(_MODES)}, got {mode}.")
    pairs = ((0, 0), *padding, (0, 0))
    if mode == "zeros":
        return lax.pad(x, jnp.asarray(value, x.dtype), [(*pair, 0) for pair in pairs])
    return jnp.pad(x, pairs, _MODES[mode])
