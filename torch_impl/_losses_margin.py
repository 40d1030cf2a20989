"""Losses that ask for a margin, and stop caring beyond it."""

from jaxtyping import Float, Int, Real
from torch import Tensor
from torch.nn import functional

from torch_impl._losses_checks import reduction_of

__all__ = [
    "hinge_embedding_loss",
    "soft_margin_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
]


def hinge_embedding_loss(
    input: Float[Tensor, "*shape"], target: Real[Tensor, "*shape"], *, margin: float = 1.0, reduction: str = "mean"
) -> Float[Tensor, "*losses"]:
    r"""Pull pairs together or push them apart: $x$ where $y = 1$, $\max(0, m - x)$ where $y = -1$.

    Args:
        input: distances $x$.
        target: 1 for pairs that belong together, -1 for others; any other value gives the sum of both losses.
        margin: the distance $m$ beyond which others are far enough; exactly there the derivative is -1.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    return functional.hinge_embedding_loss(
        input, target, margin=margin, reduction=reduction_of("hinge_embedding_loss", reduction)
    )


def soft_margin_loss(
    input: Float[Tensor, "*shape"], target: Real[Tensor, "*shape"], *, reduction: str = "mean"
) -> Float[Tensor, "*losses"]:
    r"""Take the logistic loss of signs: $\log(1 + e^{-y x})$.

    It overflows: below $y x = -709$ (float64; -88 in float32) the loss is infinite and its gradient NaN.

    Args:
        input: scores $x$.
        target: signs $y$, 1 or -1.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    return functional.soft_margin_loss(input, target, reduction=reduction_of("soft_margin_loss", reduction))


def margin_ranking_loss(
    input1: Float[Tensor, "*shape"],
    input2: Float[Tensor, "*shape"],
    target: Real[Tensor, "*shape"],
    *,
    margin: float = 0.0,
    reduction: str = "mean",
) -> Float[Tensor, "*losses"]:
    r"""Ask one score to be above another: $\max(0, m - y (x_1 - x_2))$.

    Args:
        input1: scores $x_1$.
        input2: scores $x_2$.
        target: 1 where $x_1$ ranks higher, -1 where $x_2$ does.
        margin: by how much, $m$; exactly there the gradient is that of the line.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    reduction = reduction_of("margin_ranking_loss", reduction)
    return functional.margin_ranking_loss(input1, input2, target, margin=margin, reduction=reduction)


def multi_margin_loss(
    input: Float[Tensor, "*batch classes"],
    target: Int[Tensor, "*batch"],
    *,
    p: int = 1,
    margin: float = 1.0,
    weight: Float[Tensor, " classes"] | None = None,
    reduction: str = "mean",
) -> Float[Tensor, "*losses"]:
    r"""Ask the right score to be above all others: $\frac1C \sum_{c \ne y} w_y \max(0, m - x_y + x_c)^p$.

    The mean divides by the number of examples, whatever their weights.

    Args:
        input: scores $x$.
        target: labels $y$.
        p: the exponent, 1 or 2.
        margin: by how much, $m$; exactly there the gradient is 0.
        weight: the classes' weights $w$, 1 by default.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        One loss an example, or one in all.

    Raises:
        ValueError: if ``p`` is another number or there is no such reduction.

    Differs from its twin: a label out of range raises a RuntimeError.
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p must be 1 or 2, got {p}.")
    reduction = reduction_of("multi_margin_loss", reduction)
    return functional.multi_margin_loss(input, target, p=p, margin=margin, weight=weight, reduction=reduction)


def multilabel_margin_loss(
    input: Float[Tensor, "*batch classes"], target: Int[Tensor, "*batch classes"], *, reduction: str = "mean"
) -> Float[Tensor, "*losses"]:
    r"""Ask every right score to be above every wrong one: $\frac1C \sum_{r} \sum_{c \notin R} \max(0, 1 - x_r + x_c)$.

    Args:
        input: scores $x$.
        target: the right labels $R$, from the left; the first -1 ends them, and what follows is not read.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        One loss an example, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    return functional.multilabel_margin_loss(input, target, reduction=reduction_of("multilabel_margin_loss", reduction))


def multilabel_soft_margin_loss(
    input: Float[Tensor, "*batch classes"],
    target: Real[Tensor, "*batch classes"],
    weight: Float[Tensor, " classes"] | None = None,
    *,
    reduction: str = "mean",
) -> Float[Tensor, "*losses"]:
    r"""Take the mean over classes of yes or no.

    $-\frac1C \sum_c w_c (y_c \log \sigma(x_c) + (1 - y_c) \log \sigma(-x_c))$

    Args:
        input: scores $x$.
        target: 1 or 0 for each class.
        weight: the classes' weights $w$, 1 by default.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        One loss an example, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    reduction = reduction_of("multilabel_soft_margin_loss", reduction)
    return functional.multilabel_soft_margin_loss(input, target, weight, reduction=reduction)
