r"""Initializers: every law of ``torch.nn.init``, and the one with which each layer of ``torch.nn`` is born.

A kernel has a fan in, the values that flow into one output, and a fan out. What a layer is born with is a choice of its
framework, seldom the same and seldom noticed: ``nn.Dense`` starts with weights 1.73 times as large as ``nn.Linear``.

Differs from its twin: a law makes an array, ``law(key, shape, dtype)``, in linen's layout: the window first, then
inputs, then outputs. ``nn.Dense(5, **linear_laws(3))`` is born as ``nn.Linear(3, 5)`` is.
"""

import math
from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from flax.linen import initializers
from jax.nn.initializers import Initializer

from jax_impl._initializers_fills import constant, dirac, eye, ones, orthogonal, sparse, zeros
from jax_impl._initializers_layers import (
    attention_laws,
    bilinear_laws,
    conv_laws,
    conv_transpose_laws,
    embedding_laws,
    linear_laws,
    norm_laws,
    prelu_laws,
    recurrent_laws,
)

__all__ = [
    "fans",
    "calculate_gain",
    "uniform",
    "normal",
    "trunc_normal",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "constant",
    "ones",
    "zeros",
    "eye",
    "dirac",
    "orthogonal",
    "sparse",
    "linear_laws",
    "bilinear_laws",
    "conv_laws",
    "conv_transpose_laws",
    "embedding_laws",
    "recurrent_laws",
    "attention_laws",
    "norm_laws",
    "prelu_laws",
]

