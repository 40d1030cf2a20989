"""Which function of ``jax_impl.convolution`` stands for which module of ``torch.nn``: layouts and names change here."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jax_impl import convolution
from jax_impl._convolution_checks import per_axis
from module_samples import Counterpart
from torch_impl import convolution as torch_side

__all__ = ["CONVOLUTIONS", "PADDINGS", "POOLS", "channels_last", "kernel_last", "pair"]

_GIVEN = ("stride", "padding", "dilation", "groups", "padding_mode", "output_padding", "ceil_mode")


def kernel_last(kernel: Any) -> Any:
    """(out, in, *window) to (*window, in, out), and as well (in, out, *window) to (*window, out, in)."""
    return jnp.moveaxis(kernel, (0, 1), (-1, -2))


def channels_last(function: Callable, x: Any, space: int) -> Any:
    """A function of images whose channels come last, on images whose channels come first, of a batch or not."""
    alone = x.ndim == space + 1
    out = function(jnp.moveaxis(x[None] if alone else x, 1, -1))
    return jax.tree.map(lambda y: jnp.moveaxis(y, -1, 1)[0] if alone else jnp.moveaxis(y, -1, 1), out)


def pair(name: str, space: int, *args: Any, **options: Any) -> tuple[Callable, Callable]:
    """A function of images alone, of both twins; torch's layout comes in and goes out."""
    return (
        lambda x: getattr(torch_side, name)(x, *args, **options),
        lambda x: channels_last(lambda x: getattr(convolution, name)(x, *args, **options), x, space),
    )


def _options(settings: dict) -> dict[str, Any]:
    return {name: settings[name] for name in _GIVEN if name in settings}


def _convolved(function: Callable, space: int, settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
    options = _options(settings)
    if function is convolution.conv_transpose:
        options.pop("padding_mode")  # zeros, or torch refuses it
    kernel, bias = kernel_last(parameters["weight"]), parameters.get("bias")
    return channels_last(lambda x: function(x, kernel, bias, **options), inputs[0], space)


def _padded(mode: str, space: int, settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
    """torch names the last axis first."""
    flat = per_axis(settings["padding"], 2 * space)
    pairs = tuple(zip(flat[::2], flat[1::2], strict=True))[::-1]
    padded = partial(convolution.pad, padding=pairs, mode=mode, value=settings.get("value", 0.0))
    return channels_last(padded, inputs[0], space)


def _window(settings: dict, space: int) -> tuple[int, ...]:
    return per_axis(settings["kernel_size"], space)


def _max_pool(space: int, settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
    pool = convolution.max_pool_with_indices if settings["return_indices"] else convolution.max_pool
    options = _options(settings)
    return channels_last(lambda x: pool(x, _window(settings, space), **options), inputs[0], space)


def _avg_pool(space: int, settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
    names = ("count_include_pad", "divisor_override")
    options = _options(settings) | {name: settings[name] for name in names if name in settings}
    return channels_last(lambda x: convolution.avg_pool(x, _window(settings, space), **options), inputs[0], space)


def _lp_pool(space: int, settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
    pool = partial(convolution.lp_pool, norm_type=settings["norm_type"], window=_window(settings, space))
    return channels_last(lambda x: pool(x, **_options(settings)), inputs[0], space)


def _adaptive(pool: Callable, space: int, settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
    size = settings["output_size"]
    size = per_axis(size, space) if size is not None else (None,) * space
    out = channels_last(lambda x: pool(x, size), inputs[0], space)
    return out[0] if isinstance(out, tuple) and not settings["return_indices"] else out


def _fractional(space: int, settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
    (x,), size = inputs, settings["output_size"]
    if size is None:
        ratio = settings["output_ratio"]
        ratios = (ratio,) * space if isinstance(ratio, float) else ratio
        size = tuple(int(whole * part) for whole, part in zip(x.shape[-space:], ratios, strict=True))
    # Of one image alone torch reads the first samples, however many there are.
    samples = arrays["_random_samples"][: 1 if x.ndim == space + 1 else None]
    pool = partial(convolution.fractional_max_pool, window=_window(settings, space), size=per_axis(size, space))
    values, indices = channels_last(lambda x: pool(x, samples=samples), x, space)
    return (values, indices) if settings["return_indices"] else values


CONVOLUTIONS: dict[str, Counterpart] = {
    f"{lazy}{name}{space}d": partial(_convolved, function, space)
    for lazy in ("", "Lazy")
    for name, function in (("Conv", convolution.conv), ("ConvTranspose", convolution.conv_transpose))
    for space in (1, 2, 3)
}

_MODES = {
    "ReflectionPad": "reflect",
    "ReplicationPad": "replicate",
    "ZeroPad": "zeros",
    "CircularPad": "circular",
    "ConstantPad": "zeros",
}
PADDINGS: dict[str, Counterpart] = {
    f"{name}{space}d": partial(_padded, mode, space) for name, mode in _MODES.items() for space in (1, 2, 3)
}

_POOLS = {
    "MaxPool": _max_pool,
    "AvgPool": _avg_pool,
    "LPPool": _lp_pool,
    "AdaptiveAvgPool": partial(_adaptive, convolution.adaptive_avg_pool),
    "AdaptiveMaxPool": partial(_adaptive, convolution.adaptive_max_pool),
    "FractionalMaxPool": _fractional,
}
POOLS: dict[str, Counterpart] = {
    f"{name}{space}d": partial(pool, space)
    for name, pool in _POOLS.items()
    for space in (1, 2, 3)
    if (name, space) != ("FractionalMaxPool", 1)  # which torch does not have
}
