"""Losses of probabilities: of yes or no, and of distributions."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from torch_impl._losses_checks import reduction_of

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"]


def binary_cross_entropy(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    weight: Float[Tensor, "*weights"] | None = None,
    *,
    reduction: str = "mean",
) -> Float[Tensor, "*losses"]:
    r"""Hold probabilities against truths: $-w (y \log p + (1 - y) \log (1 - p))$.

    Neither logarithm falls below -100; the gradient is $w (p - y) / \max(p (1 - p), 10^{-12})$, never 0 for a wrong
    certainty.

    Args:
        input: probabilities $p$, from 0 to 1.
        target: truths $y$, from 0 to 1.
        weight: the elements' weights $w$, of a shape that broadcasts; 1 by default.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if there is no such reduction.

    Differs from its twin: a probability outside of 0 to 1 raises a RuntimeError.
    """
    reduction = reduction_of("binary_cross_entropy", reduction)
    return functional.binary_cross_entropy(input, target, weight, reduction=reduction)


def binary_cross_entropy_with_logits(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    weight: Float[Tensor, "*weights"] | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Float[Tensor, "*pos_weights"] | None = None,
) -> Float[Tensor, "*losses"]:
    r"""Hold the sigmoid of scores against truths: $-w (\rho y \log \sigma(x) + (1 - y) \log \sigma(-x))$.

    Args:
        input: scores (logits) $x$.
        target: truths $y$, from 0 to 1.
        weight: the elements' weights $w$, of a shape that broadcasts; 1 by default.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.
        pos_weight: the weights $\rho$ of a yes, of a shape that broadcasts; 1 by default.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    reduction = reduction_of("binary_cross_entropy_with_logits", reduction)
    return functional.binary_cross_entropy_with_logits(
        input, target, weight, reduction=reduction, pos_weight=pos_weight
    )


def kl_div(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    reduction: str = "mean",
    log_target: bool = False,
) -> Float[Tensor, "*losses"]:
    r"""Take the terms of the divergence of a distribution from the truth: $y (\log y - x)$.

    That is $\mathrm{KL}(y \,\|\, e^x)$: the truth comes second, and weighs (Kullback & Leibler 1951,
    doi:10.1214/aoms/1177729694, eq. 2.4).

    Args:
        input: *logarithms* $x$ of the probabilities.
        target: the truth $y$, a probability or its logarithm.
        reduction: ``"none"``, ``"batchmean"`` over axis 0, which is the divergence's, ``"mean"`` over all elements,
            which is smaller by their number in a row, or ``"sum"``.
        log_target: whether ``target`` holds logarithms.

    Returns:
        One term an element, or one loss in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    if reduction_of("kl_div", reduction, ("none", "batchmean", "mean", "sum")) == "mean":
        # Asked for by name it warns that it divides by more than the batch.
        return functional.kl_div(input, target, reduction="none", log_target=log_target).mean()
    return functional.kl_div(input, target, reduction=reduction, log_target=log_target)
