r"""Initializers: every law of ``torch.nn.init``, and the one with which each layer of ``torch.nn`` is born.

A kernel has a fan in, the values that flow into one output, and a fan out. What a layer is born with is a choice of its
framework, seldom the same and seldom noticed: ``nn.Dense`` starts with weights 1.73 times as large as ``nn.Linear``.

Differs from its twin: a law fills a tensor in place, ``law(tensor, generator=generator)``, in torch's layout: outputs
first, then inputs, then the window.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from torch import Tensor, nn

from torch_impl._initializers_fills import constant, dirac, eye, ones, orthogonal, sparse, zeros
from torch_impl._initializers_layers import (
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
_KNOWN = (*_LINEAR, "tanh", "relu", "selu", "leaky_relu")


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
    outputs, inputs, *window = shape
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
    if nonlinearity not in _KNOWN:
        raise ValueError(f"calculate_gain: nonlinearity must be one of {', '.join(_KNOWN)}, got {nonlinearity}.")
    return nn.init.calculate_gain(nonlinearity, param)  # pyright: ignore[reportArgumentType]


def uniform(a: float = 0.0, b: float = 1.0) -> Callable[..., Tensor]:
    r"""Return the law $U(a, b)$: ``nn.init.uniform_``.

    Args:
        a: the lower end.
        b: the upper end.

    Returns:
        An initializer in the framework's own form.
    """
    return partial(nn.init.uniform_, a=a, b=b)


def normal(mean: float = 0.0, std: float = 1.0) -> Callable[..., Tensor]:
    r"""Return the law $N(\mu, \sigma^2)$: ``nn.init.normal_``.

    Args:
        mean: $\mu$.
        std: $\sigma$, not the variance.

    Returns:
        An initializer in the framework's own form.
    """
    return partial(nn.init.normal_, mean=mean, std=std)


def trunc_normal(mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Callable[..., Tensor]:
    r"""Return the law $N(\mu, \sigma^2)$ given that the value lies in $[a, b]$: ``nn.init.trunc_normal_``.

    Args:
        mean: $\mu$ before the cut.
        std: $\sigma$ before the cut; what is left has less.
        a: the lower end, a value and not a number of standard deviations: at a small ``std`` nothing is cut.
        b: the upper end.

    Returns:
        An initializer in the framework's own form.
    """
    return partial(nn.init.trunc_normal_, mean=mean, std=std, a=a, b=b)


def xavier_uniform(gain: float = 1.0) -> Callable[..., Tensor]:
    r"""Return the law $U(-g\sqrt{6 / (in + out)}, g\sqrt{6 / (in + out)})$ of the fans: ``nn.init.xavier_uniform_``.

    (Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks, eq. 16.)

    Args:
        gain: $g$.

    Returns:
        An initializer in the framework's own form.
    """
    return partial(nn.init.xavier_uniform_, gain=gain)


def xavier_normal(gain: float = 1.0) -> Callable[..., Tensor]:
    r"""Return the law $N(0, 2 g^2 / (in + out))$ of the fans: ``nn.init.xavier_normal_``.

    (Glorot & Bengio 2010, eq. 12.)

    Args:
        gain: $g$.

    Returns:
        An initializer in the framework's own form.
    """
    return partial(nn.init.xavier_normal_, gain=gain)


def kaiming_uniform(
    a: float = 0.0, mode: Literal["fan_in", "fan_out"] = "fan_in", nonlinearity: str = "leaky_relu"
) -> Callable[..., Tensor]:
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
    _gain("kaiming_uniform", a, mode, nonlinearity)
    return partial(nn.init.kaiming_uniform_, a=a, mode=mode, nonlinearity=nonlinearity)  # pyright: ignore


def kaiming_normal(
    a: float = 0.0, mode: Literal["fan_in", "fan_out"] = "fan_in", nonlinearity: str = "leaky_relu"
) -> Callable[..., Tensor]:
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
    """
    _gain("kaiming_normal", a, mode, nonlinearity)
    return partial(nn.init.kaiming_normal_, a=a, mode=mode, nonlinearity=nonlinearity)  # pyright: ignore


def _gain(function: str, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{function}: mode must be 'fan_in' or 'fan_out', got {mode!r}.")
    return calculate_gain(nonlinearity, a)
