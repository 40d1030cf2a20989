"""Losses of distances and angles between vectors."""

from collections.abc import Callable
from typing import TypedDict, Unpack

from jaxtyping import Float, Real
from torch import Tensor
from torch.nn import functional

from torch_impl._losses_checks import reduction_of

__all__ = [
    "TripletOptions",
    "pairwise_distance",
    "cosine_embedding_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


class TripletOptions(TypedDict, total=False):
    """The options of both triplet losses: ``margin`` 1, ``swap`` false, ``reduction`` "mean" by default."""

    margin: float
    swap: bool
    reduction: str


def pairwise_distance(
    x1: Float[Tensor, "*batch features"], x2: Float[Tensor, "*batch features"], *, p: float = 2.0, eps: float = 1e-6
) -> Float[Tensor, "*batch"]:
    r"""Measure the distance of each pair of vectors: $\|x_1 - x_2 + \epsilon\|_p$.

    Args:
        x1: vectors.
        x2: vectors.
        p: of the norm: 1, 2, infinity or any other number above 0.
        eps: added to each component of the difference, so that equal vectors are not quite at distance 0.

    Returns:
        One distance a pair; the gradient at 0 is 0.

    Raises:
        ValueError: if ``p`` is not above 0.
    """
    if p <= 0:
        raise ValueError(f"pairwise_distance: p must be above 0, got {p}.")
    return functional.pairwise_distance(x1, x2, p=p, eps=eps)


def cosine_embedding_loss(
    input1: Float[Tensor, "*batch features"],
    input2: Float[Tensor, "*batch features"],
    target: Real[Tensor, "*batch"],
    *,
    margin: float = 0.0,
    reduction: str = "mean",
) -> Float[Tensor, "*losses"]:
    r"""Turn vectors towards each other or away: $1 - \cos$ where $y = 1$, $\max(0, \cos - m)$ where $y = -1$.

    $\cos = x_1 \cdot x_2 / \sqrt{(\|x_1\|^2 + \epsilon) (\|x_2\|^2 + \epsilon)}$ with $\epsilon = 10^{-12}$.

    Args:
        input1: vectors $x_1$.
        input2: vectors $x_2$.
        target: 1 for pairs that belong together, -1 for others; any other value costs nothing.
        margin: the cosine $m$ below which others are far enough; exactly there the gradient is that of the line.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        One loss a pair, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    reduction = reduction_of("cosine_embedding_loss", reduction)
    return functional.cosine_embedding_loss(input1, input2, target, margin=margin, reduction=reduction)


def triplet_margin_loss(
    anchor: Float[Tensor, "*batch features"],
    positive: Float[Tensor, "*batch features"],
    negative: Float[Tensor, "*batch features"],
    *,
    p: float = 2.0,
    eps: float = 1e-6,
    **options: Unpack[TripletOptions],
) -> Float[Tensor, "*losses"]:
    r"""Ask a vector to be nearer to its like than to another.

    $\max(0, d(a, p) - d(a, n) + m)$ with the distance $d$ of `pairwise_distance` (Balntas et al. 2016,
    doi:10.5244/C.30.119, eq. 1).

    Args:
        anchor: vectors $a$.
        positive: vectors $p$ of their like.
        negative: vectors $n$ of others.
        p: of the distance.
        eps: of the distance.
        **options: as in `triplet_margin_with_distance_loss`.

    Returns:
        One loss a triplet, or one in all.

    Raises:
        ValueError: if the margin is not above 0 or there is no such reduction.
    """
    _check_triplet(**options)
    return functional.triplet_margin_loss(anchor, positive, negative, p=p, eps=eps, **options)


def triplet_margin_with_distance_loss(
    anchor: Float[Tensor, "*batch features"],
    positive: Float[Tensor, "*batch features"],
    negative: Float[Tensor, "*batch features"],
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    **options: Unpack[TripletOptions],
) -> Float[Tensor, "*losses"]:
    r"""Ask a vector to be nearer to its like than to another, by a distance of one's own.

    $\max(0, d(a, p) - \min(d(a, n), d(p, n)) + m)$; without ``swap`` it is $d(a, n)$ alone.

    Args:
        anchor: vectors $a$.
        positive: vectors $p$ of their like.
        negative: vectors $n$ of others.
        distance_function: the distance $d$ of two batches of vectors; None for `pairwise_distance`.
        **options: ``margin``, by how much, $m$, above 0 (1 by default; exactly there the gradient is that of the
            line); ``swap``, whether the positive may stand for the anchor (false); ``reduction`` ("mean").

    Returns:
        One loss a triplet, or one in all.

    Raises:
        ValueError: if the margin is not above 0 or there is no such reduction.
    """
    _check_triplet(**options)
    return functional.triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=distance_function, **options
    )


def _check_triplet(margin: float = 1.0, swap: bool = False, reduction: str = "mean") -> None:
    """Raise unless the options of a triplet loss make sense."""
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss: margin must be above 0, got {margin}.")
    reduction_of("triplet_margin_loss", reduction)
