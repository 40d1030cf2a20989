"""Planted mistakes of whole losses: margins, clamps, orders, labels and what each mean divides by."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from torch.nn import functional

from jax_impl import losses
from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("losses")

draw = np.random.default_rng(11)
A, B = draw.normal(size=(2, 5, 3))
PAIR = (A, B)
LABELS = np.array([2, 0, 1, 1, 0])
SCORED = (A, LABELS)
SIGNS = np.array([1, -1, 1, -1, -1])
TRIPLET = tuple(draw.normal(size=(3, 5, 4)))
RATES = (draw.gamma(2.0, size=(5, 3)), draw.poisson(3.0, (5, 3)))
SURE = (np.array([0.0, 1e-60, 0.3, 1.0]), np.array([1, 1, 0, 0]))
MEANS = (A, B, draw.gamma(2.0, size=(5, 3)))
SEVERAL = (A, np.array([[0, 2, -1], [-1, 0, 1], [1, -1, -1], [0, 1, -1], [2, -1, 0]]))
FREQUENCIES = (draw.normal(size=(5, 3)), draw.dirichlet(np.ones(3), size=5))
LOGITS = draw.normal(size=(7, 2, 4))
SPEECH = (LOGITS, np.array([[1, 2, 2], [3, 1, 2]]), np.array([7, 6]), np.array([3, 2]))
WEIGHTS = np.array([0.5, 2.0, 1.25])


def torch_ctc(scores, labels, steps, counts):
    return functional.ctc_loss(scores.log_softmax(-1), labels, steps, counts)


def ctc(scores, labels, steps, counts, **options):
    return losses.ctc_loss(jax.nn.log_softmax(scores), labels, steps, counts, **options)


def torch_bce(p, y):
    return functional.binary_cross_entropy(p, y.to(p))


def formula_bce(p, y):
    """The definition with a small constant, as most write it."""
    return -(y * jnp.log(p + 1e-7) + (1 - y) * jnp.log(1 - p + 1e-7)).mean()


def clipped_bce(p, y):
    """The right value; the clamp ends the gradient."""
    return -(y * jnp.maximum(jnp.log(p), -100) + (1 - y) * jnp.maximum(jnp.log1p(-p), -100)).mean()


def cosine(x, y, sign):
    similarity = optax.cosine_similarity(x, y)
    return jnp.where(sign == 1, 1 - similarity, jnp.maximum(similarity, 0)).mean()


MISTAKES = (
    plant(
        "binary cross entropy with a small constant for its clamp",
        torch_bce,
        lambda p, y: losses.binary_cross_entropy(p, y.astype(p.dtype)),
        formula_bce,
        SURE,
        named=("1e-07", "1e-7", "epsilon", "constant", "clamp"),
    ),
    plant(
        "binary cross entropy whose clamp ends the gradient",
        torch_bce,
        lambda p, y: losses.binary_cross_entropy(p, y.astype(p.dtype)),
        clipped_bce,
        SURE,
        caught=("grad/p",),
        named=("clamp", "clip", "maximum", "differ only"),
    ),
    plant(
        "the divergence's arguments in optax's order of torch's names",
        lambda x, y: functional.kl_div(x.log_softmax(-1), y, reduction="batchmean"),
        lambda x, y: losses.kl_div(jax.nn.log_softmax(x), y, reduction="batchmean"),
        lambda x, y: losses.kl_div(jnp.log(y), jax.nn.softmax(x), reduction="batchmean"),
        FREQUENCIES,
        named=("swap", "change places", "arguments", "other way", "order"),
    ),
    plant(
        "Poisson's loss of logarithms for one of rates",
        lambda x, y: functional.poisson_nll_loss(x, y, log_input=False),
        lambda x, y: losses.poisson_nll_loss(x, y, log_input=False),
        losses.poisson_nll_loss,
        RATES,
        named=("logarithm", "exp", "log"),
    ),
    plant(
        "standard deviations for variances",
        functional.gaussian_nll_loss,
        losses.gaussian_nll_loss,
        lambda x, y, deviation: losses.gaussian_nll_loss(x, y, deviation**2),
        MEANS,
        named=("square", "variance", "power", "root"),
    ),
    plant(
        "the constant of the normal law left in",
        functional.gaussian_nll_loss,
        losses.gaussian_nll_loss,
        lambda x, y, var: losses.gaussian_nll_loss(x, y, var, full=True),
        MEANS,
        caught=("output",),
        named=("constant", "0.9189", "offset", "shift", "gaussian_nll_loss(full=False"),
    ),
    plant(
        "the hinge's squares where torch's exponent is 1",
        functional.multi_margin_loss,
        losses.multi_margin_loss,
        lambda x, y: losses.multi_margin_loss(x, y, p=2),
        SCORED,
        named=("square", "power", "exponent", "multi_margin_loss(p=1"),
    ),
    plant(
        "the hinge summed over classes, not averaged",
        functional.multi_margin_loss,
        losses.multi_margin_loss,
        lambda x, y: 3 * losses.multi_margin_loss(x, y),
        SCORED,
        named=("sum on one side", "a mean taken", "3", "1/3"),
    ),
    plant(
        "the right class counted among the wrong ones",
        functional.multi_margin_loss,
        losses.multi_margin_loss,
        lambda x, y: losses.multi_margin_loss(x, y) + 1 / 3,
        SCORED,
        caught=("output",),
        named=("constant", "offset", "shift", "0.333", "1/3"),
    ),
    plant(
        "labels read beyond the -1 that ends them",
        functional.multilabel_margin_loss,
        losses.multilabel_margin_loss,
        lambda x, y: losses.multilabel_margin_loss(x, -jnp.sort(-y, axis=-1)),
        SEVERAL,
        named=("masked", "ignored", "differ only", "padding", "negative", "the sort is left out"),
    ),
    plant(
        "classes summed where torch takes their mean",
        lambda x, y: functional.multilabel_soft_margin_loss(x, (y > 0).to(x)),
        lambda x, y: losses.multilabel_soft_margin_loss(x, y > 0),
        lambda x, y: optax.sigmoid_binary_cross_entropy(x, y > 0).sum(-1).mean(),
        SEVERAL,
        named=("sum on one side", "a mean taken", "feature", "3", "1/3"),
    ),
    plant(
        "targets of 0 and 1 where signs are due",
        lambda x, y: functional.soft_margin_loss(x, torch.where(y > 0, 1.0, -1.0).to(x)),
        lambda x, y: losses.soft_margin_loss(x, jnp.where(y > 0, 1, -1)),
        lambda x, y: losses.soft_margin_loss(x, (y > 0).astype(x.dtype)),
        SEVERAL,
        named=("sign", "differ only", "label", "0 and 1"),
    ),
    plant(
        "the ranking's sign",
        lambda a, b: functional.margin_ranking_loss(a, b, torch.ones_like(a), margin=0.5),
        lambda a, b: losses.margin_ranking_loss(a, b, jnp.ones_like(a), margin=0.5),
        lambda a, b: losses.margin_ranking_loss(a, b, -jnp.ones_like(a), margin=0.5),
        PAIR,
        named=("sign", "change places", "negat"),
    ),
    plant(
        "a margin on the cosine left out",
        lambda x, y, sign: functional.cosine_embedding_loss(x, y, sign, margin=0.25),
        lambda x, y, sign: losses.cosine_embedding_loss(x, y, sign, margin=0.25),
        cosine,
        (np.abs(A), np.abs(B), SIGNS),
        named=("margin", "constant", "offset", "shift"),
    ),
    plant(
        "the distance without its 1e-6",
        functional.triplet_margin_loss,
        losses.triplet_margin_loss,
        lambda anchor, positive, negative: losses.triplet_margin_loss(anchor, positive, negative, eps=0.0),
        TRIPLET,
        named=("1e-06", "1e-6", "epsilon", "eps"),
    ),
    plant(
        "squared distances in the triplet",
        functional.triplet_margin_loss,
        losses.triplet_margin_loss,
        lambda anchor, positive, negative: losses.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=lambda x, y: ((x - y) ** 2).sum(-1)
        ),
        TRIPLET,
        named=("square", "root", "sqrt"),
    ),
    plant(
        "positive and negative in each other's place",
        functional.triplet_margin_loss,
        losses.triplet_margin_loss,
        lambda anchor, positive, negative: losses.triplet_margin_loss(anchor, negative, positive),
        TRIPLET,
        named=("change places", "swap", "order"),
    ),
    plant(
        "the mean of CTC losses not divided by their labels",
        torch_ctc,
        ctc,
        lambda scores, labels, steps, counts: ctc(scores, labels, steps, counts, reduction="sum") / 2,
        SPEECH,
        named=("length", "labels", "mean", "sum on one side", "divid", "1 / counts"),
    ),
    plant(
        "CTC's blank last, where torch has it first",
        torch_ctc,
        ctc,
        lambda scores, labels, steps, counts: ctc(scores, labels - 1, steps, counts, blank=3),
        SPEECH,
        named=("blank", "roll", "shifted", "index"),
    ),
    plant(
        "CTC of all steps, padding too",
        torch_ctc,
        ctc,
        lambda scores, labels, steps, counts: ctc(scores, labels, jnp.full_like(steps, 7), counts),
        SPEECH,
        named=("padding", "masked", "length", "differ only", "ignored"),
    ),
    plant(
        "soft labels' mean divided by the class weights",
        lambda x, q: functional.cross_entropy(x, q.detach(), torch.tensor(WEIGHTS).to(x)),
        lambda x, q: losses.cross_entropy(x, jax.lax.stop_gradient(q), jnp.asarray(WEIGHTS, x.dtype)),
        lambda x, q: (
            losses.cross_entropy(x, jax.lax.stop_gradient(q), jnp.asarray(WEIGHTS, x.dtype), reduction="sum")
            / (jax.lax.stop_gradient(q) * WEIGHTS.astype(x.dtype)).sum()
        ),
        FREQUENCIES,
        caught=("output", "grad/x"),
        named=("class weight", "sum of weights", "weight", "the second factor is left out"),
    ),
)
