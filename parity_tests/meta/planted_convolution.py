"""Planted mistakes of convolution, pooling and resizing: layouts, padding and directions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import linen
from jax import lax
from torch.nn import functional

from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("convolution")
pooling = of_topic("pooling")

draw = np.random.default_rng(10)
IMAGE = draw.normal(size=(2, 3, 6, 6))
KERNEL = draw.normal(size=(3, 3, 3, 3))  # as many channels out as in, and as many taps
CONV = (IMAGE, KERNEL)
WIDE = (draw.normal(size=(2, 4, 5, 5)), draw.normal(size=(4, 2, 3, 3)))
UP = (draw.normal(size=(2, 3, 4, 4)), KERNEL)
SIGNAL, TAPS = draw.normal(size=9), draw.normal(size=3)
NEGATIVE = -1 - draw.random(size=(2, 3, 6, 6))  # zeros in the padding would win
SHUFFLED = draw.normal(size=(2, 4, 2, 2))
TEXTBOOK = ("NCHW", "OIHW", "NCHW")
TAPS_MIRRORED = (slice(None), slice(None), slice(None, None, -1), slice(None, None, -1))


def convolve(x, kernel, *, strides=(1, 1), padding="VALID", **rest):
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=TEXTBOOK, **rest)


def channels_last(x, kernel, *, order=(2, 3, 1, 0)):
    """As Flax has it: NHWC, and a kernel HWIO."""
    dimensions = ("NHWC", "HWIO", "NHWC")
    out = lax.conv_general_dilated(
        x.transpose(0, 2, 3, 1), kernel.transpose(order), (1, 1), "VALID", dimension_numbers=dimensions
    )
    return out.transpose(0, 3, 1, 2)


def strided(x, kernel):
    return functional.conv2d(x, kernel, stride=2, padding=1)


def transposed(x, kernel, *, mirror=True, swap=True):
    """A stride of 2: zeros between the pixels, the kernel mirrored, its channels swapped."""
    kernel = kernel[TAPS_MIRRORED] if mirror else kernel
    kernel = kernel.swapaxes(0, 1) if swap else kernel
    return convolve(x, kernel, padding=((2, 2), (2, 2)), lhs_dilation=(2, 2))


def torch_transposed(x, kernel):
    return functional.conv_transpose2d(x, kernel, stride=2)


def pooled(x, *, pad=((1, 1), (1, 1)), average=False, count_padding=True):
    pool = partial(linen.avg_pool, count_include_pad=count_padding) if average else linen.max_pool
    out = pool(x.transpose(0, 2, 3, 1), (3, 3), strides=(2, 2), padding=pad)
    return out.transpose(0, 3, 1, 2)


def torch_max(x):
    return functional.max_pool2d(x, 3, 2, 1)


def shuffled(x, split, order):
    """Eight channels into two of twice the side."""
    x = jnp.concatenate([x, 2 * x], 1)
    return x.reshape(2, *split, 2, 2).transpose(order).reshape(2, 2, 4, 4)


def aligned(x, side=11):
    """Bilinear with the corner pixels' centres on the corners, one axis after the other."""
    place = np.linspace(0, x.shape[-1] - 1, side)
    low = np.minimum(place.astype(int), x.shape[-1] - 2)
    share = jnp.asarray(place - low, x.dtype)
    rows = x[:, :, low] * (1 - share)[:, None] + x[:, :, low + 1] * share[:, None]
    return rows[..., low] * (1 - share) + rows[..., low + 1] * share


def resized(x, side, *, method="bilinear", antialias=False):
    return jax.image.resize(x, (*x.shape[:2], side, side), method, antialias=antialias)


def nearest(x, side, *, centre=0.0):
    """torch's nearest takes floor(i * scale), not the pixel whose centre is nearest."""
    place = jnp.floor((np.arange(side) + centre) * x.shape[-1] / side).astype(int)
    return x[:, :, place][:, :, :, place]


