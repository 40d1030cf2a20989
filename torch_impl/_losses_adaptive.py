"""The loss of very many classes: rare ones share a place among the frequent, and a narrower layer tells them apart."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import linear, log_softmax

from torch_impl._losses_checks import reduction_of

__all__ = ["Cluster", "adaptive_log_prob", "adaptive_log_softmax_with_loss"]


class Cluster(NamedTuple):
    """The weights of some rare classes: features to fewer features, and those to the classes' scores."""

    projection: Float[Tensor, "narrow in_features"]
    output: Float[Tensor, "classes narrow"]


def adaptive_log_prob(
    input: Float[Tensor, "batch in_features"],
    head_weight: Float[Tensor, "places in_features"],
    clusters: Sequence[Cluster],
    *,
    head_bias: Float[Tensor, " places"] | None = None,
) -> Float[Tensor, "batch all_classes"]:
    r"""Take the logarithm of every class's probability: $\log p(c) = \log p(k) + \log p(c \mid k)$ in cluster $k$.

    Args:
        input: activations, one row an example.
        head_weight: a row for each frequent class, then one for each cluster.
        clusters: of the rarer classes, in the order of their labels.
        head_bias: of the head; None leaves it out.

    Returns:
        One row an example, frequent classes first.
    """
    head = log_softmax(linear(input, head_weight, head_bias), dim=-1)
    frequent = head.shape[-1] - len(clusters)
    tails = [
        head[:, [frequent + place]] + log_softmax(input @ cluster.projection.T @ cluster.output.T, dim=-1)
        for place, cluster in enumerate(clusters)
    ]
    return torch.cat([head[:, :frequent], *tails], dim=-1)


def adaptive_log_softmax_with_loss(
    input: Float[Tensor, "batch in_features"],
    head_weight: Float[Tensor, "places in_features"],
    clusters: Sequence[Cluster],
    target: Int[Tensor, " batch"],
    *,
    head_bias: Float[Tensor, " places"] | None = None,
    reduction: str = "mean",
) -> Float[Tensor, "*losses"]:
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

    Differs from its twin: ``torch.nn.AdaptiveLogSoftmaxWithLoss`` itself, which computes a cluster for its own examples
    only.
    """
    reduction_of("adaptive_log_softmax_with_loss", reduction)
    sizes = [len(cluster.output) for cluster in clusters]
    *cutoffs, classes = accumulate(sizes, initial=len(head_weight) - len(clusters))
    # On meta it has no weights of its own, only the order of the work.
    module = nn.AdaptiveLogSoftmaxWithLoss(input.shape[-1], classes, cutoffs, 1, head_bias is not None, device="meta")
    weights = {f"tail.{k}.0.weight": cluster.projection for k, cluster in enumerate(clusters)}
    weights |= {f"tail.{k}.1.weight": cluster.output for k, cluster in enumerate(clusters)}
    weights |= {"head.weight": head_weight} | ({} if head_bias is None else {"head.bias": head_bias})
    losses = -functional_call(module, weights, (input, target)).output
    return losses if reduction == "none" else getattr(losses, reduction)()
