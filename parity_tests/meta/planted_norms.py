"""Planted mistakes of normalisation: epsilons, axes, counts and running statistics."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import torch
from flax import linen
from torch import nn
from torch.nn import functional

from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("norms")

draw = np.random.default_rng(9)
ROWS = draw.normal(size=(5, 4))
SMALL = 1e-2 * ROWS  # where an epsilon decides
IMAGES = draw.normal(size=(3, 4, 4, 4))  # as many channels as rows and columns, so a wrong axis fits
SCALE, SHIFT = draw.normal(size=(2, 4))
NORM = (SMALL, SCALE, SHIFT)
GROUPED = (IMAGES, SCALE, SHIFT)
RUNNING = {"x": ROWS, "mean": draw.normal(size=4), "var": draw.uniform(0.5, 2.0, size=4)}


def centred(x, axis, eps, ddof=0):
    return (x - x.mean(axis, keepdims=True)) / jnp.sqrt(x.var(axis, keepdims=True, ddof=ddof) + eps)


def layer_norm(x, scale, shift, *, axis=-1, eps=1e-5, ddof=0):
    return centred(x, axis, eps, ddof) * scale + shift


def torch_layer_norm(x, scale, shift):
    return functional.layer_norm(x, (4,), scale, shift)


def batch_norm(x, scale, shift, *, axis=(0, 2, 3)):
    return layer_norm(x, scale[:, None, None], shift[:, None, None], axis=axis)


def torch_batch_norm(x, scale, shift):
    return functional.batch_norm(x, None, None, scale, shift, training=True)


def group_norm(x, scale, shift, *, split=(2, 2), axis=(2, 3, 4), eps=1e-5):
    """Groups are runs of neighbouring channels: (batch, groups, channels in each, height, width)."""
    whole = centred(x.reshape(x.shape[0], *split, *x.shape[2:]), axis, eps).reshape(x.shape)
    return whole * scale[:, None, None] + shift[:, None, None]


def torch_group_norm(x, scale, shift):
    return functional.group_norm(x, 2, scale, shift)


def torch_running(x, mean, var):
    """Statistics after one batch in training."""
    mean, var = mean.clone(), var.clone()
    out = functional.batch_norm(x.detach(), mean, var, training=True)
    return {"out": out, "mean": mean, "var": var}


def running(x, mean, var, *, kept=0.9, ddof=1, old=False):
    """``kept`` is how much of the old statistics stays: Flax calls that momentum, torch the rest of it."""
    new = {"mean": kept * mean + (1 - kept) * x.mean(0), "var": kept * var + (1 - kept) * x.var(0, ddof=ddof)}
    return {"out": centred(x, 0, 1e-5), **({"mean": mean, "var": var} if old else new)}


def in_evaluation(x, mean, var, *, own=False):
    mean, var = (x.mean(0), x.var(0)) if own else (mean, var)
    return (x - mean) / jnp.sqrt(var + 1e-5)


def torch_in_evaluation(x, mean, var):
    return (x - mean) / torch.sqrt(var + 1e-5)


def weight_norm(v, g, *, axis=1):
    return g * v / jnp.linalg.norm(v, axis=axis, keepdims=True)


def unit(x, *, eps=1e-12):
    return x / jnp.maximum(jnp.sqrt((x**2).sum(-1, keepdims=True)), eps)


statistics = partial(plant, options={"gradients": False})

MISTAKES = (
    plant(
        "layer norm's epsilon 1e-6, Flax's default",
        torch_layer_norm,
        layer_norm,
        partial(layer_norm, eps=1e-6),
        NORM,
        caught=("output", "grad/x", "grad/scale"),
        named=("1e-06", "1e-6", "1e-05", "eps"),
    ),
    plant(
        "the same in a module",
        nn.LayerNorm(4),
        linen.LayerNorm(epsilon=1e-5),
        linen.LayerNorm(),
        (SMALL,),
        caught=("output", "grad/x", "grad/params/scale"),
        named=("1e-06", "1e-6", "1e-05", "eps"),
    ),
    plant(
        "layer norm by the sample variance",
        torch_layer_norm,
        layer_norm,
        partial(layer_norm, ddof=1),
        (ROWS, SCALE, SHIFT),
        caught=("output", "grad/x", "grad/scale"),
        named=("n-1", "n - 1", "ddof", "n/(n-1)"),
    ),
    plant(
        "layer norm over the batch of a square",
        torch_layer_norm,
        layer_norm,
        partial(layer_norm, axis=0),
        (ROWS[:4], SCALE, SHIFT),
        caught=("output", "grad/x", "grad/scale"),
        named=("instead of axis",),
    ),
    plant(
        "layer norm over the last axis only",
        lambda x: functional.layer_norm(x, (4, 4)),
        lambda x: centred(x, (2, 3), 1e-5),
        lambda x: centred(x, -1, 1e-5),
        (IMAGES,),
        named=("instead of axis", "axes"),
    ),
    plant(
        "batch norm over the last axis, as if it held the channels",
        torch_batch_norm,
        batch_norm,
        lambda x, scale, shift: layer_norm(x, scale, shift, axis=(0, 1, 2)),
        GROUPED,
        named=("instead of axis", "axes"),
    ),
    plant(
        "batch norm for each image",
        torch_batch_norm,
        batch_norm,
        partial(batch_norm, axis=(2, 3)),
        GROUPED,
        caught=("output", "grad/x", "grad/scale"),
        named=("instead of axis", "axes"),
    ),
    plant(
        "groups of every second channel",
        torch_group_norm,
        group_norm,
        partial(group_norm, axis=(1, 3, 4)),
        GROUPED,
        caught=("output", "grad/x", "grad/scale"),
        named=("instead of axis", "axes", "group"),
    ),
    plant(
        "one group for two",
        torch_group_norm,
        group_norm,
        partial(group_norm, split=(1, 4)),
        GROUPED,
        caught=("output", "grad/x", "grad/scale"),
        named=("group", "instead of axis", "axes"),
    ),
    plant(
        "RMS norm that subtracts the mean",
        lambda x: functional.rms_norm(x, (4,), eps=1e-6),
        lambda x: x / jnp.sqrt((x**2).mean(-1, keepdims=True) + 1e-6),
        lambda x: centred(x, -1, 1e-6),
        (ROWS,),
        named=("centre", "center", "subtract"),
    ),
    plant(
        "RMS norm with Flax's epsilon for torch's, which is the dtype's own",
        lambda x: functional.rms_norm(x, (4,)),
        lambda x: x / jnp.sqrt((x**2).mean(-1, keepdims=True) + jnp.finfo(x.dtype).eps),
        lambda x: x / jnp.sqrt((x**2).mean(-1, keepdims=True) + 1e-6),
        (SMALL,),
        named=("1e-06", "1e-6", "eps"),
        options={"dtypes": ("float64",)},  # below it torch's epsilon, and so the truth, is another
    ),
    plant(
        "the norm over the wrong axis of a weight",
        lambda v, g: torch._weight_norm(v, g, 0),
        weight_norm,
        partial(weight_norm, axis=0),
        (ROWS[:4], SCALE[:, None]),
        named=("instead of axis", "jax.numpy.linalg.norm(axis=1"),
    ),
    plant(
        "unit rows by the squared norm",
        lambda x: functional.normalize(x, dim=-1),
        unit,
        lambda x: x / (x**2).sum(-1, keepdims=True),
        (ROWS,),
        named=("root left out", "sqrt", "root of", "square", "norm without its root"),
    ),
    statistics(
        "batch norm's momentum by the other convention",
        torch_running,
        running,
        partial(running, kept=0.1),
        RUNNING,
        caught=("output/mean", "output/var"),
        named=("0.9", "momentum"),
    ),
    statistics(
        "Flax's default momentum",
        torch_running,
        running,
        partial(running, kept=0.99),
        RUNNING,
        caught=("output/mean", "output/var"),
        named=("0.99", "momentum"),
    ),
    statistics(
        "the running variance of n for n - 1",
        torch_running,
        running,
        partial(running, ddof=0),
        RUNNING,
        caught=("output/var",),
        named=("n-1", "n - 1", "n/(n-1)", "ddof"),
    ),
    statistics(
        "new statistics dropped",
        torch_running,
        running,
        partial(running, old=True),
        RUNNING,
        caught=("output/mean", "output/var"),
        named=("unchanged", "dropped", "not updated", "carried", "discarded"),
    ),
    plant(
        "the batch's own statistics in evaluation",
        torch_in_evaluation,
        in_evaluation,
        partial(in_evaluation, own=True),
        RUNNING,
        named=("statistic", "not used"),
    ),
)
