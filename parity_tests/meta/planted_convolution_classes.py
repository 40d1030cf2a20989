"""Planted mistakes of whole convolutions, pools and paddings: counts, edges, orders and what linen's own layers do."""

from functools import partial

import jax.numpy as jnp
import numpy as np
from flax import linen
from torch.nn import functional

from jax_impl import convolution
from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("convolution")

draw = np.random.default_rng(13)
IMAGE = draw.normal(size=(2, 3, 7, 6))
SQUARE = draw.normal(size=(2, 4, 6, 6))
KERNEL = draw.normal(size=(3, 3, 3, 2))
BIASED = (IMAGE, KERNEL, draw.normal(size=3))
EVEN = (IMAGE, draw.normal(size=(3, 3, 4, 2)))


def last(function):
    """A function of NHWC as one of NCHW."""
    return lambda x, *rest: jnp.moveaxis(function(jnp.moveaxis(x, 1, -1), *rest), -1, 1)


def hwio(kernel):
    return kernel.transpose(2, 3, 1, 0)


def conv(x, kernel, bias=None, **options):
    return convolution.conv(x, hwio(kernel), bias, **options)


def plain(function, *args, **options):
    return last(lambda x: function(x, *args, **options))


def torch_same(x, kernel):
    return functional.conv2d(x, kernel, padding="same")


def front_heavy(x, kernel):
    """The odd one before, where torch and XLA put it behind."""
    padded = jnp.pad(x, ((0, 0), (2, 1), (1, 0), (0, 0)))
    return convolution.conv(padded, hwio(kernel))


def torch_up(x, kernel):
    return functional.conv_transpose2d(x, kernel, stride=2, padding=1, output_padding=1)


def up(x, kernel, *, padding=1, output_padding=1):
    return convolution.conv_transpose(x, hwio(kernel), stride=2, padding=padding, output_padding=output_padding)


def torch_reflected(x):
    return functional.pad(x, (2, 1, 1, 2), mode="reflect")


PAIRS = ((1, 2), (2, 1))


def torch_average(x):
    return functional.avg_pool2d(x, 3, 2, 1, ceil_mode=True)


def channels_innermost(x):
    """(row, column, channel), as slices stacked by hand come."""
    rows = convolution.unfold(jnp.moveaxis(x, 1, -1), (3, 2)).swapaxes(1, 2)
    return rows.reshape(2, 3, 6, -1).swapaxes(1, 2).reshape(rows.shape)


MISTAKES = (
    plant(
        "the bias of one output given to the next",
        functional.conv2d,
        last(conv),
        last(lambda x, kernel, bias: conv(x, kernel, jnp.roll(bias, 1))),
        BIASED,
        caught=("output", "grad/2"),
        named=("roll", "shift", "permut", "order"),
    ),
    plant(
        "the bias left out",
        functional.conv2d,
        last(conv),
        last(lambda x, kernel, bias: conv(x, kernel, 0 * bias)),
        BIASED,
        caught=("output", "grad/2"),
        named=("bias", "left out", "missing", "0 is 1"),
    ),
    plant(
        "an even window padded more in front",
        torch_same,
        last(partial(conv, padding="same")),
        last(front_heavy),
        EVEN,
        named=("shift", "pad", "off by one"),
    ),
    plant(
        "output padding at the near end",
        torch_up,
        last(up),
        last(lambda x, kernel: jnp.roll(up(x, kernel, padding=1), (1, 1), (1, 2))),
        (IMAGE, KERNEL),
        named=("shift", "pad", "roll", "off by one"),
    ),
    plant(
        "reflection with the edge twice, NumPy's symmetric",
        torch_reflected,
        plain(convolution.pad, PAIRS, mode="reflect"),
        last(lambda x: jnp.pad(x, ((0, 0), *PAIRS, (0, 0)), mode="symmetric")),
        (IMAGE,),
        named=("pad", "border", "edge", "differ only", "jax.numpy.pad(mode='reflect'"),
    ),
    plant(
        "padding told from the first axis, where torch's list starts with the last",
        torch_reflected,
        plain(convolution.pad, PAIRS, mode="reflect"),
        plain(convolution.pad, PAIRS[::-1], mode="reflect"),
        (IMAGE,),
        named=("pad", "shift", "axis", "roll"),
    ),
    plant(
        "what ceil_mode adds counted in the mean",
        torch_average,
        plain(convolution.avg_pool, (3, 3), stride=2, padding=1, ceil_mode=True),
        last(lambda x: linen.avg_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 2)))),
        (IMAGE,),
        named=("edge", "border", "differ only", "pad"),
    ),
    plant(
        "the sum over a window for its mean",
        lambda x: functional.avg_pool2d(x, (3, 2)),
        plain(convolution.avg_pool, (3, 2)),
        plain(convolution.avg_pool, (3, 2), divisor_override=1),
        (IMAGE,),
        named=("6", "0.1666", "1/6", "sum", "mean"),
    ),
    plant(
        "strides of 1, linen's default, cut to the size",
        lambda x: functional.max_pool2d(x, 2),
        plain(convolution.max_pool, (2, 2)),
        last(lambda x: linen.max_pool(x, (2, 2))[:, :3, :3]),
        (SQUARE,),
        named=("stride", "slice", "window"),
    ),
    plant(
        "adaptive windows that do not overlap",
        lambda x: functional.adaptive_avg_pool2d(x, (4, 6)),
        plain(convolution.adaptive_avg_pool, (4, 6)),
        last(lambda x: jnp.stack([x[:, s:e].mean(1) for s, e in ((0, 1), (1, 3), (3, 5), (5, 7))], 1)),
        (IMAGE,),
        named=("window", "overlap", "start", "differ only"),
    ),
    plant(
        "the power mean for the power sum",
        lambda x: functional.lp_pool2d(x.abs(), 3.0, 2),
        last(lambda x: convolution.lp_pool(jnp.abs(x), 3.0, (2, 2))),
        last(lambda x: convolution.avg_pool(jnp.abs(x) ** 3, (2, 2)) ** (1 / 3)),
        (SQUARE,),
        named=("1.587", "0.6299", "factor", "division is left out", "sum", "mean", "scale"),
    ),
    plant(
        "rows of windows with the channels innermost",
        lambda x: functional.unfold(x, (3, 2)),
        lambda x: convolution.unfold(jnp.moveaxis(x, 1, -1), (3, 2)).swapaxes(1, 2),
        channels_innermost,
        (IMAGE,),
        named=("permut", "layout", "transpose", "axes"),
    ),
    plant(
        "channels shuffled back instead of forth",
        lambda x: functional.channel_shuffle(x, 3),
        plain(convolution.channel_shuffle, 3),
        plain(convolution.channel_shuffle, 2),
        (draw.normal(size=(2, 6, 3, 4)),),
        named=("permut", "transpose", "layout", "group", "shuffl"),
    ),
    plant(
        "a blur that keeps its brightness at the border",
        lambda x: functional.avg_pool2d(x, 3, 1, 1),
        plain(convolution.blur),
        plain(convolution.avg_pool, (3, 3), stride=1, padding=1, count_include_pad=False),
        (IMAGE,),
        named=("edge", "border", "differ only", "pad"),
    ),
)
