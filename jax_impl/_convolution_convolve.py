"""Convolutions of one to three axes, and their transposes."""

from typing import TypedDict, Unpack

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jax_impl._convolution_checks import per_axis, same_padding
from jax_impl._convolution_pad import pad

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
    x: Float[Array, "batch *space channels"],
    kernel: Float[Array, "*window group out"],
    bias: Float[Array, " out"] | None = None,
    **options: Unpack[ConvOptions],
) -> Float[Array, "batch *places out"]:
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

    Differs from its twin: channels are the last axis, and the kernel is (*window, in, out), as linen has it. linen's
    own layer pads SAME unless told, and cannot reflect or replicate by a given amount.
    """
    mode = options.pop("padding_mode", "zeros")
    if mode not in ("zeros", "reflect", "replicate", "circular"):
        raise ValueError(f"conv: padding_mode must be zeros, reflect, replicate or circular, got {mode}.")
    space = kernel.ndim - 2
    stride, dilation = (per_axis(options.get(name, 1), space) for name in ("stride", "dilation"))
    if options.get("padding") == "same" and set(stride) != {1}:
        raise ValueError(f"conv: stride must be 1 where padding is same, got {options.get('stride')}.")
    amounts = same_padding(kernel.shape[:-2], options)
    if mode != "zeros":
        x, amounts = pad(x, amounts, mode=mode), ((0, 0),) * space
    y = lax.conv_general_dilated(
        x,
        kernel,
        stride,
        amounts,
        rhs_dilation=dilation,
        dimension_numbers=_layout(space),
        feature_group_count=options.get("groups", 1),
    )
    return y if bias is None else y + bias


def conv_transpose(
    x: Float[Array, "batch *space channels"],
    kernel: Float[Array, "*window group channels"],
    bias: Float[Array, " features"] | None = None,
    **options: Unpack[TransposeOptions],
) -> Float[Array, "batch *places features"]:
    """Spread each value over a window, as the gradient of a convolution does.

    Args:
        x: images, or whatever has so many axes.
        kernel: of the convolution whose gradient this is, from ``features`` to ``channels``.
        bias: one value a feature; None leaves it out.
        **options: see ``TransposeOptions``.

    Returns:
        The larger images.

    Differs from its twin: channels are the last axis, and the kernel is (*window, out, in), as ``nn.ConvTranspose``
    has it with ``transpose_kernel=True``; linen's layer has no groups and no output padding.
    """
    space, groups = kernel.ndim - 2, options.get("groups", 1)
    stride, dilation = (per_axis(options.get(name, 1), space) for name in ("stride", "dilation"))
    cut, added = (per_axis(options.get(name, 0), space) for name in ("padding", "output_padding"))
    reach = [d * (size - 1) for d, size in zip(dilation, kernel.shape, strict=False)]
    y = lax.conv_general_dilated(
        x,
        _gradient_kernel(kernel, groups),
        (1,) * space,
        [(r - c, r - c + a) for r, c, a in zip(reach, cut, added, strict=True)],
        lhs_dilation=stride,
        rhs_dilation=dilation,
        dimension_numbers=_layout(space),
        feature_group_count=groups,
    )
    return y if bias is None else y + bias


def blur(x: Float[Array, "batch rows columns channels"], side: int = 3) -> Float[Array, "batch rows columns channels"]:
    """Blur an image by the mean over a square window, each channel by itself; outside are zeros.

    Args:
        x: images.
        side: of the window, odd.

    Returns:
        As many images of the same size.

    Raises:
        ValueError: if ``side`` is even or below 1.

    Differs from its twin: channels are the last axis.
    """
    if side < 1 or side % 2 == 0:
        raise ValueError(f"blur: side must be odd, got {side}.")
    kernel = jnp.full((side, side, 1, x.shape[-1]), 1 / side**2, x.dtype)
    return conv(x, kernel, padding="same", groups=x.shape[-1])


def _layout(space: int) -> tuple[str, str, str]:
    axes = "DHW"[-space:]
    return f"N{axes}C", f"{axes}IO", f"N{axes}C"


def _gradient_kernel(kernel: Array, groups: int) -> Array:
    """Mirrored, and from each group's inputs to all outputs: what correlates where the gradient spreads."""
    *window, out, into = kernel.shape
    split = jnp.flip(kernel, range(len(window))).reshape(*window, out, groups, into // groups)
    return jnp.moveaxis(split, -3, -1).swapaxes(-3, -2).reshape(*window, into // groups, groups * out)
