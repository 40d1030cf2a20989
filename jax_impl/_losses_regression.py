"""Losses of real-valued predictions."""

import math

import jax.numpy as jnp
import optax
from jax import Array, lax
from jaxtyping import Float, Real

from jax_impl._losses_checks import reduction_of

__all__ = ["l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss", "gaussian_nll_loss"]


def l1_loss(
    input: Float[Array, "*shape"], target: Float[Array, "*shape"], *, reduction: str = "mean"
) -> Float[Array, "*losses"]:
    """Take the distance: $|x - y|$; the derivative at 0 is 0.

    Args:
        input: predictions $x$.
        target: truths $y$.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    gap = input - target
    # grad(jnp.abs)(0.0) is 1.
    return reduction_of("l1_loss", reduction)(gap * lax.stop_gradient(jnp.sign(gap)))


def mse_loss(
    input: Float[Array, "*shape"], target: Float[Array, "*shape"], *, reduction: str = "mean"
) -> Float[Array, "*losses"]:
    """Take the squared distance: $(x - y)^2$, without a half.

    Args:
        input: predictions $x$.
        target: truths $y$.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    # optax.l2_loss is half of it.
    return reduction_of("mse_loss", reduction)(optax.squared_error(input, target))


def smooth_l1_loss(
    input: Float[Array, "*shape"], target: Float[Array, "*shape"], *, reduction: str = "mean", beta: float = 1.0
) -> Float[Array, "*losses"]:
    r"""Round the corner of the distance off.

    $\tfrac12 d^2 / \beta$ where $|d| < \beta$, else $|d| - \tfrac12\beta$, with $d = x - y$ (Girshick 2015,
    arXiv:1504.08083, eq. 3, which has $\beta = 1$).

    Args:
        input: predictions $x$.
        target: truths $y$.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.
        beta: where the line begins, at least 0; at 0 this is the L1 loss.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if ``beta`` is negative or there is no such reduction.
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must be at least 0, got {beta}.")
    reduce = reduction_of("smooth_l1_loss", reduction)
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    # Huber's loss grows with its delta, this one does not.
    return reduce(optax.huber_loss(input, target, delta=beta) / beta)


def huber_loss(
    input: Float[Array, "*shape"], target: Float[Array, "*shape"], *, reduction: str = "mean", delta: float = 1.0
) -> Float[Array, "*losses"]:
    r"""Square small distances, and take large ones as they are.

    $\tfrac12 d^2$ where $|d| < \delta$, else $\delta (|d| - \tfrac12\delta)$, with $d = x - y$ (Huber 1964,
    doi:10.1214/aoms/1177703732).

    Args:
        input: predictions $x$.
        target: truths $y$.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.
        delta: where the line begins and how steep it is, above 0.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if ``delta`` is not above 0 or there is no such reduction.
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be above 0, got {delta}.")
    return reduction_of("huber_loss", reduction)(optax.huber_loss(input, target, delta=delta))


def poisson_nll_loss(
    input: Float[Array, "*shape"],
    target: Real[Array, "*shape"],
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Float[Array, "*losses"]:
    r"""Score counts under Poisson's law.

    $e^x - y x$, or $x - y \log(x + \epsilon)$ of rates $x$ instead of their logarithms.

    Args:
        input: logarithms of the rates, or the rates.
        target: counts $y$.
        log_input: whether ``input`` holds logarithms.
        full: add Stirling's formula for $\log y!$, $y \log y - y + \tfrac12 \log 2\pi y$, where $y > 1$.
        eps: added to a rate before its logarithm.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    losses = jnp.exp(input) - target * input if log_input else input - target * jnp.log(input + eps)
    if full:
        many = jnp.where(target > 1, target, 1).astype(input.dtype)
        stirling = many * jnp.log(many) - many + 0.5 * jnp.log(2 * math.pi * many)
        losses = losses + jnp.where(target > 1, stirling, 0)
    return reduction_of("poisson_nll_loss", reduction)(losses)


def gaussian_nll_loss(
    input: Float[Array, "*shape"],
    target: Float[Array, "*shape"],
    var: Float[Array, "*variances"] | float,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Float[Array, "*losses"]:
    r"""Score values under normal laws: $\tfrac12 (\log v + (x - y)^2 / v)$ (Nix & Weigend 1994,
    doi:10.1109/ICNN.1994.374138).

    Args:
        input: the means $x$.
        target: values $y$.
        var: the variances $v$, not negative: one for each mean, one for all along one axis, or one number.
        full: add the constant $\tfrac12 \log 2\pi$.
        eps: the least variance; the gradient passes as if there were none.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if ``var`` has another shape or there is no such reduction.

    Differs from its twin: a negative variance is clamped to ``eps`` too; a compiled program cannot refuse a value.
    """
    reduce = reduction_of("gaussian_nll_loss", reduction)
    if isinstance(var, (int, float)):
        var = jnp.full_like(input, var)
    if not _covers(var.shape, input.shape):
        raise ValueError(f"gaussian_nll_loss: var must have shape {input.shape}, or 1 along one axis, got {var.shape}.")
    if var.ndim < input.ndim:
        var = var[..., None]
    # The clamped value, with the gradient of the value itself.
    clamped = var - lax.stop_gradient(var) + lax.stop_gradient(jnp.maximum(var, eps))
    losses = 0.5 * (jnp.log(clamped) + (input - target) ** 2 / clamped)
    return reduce(losses + 0.5 * math.log(2 * math.pi) if full else losses)


def _covers(variances: tuple[int, ...], means: tuple[int, ...]) -> bool:
    """Whether variances of one shape belong to means of another."""
    if variances in (means, means[:-1]):
        return True
    apart = [ours for ours, theirs in zip(variances, means, strict=False) if ours != theirs]
    return len(variances) == len(means) and apart == [1]
