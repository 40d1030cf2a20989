"""The loss of very many classes: rare ones share a place among the frequent, and a narrower layer tells them apart."""

from collections.abc import Sequence
from typing import NamedTuple

from jax import Array
from jax import numpy as jnp
from jax.nn import log_softmax
from jaxtyping import Float, Int

from jax_impl._losses_checks import reduction_of

__all__ = ["Cluster", "adaptive_log_prob", "adaptive_log_softmax_with_loss"]


class Cluster(NamedTuple):
    """The weights of some rare classes: features to fewer features, and those to the classes' scores."""

    projection: Float[Array, "narrow in_features"]
    output: Float[Array, "classes narrow"]


def adaptive_log_prob(
    input: Float[Array, "batch in_features"],
    head_weight: Float[Array, "places in_features"],
    clusters: Sequence[Cluster],
    *,
    head_bias: Float[Array, " places"] | None = None,
) -> Float[Array, "batch all_classes"]:
    r"""Take the logarithm of every class's probability: $\log p(c) = \log p(k) + \log p(c \mid k)$ in cluster $k$.

    Args:
        input: activations, one row an example.
        head_weight: a row for each frequent class, then one for each cluster.
        clusters: of the rarer classes, in the order of their labels.
        head_bias: of the head; None leaves it out.

    Returns:
        One row an example, frequent classes first.
    """
    scores = input @ head_weight.T
    head = log_softmax(scores if head_bias is None else scores + head_bias)
    frequent = head.shape[-1] - len(clusters)
    tails = [
        head[:, frequent + place, None] + log_softmax(input @ cluster.projection.T @ cluster.output.T)
        for place, cluster in enumerate(clusters)
    ]
    return jnp.concatenate([head[:, :frequent], *tails], axis=-1)


def adaptive_log_softmax_with_loss(
    input: Float[Array, "batch in_features"],
    head_weight: Float[Array, "places in_features"],
    clusters: Sequence[Cluster],
    target: Int[Array, " batch"],
    *,
    head_bias: Float[Array, " places"] | None = None,
    reduction: str = "mean",
) -> Float[Array, "*losses"]:
    """Take the adaptive softmax's negative logarithm at the labels (Grave et al. 2017, arXiv:1609.04309).

    Args:
        input: activations, one row an example.
        head_weight: a row for each frequent class, then one for each cluster.
        clusters: of the rarer classes, in the order of their labels.
        target: labels: frequent classes first, then those of each cluster.
        head_bias: of the head; None leaves it out.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        One loss an example, or one in all.

    Raises:
        ValueError: if there is no such reduction.

    Differs from its twin: every cluster is computed for every example, for shapes cannot depend on labels. A label out
    of range reads NaN; torch refuses it.
    """
    reduce = reduction_of("adaptive_log_softmax_with_loss", reduction)
    log_probs = adaptive_log_prob(input, head_weight, clusters, head_bias=head_bias)
    return reduce(-jnp.take_along_axis(log_probs, target[:, None], axis=1)[:, 0])
