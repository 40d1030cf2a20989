"""Planted mistakes of losses on pairs, and of likelihoods."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from torch.nn import functional

from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("losses")

draw = np.random.default_rng(7)
A, B, C = draw.normal(size=(3, 5, 3))
PAIR, TRIPLE = (A, B), (A, B, C)
SIGNS = np.array([1, -1, 1, 1, -1])
COUNTS = np.array([[0, 2, 1], [4, 0, 0], [1, 1, 3], [2, 5, 0], [0, 0, 1]])
SPACED = np.array([[1, 2], [2, 1], [3, 2]])
LOGITS = draw.normal(size=(3, 5, 4))


def distance(a, b, *, eps=1e-6):
    return jnp.sqrt(((a - b + eps) ** 2).sum(-1))


def triplet(anchor, positive, negative, *, margin=1.0):
    return jnp.maximum(distance(anchor, positive) - distance(anchor, negative) + margin, 0).mean()


def gaussian(mean, log_variance, *, half=0.5):
    """Of targets that are zero, the variance given by its logarithm."""
    return half * (log_variance + mean**2 / jnp.exp(log_variance)).mean()


def torch_gaussian(mean, log_variance):
    return functional.gaussian_nll_loss(mean, torch.zeros_like(mean), log_variance.exp())


def cosine(a, b, signs, *, clamp=True):
    """torch adds 1e-12 to both squared norms, its cosine_similarity does not."""
    similarity = (a * b).sum(-1) / jnp.sqrt(((a * a).sum(-1) + 1e-12) * ((b * b).sum(-1) + 1e-12))
    apart = jnp.maximum(similarity, 0) if clamp else similarity
    return jnp.where(signs > 0, 1 - similarity, apart).mean()


def ctc(z, labels, *, by_length=True):
    """torch's mean divides each loss by the length of its target first; the targets here have two labels."""
    losses = optax.ctc_loss(z, jnp.zeros(z.shape[:2], z.dtype), labels, jnp.zeros(labels.shape, z.dtype))
    return (losses / labels.shape[1] if by_length else losses).mean()


def torch_ctc(z, labels):
    frames, length = torch.full((len(z),), z.shape[1]), torch.full((len(z),), labels.shape[1])
    return functional.ctc_loss(z.log_softmax(-1).transpose(0, 1), labels, frames, length)


def contrastive(a, b, *, temperature=0.5, both=True):
    """CLIP's loss: each row of ``a`` must find its own row of ``b``, and the other way round."""
    scores = a @ b.T / temperature
    own = jnp.arange(len(a))
    rows = optax.softmax_cross_entropy_with_integer_labels(scores, own).mean()
    columns = optax.softmax_cross_entropy_with_integer_labels(scores.T, own).mean()
    return (rows + columns) / 2 if both else rows


def torch_contrastive(a, b):
    scores, own = a @ b.T / 0.5, torch.arange(len(a))
    return (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2


MISTAKES = (
    plant(
        "a distance without torch's 1e-6",
        functional.pairwise_distance,
        distance,
        lambda a, b: distance(a, b, eps=0.0),
        PAIR,
        named=("1e-06", "1e-6", "epsilon"),
    ),
    plant(
        "a triplet's margin of 0.2 for 1",
        functional.triplet_margin_loss,
        triplet,
        lambda anchor, positive, negative: triplet(anchor, positive, negative, margin=0.2),
        TRIPLE,
        caught=("output",),
        named=("0.2", "margin", "constant"),
    ),
    plant(
        "a triplet's positive and negative swapped",
        functional.triplet_margin_loss,
        triplet,
        lambda anchor, positive, negative: triplet(anchor, negative, positive),
        TRIPLE,
        named=("swap", "hold each other", "change places", "sign"),
    ),
    plant(
        "squared distances in a triplet",
        functional.triplet_margin_loss,
        triplet,
        lambda a, p, n: jnp.maximum(distance(a, p) ** 2 - distance(a, n) ** 2 + 1.0, 0).mean(),
        TRIPLE,
        named=("square", "power", "root left out", "sqrt", "root of"),
    ),
    plant(
        "a cosine loss that rewards opposites",
        lambda a, b, signs: functional.cosine_embedding_loss(a, b, signs),
        cosine,
        lambda a, b, signs: cosine(a, b, signs, clamp=False),
        (A, B, SIGNS),
        named=("clamp", "saturat", "differ only", "maximum", "the choice goes through relu"),
    ),
    plant(
        "a Gaussian likelihood without its half",
        torch_gaussian,
        gaussian,
        lambda mean, log_variance: gaussian(mean, log_variance, half=1.0),
        PAIR,
        named=("halved", "doubled", "1/2"),
    ),
    plant(
        "a standard deviation for a variance",
        torch_gaussian,
        gaussian,
        lambda mean, log_variance: 0.5 * (log_variance + mean**2 / jnp.exp(0.5 * log_variance)).mean(),
        PAIR,
        named=("variance", "0.5", "root left out", "sqrt", "root of", "factor is left out"),
    ),
    plant(
        "a Poisson likelihood of rates for log-rates",
        lambda x, counts: functional.poisson_nll_loss(x, counts),
        lambda x, counts: (jnp.exp(x) - counts * x).mean(),
        lambda x, counts: (x - counts * jnp.log(jnp.abs(x) + 1e-8)).mean(),
        (A, COUNTS),
        named=("logarithm", "log_softmax"),
    ),
    plant(
        "CTC not divided by the length of its targets",
        torch_ctc,
        ctc,
        lambda z, labels: ctc(z, labels, by_length=False),
        (LOGITS, SPACED),
        named=("halved", "doubled", "1/2"),
    ),
    plant(
        "a temperature multiplied",
        torch_contrastive,
        contrastive,
        lambda a, b: contrastive(a, b, temperature=2.0),
        PAIR,
        named=("temperature", "0.5"),
    ),
    plant(
        "a contrastive loss of one direction",
        torch_contrastive,
        contrastive,
        lambda a, b: contrastive(a, b, both=False),
        PAIR,
        named=("direction", "transpose", "symmetr"),
    ),
    plant(
        "the entropy's sign",
        lambda z: -(z.softmax(-1) * z.log_softmax(-1)).sum(-1),
        lambda z: -(jax.nn.softmax(z) * jax.nn.log_softmax(z)).sum(-1),
        lambda z: (jax.nn.softmax(z) * jax.nn.log_softmax(z)).sum(-1),
        (A,),
        named=("sign",),
    ),
    plant(
        "the entropy in bits",
        lambda z: -(z.softmax(-1) * z.log_softmax(-1)).sum(-1),
        lambda z: -(jax.nn.softmax(z) * jax.nn.log_softmax(z)).sum(-1),
        lambda z: -(jax.nn.softmax(z) * jax.nn.log_softmax(z)).sum(-1) / jnp.log(2.0),
        (A,),
        named=("log 2", "ln 2", "log(2)"),
    ),
    plant(
        "the target of a bootstrapped loss not held still",
        lambda q, target: ((q - 0.9 * target.detach()) ** 2).mean(),
        lambda q, target: ((q - 0.9 * jax.lax.stop_gradient(target)) ** 2).mean(),
        lambda q, target: ((q - 0.9 * target) ** 2).mean(),
        PAIR,
        caught=("grad/target",),
        named=("detach", "stop_gradient"),
    ),
)
