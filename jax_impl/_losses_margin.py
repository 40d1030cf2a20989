"""Losses that ask for a margin, and stop caring beyond it."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, Real

from jax_impl._losses_checks import reduction_of

__all__ = [
    "hinge_embedding_loss",
    "soft_margin_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
]


def hinge_embedding_loss(
    input: Float[Array, "*shape"], target: Real[Array, "*shape"], *, margin: float = 1.0, reduction: str = "mean"
) -> Float[Array, "*losses"]:
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
    apart = _positive_part(margin - input)
    losses = jnp.where(target != 1, apart, 0) + jnp.where(target != -1, input, 0)
    return reduction_of("hinge_embedding_loss", reduction)(losses)


def soft_margin_loss(
    input: Float[Array, "*shape"], target: Real[Array, "*shape"], *, reduction: str = "mean"
) -> Float[Array, "*losses"]:
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
    # jax.nn.softplus(-target * input) would stay finite.
    return reduction_of("soft_margin_loss", reduction)(jnp.log1p(jnp.exp(-target * input)))


def margin_ranking_loss(
    input1: Float[Array, "*shape"],
    input2: Float[Array, "*shape"],
    target: Real[Array, "*shape"],
    *,
    margin: float = 0.0,
    reduction: str = "mean",
) -> Float[Array, "*losses"]:
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
    losses = _positive_part(margin - target * (input1 - input2))
    return reduction_of("margin_ranking_loss", reduction)(losses)


def multi_margin_loss(
    input: Float[Array, "*batch classes"],
    target: Int[Array, "*batch"],
    *,
    p: int = 1,
    margin: float = 1.0,
    weight: Float[Array, " classes"] | None = None,
    reduction: str = "mean",
) -> Float[Array, "*losses"]:
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

    Differs from its twin: a label out of range takes the nearest class, or NaN; torch refuses it.
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p must be 1 or 2, got {p}.")
    right = jnp.take_along_axis(input, target[..., None], -1)
    short = margin - right + input
    # Not jnp.maximum, whose derivative at 0 is 1/2.
    short = jnp.where((short > 0) & (jnp.arange(input.shape[-1]) != target[..., None]), short, 0) ** p
    losses = short.sum(-1) / input.shape[-1]
    return reduction_of("multi_margin_loss", reduction)(losses if weight is None else losses * weight[target])


def multilabel_margin_loss(
    input: Float[Array, "*batch classes"], target: Int[Array, "*batch classes"], *, reduction: str = "mean"
) -> Float[Array, "*losses"]:
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
    given = jnp.cumprod(target >= 0, -1).astype(bool)
    label = jnp.where(given, target, 0)
    classes = jnp.arange(input.shape[-1])
    is_right = (given[..., None] & (label[..., None] == classes)).any(-2)
    short = 1 - jnp.take_along_axis(input, label, -1)[..., None] + input[..., None, :]  # (*batch, right, wrong)
    counts = given[..., None] & ~is_right[..., None, :] & (short > 0)
    losses = jnp.where(counts, short, 0).sum((-2, -1)) / input.shape[-1]
    return reduction_of("multilabel_margin_loss", reduction)(losses)


def multilabel_soft_margin_loss(
    input: Float[Array, "*batch classes"],
    target: Real[Array, "*batch classes"],
    weight: Float[Array, " classes"] | None = None,
    *,
    reduction: str = "mean",
) -> Float[Array, "*losses"]:
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
    losses = -(target * jax.nn.log_sigmoid(input) + (1 - target) * jax.nn.log_sigmoid(-input))
    losses = (losses if weight is None else losses * weight).mean(-1)
    return reduction_of("multilabel_soft_margin_loss", reduction)(losses)


def _positive_part(x: Array) -> Array:
    """What is above 0; the derivative at 0 is 1, as of torch's clamp: that of jax.nn.relu is 0, of jnp.maximum 1/2."""
    return jnp.where(x < 0, 0, x)
