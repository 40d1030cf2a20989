"""Losses: every one of ``torch.nn``, value and gradient alike, also at the kinks, with ignored labels and weights.

Differs from its twin: optax has some of them, and only one value a row, to be reduced by hand; where it has another
default, scale, edge or gradient the exact form is written out. Each function compiles: only ``reduction`` and numbers
are static.
"""

from jax_impl._losses_adaptive import (
    Cluster,
    adaptive_log_prob,
    adaptive_log_softmax_with_loss,
)
from jax_impl._losses_binary import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    kl_div,
)
from jax_impl._losses_classification import (
    CrossEntropyOptions,
    cross_entropy,
    linear_cross_entropy,
    nll_loss,
)
from jax_impl._losses_ctc import (
    CTCOptions,
    ctc_loss,
)
from jax_impl._losses_embedding import (
    TripletOptions,
    cosine_embedding_loss,
    pairwise_distance,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from jax_impl._losses_margin import (
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from jax_impl._losses_regression import (
    gaussian_nll_loss,
    huber_loss,
    l1_loss,
    mse_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)

__all__ = [
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
    "huber_loss",
    "poisson_nll_loss",
    "gaussian_nll_loss",
    "CrossEntropyOptions",
    "nll_loss",
    "cross_entropy",
    "linear_cross_entropy",
    "Cluster",
    "adaptive_log_prob",
    "adaptive_log_softmax_with_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "kl_div",
    "hinge_embedding_loss",
    "soft_margin_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "TripletOptions",
    "pairwise_distance",
    "cosine_embedding_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "CTCOptions",
    "ctc_loss",
]
