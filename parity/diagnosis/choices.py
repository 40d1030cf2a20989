"""What else an argument may have been meant to be: the other truth value, another word, a number nearby."""

from __future__ import annotations

from typing import Any

__all__ = ["KIN", "REVERSED", "choices"]

REVERSED = "in the reverse order"
"""Stands for a list, its members in the reverse order."""

_WORDS = tuple(
    tuple(words.split())
    for words in (
        "nearest linear cubic lanczos3 lanczos5",
        "bicubic cubic bicubic-pytorch",
        "nearest nearest-exact linear bilinear trilinear bicubic area",
        "constant edge reflect symmetric wrap",
        "zeros border reflection",
        "zeros reflect replicate circular",
        "full same valid",
        "SAME VALID CIRCULAR REFLECT",
        "backward ortho forward",
        "fill clip wrap",
        "left right",
        "xy ij",
        "C F",
        "none mean sum",
        "none tanh",
        "fan_in fan_out fan_avg",
        "uniform normal truncated_normal",
    )
)
"""Words that are taken for each other as arguments."""

_SMALL = (1e-5, 1e-6, 1e-8, 1e-12, 1e-7, 1e-3)
_RATES = (0.1, 0.9, 0.99, 0.999, 0.01, 0.95, 0.2, 0.5, 0.0, 1.0)
_AXES = {"axis", "dim"}
_PLACES = {"axes", "num_classes", "features", "num_segments", "start", "stop", "num", "size", "shape"}
"""Whole numbers that no one takes one more of."""

_ACTIVATIONS = (
    *("relu", "gelu", "silu", "sigmoid", "elu", "leaky_relu", "softplus", "selu", "celu", "relu6", "mish"),
    *("hard_sigmoid", "hard_silu", "hard_tanh", "soft_sign", "log_sigmoid", "squareplus"),
)
_GROUPS = (
    (*(f"jax.nn.{name}" for name in _ACTIVATIONS), "jax.numpy.tanh"),
    ("jax.nn.softmax", "jax.nn.log_softmax"),
    tuple(f"jax.numpy.{name}" for name in ("mean", "sum", "max", "min", "median", "prod")),
    *(
        tuple(f"jax.numpy.{name}" for name in names.split())
        for names in ("var std", "floor round ceil trunc", "maximum minimum", "argmax argmin", "tril triu")
    ),
    *(
        tuple(f"jax.numpy.{name}" for name in names.split())
        for names in ("repeat tile", "log log1p log2 log10", "exp expm1 exp2", "remainder fmod")
    ),
    tuple(f"optax.{name}" for name in ("l2_loss", "squared_error", "huber_loss", "log_cosh")),
    tuple(f"optax.{name}" for name in ("adam", "adamw", "nadam", "nadamw", "adamax", "amsgrad", "radam", "rmsprop")),
    tuple(f"optax.{name}" for name in ("clip", "clip_by_global_norm", "clip_by_block_rms")),
    ("flax.linen.max_pool", "flax.linen.avg_pool"),
)
KIN = {name: tuple(other for other in group if other != name) for group in _GROUPS for name in group}
"""Functions that take the same arguments and are taken for each other."""


def choices(name: str, value: Any, default: Any = None, rank: int = 0) -> list[Any]:
    """Other values of a parameter, the likeliest first.

    Args:
        name: of the parameter.
        value: that it has.
        default: that it has if nothing is given.
        rank: axes of the array it speaks of.
    """
    if isinstance(value, bool):
        return [not value]
    if value is None:  # of a parameter that may be true or false
        return [True, False]
    if isinstance(value, (list, tuple)):
        return [REVERSED]
    if isinstance(value, str):
        return list(dict.fromkeys(word for group in _WORDS if value in group for word in group if word != value))
    if name in _AXES and isinstance(value, int):
        return [axis for axis in range(rank) if axis != value % max(rank, 1)]
    if name in _PLACES or not isinstance(value, (int, float)):
        return []
    if isinstance(value, int) and not isinstance(default, float):
        near: tuple[Any, ...] = (value + 1, value - 1, 2 * value, value // 2)
    else:
        near = (*(_SMALL if 0 < value < 1e-2 else _RATES), 1 - value, value / 2, 2 * value, -value)
    stated = default if isinstance(default, (int, float)) and not isinstance(default, bool) else value
    return [other for other in dict.fromkeys((stated, *near)) if other != value]