MISTAKES = (
    plant(
        "padding SAME, Flax's default, for none",
        functional.conv2d,
        convolve,
        partial(convolve, padding="SAME"),
        CONV,
        caught=("output",),
        named=("pad", "border"),
    ),
    plant(
        "a strided SAME, which pads one side only",
        strided,
        partial(convolve, strides=(2, 2), padding=((1, 1), (1, 1))),
        partial(convolve, strides=(2, 2), padding="SAME"),
        CONV,
        named=("pad", "border", "shift", "off by one"),
    ),
    plant(
        "a kernel OIHW read as HWIO with its taps swapped",
        functional.conv2d,
        channels_last,
        partial(channels_last, order=(3, 2, 1, 0)),
        CONV,
        named=("axes in the order", "transpose", "layout"),
    ),
    plant(
        "a kernel whose in and out channels are swapped",
        functional.conv2d,
        channels_last,
        partial(channels_last, order=(2, 3, 0, 1)),
        CONV,
        named=("axes in the order", "transpose", "layout"),
    ),
    plant(
        "the kernel mirrored, as mathematicians convolve",
        lambda x, k: functional.conv1d(x[None, None], k[None, None])[0, 0],
        lambda x, k: jnp.correlate(x, k, mode="valid"),
        lambda x, k: jnp.convolve(x, k, mode="valid"),
        (SIGNAL, TAPS),
        named=("reversed", "mirror", "flip"),
    ),
    plant(
        "dilation for stride",
        lambda x, k: functional.conv2d(x, k, stride=2, padding=1),
        partial(convolve, strides=(2, 2), padding=((1, 1), (1, 1))),
        lambda x, k: convolve(x, k, padding=((1, 1), (1, 1)), rhs_dilation=(2, 2))[:, :, :3, :3],
        CONV,
        named=("stride", "dilat"),
    ),
    plant(
        "groups of every second channel",
        lambda x, k: functional.conv2d(x, k, groups=2),
        partial(convolve, feature_group_count=2),
        lambda x, k: convolve(x[:, np.array([0, 2, 1, 3])], k, feature_group_count=2),
        WIDE,
        named=("group", "permut", "channel", "the gather is left out"),
    ),
    plant(
        "a transposed convolution without mirroring its kernel",
        torch_transposed,
        transposed,
        partial(transposed, mirror=False),
        UP,
        named=("reversed", "mirror", "flip"),
    ),
    plant(
        "a transposed convolution without swapping its channels",
        torch_transposed,
        transposed,
        partial(transposed, swap=False),
        UP,
        named=("axes in the order", "transpose", "swap", "hold each other", "change places"),
    ),
    plant(
        "circular padding by zeros",
        lambda x, k: functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="circular"), k),
        lambda x, k: convolve(jnp.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="wrap"), k),
        partial(convolve, padding="SAME"),
        CONV,
        named=("pad", "border", "edge", "differ only"),
    ),
    plant(
        "features of NHWC flattened into a layer that learned NCHW",
        lambda x: x.flatten(1),
        lambda x: x.reshape(x.shape[0], -1),
        lambda x: x.transpose(0, 2, 3, 1).reshape(x.shape[0], -1),
        (IMAGE,),
        named=("flatten", "layout", "nhwc", "permut"),
    ),
    plant(
        "pixels shuffled from channels in the other order",
        lambda x: functional.pixel_shuffle(torch.cat([x, 2 * x], 1), 2),
        lambda x: shuffled(x, (2, 2, 2), (0, 1, 4, 2, 5, 3)),
        lambda x: shuffled(x, (2, 2, 2), (0, 3, 4, 1, 5, 2)),
        (SHUFFLED,),
        named=("permut", "layout", "transpose"),
    ),
    pooling(
        "zeros around a maximum of negative values",
        torch_max,
        pooled,
        lambda x: pooled(jnp.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), pad="VALID"),
        (NEGATIVE,),
        named=("pad", "border", "edge", "differ only", "saturat"),
    ),
    pooling(
        "a strided SAME, which pads one side only",
        torch_max,
        pooled,
        partial(pooled, pad="SAME"),
        (IMAGE,),
        named=("pad", "border", "shift", "off by one"),
    ),
    pooling(
        "padding left out of the average's count",
        lambda x: functional.avg_pool2d(x, 3, 2, 1),
        partial(pooled, average=True),
        partial(pooled, average=True, count_padding=False),
        (IMAGE,),
        named=("edge", "differ only", "pad", "border"),
    ),
    pooling(
        "the mean of maxima for the global mean",
        lambda x: functional.adaptive_avg_pool2d(x, 1)[:, :, 0, 0],
        lambda x: x.mean((2, 3)),
        lambda x: x.max((2, 3)),
        (IMAGE,),
        named=("maxim", "mean is", "max is"),
    ),
    pooling(
        "antialiased when shrinking, jax.image's default",
        lambda x: functional.interpolate(x, size=(3, 3), mode="bilinear"),
        lambda x: resized(x, 3),
        lambda x: resized(x, 3, antialias=True),
        (IMAGE,),
        named=("antialias",),
    ),
    pooling(
        "corners not aligned",
        lambda x: functional.interpolate(x, size=(11, 11), mode="bilinear", align_corners=True),
        aligned,
        lambda x: resized(x, 11),
        (IMAGE,),
        named=("corner", "align"),
    ),
    pooling(
        "the nearest pixel by its centre",
        lambda x: functional.interpolate(x, size=(4, 4), mode="nearest"),
        lambda x: nearest(x, 4),
        lambda x: nearest(x, 4, centre=0.5),
        (IMAGE,),
        named=("shift", "centre", "center", "0.5", "off by one"),
    ),
)
