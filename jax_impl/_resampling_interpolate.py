"""Images made larger or smaller, one axis after another, by matrices of weights that depend on sizes alone."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jax_impl._resampling_checks import check_interpolate, sizes_and_scales
from jax_impl.convolution import adaptive_avg_pool

__all__ = ["InterpolateOptions", "interpolate"]


class InterpolateOptions(TypedDict, total=False):
    """How pixels are placed and weighed.

    ``align_corners``: the outer pixels' centres stay where they are, and not the outer edges; of the linear and cubic
    modes alone (false). ``recompute_scale_factor``: what was asked for is the size that it leads to, and not the
    distance of two samples (false). ``antialias``: where an axis shrinks, widen the kernel so that every pixel counts;
    of ``"bilinear"`` and ``"bicubic"`` alone (false).
    """

    align_corners: bool
    recompute_scale_factor: bool
    antialias: bool


def interpolate(
    x: Float[Array, "batch *space channels"],
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    **options: Unpack[InterpolateOptions],
) -> Float[Array, "batch *places channels"]:
    r"""Sample images at the centres of larger or smaller pixels.

    Pixel $i$ of an axis lies at $s(i + \tfrac12) - \tfrac12$ of the old one, where $s$ is one over ``scale_factor``, or
    old size over new; with ``align_corners`` at $i (n - 1)/(m - 1)$. The cubic kernel is that of Keys 1981 with
    $a = -\tfrac34$, and with ``antialias`` $-\tfrac12$.

    Args:
        x: images, of one to three axes of space.
        size: of the result; or else
        scale_factor: how much larger it is, rounded down.
        mode: ``"nearest"``, ``"nearest-exact"``, ``"linear"``, ``"bilinear"``, ``"trilinear"``, ``"bicubic"``,
            ``"area"``.
        **options: see `InterpolateOptions`.

    Returns:
        The images in their new size.

    Raises:
        ValueError: if not exactly one of ``size`` and ``scale_factor`` is given, there is no such mode for so many
            axes, or an option is not one of the mode's.

    Differs from its twin: channels are the last axis. ``jax.image.resize`` is ``"nearest-exact"`` for its "nearest",
    antialiases unless told, is torch's bicubic for its ``"bicubic-pytorch"`` without antialiasing (its own has a kernel
    of -1/2, cut off at the edge where torch repeats the outer pixel), and knows neither ``align_corners`` nor a scale
    of its own.
    """
    space = x.ndim - 2
    check_interpolate(space, size, scale_factor, mode, options)
    sizes, scales = sizes_and_scales(x.shape[1:-1], size, scale_factor, options.get("recompute_scale_factor", False))
    if mode == "area":
        return adaptive_avg_pool(x, tuple(sizes))
    for axis, (count, scale) in enumerate(zip(sizes, scales, strict=True), start=1):
        if mode.startswith("nearest"):
            x = jnp.take(x, _nearest(x.shape[axis], count, scale, mode == "nearest"), axis=axis)
        else:
            weights = _weights(x.shape[axis], count, scale, "cubic" in mode, options)
            x = jnp.moveaxis(jnp.tensordot(jnp.asarray(weights, x.dtype), x, axes=(1, axis)), 0, axis)
    return x


def _nearest(old: int, new: int, scale: float, corner: bool) -> np.ndarray:
    """Which pixel each one takes; torch reckons in float32."""
    places = (np.arange(new, dtype=np.float32) + np.float32(0 if corner else 0.5)) * np.float32(scale)
    return np.minimum(places.astype(int), old - 1)


def _weights(old: int, new: int, scale: float, cubic: bool, options: InterpolateOptions) -> np.ndarray:
    """How much each new pixel takes of each old one (new, old)."""
    align = options.get("align_corners", False)
    if align:
        scale = (old - 1) / (new - 1) if new > 1 else 0.0
    widened = options.get("antialias", False)
    if old == new and (widened or not cubic):
        return np.eye(old)  # as it is, whatever scale is asked for: torch skips such an axis
    if widened:
        return _widened(old, new, scale, cubic)
    places = scale * np.arange(new) if align else scale * (np.arange(new) + 0.5) - 0.5
    places = places if cubic else np.maximum(places, 0)
    first = np.floor(places).astype(int)
    offsets = np.arange(-1, 3) if cubic else np.arange(2)
    taps = first[:, None] + offsets
    distances = abs(places[:, None] - taps)
    shares = _cubic(distances, -0.75) if cubic else np.maximum(1 - distances, 0)
    weights = np.zeros((new, old))
    # A tap beyond the edge is the outer pixel once more.
    np.add.at(weights, (np.arange(new)[:, None], np.clip(taps, 0, old - 1)), shares)
    return weights


def _widened(old: int, new: int, scale: float, cubic: bool) -> np.ndarray:
    """Kernels as wide as the pixels that they stand for, cut off at the edges and summing up to 1."""
    centres = scale * (np.arange(new) + 0.5)
    distances = abs(np.arange(old) + 0.5 - centres[:, None]) / max(scale, 1.0)
    shares = _cubic(distances, -0.5) if cubic else np.maximum(1 - distances, 0)
    return shares / shares.sum(-1, keepdims=True)


def _cubic(distance: np.ndarray, a: float) -> np.ndarray:
    """Keys' kernel: two cubics that meet at 1 and end at 2."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
