"""Planted mistakes of losses: constants, reductions, weights and what counts."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from jax.nn import log_softmax, softmax
from torch.nn import functional

from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("losses")

draw = np.random.default_rng(6)
A, B = draw.normal(size=(2, 5, 3))
PAIR = (A, B)
WIDE = (2 * A, B)  # gaps beyond a delta of 1/2, and within
LABELS = np.array([2, 0, 1, 1, 0])
SCORED = (A, LABELS)
IGNORED = (A, np.array([2, -100, 1, -100, 0]))
WEIGHTED = (A, LABELS, np.array([0.5, 2.0, 1.25]))
YES = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
BINARY = (A, YES)
IMAGES = (draw.normal(size=(2, 3, 3)), np.array([[0, 2, 1], [1, 1, 0]]))  # as many classes as positions

log_likelihood = optax.softmax_cross_entropy_with_integer_labels


def cross_entropy(z, y):
    return log_likelihood(z, y).mean()


def ignoring(z, y, *, divide_by_all=False):
    kept = y != -100
    total = (log_likelihood(z, jnp.where(kept, y, 0)) * kept).sum()
    return total / (kept.size if divide_by_all else kept.sum())


def weighted(z, y, weights):
    return (log_likelihood(z, y) * weights[y]).sum() / weights[y].sum()


def smoothed(z, y, *, share=0.1, others_only=False):
    """Label smoothing as torch spreads it: over all classes, the right one too."""
    classes = z.shape[-1]
    hot = jax.nn.one_hot(y, classes, dtype=z.dtype)
    spread = (1 - hot) / (classes - 1) if others_only else jnp.ones_like(hot) / classes
    return optax.softmax_cross_entropy(z, (1 - share) * hot + share * spread).mean()


def kl_mean(student, teacher):
    p = softmax(teacher)
    return (p * (log_softmax(teacher) - log_softmax(student))).mean()


def torch_kl(student, teacher):
    """What reduction="batchmean" computes."""
    return functional.kl_div(student.log_softmax(-1), teacher.softmax(-1), reduction="sum") / len(student)


def torch_kl_mean(student, teacher):
    """What reduction="mean" computes; asked for by that name it warns."""
    return functional.kl_div(student.log_softmax(-1), teacher.softmax(-1), reduction="none").mean()


def focal(z, y, *, alpha=0.25):
    p = torch.sigmoid(z)
    correct = torch.where(y > 0, p, 1 - p)
    weight = torch.where(y > 0, torch.full_like(p, alpha), torch.full_like(p, 1 - alpha))
    return (weight * (1 - correct) ** 2 * functional.binary_cross_entropy_with_logits(z, y, reduction="none")).mean()


def without_label_gradient(report_of):
    """Gradients of labels are no one's business here."""
    return lambda z, y, *rest: report_of(z, jax.lax.stop_gradient(y), *rest)