_LINEAR = ("linear", "sigmoid", *(f"conv{kind}{axes}d" for kind in ("", "_transpose") for axes in (1, 2, 3)))
_GAINS = {**dict.fromkeys(_LINEAR, 1.0), "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Count the values that flow into one output of a kernel and out of one input.

    Args:
        shape: of the kernel in the framework's own layout, at least 2 axes.

    Returns:
        The fan in and the fan out: the window's size times the inputs, and times the outputs.

    Raises:
        ValueError: if the axes are less than 2.
    """
    if len(shape) < 2:
        raise ValueError(f"fans: shape must have at least 2 axes, got {len(shape)}.")
    *window, inputs, outputs = shape
    return inputs * math.prod(window), outputs * math.prod(window)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    r"""Look up by how much a nonlinearity wants its weights larger.

    1 for linear maps, convolutions and the sigmoid, 5/3 for tanh, $\sqrt2$ for relu, $\sqrt{2 / (1 + a^2)}$ for
    leaky_relu, 3/4 for selu.

    Args:
        nonlinearity: its name in ``torch.nn.functional``.
        param: $a$, the slope of leaky_relu; None for 0.01.

    Returns:
        The gain, a factor of the standard deviation.

    Raises:
        ValueError: if ``nonlinearity`` is unknown.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise ValueError(f"calculate_gain: nonlinearity must be one of {known}, got {nonlinearity}.")
    return _GAINS[nonlinearity]


def uniform(a: float = 0.0, b: float = 1.0) -> Initializer:
    r"""Return the law $U(a, b)$: ``nn.init.uniform_``.

    Args:
        a: the lower end.
        b: the upper end.

    Returns:
        An initializer in the framework's own form.

    Differs from its twin: ``nn.initializers.uniform(scale)`` is $U(0, scale)$.
    """

    def law(key, shape, dtype=jnp.float32, out_sharding=None):
        return jax.random.uniform(key, shape, dtype, a, b, out_sharding=out_sharding)

    return law


def normal(mean: float = 0.0, std: float = 1.0) -> Initializer:
    r"""Return the law $N(\mu, \sigma^2)$: ``nn.init.normal_``.

    Args:
        mean: $\mu$.
        std: $\sigma$, not the variance.

    Returns:
        An initializer in the framework's own form.

    Differs from its twin: ``nn.initializers.normal(stddev)`` has its mean at 0 and 0.01 for a default.
    """

    def law(key, shape, dtype=jnp.float32, out_sharding=None):
        return mean + std * jax.random.normal(key, shape, dtype, out_sharding=out_sharding)

    return law


def trunc_normal(mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Initializer:
    r"""Return the law $N(\mu, \sigma^2)$ given that the value lies in $[a, b]$: ``nn.init.trunc_normal_``.

    Args:
        mean: $\mu$ before the cut.
        std: $\sigma$ before the cut; what is left has less.
        a: the lower end, a value and not a number of standard deviations: at a small ``std`` nothing is cut.
        b: the upper end.

    Returns:
        An initializer in the framework's own form.

    Differs from its twin: ``nn.initializers.truncated_normal`` counts its ends in standard deviations; those of
    ``lecun_normal`` and ``he_normal`` are at 2 of them, and the values then divided by 0.8796, what is left of one.
    """
    ends = (a - mean) / std, (b - mean) / std

    def law(key, shape, dtype=jnp.float32, out_sharding=None):
        return mean + std * jax.random.truncated_normal(key, *ends, shape, dtype, out_sharding=out_sharding)

    return law


def xavier_uniform(gain: float = 1.0) -> Initializer:
    r"""Return the law $U(-g\sqrt{6 / (in + out)}, g\sqrt{6 / (in + out)})$ of the fans: ``nn.init.xavier_uniform_``.

    (Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks, eq. 16.)

    Args:
        gain: $g$.

    Returns:
        An initializer in the framework's own form.
    """
    return initializers.variance_scaling(gain**2, "fan_avg", "uniform")


def xavier_normal(gain: float = 1.0) -> Initializer:
    r"""Return the law $N(0, 2 g^2 / (in + out))$ of the fans: ``nn.init.xavier_normal_``.

    (Glorot & Bengio 2010, eq. 12.)

    Args:
        gain: $g$.

    Returns:
        An initializer in the framework's own form.

    Differs from its twin: ``nn.initializers.xavier_normal`` is cut and rescaled.
    """
    return initializers.variance_scaling(gain**2, "fan_avg", "normal")


def kaiming_uniform(
    a: float = 0.0, mode: Literal["fan_in", "fan_out"] = "fan_in", nonlinearity: str = "leaky_relu"
) -> Initializer:
    r"""Return the law $U(-g\sqrt{3 / fan}, g\sqrt{3 / fan})$: ``nn.init.kaiming_uniform_``.

    (He et al. 2015, arXiv:1502.01852, section 2.2.) With $a = \sqrt5$ it is $U(-1/\sqrt{fan}, 1/\sqrt{fan})$.

    Args:
        a: the slope that gives the gain $g$ of leaky_relu, not the gain.
        mode: which fan.
        nonlinearity: whose gain $g$ is.

    Returns:
        An initializer in the framework's own form.

    Raises:
        ValueError: if ``mode`` or ``nonlinearity`` is unknown.
    """
    gain = _gain("kaiming_uniform", a, mode, nonlinearity)
    return initializers.variance_scaling(gain**2, mode, "uniform")


def kaiming_normal(
    a: float = 0.0, mode: Literal["fan_in", "fan_out"] = "fan_in", nonlinearity: str = "leaky_relu"
) -> Initializer:
    r"""Return the law $N(0, g^2 / fan)$: ``nn.init.kaiming_normal_``.

    (He et al. 2015, arXiv:1502.01852, eq. 10.)

    Args:
        a: the slope that gives the gain $g$ of leaky_relu, not the gain.
        mode: which fan.
        nonlinearity: whose gain $g$ is.

    Returns:
        An initializer in the framework's own form.

    Raises:
        ValueError: if ``mode`` or ``nonlinearity`` is unknown.

    Differs from its twin: ``nn.initializers.he_normal`` is cut and rescaled.
    """
    gain = _gain("kaiming_normal", a, mode, nonlinearity)
    return initializers.variance_scaling(gain**2, mode, "normal")


def _gain(function: str, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{function}: mode must be 'fan_in' or 'fan_out', got {mode!r}.")
    return calculate_gain(nonlinearity, a)
