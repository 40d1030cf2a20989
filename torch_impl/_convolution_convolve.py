"""Convolutions of one to three axes, and their transposes."""

from typing import TypedDict, Unpack

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from torch_impl._convolution_checks import per_axis, same_padding
from torch_impl._convolution_pad import pad

__all__ = ["ConvOptions", "TransposeOptions", "conv", "conv_transpose", "blur"]


class ConvOptions(TypedDict, total=False):
    """What a convolution may be told; one number stands for every axis.

    Attributes:
        stride: steps of the window, 1.
        padding: what is added at both ends of each axis, 0; ``"same"`` keeps the size, at a stride of 1.
        dilation: steps within the window, 1.
        groups: what divides the channels, 1; each output sees one group.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
    """

    stride: int | tuple[int, ...]
    padding: int | tuple[int, ...] | str
    dilation: int | tuple[int, ...]
    groups: int
    padding_mode: str


class TransposeOptions(TypedDict, total=False):
    """What a transposed convolution may be told; one number stands for every axis.

    Attributes:
        stride: steps of the window in the output, 1.
        padding: what is cut off at both ends of each axis of the output, 0.
        output_padding: what is added at the far end of each axis of the output, 0.
        groups: what divides the channels, 1.
        dilation: steps within the window, 1.
    """

    stride: int | tuple[int, ...]
    padding: int | tuple[int, ...]
    output_padding: int | tuple[int, ...]
    groups: int
    dilation: int | tuple[int, ...]


def conv(
    x: Float[Tensor, "batch channels *space"],
    kernel: Float[Tensor, "out group *window"],
    bias: Float[Tensor, " out"] | None = None,
    **options: Unpack[ConvOptions],
) -> Float[Tensor, "batch out *places"]:
    r"""Slide a window over one to three axes: $y_o = b_o + \sum_{i,u} K_{o,i,u} \, x_{i, s t + d u - p}$.

    It is a correlation: the window is not mirrored.

    Args:
        x: images, or whatever has so many axes.
        kernel: $K$.
        bias: $b$; None leaves it out.
        **options: see ``ConvOptions``.

    Returns:
        $y$.

    Raises:
        ValueError: if there is no such padding mode, or "same" meets a stride.

    Differs from its twin: channels are axis 1, and the kernel is (out, in, *window).
    """
    mode = options.pop("padding_mode", "zeros")
    if mode not in ("zeros", "reflect", "replicate", "circular"):
        raise ValueError(f"conv: padding_mode must be zeros, reflect, replicate or circular, got {mode}.")
    space = kernel.ndim - 2
    if mode != "zeros":
        amounts = same_padding(kernel.shape[2:], options)
        x, options["padding"] = pad(x, amounts, mode=mode), 0
    if options.get("padding") == "same" and set(per_axis(options.get("stride", 1), space)) != {1}:
        raise ValueError(f"conv: stride must be 1 where padding is same, got {options.get('stride')}.")
    return getattr(functional, f"conv{space}d")(x, kernel, bias, **options)


def conv_transpose(
    x: Float[Tensor, "batch channels *space"],
    kernel: Float[Tensor, "channels group *window"],
    bias: Float[Tensor, " features"] | None = None,
    **options: Unpack[TransposeOptions],
) -> Float[Tensor, "batch features *places"]:
    """Spread each value over a window, as the gradient of a convolution does.

    Args:
        x: images, or whatever has so many axes.
        kernel: of the convolution whose gradient this is, from ``features`` to ``channels``.
        bias: one value a feature; None leaves it out.
        **options: see ``TransposeOptions``.

    Returns:
        The larger images.

    Differs from its twin: channels are axis 1, and the kernel is (in, out, *window).
    """
    return getattr(functional, f"conv_transpose{kernel.ndim - 2}d")(x, kernel, bias, **options)


def blur(
    x: Float[Tensor, "batch channels rows columns"], side: int = 3
) -> Float[Tensor, "batch channels rows columns"]:
    """Blur an image by the mean over a square window, each channel by itself; outside are zeros.

    Args:
        x: images.
        side: of the window, odd.

    Returns:
        As many images of the same size.

    Raises:
        ValueError: if ``side`` is even or below 1.

    Differs from its twin: channels are axis 1.
    """
    if side < 1 or side % 2 == 0:
        raise ValueError(f"blur: side must be odd, got {side}.")
    kernel = torch.full((x.shape[1], 1, side, side), 1 / side**2, dtype=x.dtype, device=x.device)
    return conv(x, kernel, padding="same", groups=x.shape[1])