MISTAKES = (
    plant(
        "optax.l2_loss, which is halved, for the squared error",
        functional.mse_loss,
        lambda a, b: optax.squared_error(a, b).mean(),
        lambda a, b: optax.l2_loss(a, b).mean(),
        PAIR,
        named=("halved", "1/2", "2 x"),
    ),
    plant(
        "summed over features, averaged over the batch",
        functional.mse_loss,
        lambda a, b: ((a - b) ** 2).mean(),
        lambda a, b: ((a - b) ** 2).sum(-1).mean(),
        PAIR,
        named=("sum on one side", "feature", "a mean taken for a sum"),
    ),
    plant(
        "the root taken",
        functional.mse_loss,
        lambda a, b: ((a - b) ** 2).mean(),
        lambda a, b: jnp.sqrt(((a - b) ** 2).mean()),
        PAIR,
        named=("root left out", "sqrt", "root of"),
    ),
    plant(
        "smooth L1 by Huber's, whose delta scales it",
        lambda a, b: functional.smooth_l1_loss(a, b, beta=0.5),
        lambda a, b: optax.huber_loss(a, b, delta=0.5).mean() / 0.5,
        lambda a, b: optax.huber_loss(a, b, delta=0.5).mean(),
        WIDE,
        named=("halved", "1/2", "2 x", "delta", "beta"),
    ),
    plant(
        "Huber's delta left at 1",
        lambda a, b: functional.huber_loss(a, b, delta=0.5),
        lambda a, b: optax.huber_loss(a, b, delta=0.5).mean(),
        lambda a, b: optax.huber_loss(a, b).mean(),
        WIDE,
        named=("delta", "0.5"),
    ),
    plant(
        "classes on another axis of the same length",
        functional.cross_entropy,
        lambda z, y: log_likelihood(jnp.moveaxis(z, 1, -1), y).mean(),
        lambda z, y: log_likelihood(z, y).mean(),
        IMAGES,
        named=("instead of axis", "axes", "transpose", "optax.softmax_cross_entropy_with_integer_labels(axis=1"),
    ),
    plant(
        "summed for averaged",
        functional.cross_entropy,
        cross_entropy,
        lambda z, y: log_likelihood(z, y).sum(),
        SCORED,
        named=("sum on one side", "1/5"),
    ),
    plant(
        "ignored labels counted in the mean",
        functional.cross_entropy,
        ignoring,
        lambda z, y: ignoring(z, y, divide_by_all=True),
        IGNORED,
        named=("ignored", "masked", "sum on one side"),
    ),
    plant(
        "ignored labels read as the first class",
        functional.cross_entropy,
        ignoring,
        lambda z, y: log_likelihood(z, jnp.maximum(y, 0)).mean(),
        IGNORED,
        named=("ignored", "masked", "negative", "differ only"),
    ),
    plant(
        "class weights divided by the batch, not by their sum",
        lambda z, y, w: functional.cross_entropy(z, y, w.detach()),
        without_label_gradient(lambda z, y, w: weighted(z, y, jax.lax.stop_gradient(w))),
        without_label_gradient(lambda z, y, w: (log_likelihood(z, y) * jax.lax.stop_gradient(w)[y]).mean()),
        WEIGHTED,
        caught=("output", "grad/z"),
        named=("class weight", "sum of weights"),
    ),
    plant(
        "label smoothing spread over the other classes only",
        lambda z, y: functional.cross_entropy(z, y, label_smoothing=0.1),
        smoothed,
        lambda z, y: smoothed(z, y, others_only=True),
        SCORED,
        named=("smooth", "0.1"),
    ),
    plant(
        "label smoothing left out",
        lambda z, y: functional.cross_entropy(z, y, label_smoothing=0.1),
        smoothed,
        cross_entropy,
        SCORED,
        named=("smooth",),
    ),
    plant(
        "softmax twice",
        functional.cross_entropy,
        cross_entropy,
        lambda z, y: cross_entropy(softmax(z), y),
        SCORED,
        named=("softmax", "twice", "goes through log", "jax.nn.log_softmax instead"),
    ),
    plant(
        "the negative log-likelihood of probabilities",
        lambda z, y: functional.nll_loss(z.log_softmax(-1), y),
        cross_entropy,
        lambda z, y: -jnp.take_along_axis(softmax(z), y[:, None], -1).mean(),
        SCORED,
        named=("logarithm", "log_softmax", "probabilit", "goes through log", "jax.nn.log_softmax instead"),
    ),
    plant(
        "a small constant inside the logarithm",
        functional.cross_entropy,
        cross_entropy,
        lambda z, y: -jnp.take_along_axis(jnp.log(softmax(z) + 1e-8), y[:, None], -1).mean(),
        SCORED,
        named=("1e-08", "1e-8", "epsilon"),
    ),
    plant(
        "batchmean for mean in a divergence",
        torch_kl_mean,
        kl_mean,
        lambda s, t: optax.kl_divergence(log_softmax(s), softmax(t)).mean(),
        PAIR,
        named=("sum on one side", "1/3", "feature"),
    ),
    plant(
        "a divergence the other way round",
        torch_kl,
        lambda s, t: optax.kl_divergence(log_softmax(s), softmax(t)).mean(),
        lambda s, t: optax.kl_divergence(log_softmax(t), softmax(s)).mean(),
        PAIR,
        named=("swap", "hold each other", "change places", "arguments", "other way"),
    ),
    plant(
        "pos_weight on both terms",
        lambda z, y: functional.binary_cross_entropy_with_logits(z, y.detach(), pos_weight=torch.tensor(3.0).to(z)),
        without_label_gradient(
            lambda z, y: (optax.sigmoid_binary_cross_entropy(z, y) * jnp.where(y > 0, 3.0, 1.0)).mean()
        ),
        without_label_gradient(lambda z, y: (optax.sigmoid_binary_cross_entropy(z, y) * 3.0).mean()),
        BINARY,
        caught=("output", "grad/z"),
        named=("differ only", "class weight", "sum of weights", "the factor, 3, is not there"),
    ),
    plant(
        "a focal loss without its alpha",
        lambda z, y: focal(z, y.detach()),
        without_label_gradient(lambda z, y: optax.sigmoid_focal_loss(z, y, alpha=0.25).mean()),
        without_label_gradient(lambda z, y: optax.sigmoid_focal_loss(z, y).mean()),
        BINARY,
        caught=("output", "grad/z"),
        named=("alpha", "0.25", "class weight", "sum of weights"),
    ),
)
