"""Planted mistakes of schedules written by hand after a class of torch: the rate or the momentum at every step."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.optim import lr_scheduler
from torch.optim.swa_utils import SWALR

from mistake import of_topic

__all__ = ["MISTAKES"]

plant = partial(of_topic("schedules"), options={"gradients": False})

STEPS = np.arange(24)
INPUTS = {"peak": np.array([0.5, 2.0, 0.125]), "steps": STEPS}  # three peaks, so that a factor is told from a constant
METRICS = np.array([5.0, 4.0, 4.0, 4.0, 3.9, *[3.9] * 7, 3.8999, *[3.9] * 7, 1.0, 1.0, 1.0, 1.0])
WATCHED = {"peak": INPUTS["peak"], "metrics": METRICS}


def torch_values(make, *, key="lr", metrics=None):
    """What ``make``'s scheduler sets at every step, times the peaks."""

    def run(peak, **_):
        stepper = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
        scheduler, values = make(stepper), []
        for step in range(len(STEPS)):
            stepper.step()
            if metrics is not None:
                scheduler.step(metrics[step])
            values.append(stepper.param_groups[0][key])
            if metrics is None:
                scheduler.step()
        return torch.tensor(values, dtype=peak.dtype)[:, None] * peak

    return run


def values(schedule):
    return lambda peak, steps: schedule(steps)[:, None].astype(peak.dtype) * peak


def half_cosine(share):
    return (1 + jnp.cos(jnp.pi * share)) / 2


def annealed(step, *, floor):
    """A cosine of 10 steps down to 0.1."""
    return floor(half_cosine(step / 10))


def restarted(step, *, factor):
    """Cycles of 4, 8, 16 steps, or all of 4."""
    start = jnp.where(step < 4, 0, jnp.where(step < 12, 4, 12)) if factor == 2 else step // 4 * 4
    length = jnp.where(step < 4, 4, jnp.where(step < 12, 8, 16)) if factor == 2 else 4
    return half_cosine((step - start) / length)


def triangle(step, *, up=3, down=5, halved=True):
    since, cycle = step % (up + down), step // (up + down)
    height = jnp.where(since <= up, since / up, (up + down - since) / down)
    return 0.1 + 0.9 * height * (0.5**cycle if halved else 1.0)


def one_cycle(step, *, valley):
    """Three phases over 24 steps, a third of the way up; the second ends ``valley`` steps before twice the first."""
    top, bottom = 24 / 3 - 1, 2 * 24 / 3 - valley
    up = 1 - (1 - 1 / 25) * half_cosine(step / top)
    down = 1 / 25 + (1 - 1 / 25) * half_cosine((step - top) / (bottom - top))
    out = 1 / 25e4 + (1 / 25 - 1 / 25e4) * half_cosine((step - bottom) / (23 - bottom))
    return jnp.where(step <= top, up, jnp.where(step <= bottom, down, out))


def momentum(step, *, against):
    height = jnp.where(step % 8 <= 4, step % 8 / 4, 2 - step % 8 / 4)
    return 0.9 - 0.1 * height if against else 0.8 + 0.1 * height


def averaged(step, *, cosine):
    share = jnp.minimum(step, 10) / 10
    share = 1 - half_cosine(share) if cosine else share
    return 1 + (0.2 - 1) * share


def plateau(*, bears, bar, cooldown=0):
    """torch's rule with a patience of 2 and a factor of 1/2."""

    def step(state, metric):
        rate, best, bad, rest = state
        better = metric < bar(best)
        bad = jnp.where(better | (rest > 0), 0, bad + 1)
        now = bears(bad)
        state = (jnp.where(now, rate / 2, rate), jnp.where(better, metric, best), jnp.where(now, 0, bad))
        return (*state, jnp.where(now, cooldown, jnp.maximum(rest - 1, 0))), state[0]

    def run(peak, metrics):
        one = jnp.ones((), metrics.dtype)
        _, rates = jax.lax.scan(step, (one, jnp.inf * one, jnp.array(0), jnp.array(0)), metrics)
        return rates[:, None] * peak

    return run


