"""Losses of distances and angles between vectors."""

from collections.abc import Callable
from typing import TypedDict, Unpack

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Real

from jax_impl._losses_checks import reduction_of

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
    x1: Float[Array, "*batch features"], x2: Float[Array, "*batch features"], *, p: float = 2.0, eps: float = 1e-6
) -> Float[Array, "*batch"]:
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
    gap = x1 - x2 + eps
    size = gap * jnp.sign(gap)  # jnp.abs has derivative 1 at 0
    if p == jnp.inf:
        return size.max(-1)
    if p == 1:
        return size.sum(-1)
    # The gradient of jnp.linalg.norm at 0 is NaN.
    at_zero = (gap == 0).all(-1)
    powers = jnp.where(size > 0, jnp.where(size > 0, size, 1) ** p, 0).sum(-1)
    return jnp.where(at_zero, 0, jnp.where(at_zero, 1, powers) ** (1 / p))


def cosine_embedding_loss(
    input1: Float[Array, "*batch features"],
    input2: Float[Array, "*batch features"],
    target: Real[Array, "*batch"],
    *,
    margin: float = 0.0,
    reduction: str = "mean",
) -> Float[Array, "*losses"]:
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
    # optax.cosine_similarity clips the squared norms instead of adding to them. torch holds its 1e-12 in float32.
    squares = [(x * x).sum(-1) + float(np.float32(1e-12)) for x in (input1, input2)]
    cosine = (input1 * input2).sum(-1) / jnp.sqrt(squares[0] * squares[1])
    apart = jnp.where(cosine < margin, 0, cosine - margin)
    losses = jnp.where(target == 1, 1 - cosine, jnp.where(target == -1, apart, 0))
    return reduction_of("cosine_embedding_loss", reduction)(losses)


def triplet_margin_loss(
    anchor: Float[Array, "*batch features"],
    positive: Float[Array, "*batch features"],
    negative: Float[Array, "*batch features"],
    *,
    p: float = 2.0,
    eps: float = 1e-6,
    **options: Unpack[TripletOptions],
) -> Float[Array, "*losses"]:
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

    def distance(x1, x2):
        return pairwise_distance(x1, x2, p=p, eps=eps)

    # optax.triplet_margin_loss adds eps under the root and takes odd powers of signed differences.
    return triplet_margin_with_distance_loss(anchor, positive, negative, distance_function=distance, **options)


def triplet_margin_with_distance_loss(
    anchor: Float[Array, "*batch features"],
    positive: Float[Array, "*batch features"],
    negative: Float[Array, "*batch features"],
    *,
    distance_function: Callable[[Array, Array], Array] | None = None,
    **options: Unpack[TripletOptions],
) -> Float[Array, "*losses"]:
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
    margin = options.get("margin", 1.0)
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss: margin must be above 0, got {margin}.")
    reduce = reduction_of("triplet_margin_loss", options.get("reduction", "mean"))
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if options.get("swap", False):
        far = jnp.minimum(far, distance(positive, negative))
    short = margin + near - far
    return reduce(jnp.where(short < 0, 0, short))
