"""Losses of real-valued predictions."""

import torch
from jaxtyping import Float, Real
from torch import Tensor
from torch.nn import functional

from torch_impl._losses_checks import reduction_of

__all__ = ["l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss", "gaussian_nll_loss"]


def l1_loss(
    input: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"], *, reduction: str = "mean"
) -> Float[Tensor, "*losses"]:
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
    return functional.l1_loss(input, target, reduction=reduction_of("l1_loss", reduction))


def mse_loss(
    input: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"], *, reduction: str = "mean"
) -> Float[Tensor, "*losses"]:
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
    return functional.mse_loss(input, target, reduction=reduction_of("mse_loss", reduction))


def smooth_l1_loss(
    input: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"], *, reduction: str = "mean", beta: float = 1.0
) -> Float[Tensor, "*losses"]:
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
    return functional.smooth_l1_loss(input, target, beta=beta, reduction=reduction_of("smooth_l1_loss", reduction))


def huber_loss(
    input: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"], *, reduction: str = "mean", delta: float = 1.0
) -> Float[Tensor, "*losses"]:
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
    return functional.huber_loss(input, target, delta=delta, reduction=reduction_of("huber_loss", reduction))


def poisson_nll_loss(
    input: Float[Tensor, "*shape"],
    target: Real[Tensor, "*shape"],
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Float[Tensor, "*losses"]:
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
    reduction = reduction_of("poisson_nll_loss", reduction)
    return functional.poisson_nll_loss(input, target, log_input=log_input, full=full, eps=eps, reduction=reduction)


def gaussian_nll_loss(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    var: Float[Tensor, "*variances"] | float,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Float[Tensor, "*losses"]:
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

    Differs from its twin: a negative variance raises torch's own ValueError.
    """
    reduction = reduction_of("gaussian_nll_loss", reduction)
    if isinstance(var, (int, float)):
        var = torch.full_like(input, var)
    if not _covers(tuple(var.shape), tuple(input.shape)):
        raise ValueError(
            f"gaussian_nll_loss: var must have shape {tuple(input.shape)}, or 1 along one axis, got {tuple(var.shape)}."
        )
    return functional.gaussian_nll_loss(input, target, var, full=full, eps=eps, reduction=reduction)


def _covers(variances: tuple[int, ...], means: tuple[int, ...]) -> bool:
    """Whether variances of one shape belong to means of another."""
    if variances in (means, means[:-1]):
        return True
    apart = [ours for ours, theirs in zip(variances, means, strict=False) if ours != theirs]
    return len(variances) == len(means) and apart == [1]
