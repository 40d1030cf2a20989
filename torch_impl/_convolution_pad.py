"""Padding by zeros, by reflection, by the edge, or around the corner."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["pad"]


_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


def pad(
    x: Float[Tensor, "batch channels *space"],
    padding: tuple[tuple[int, int], ...],
    *,
    mode: str = "zeros",
    value: float = 0.0,
) -> Float[Tensor, "batch channels *padded"]:
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

    Differs from its twin: channels are axis 1; ``functional.pad`` itself takes the last axis first.
    """
    if mode not in _MODES:
        raise ValueError(f"pad: mode must be one of {', '.join(_MODES)}, got {mode}.")
    flat = [amount for pair in padding[::-1] for amount in pair]
    return functional.pad(x, flat, _MODES[mode], value if mode == "zeros" else None)
