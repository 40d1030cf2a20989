"""Planted mistakes of ported resampling: kernels, pixel centres, scales, and the order of coordinates."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from torch.nn import functional

from jax_impl import resampling
from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("resampling")

draw = np.random.default_rng(61)
X = draw.normal(size=(1, 2, 6, 5))
GRID = draw.uniform(-0.7, 0.7, size=(1, 3, 3, 2))
OUTSIDE = (X, 1.6 * GRID / abs(GRID).max((1, 2)) + 0.01)
THETA = draw.normal(size=(1, 2, 3))


def sized(x, **how):
    return jnp.moveaxis(resampling.interpolate(jnp.moveaxis(x, 1, -1), **how), -1, 1)


def jax_sized(x, *, size, method, **how):
    return jax.image.resize(x, (*x.shape[:2], *size), method, **how)


def sampled(x, grid, *way):
    return jnp.moveaxis(resampling.grid_sample(jnp.moveaxis(x, 1, -1), grid, *way), -1, 1)


def mapped(x, grid, *, swapped=False):
    """``map_coordinates`` of each channel, from -1 and 1 to pixels."""
    numbers = grid[0, ..., 0], grid[0, ..., 1]
    column, row = (((n + 1) * size - 1) / 2 for n, size in zip(numbers, (x.shape[3], x.shape[2]), strict=True))
    places = [column, row] if swapped else [row, column]
    return jnp.stack([map_coordinates(channel, places, 1) for channel in x[0]])[None]


def torch_sized(**how):
    return lambda x: functional.interpolate(x, **how)


def torch_sampled(mode="bilinear", padding_mode="zeros", align_corners=False):
    return lambda x, grid: functional.grid_sample(x, grid, mode, padding_mode, align_corners)


SMALL, LARGE = {"size": (3, 4)}, {"size": (9, 8)}
PLACES = ("corner", "half", "pixel", "scale", "resiz", "resampl", "shift", "differ only", "index")

MISTAKES = (
    plant(
        "jax.image blurring what it shrinks",
        torch_sized(mode="bilinear", **SMALL),
        partial(jax_sized, method="bilinear", antialias=False, **SMALL),
        partial(jax_sized, method="bilinear", **SMALL),
        (X,),
        named=("antialias", "resize"),
    ),
    plant(
        "jax.image's cubic kernel",
        torch_sized(mode="bicubic", **LARGE),
        partial(sized, mode="bicubic", **LARGE),
        partial(jax_sized, method="bicubic", **LARGE),
        (X,),
        named=("cubic", "-0.75", "-0.5", "resize"),
    ),
    plant(
        "the nearest centre for the pixel below",
        torch_sized(mode="nearest", **SMALL),
        partial(sized, mode="nearest", **SMALL),
        partial(jax_sized, method="nearest", **SMALL),
        (X,),
        named=("nearest", *PLACES),
    ),
    plant(
        "corners not aligned",
        torch_sized(mode="bilinear", align_corners=True, **LARGE),
        partial(sized, mode="bilinear", align_corners=True, **LARGE),
        partial(sized, mode="bilinear", **LARGE),
        (X,),
        named=PLACES,
    ),
    plant(
        "the scale recomputed from the sizes",
        torch_sized(scale_factor=1.5, mode="bilinear"),
        partial(sized, scale_factor=1.5, mode="bilinear"),
        partial(jax_sized, size=(9, 7), method="bilinear"),
        (X,),
        named=(*PLACES, "0.71428571"),
    ),
    plant(
        "linear for cubic",
        torch_sized(mode="bicubic", **LARGE),
        partial(sized, mode="bicubic", **LARGE),
        partial(sized, mode="bilinear", **LARGE),
        (X,),
        named=("cubic", "linear", "kernel", "interpolate(mode='bicubic'"),
    ),
    plant(
        "(row, column) for (x, y)",
        torch_sampled(),
        mapped,
        partial(mapped, swapped=True),
        (X, GRID),
        named=("swap", "axes", "transpose", "order", "hold each other", "change places", "flip", "revers"),
    ),
    plant(
        "places between the corners' centres",
        torch_sampled(),
        sampled,
        lambda x, grid: sampled(x, grid, "bilinear", "zeros", True),
        (X, GRID),
        named=(*PLACES, "grid_sample(align_corners=False"),
    ),
    plant(
        "the outer pixel repeated for zeros",
        torch_sampled(),
        sampled,
        lambda x, grid: sampled(x, grid, "bilinear", "border"),
        OUTSIDE,
        named=("zero", "border", "edge", "clip", "pad", "differ only", "outside"),
    ),
    plant(
        "the transposed matrix of an affine map",
        lambda theta: functional.affine_grid(theta, [1, 1, 4, 3], align_corners=False),
        lambda theta: resampling.affine_grid(theta, (4, 3)),
        lambda theta: resampling.affine_grid(theta.at[..., :2].set(theta[..., :2].mT), (4, 3)),
        (THETA,),
        named=("transpose", "axes", "swap", "permut"),
    ),
)
