"""Activations made of pieces: each has a kink, and each twin has torch's derivative on it."""

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Real

from jax_impl._checks import check_shape

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


def relu(x: Real[Array, "*shape"]) -> Real[Array, "*shape"]:
    r"""Keep what is positive: $\max(0, x)$; integers stay integers, and the derivative at 0 is 0."""
    # At NaN torch passes the gradient on; jax.nn.relu stops it there.
    return jnp.where(x <= 0, 0, x)


def relu6(x: Real[Array, "*shape"]) -> Real[Array, "*shape"]:
    r"""Keep what lies between 0 and 6: $\min(\max(0, x), 6)$; the derivative at 0 and at 6 is 0."""
    return hardtanh(x, 0.0, 6.0)


def leaky_relu(x: Float[Array, "*shape"], negative_slope: float = 0.01) -> Float[Array, "*shape"]:
    """Let a little of the negative side through: $x$ where $x > 0$, else $a x$.

    Args:
        x: any values.
        negative_slope: the slope $a$; also the derivative at 0.
    """
    # jax.nn.leaky_relu tests x >= 0, so its derivative at 0 is 1.
    return jnp.where(x > 0, x, negative_slope * x)


def prelu(x: Float[Array, "*shape"], weight: Float[Array, " channels"]) -> Float[Array, "*shape"]:
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
    if weight.shape == (1,):
        weight = weight[0]  # also for an x without axes
    else:
        check_shape("prelu", "weight", weight.shape, x.shape[1:2] or (1,), "one slope for each channel of x")
        weight = weight.reshape(-1, *[1] * (x.ndim - 2))  # (channels, 1, ..., 1)
    # The inner where keeps an infinite x out of the gradient of weight, where 0 * inf is NaN.
    return jnp.where(x > 0, x, weight * jnp.where(x > 0, 0, x))


def rrelu(
    x: Float[Array, "*shape"],
    slopes: Float[Array, "*shape"] | None = None,
    *,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
) -> Float[Array, "*shape"]:
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
        return leaky_relu(x, (lower + upper) / 2)
    check_shape("rrelu", "slopes", slopes.shape, x.shape, "the shape of x")
    return jnp.where(x <= 0, slopes * jnp.where(x <= 0, x, 0), x)


def hardtanh(x: Real[Array, "*shape"], min_val: float = -1.0, max_val: float = 1.0) -> Real[Array, "*shape"]:
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
    low, high = jnp.asarray(min_val, x.dtype), jnp.asarray(max_val, x.dtype)
    # The bounds are outside, as in torch: jax.nn.hard_tanh has derivative 1 there, jnp.clip 1/2.
    return jnp.where((x > low) & (x < high), x, lax.stop_gradient(jnp.clip(x, low, high)))


def hardshrink(x: Float[Array, "*shape"], lambd: float = 0.5) -> Float[Array, "*shape"]:
    r"""Zero what is small: 0 where $|x| \le \lambda$, else $x$.

    Args:
        x: any values.
        lambd: the half width $\lambda$ of the gap.
    """
    # 0 * x, not 0: NaN stays NaN.
    return jnp.where(jnp.abs(x) > lambd, x, lax.stop_gradient(0 * x))


def softshrink(x: Float[Array, "*shape"], lambd: float = 0.5) -> Float[Array, "*shape"]:
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
    # 0 * x, not 0: NaN stays NaN.
    return jnp.where(jnp.abs(x) > lambd, x - lambd * jnp.sign(x), lax.stop_gradient(0 * x))


def hardsigmoid(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Approximate the sigmoid by three lines: $\min(\max(x + 3, 0), 6) / 6$; the derivative at -3 and at 3 is 0."""
    inside = jnp.abs(x) < 3
    # stop_gradient, because torch has derivative 0 outside, and at NaN too.
    return jnp.where(inside, x + 3, lax.stop_gradient(jnp.clip(x + 3, 0, 6))) / 6


def hardswish(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Gate ``x`` with its hard sigmoid.

    $x \min(\max(x + 3, 0), 6) / 6$ (Howard et al. 2019, arXiv:1905.02244, section 5.2).

    The derivative at -3 is 0 and at 3 is 1.
    """
    outside = jnp.abs(x) >= 3
    # The curve never sees infinity: its gradient there would be 0 * inf, NaN.
    curve = jnp.where(outside, 0, x)
    return jnp.where(outside, jnp.where(x > 0, x, lax.stop_gradient(0 * x)), curve * (curve + 3) / 6)


def threshold(x: Real[Array, "*shape"], threshold: float, value: float) -> Real[Array, "*shape"]:
    """Replace what does not exceed a threshold: $x$ where $x > t$, else $v$.

    Args:
        x: any values; integers stay integers.
        threshold: the threshold $t$.
        value: the replacement $v$.
    """
    return jnp.where(x <= jnp.asarray(threshold, x.dtype), jnp.asarray(value, x.dtype), x)
