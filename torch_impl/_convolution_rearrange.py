"""Windows as rows, channels as pixels, and back."""

from typing import TypedDict, Unpack

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

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
    x: Float[Tensor, "batch channels rows columns"], window: tuple[int, int], **options: Unpack[WindowOptions]
) -> Float[Tensor, "batch numbers windows"]:
    """Lay out every window as a row of numbers, channel by channel.

    Args:
        x: images.
        window: its size.
        **options: see `WindowOptions`.

    Returns:
        One row a window.

    Differs from its twin: a window's numbers are axis 1.
    """
    return functional.unfold(x, window, **options)


def fold(
    rows: Float[Tensor, "batch numbers windows"],
    size: tuple[int, int],
    window: tuple[int, int],
    **options: Unpack[WindowOptions],
) -> Float[Tensor, "batch channels rows columns"]:
    """Add windows up into an image: the gradient of ``unfold``.

    Args:
        rows: of windows, as ``unfold`` makes them.
        size: of the image.
        window: its size.
        **options: see `WindowOptions`.

    Returns:
        The images; what several windows cover is their sum.

    Differs from its twin: a window's numbers are axis 1.
    """
    return functional.fold(rows, size, window, **options)


def pixel_shuffle(
    x: Float[Tensor, "batch channels rows columns"], factor: int
) -> Float[Tensor, "batch features height width"]:
    """Make each pixel ``factor`` by ``factor`` out of its channels, which come in the order (channel, row, column).

    Args:
        x: images.
        factor: how much larger each side grows.

    Returns:
        The larger images.

    Differs from its twin: channels are axis 1.
    """
    return functional.pixel_shuffle(x, factor)


def pixel_unshuffle(
    x: Float[Tensor, "batch channels rows columns"], factor: int
) -> Float[Tensor, "batch features height width"]:
    """Make channels of ``factor`` by ``factor`` pixels, in the order (channel, row, column).

    Args:
        x: images.
        factor: how much smaller each side grows.

    Returns:
        The smaller images.

    Differs from its twin: channels are axis 1.
    """
    return functional.pixel_unshuffle(x, factor)


def channel_shuffle(x: Float[Tensor, "batch channels *space"], groups: int) -> Float[Tensor, "batch channels *space"]:
    """Take one channel of each group in turn.

    Args:
        x: images, or whatever has so many axes.
        groups: how many runs of neighbouring channels there are.

    Returns:
        The same channels in another order.

    Differs from its twin: channels are axis 1.
    """
    return functional.channel_shuffle(x, groups)
