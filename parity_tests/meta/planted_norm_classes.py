"""Planted mistakes of whole norms and dropouts: statistics, layouts, masks and what linen's own layers do otherwise."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import linen
from torch.nn import functional

from jax_impl import normalization
from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("normalization")

draw = np.random.default_rng(12)
IMAGES = draw.normal(size=(3, 4, 4, 5))
ROWS = draw.normal(size=(5, 4))
RUNNING = {"x": 1 + ROWS, "mean": draw.normal(size=4), "var": draw.uniform(0.5, 2.0, size=4)}
KEPT = (ROWS, draw.random((5, 4)) < 0.6)
CHANNELS = (draw.normal(size=(4, 4, 3)), draw.random((4, 4)) < 0.6)
MOMENTS = partial(plant, options={"gradients": False})


def last(function):
    """A function of NHWC as one of NCHW."""
    return lambda x, *rest: jnp.moveaxis(function(jnp.moveaxis(x, 1, -1), *rest), -1, 1)


def torch_batches(x, mean, var, momentum=0.1):
    """Running statistics after a batch and its half."""
    mean, var = mean.clone(), var.clone()
    for batch in (x.detach(), x.detach()[:2]):
        functional.batch_norm(batch, mean, var, training=True, momentum=momentum)
    return {"mean": mean, "var": var}


def batches(x, mean, var, *, layer=None, halves=(5, 2)):
    layer = layer or normalization.batch_norm_layer(4, 1, affine=False)
    stats = {"mean": mean, "var": var}
    for rows in halves:
        _, new = layer.apply({"batch_stats": stats}, x[:rows], use_running_average=False, mutable=["batch_stats"])
        stats = new["batch_stats"]
    return {"mean": stats["mean"], "var": stats["var"]}


def flax_batch(**options):
    return linen.BatchNorm(**({"momentum": 0.9, "epsilon": 1e-5, "use_scale": False, "use_bias": False} | options))


def torch_instance(x):
    return functional.instance_norm(x)


def instance(x, *, layer=None):
    layer = layer or normalization.instance_norm_layer(4)
    return last(lambda x: layer.apply({}, x))(x)


def torch_response(x):
    return functional.local_response_norm(x, 3, alpha=0.5)


def response(x, *, size=3, alpha=0.5):
    return normalization.local_response_norm(x, size, alpha=alpha)


def torch_dropped(x, keep):
    return x * keep / 0.6


def dropped(x, keep, *, p=0.4):
    return normalization.dropout(x, keep, p=p)


def torch_alpha(x, keep):
    lower = -1.7580993408473766
    scale = (0.6 * (1 + 0.4 * lower**2)) ** -0.5
    return scale * (torch.where(keep, x, lower) - 0.4 * lower)


def torch_channels(x, keep):
    return x * keep[:, :, None] / 0.6


def channels(x, keep):
    return normalization.channel_dropout(x, keep, p=0.4)


MISTAKES = (
    MOMENTS(
        "linen's own batch norm, whose running variance is the batch's",
        torch_batches,
        batches,
        partial(batches, layer=flax_batch()),
        RUNNING,
        caught=("output/var",),
        named=("n-1", "n - 1", "n/(n-1)", "ddof", "unbiased"),
    ),
    MOMENTS(
        "torch's 0.1 given to linen as its momentum",
        torch_batches,
        batches,
        partial(batches, layer=flax_batch(momentum=0.1)),
        RUNNING,
        named=("0.9", "momentum"),
    ),
    MOMENTS(
        "linen's 0.9 given to torch's momentum",
        torch_batches,
        batches,
        partial(batches, layer=normalization.batch_norm_layer(4, 1, affine=False, momentum=0.9)),
        RUNNING,
        named=("0.1", "0.9", "momentum"),
    ),
    MOMENTS(
        "one forward pass too many, for the log",
        torch_batches,
        batches,
        partial(batches, halves=(5, 5, 2)),
        RUNNING,
        named=("twice", "pass", "repeated", "step"),
    ),
    plant(
        "instance norm with linen's epsilon",
        torch_instance,
        instance,
        partial(instance, layer=linen.InstanceNorm(use_scale=False, use_bias=False)),
        (1e-2 * IMAGES,),
        named=("1e-06", "1e-6", "1e-05", "eps"),
    ),
    plant(
        "instance norm over the channels too",
        torch_instance,
        instance,
        partial(instance, layer=linen.LayerNorm(1e-5, use_scale=False, use_bias=False, reduction_axes=(1, 2, 3))),
        (IMAGES,),
        named=("instead of axis", "axes", "axis"),
    ),
    plant(
        "neighbours' squares summed, as AlexNet has it",
        torch_response,
        last(response),
        last(partial(response, alpha=1.5)),
        (IMAGES,),
        named=("sum", "mean", "3", "1/3", "0.5"),
    ),
    plant(
        "neighbours among columns for neighbours among channels",
        torch_response,
        last(response),
        response,
        (IMAGES,),
        named=("axis", "axes", "layout", "channel"),
    ),
    plant(
        "dropout without scaling up what stays",
        torch_dropped,
        dropped,
        lambda x, keep: x * keep,
        KEPT,
        named=("1.66", "0.6", "0.4", "scale", "factor"),
    ),
    plant(
        "the probability to keep for that to drop",
        torch_dropped,
        dropped,
        partial(dropped, p=0.6),
        KEPT,
        named=("1.5", "0.66", "0.6", "0.4", "factor"),
    ),
    plant(
        "the mask's other half dropped",
        torch_dropped,
        dropped,
        lambda x, keep: dropped(x, ~keep),
        KEPT,
        named=("mask", "inverted", "polarity", "negat", "not"),
    ),
    plant(
        "dropout by zeros where SELU wants its lower end",
        torch_alpha,
        lambda x, keep: normalization.alpha_dropout(x, keep, p=0.4),
        dropped,
        KEPT,
        named=("alpha", "constant", "1.758", "differ only", "offset"),
    ),
    plant(
        "channels' mask laid over the positions",
        torch_channels,
        last(channels),
        lambda x, keep: x * keep[:, :3][:, None] / 0.6,
        CHANNELS,
        named=("axis", "axes", "mask", "broadcast"),
    ),
    plant(
        "evaluation with the batch's own statistics",
        lambda x, mean, var: functional.batch_norm(x, mean.detach(), var.detach()),
        lambda x, mean, var: normalization.batch_norm_layer(4, 1, affine=False).apply(
            {"batch_stats": jax.lax.stop_gradient({"mean": mean, "var": var})}, x, use_running_average=True
        ),
        lambda x, mean, var: normalization.batch_norm_layer(4, 1, affine=False, track_running_stats=False).apply(
            {}, x, use_running_average=True
        ),
        RUNNING,
        caught=("output", "grad/x"),
        named=("statistic", "not used"),
    ),
)