def on_plateau(**options):
    return torch_values(
        lambda stepper: lr_scheduler.ReduceLROnPlateau(stepper, factor=0.5, patience=2, **options), metrics=METRICS
    )


MISTAKES = (
    plant(
        "a cosine's lowest rate added to it",
        torch_values(lambda stepper: lr_scheduler.CosineAnnealingLR(stepper, 10, 0.1)),
        values(partial(annealed, floor=lambda cosine: 0.1 + 0.9 * cosine)),
        values(partial(annealed, floor=lambda cosine: 0.1 + cosine)),
        INPUTS,
        named=("0.9", "0.1"),
    ),
    plant(
        "restarts all equally long",
        torch_values(lambda stepper: lr_scheduler.CosineAnnealingWarmRestarts(stepper, 4, 2)),
        values(partial(restarted, factor=2)),
        values(partial(restarted, factor=1)),
        INPUTS,
        named=("restart", "after step", "period", "mult"),
    ),
    plant(
        "triangular2 that keeps its height",
        torch_values(lambda stepper: lr_scheduler.CyclicLR(stepper, 0.1, 1.0, 3, 5, "triangular2")),
        values(triangle),
        values(partial(triangle, halved=False)),
        INPUTS,
        named=("0.5", "2 x", "half", "after step"),
    ),
    plant(
        "a cycle as steep down as up",
        torch_values(lambda stepper: lr_scheduler.CyclicLR(stepper, 0.1, 1.0, 3, 5, "triangular2")),
        values(triangle),
        values(partial(triangle, down=3)),
        INPUTS,
        named=("5", "period", "after step"),
    ),
    plant(
        "the second phase of one cycle a step too long",
        torch_values(lambda stepper: lr_scheduler.OneCycleLR(stepper, 1.0, 24, pct_start=1 / 3, three_phase=True)),
        values(partial(one_cycle, valley=2)),
        values(partial(one_cycle, valley=1)),
        INPUTS,
        named=("one step", "off by one", "2 at", "is 2"),
    ),
    plant(
        "a momentum cycled with the rate",
        torch_values(lambda stepper: lr_scheduler.CyclicLR(stepper, 0.1, 1.0, 4), key="momentum"),
        values(partial(momentum, against=True)),
        values(partial(momentum, against=False)),
        INPUTS,
        named=("sign", "0.9", "1.7", "mirrored", "goes through 1 - x"),
    ),
    plant(
        "the way to the average along a line",
        torch_values(lambda stepper: SWALR(stepper, 0.2)),
        values(partial(averaged, cosine=True)),
        values(partial(averaged, cosine=False)),
        INPUTS,
        named=("cos",),
    ),
    plant(
        "a plateau reduced after patience metrics",
        on_plateau(),
        plateau(bears=lambda bad: bad > 2, bar=lambda best: best * (1 - 1e-4)),
        plateau(bears=lambda bad: bad >= 2, bar=lambda best: best * (1 - 1e-4)),
        WATCHED,
        named=(">=", "patience", "one step", "off by one", "2 is 3"),
    ),
    plant(
        "a plateau's threshold left out",
        on_plateau(),
        plateau(bears=lambda bad: bad > 2, bar=lambda best: best * (1 - 1e-4)),
        plateau(bears=lambda bad: bad > 2, bar=lambda best: best),
        WATCHED,
        named=("threshold", "0.0001", "1e-04", "1e-4"),
    ),
    plant(
        "a plateau without its cooldown",
        on_plateau(cooldown=3),
        plateau(bears=lambda bad: bad > 2, bar=lambda best: best * (1 - 1e-4), cooldown=3),
        plateau(bears=lambda bad: bad > 2, bar=lambda best: best * (1 - 1e-4)),
        WATCHED,
        named=("cooldown", "3"),
    ),
)
