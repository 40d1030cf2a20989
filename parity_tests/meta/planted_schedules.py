"""Planted mistakes of learning-rate schedules: the rate at every step, against a torch scheduler stepped alongside."""

import math
import warnings
from functools import partial

import jax.numpy as jnp
import numpy as np
import optax
import torch
from torch.optim import lr_scheduler

from mistake import of_topic

__all__ = ["MISTAKES"]

plant = partial(of_topic("schedules"), options={"gradients": False})

STEPS = 12
PEAK = (np.array([0.5, 2.0, 0.125]),)  # three peak rates, so that a factor is told from a constant


def torch_rates(make):
    """The rate of every step of a scheduler that ``make`` puts on an optimizer."""

    def run(peak):
        weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        stepper = torch.optim.SGD([weight], lr=1.0)
        scheduler, rates = make(stepper), []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the order of steps, which is the mistake
            for _ in range(STEPS):
                rates.append(stepper.param_groups[0]["lr"])
                scheduler.step()
        return torch.tensor(rates, dtype=peak.dtype)[:, None] * peak

    return run


def rates(schedule, *, start=0):
    """The same of an optax schedule of peak 1."""
    return lambda peak: jnp.stack([jnp.asarray(schedule(start + k), peak.dtype) for k in range(STEPS)])[:, None] * peak


def warm_cosine(optimizer):
    warm = lr_scheduler.LinearLR(optimizer, 1e-3, total_iters=4)
    down = lr_scheduler.CosineAnnealingLR(optimizer, STEPS - 4)
    return lr_scheduler.SequentialLR(optimizer, [warm, down], [4])


def joined(length):
    """Four steps up from 1/1000, then a cosine of ``length`` steps."""
    up, down = optax.linear_schedule(1e-3, 1.0, 4), optax.cosine_decay_schedule(1.0, length)
    return optax.join_schedules([up, down], [4])


def cosine_that_returns(step):
    """torch's cosine climbs back past its end."""
    return (1 + math.cos(math.pi * step / 8)) / 2


def inverse_root(step, *, warmup=4):
    """The Transformer's rate (Vaswani et al. 2017, eq. 3) with width 1; steps count from 1."""
    return min((step + 1) ** -0.5, (step + 1) * warmup**-1.5)


def one_cycle(total):
    """torch's: up for 30 % of the way, then down to 1/10000 of the start, cosines both."""

    def between(start, end, share):
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    def rate(step):
        top = 0.3 * total - 1
        if step <= top:
            return between(1 / 25, 1.0, step / top)
        return between(1.0, 1 / 25e4, (step - top) / (total - 1 - top))

    return rate


MISTAKES = (
    plant(
        "the total of a warmed-up cosine without its warm-up",
        torch_rates(warm_cosine),
        rates(joined(STEPS - 4)),
        rates(joined(STEPS - 8)),
        PEAK,
        named=("warm",),
    ),
    plant(
        "a warm-up that starts at zero",
        torch_rates(lambda optimizer: lr_scheduler.LinearLR(optimizer, total_iters=5)),
        rates(optax.linear_schedule(1 / 3, 1.0, 5)),
        rates(optax.linear_schedule(0.0, 1.0, 5)),
        PEAK,
        named=("0.333", "1/3", "-0.666"),
    ),
    plant(
        "the scheduler one step ahead",
        torch_rates(lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.8)),
        rates(optax.exponential_decay(1.0, 1, 0.8)),
        rates(optax.exponential_decay(1.0, 1, 0.8), start=1),
        PEAK,
        named=("off by one", "one step", "shift"),
    ),
    plant(
        "a staircase smoothed",
        torch_rates(lambda optimizer: lr_scheduler.StepLR(optimizer, 3, 0.5)),
        rates(optax.exponential_decay(1.0, 3, 0.5, staircase=True)),
        rates(optax.exponential_decay(1.0, 3, 0.5)),
        PEAK,
        named=("stair", "floor", "rounding to"),
    ),
    plant(
        "factors of a piecewise schedule given as rates",
        torch_rates(lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [3, 6], 0.1)),
        rates(optax.piecewise_constant_schedule(1.0, {3: 0.1, 6: 0.1})),
        rates(optax.piecewise_constant_schedule(1.0, {3: 0.1, 6: 0.01})),
        PEAK,
        named=("0.01", "0.1"),
    ),
    plant(
        "a piecewise schedule that drops one step late",
        torch_rates(lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [3, 6], 0.1)),
        rates(optax.piecewise_constant_schedule(1.0, {3: 0.1, 6: 0.1})),
        rates(optax.piecewise_constant_schedule(1.0, {4: 0.1, 7: 0.1})),
        PEAK,
        named=("off by one", "one step", "shift", "rolled"),
    ),
    plant(
        "a cosine that stays down where torch's returns",
        torch_rates(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 8)),
        rates(cosine_that_returns),
        rates(optax.cosine_decay_schedule(1.0, 8)),
        PEAK,
        named=("clamp", "after step"),
    ),
    plant(
        "one cycle over as many steps as there are, for one less",
        torch_rates(
            lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=STEPS + 1, cycle_momentum=False)
        ),
        rates(one_cycle(STEPS + 1)),
        rates(optax.cosine_onecycle_schedule(STEPS + 1, 1.0)),
        PEAK,
        named=("one step", "off by one", "onecycle", "shift"),
    ),
    plant(
        "epochs counted as steps",
        torch_rates(lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 ** (step // 4))),
        rates(lambda step: 0.5 ** (step // 4)),
        rates(lambda step: 0.5**step),
        PEAK,
        named=("epoch",),
    ),
    plant(
        "the inverse root counted from zero",
        torch_rates(lambda optimizer: lr_scheduler.LambdaLR(optimizer, inverse_root)),
        rates(inverse_root),
        rates(lambda step: inverse_root(max(step, 1) - 1)),
        PEAK,
        named=("off by one", "one step", "shift", "rolled"),
    ),
    plant(
        "a polynomial decay of the wrong power",
        torch_rates(lambda optimizer: lr_scheduler.PolynomialLR(optimizer, total_iters=8, power=2.0)),
        rates(optax.polynomial_schedule(1.0, 0.0, 2, 8)),
        rates(optax.polynomial_schedule(1.0, 0.0, 1, 8)),
        PEAK,
        named=("power", "square"),
    ),
)
