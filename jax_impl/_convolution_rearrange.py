"""Windows as rows, channels as pixels, and back."""

import math
from typing import TypedDict, Unpack

import jax
from jax import Array, lax
from jaxtyping import Float

__all__ = ["WindowOptions", "unfold", "fold", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"]


class WindowOptions(TypedDict, total=False):
    """Where the windows lie. A number stands for both axes.

    ``stride``: between two windows (1). ``padding``: zeros on each side of the image (0). ``dilation``: the step
    between two pixels of a window (1).
    """

    stride: int | tuple[int, int]
    padding: int | tuple[int, int]
    dilation: int | tuple[int, int]


def unfold(
    x: Float[Array, "batch rows columns channels"], window: tuple[int, int], **options: Unpack[WindowOptions]
) -> Float[Array, "batch windows numbers"]:
    """Lay out every window as a row of numbers, channel by channel.

    Args:
        x: images.
        window: its size.
        **options: see `WindowOptions`.

    Returns:
        One row a window.

    Differs from its twin: a window's numbers are the last axis.
    """
    pairs = [_pair(options.get(name, default)) for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))]
    stride, padding, dilation = pairs
    rows = lax.conv_general_dilated_patches(
        x,
        window,
        stride,
        [(amount, amount) for amount in padding],
        rhs_dilation=dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return rows.reshape(x.shape[0], -1, rows.shape[-1])


def fold(
    rows: Float[Array, "batch windows numbers"],
    size: tuple[int, int],
    window: tuple[int, int],
    **options: Unpack[WindowOptions],
) -> Float[Array, "batch rows columns channels"]:
    """Add windows up into an image: the gradient of ``unfold``.

    Args:
        rows: of windows, as ``unfold`` makes them.
        size: of the image.
        window: its size.
        **options: see `WindowOptions`.

    Returns:
        The images; what several windows cover is their sum.

    Differs from its twin: a window's numbers are the last axis.
    """
    image = jax.ShapeDtypeStruct((rows.shape[0], *size, rows.shape[-1] // math.prod(window)), rows.dtype)
    return jax.linear_transpose(lambda x: unfold(x, window, **options), image)(rows)[0]


def pixel_shuffle(
    x: Float[Array, "batch rows columns channels"], factor: int
) -> Float[Array, "batch height width features"]:
    """Make each pixel ``factor`` by ``factor`` out of its channels, which come in the order (channel, row, column).

    Args:
        x: images.
        factor: how much larger each side grows.

    Returns:
        The larger images.

    Differs from its twin: channels are the last axis.
    """
    batch, rows, columns, channels = x.shape
    x = x.reshape(batch, rows, columns, channels // factor**2, factor, factor)
    return x.transpose(0, 1, 4, 2, 5, 3).reshape(batch, rows * factor, columns * factor, -1)


def pixel_unshuffle(
    x: Float[Array, "batch rows columns channels"], factor: int
) -> Float[Array, "batch height width features"]:
    """Make channels of ``factor`` by ``factor`` pixels, in the order (channel, row, column).

    Args:
        x: images.
        factor: how much smaller each side grows.

    Returns:
        The smaller images.

    Differs from its twin: channels are the last axis.
    """
    batch, rows, columns, _ = x.shape
    x = x.reshape(batch, rows // factor, factor, columns // factor, factor, -1)
    return x.transpose(0, 1, 3, 5, 2, 4).reshape(batch, rows // factor, columns // factor, -1)


def channel_shuffle(x: Float[Array, "batch *space channels"], groups: int) -> Float[Array, "batch *space channels"]:
    """Take one channel of each group in turn.

    Args:
        x: images, or whatever has so many axes.
        groups: how many runs of neighbouring channels there are.

    Returns:
        The same channels in another order.

    Differs from its twin: channels are the last axis.
    """
    return x.reshape(*x.shape[:-1], groups, -1).swapaxes(-1, -2).reshape(x.shape)


def _pair(amount: int | tuple[int, int]) -> tuple[int, int]:
    return (amount, amount) if isinstance(amount, int) else amount
