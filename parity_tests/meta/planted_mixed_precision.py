"""Planted mistakes of mixed precision: of the loss scale, of what a skip leaves alone, of the order of things."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import torch
from jax import lax

from mistake import of_topic

__all__ = ["MISTAKES"]

mixed = of_topic("mixed_precision")

draw = np.random.default_rng(15)
OVERFLOWS = np.array([0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0], bool)
SCRIPT = {"scale": np.array(1024.0), "overflows": OVERFLOWS}
RUN = {"w": draw.normal(size=3), "gradients": draw.normal(size=(12, 3)), "overflows": OVERFLOWS}
STEP = {"w": draw.normal(size=5), "scaled": 100 * draw.normal(size=5), "velocity": draw.normal(size=5)}


def torch_scales(scale, overflows):
    """Doubles at the third good step on end, halves after an overflow."""
    good, seen = 0, []
    for overflow in overflows.tolist():
        good = 0 if overflow else good + 1
        scale = scale / 2 if overflow else scale * 2 if good == 3 else scale
        good = 0 if good == 3 else good
        seen.append(scale)
    return torch.stack(seen)


def scales(scale, overflows, *, late=False, backoff=0.5, resets=True):
    def step(state, overflow):
        scale, good = state
        due = (good if late else good + 1) == 3
        scale = jnp.where(overflow, scale * backoff, jnp.where(due, scale * 2, scale))
        good = jnp.where(due & ~overflow, 0, good + ~overflow)
        return (scale, jnp.where(overflow, 0, good) if resets else good), scale

    return lax.scan(step, (scale, 0), overflows)[1]


def torch_run(w, gradients, overflows):
    """Adam's step with a bias correction, left out where an overflow was found."""
    m, count = torch.zeros_like(w), 0
    for gradient, overflow in zip(gradients, overflows.tolist(), strict=True):
        if not overflow:
            m, count = 0.9 * m + 0.1 * gradient, count + 1
            w = w - 0.1 * m / (1 - 0.9**count)
    return w


def run(w, gradients, overflows, *, counts=False, ages=False, moves=False):
    """A skipped step counts for the bias correction, ages the moment by a zero, or moves on by the old moment."""

    def step(state, inputs):
        w, m, count = state
        gradient, overflow = inputs
        new_m = 0.9 * m + 0.1 * jnp.where(overflow, 0.0, gradient)
        new_count = count + 1
        new_w = w - 0.1 * new_m / (1 - 0.9**new_count)
        return (
            new_w if moves else jnp.where(overflow, w, new_w),
            new_m if ages or moves else jnp.where(overflow, m, new_m),
            new_count if counts or moves else jnp.where(overflow, count, new_count),
        ), None

    return lax.scan(step, (w, jnp.zeros_like(w), 0), (gradients, overflows))[0][0]


def torch_step(w, scaled, velocity):
    """Momentum on a gradient unscaled by 1024, then clipped to norm 1."""
    gradient = scaled / 1024
    velocity = 0.9 * velocity + gradient / gradient.norm().clamp(min=1.0)
    return w - 0.1 * velocity, velocity


def step(w, scaled, velocity, *, order="unscale clip step"):
    def clipped(gradient):
        return gradient / jnp.maximum(1.0, jnp.linalg.norm(gradient))

    if order == "unscale clip step":
        gradient = clipped(scaled / 1024)
    else:
        gradient = clipped(scaled) / 1024 if order == "clip unscale step" else scaled
    velocity = 0.9 * velocity + gradient
    return w - 0.1 * (velocity / 1024 if order == "step unscale" else velocity), velocity


MISTAKES = (
    mixed(
        "growth one step late",
        torch_scales,
        scales,
        partial(scales, late=True),
        SCRIPT,
        ("output", "grad/scale"),
        named=("3 is 2", "one step", "off by one"),
    ),
    mixed(
        "scale not backed off",
        torch_scales,
        scales,
        partial(scales, backoff=1.0),
        SCRIPT,
        ("output", "grad/scale"),
        named=("1 is 0.5", "back"),
    ),
    mixed(
        "overflow leaves the growth tracker",
        torch_scales,
        scales,
        partial(scales, resets=False),
        SCRIPT,
        ("output", "grad/scale"),
        named=("is set back to 0 where overflows", "reset"),
    ),
    mixed(
        "step counted on a skip",
        torch_run,
        run,
        partial(run, counts=True),
        RUN,
        ("output", "grad/gradients"),
        named=("state 2 of the loop stays", "count"),
    ),
    mixed(
        "skipped step ages the moment",
        torch_run,
        run,
        partial(run, ages=True),
        RUN,
        ("output", "grad/gradients"),
        named=("state 1 of the loop stays", "moment"),
    ),
    mixed(
        "overflow taken as a zero gradient",
        torch_run,
        run,
        partial(run, moves=True),
        RUN,
        ("output", "grad/gradients"),
        named=("every state of the loop stays", "skip"),
    ),
    mixed(
        "clip before unscale",
        torch_step,
        step,
        partial(step, order="clip unscale step"),
        STEP,
        named=("clip", "factor"),
        caught=("output/0", "output/1", "grad/scaled"),
    ),
    mixed(
        "unscale after the optimizer",
        torch_step,
        step,
        partial(step, order="step unscale"),
        STEP,
        named=("unscale", "factor", "1024"),
        caught=("output/0", "output/1", "grad/scaled", "grad/velocity"),
    ),
)
