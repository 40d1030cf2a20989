"""Planted mistakes around a model: train and eval, checkpoints, steps of training, several devices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch

from mistake import of_topic

__all__ = ["MISTAKES"]

modes = of_topic("modes")
checkpoints = of_topic("checkpoints")
steps = of_topic("steps")

draw = np.random.default_rng(14)
X, W, Y = draw.normal(size=(10, 3)), draw.normal(size=3), draw.normal(size=10)
FIT = {"x": X, "y": Y, "w": W}
LAYERS = {f"Dense_{place}": draw.normal(size=(3, 3)) for place in range(12)}
BLOCKS = {"q": draw.normal(size=(2, 3)), "k": draw.normal(size=(2, 3)), "v": draw.normal(size=(2, 3))}
AVERAGED = {"average": draw.normal(size=(3, 4)), "w": draw.normal(size=(3, 4))}
GRADS = {"a": 4 * draw.normal(size=(2, 3)), "b": draw.normal(size=(2, 2))}  # of two devices


def normal_loss(x, y, w):
    return ((x @ w - y) ** 2).mean()


def accumulated(x, y, w, *, divide=True, parts=(slice(0, 5), slice(5, 10))):
    """The gradient of the mean loss from two half batches."""
    total = sum(jax.grad(normal_loss, argnums=2)(x[part], y[part], w) for part in parts)
    return total / len(parts) if divide else total


def torch_chain(layers):
    out = torch.eye(3, dtype=layers["Dense_0"].dtype)
    for place in range(12):
        out = torch.tanh(out @ layers[f"Dense_{place}"])
    return out


def chain(layers, *, names=None):
    out = jnp.eye(3, dtype=layers["Dense_0"].dtype)
    for name in names or [f"Dense_{place}" for place in range(12)]:
        out = jnp.tanh(out @ layers[name])
    return out


def clip(grads):
    norm = jnp.sqrt(sum((g**2).sum() for g in grads.values()))
    return {name: g / jnp.maximum(1.0, norm) for name, g in grads.items()}


def torch_two_devices(a, b):
    mean = {"a": a.mean(0), "b": b.mean(0)}
    norm = torch.sqrt(sum((g**2).sum() for g in mean.values()))
    return {name: g / norm.clamp(min=1.0) for name, g in mean.items()}


def two_devices(a, b, *, early=False):
    """Averaged over two devices, then clipped to norm 1; early clips each device's own."""
    grads = {"a": a, "b": b}
    grads = jax.vmap(clip)(grads) if early else grads
    mean = {name: g.mean(0) for name, g in grads.items()}
    return mean if early else clip(mean)


def scaled_step(w, gradient, *, unscale_first=True):
    """Gradients of a loss scaled by 1024: unscaled, clipped, applied."""
    gradient = gradient / 1024 if unscale_first else gradient
    gradient = gradient / jnp.maximum(1.0, jnp.linalg.norm(gradient))
    return w - 0.1 * (gradient if unscale_first else gradient / 1024)


def torch_scaled_step(w, gradient):
    gradient = gradient / 1024
    return w - 0.1 * gradient / gradient.norm().clamp(min=1.0)


STEP = {"w": W, "gradient": 4096 * draw.normal(size=3)}
TIED = {"x": X[:, :3], "table": draw.normal(size=(3, 3))}

MISTAKES = (
    modes(
        "a moving average that keeps what it should replace",
        lambda average, w: torch.lerp(average, w, 0.01),
        lambda average, w: average + 0.01 * (w - average),
        lambda average, w: 0.01 * average + 0.99 * w,
        AVERAGED,
        named=("0.99", "0.01", "momentum", "hold each other"),
    ),
    modes(
        "the weights in evaluation, not their average",
        lambda average, w: average * 1.0 + 0.0 * w,
        lambda average, w: average + 0.0 * w,
        lambda average, w: w + 0.0 * average,
        AVERAGED,
        named=("swap", "hold each other", "change places", "other argument", "not used", "zero everywhere"),
    ),
    checkpoints(
        "Dense_10 before Dense_2, as dictionaries are sorted",
        torch_chain,
        chain,
        lambda layers: chain(layers, names=sorted(layers)),
        (LAYERS,),
        named=("dense_10", "sorted"),
    ),
    checkpoints(
        "q, k and v stacked in the order of their names",
        lambda q, k, v: torch.cat([q, k, v]),
        lambda q, k, v: jnp.concatenate([q, k, v]),
        lambda q, k, v: jnp.concatenate([k, q, v]),
        BLOCKS,
        caught=("output", "grad/q", "grad/k"),
        named=("block", "swap", "hold each other", "change places", "permut"),
    ),
    checkpoints(
        "a tied output layer without its transpose",
        lambda x, table: x @ table.T,
        lambda x, table: x @ table.T,
        lambda x, table: x @ table,
        TIED,
        named=("transpose", "axes in the order"),
    ),
    checkpoints(
        "weights loaded in column order",
        lambda w: w.reshape(4, 3) @ w,
        lambda w: w.reshape(4, 3) @ w,
        lambda w: w.reshape(4, 3, order="F") @ w,
        (draw.normal(size=(3, 4)),),
        named=("layout", "reshaped"),
    ),
    steps(
        "micro-batches added up and not averaged",
        lambda x, y, w: torch.func.grad(normal_loss, argnums=2)(x, y, w),
        accumulated,
        partial(accumulated, divide=False),
        FIT,
        named=("halved", "doubled", "1/2", "accumul"),
    ),
    steps(
        "only the last micro-batch's gradient",
        lambda x, y, w: torch.func.grad(normal_loss, argnums=2)(x, y, w),
        accumulated,
        partial(accumulated, parts=(slice(5, 10),)),
        FIT,
        named=("differ only", "not used", "only torch reads them"),
    ),
    steps(
        "clipped before the loss scale is taken out",
        torch_scaled_step,
        scaled_step,
        partial(scaled_step, unscale_first=False),
        STEP,
        caught=("output", "grad/gradient"),
        named=("unscale", "clip", "1024"),
    ),
    steps(
        "each device's gradient clipped before the average",
        torch_two_devices,
        two_devices,
        partial(two_devices, early=True),
        GRADS,
        named=("clip",),
    ),
    steps(
        "summed over devices",
        lambda a, b: {"a": a.mean(0), "b": b.mean(0)},
        lambda a, b: {"a": a.mean(0), "b": b.mean(0)},
        lambda a, b: {"a": a.sum(0), "b": b.sum(0)},
        GRADS,
        named=("sum on one side", "1/2", "doubled", "psum"),
    ),
)
