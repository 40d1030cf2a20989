"""Losses of one class out of many."""

from typing import TypedDict, Unpack

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int, Num

from jax_impl._losses_checks import reduction_of

__all__ = ["CrossEntropyOptions", "nll_loss", "cross_entropy", "linear_cross_entropy"]


class CrossEntropyOptions(TypedDict, total=False):
    """The options of `cross_entropy`, for functions that end in one; the defaults are those of `cross_entropy`."""

    weight: Array | None
    ignore_index: int
    reduction: str
    label_smoothing: float


def nll_loss(
    input: Float[Array, "*scores"],
    target: Int[Array, "*labels"],
    weight: Float[Array, " classes"] | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Float[Array, "*losses"]:
    r"""Take the negative logarithm of the right class's probability: $-w_y x_y$.

    The mean divides by the weights of the labels that count, $\sum_n w_{y_n}$, not by their number.

    Args:
        input: *logarithms* of probabilities; the classes are axis 1, or axis 0 where there is no batch.
        target: labels $y$, shaped as ``input`` without its classes.
        weight: the classes' weights $w$, 1 by default.
        ignore_index: a label that does not count, in the range of classes or not.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        One loss a label, 0 where it is ignored, or one in all; NaN is the mean of none.

    Raises:
        ValueError: if there is no such reduction.

    Differs from its twin: a label out of range takes the nearest class, or NaN; torch refuses it.
    """
    reduce = reduction_of("nll_loss", reduction)
    losses, weights = _likelihoods(input, target, weight, ignore_index)
    return losses.sum() / weights.sum() if reduction == "mean" else reduce(losses)


def cross_entropy(
    input: Float[Array, "*scores"],
    target: Num[Array, "*labels"],
    weight: Float[Array, " classes"] | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Float[Array, "*losses"]:
    r"""Hold the softmax of scores against labels: $-\sum_c w_c q_c \log \mathrm{softmax}(x)_c$.

    The distribution $q$ is 1 at the label, or given, and smoothed: $(1 - s) q + s / C$ (Szegedy et al. 2015,
    arXiv:1512.00567, section 7). The mean divides by the weights of the labels that count, $\sum_n w_{y_n}$; where
    distributions are given, by their number.

    Args:
        input: scores (logits) $x$; the classes are axis 1, or axis 0 where there is no batch.
        target: labels, shaped as ``input`` without its classes; or distributions $q$ shaped as ``input``.
        weight: the classes' weights $w$, 1 by default.
        ignore_index: a label that does not count, in the range of classes or not.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        label_smoothing: the share $s$ that is spread over all classes, from 0 to 1.

    Returns:
        One loss a label, 0 where it is ignored, or one in all; NaN is the mean of none.

    Raises:
        ValueError: if ``label_smoothing`` is not a share or there is no such reduction.

    Differs from its twin: a label out of range takes the nearest class, or NaN; torch refuses it.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be from 0 to 1, got {label_smoothing}.")
    reduce = reduction_of("cross_entropy", reduction)
    # optax has the classes last, neither weights nor an ignored label: it gives NaN at -100, the last class at -1.
    axis = min(1, input.ndim - 1)
    log_probs = jax.nn.log_softmax(input, axis)
    classes = input.shape[axis]
    if jnp.issubdtype(target.dtype, jnp.floating):
        smoothed = (1 - label_smoothing) * target + label_smoothing / classes
        losses = -(smoothed * _weighted(log_probs, weight)).sum(axis)
        return reduce(losses)
    losses, weights = _likelihoods(log_probs, target, weight, ignore_index)
    if label_smoothing > 0:
        spread = jnp.where(target != ignore_index, -_weighted(log_probs, weight).sum(axis), 0)
        losses = (1 - label_smoothing) * losses + label_smoothing / classes * spread
    return losses.sum() / weights.sum() if reduction == "mean" else reduce(losses)


def linear_cross_entropy(
    input: Float[Array, "*batch in_features"],
    linear_weight: Float[Array, "classes *outputs in_features"],
    target: Num[Array, "*labels"],
    *,
    linear_bias: Float[Array, "classes *outputs"] | None = None,
    batch_chunk_size: int | None = None,
    **options: Unpack[CrossEntropyOptions],
) -> Float[Array, "*losses"]:
    r"""Take the cross entropy of the scores $x W^\top + b$ of a linear layer, without holding all scores at once.

    Args:
        input: activations $x$, one row an example, or one row alone.
        linear_weight: $W$ in torch's layout, one row a class; further axes are outputs with labels of their own.
        target: as in `cross_entropy`.
        linear_bias: $b$; None leaves it out.
        batch_chunk_size: how many examples' scores are held at once; None for all. Only for labels of single outputs,
            without smoothing.
        **options: of `cross_entropy`.

    Returns:
        What `cross_entropy` returns.

    Raises:
        ValueError: as `cross_entropy`.

    Differs from its twin: the gradient of a chunk recomputes its scores, as any derivative of any order would.
    """

    def scores(rows):
        y = jnp.tensordot(rows, linear_weight, ((-1,), (-1,)))  # (*batch, classes, *outputs)
        return y if linear_bias is None else y + linear_bias

    if batch_chunk_size is None or input.ndim == 1:
        return cross_entropy(scores(input), target, **options)
    reduce = reduction_of("linear_cross_entropy", options.get("reduction", "mean"))
    weight, ignored = options.get("weight"), options.get("ignore_index", -100)

    @jax.checkpoint
    def chunk_losses(example):
        row, label = example
        return _likelihoods(jax.nn.log_softmax(scores(row)), label, weight, ignored)

    losses, weights = lax.map(chunk_losses, (input, target), batch_size=batch_chunk_size)
    return losses.sum() / weights.sum() if options.get("reduction", "mean") == "mean" else reduce(losses)


def _weighted(log_probs: Array, weight: Array | None) -> Array:
    """Scores times their class's weight."""
    if weight is None:
        return log_probs
    return log_probs * weight.reshape(-1, *[1] * max(0, log_probs.ndim - 2))  # (classes, 1, ..., 1)


def _likelihoods(log_probs: Array, target: Array, weight: Array | None, ignore_index: int) -> tuple[Array, Array]:
    """The negative log-likelihood of each label, and its weight; both 0 where it is ignored."""
    kept = target != ignore_index
    label = jnp.where(kept, target, 0)
    axis = min(1, log_probs.ndim - 1)
    picked = jnp.take_along_axis(log_probs, jnp.expand_dims(label, axis), axis).squeeze(axis)
    weights = jnp.ones_like(picked) if weight is None else weight[label].astype(picked.dtype)
    return jnp.where(kept, -weights * picked, 0), jnp.where(kept, weights, 0)
