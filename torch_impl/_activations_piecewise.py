"""Activations made of pieces: each has a kink, and each twin has torch's derivative on it."""

import torch
from jaxtyping import Float, Real
from torch import Tensor
from torch.nn import functional

from torch_impl._checks import check_shape

__all__ = [
    "relu",
    "relu6",
    "leaky_relu",
    "prelu",
    "rrelu",
    "hardtanh",
    "hardshrink",
    "softshrink",
    "hardsigmoid",
    "hardswish",
    "threshold",
]


def relu(x: Real[Tensor, "*shape"]) -> Real[Tensor, "*shape"]:
    r"""Keep what is positive: $\max(0, x)$; integers stay integers, and the derivative at 0 is 0."""
    return functional.relu(x)


def relu6(x: Real[Tensor, "*shape"]) -> Real[Tensor, "*shape"]:
    r"""Keep what lies between 0 and 6: $\min(\max(0, x), 6)$; the derivative at 0 and at 6 is 0."""
    return functional.relu6(x)


def leaky_relu(x: Float[Tensor, "*shape"], negative_slope: float = 0.01) -> Float[Tensor, "*shape"]:
    """Let a little of the negative side through: $x$ where $x > 0$, else $a x$.

    Args:
        x: any values.
        negative_slope: the slope $a$; also the derivative at 0.
    """
    return functional.leaky_relu(x, negative_slope)


def prelu(x: Float[Tensor, "*shape"], weight: Float[Tensor, " channels"]) -> Float[Tensor, "*shape"]:
    """Learn the negative slope.

    $y = x$ where $x > 0$, else $a_c x$ (He et al. 2015, arXiv:1502.01852, eq. 1).

    Args:
        x: any values; the channels are axis 1.
        weight: the slopes $a$, one for all or one for each channel.

    Returns:
        Values of the shape of ``x``.

    Raises:
        ValueError: if ``weight`` holds neither one slope nor one for each channel.
    """
    if weight.shape != (1,):
        check_shape("prelu", "weight", weight.shape, x.shape[1:2] or (1,), "one slope for each channel of x")
    return functional.prelu(x, weight)


def rrelu(
    x: Float[Tensor, "*shape"],
    slopes: Float[Tensor, "*shape"] | None = None,
    *,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
) -> Float[Tensor, "*shape"]:
    r"""Draw the negative slopes at random.

    $y = x$ where $x > 0$, else $a x$ with $a \sim U(l, u)$ (Xu et al. 2015, arXiv:1505.00853).

    Args:
        x: any values.
        slopes: the slopes $a$ of a training step; without them the mean slope $(l + u)/2$ of evaluation.
        lower: the least slope $l$.
        upper: the largest slope $u$.

    Returns:
        Values of the shape of ``x``.

    Raises:
        ValueError: if ``slopes`` does not have the shape of ``x``.
    """
    if slopes is None:
        return functional.rrelu(x, lower, upper, training=False)
    check_shape("rrelu", "slopes", slopes.shape, x.shape, "the shape of x")
    return torch.where(x <= 0, slopes * x.clamp(max=0), x)


def hardtanh(x: Real[Tensor, "*shape"], min_val: float = -1.0, max_val: float = 1.0) -> Real[Tensor, "*shape"]:
    r"""Clip: $\min(\max(x, l), u)$; the derivative on both bounds is 0.

    Args:
        x: any values; integers stay integers.
        min_val: the lower bound $l$.
        max_val: the upper bound $u$.

    Returns:
        Values within the bounds, in the dtype of ``x``.

    Raises:
        ValueError: if the bounds are the wrong way round.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val must be at most max_val, {max_val}, got {min_val}.")
    return functional.hardtanh(x, min_val, max_val)


def hardshrink(x: Float[Tensor, "*shape"], lambd: float = 0.5) -> Float[Tensor, "*shape"]:
    r"""Zero what is small: 0 where $|x| \le \lambda$, else $x$.

    Args:
        x: any values.
        lambd: the half width $\lambda$ of the gap.
    """
    return functional.hardshrink(x, lambd)


def softshrink(x: Float[Tensor, "*shape"], lambd: float = 0.5) -> Float[Tensor, "*shape"]:
    r"""Pull everything towards zero: $\mathrm{sign}(x) \max(|x| - \lambda, 0)$.

    Args:
        x: any values.
        lambd: the pull $\lambda$, at least 0.

    Returns:
        Values of the shape of ``x``.

    Raises:
        ValueError: if ``lambd`` is negative.
    """
    if lambd < 0:
        raise ValueError(f"softshrink: lambd must be at least 0, got {lambd}.")
    return functional.softshrink(x, lambd)


def hardsigmoid(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""Approximate the sigmoid by three lines: $\min(\max(x + 3, 0), 6) / 6$; the derivative at -3 and at 3 is 0."""
    return functional.hardsigmoid(x)


def hardswish(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""Gate ``x`` with its hard sigmoid.

    $x \min(\max(x + 3, 0), 6) / 6$ (Howard et al. 2019, arXiv:1905.02244, section 5.2).

    The derivative at -3 is 0 and at 3 is 1.
    """
    return functional.hardswish(x)


def threshold(x: Real[Tensor, "*shape"], threshold: float, value: float) -> Real[Tensor, "*shape"]:
    """Replace what does not exceed a threshold: $x$ where $x > t$, else $v$.

    Args:
        x: any values; integers stay integers.
        threshold: the threshold $t$.
        value: the replacement $v$.
    """
    return functional.threshold(x, threshold, value)
