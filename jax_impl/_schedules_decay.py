"""Schedules that leave the first rate once, by steps, by a line or by a power, and stay where they arrive."""

import math
from collections import Counter
from collections.abc import Sequence

import jax.numpy as jnp
import optax
from jax import Array, lax

from jax_impl._schedules_checks import check_count, check_positive, check_share

__all__ = [
    "lambda_lr",
    "multiplicative_lr",
    "step_lr",
    "multi_step_lr",
    "constant_lr",
    "linear_lr",
    "exponential_lr",
    "polynomial_lr",
]


def lambda_lr(lr: float | Array, lr_lambda: optax.Schedule) -> optax.Schedule:
    r"""Set the rate to a function of the step times the first rate: $\eta_t = \eta_0\,\lambda(t)$.

    Args:
        lr_lambda: $\lambda$.

    Returns:
        The schedule in the framework's own form.

    Differs from its twin: $\lambda$ is called with a traced integer, so it is written with ``jnp.where``, not ``if``.
    """

    def schedule(step):
        return lr * lr_lambda(step)

    return schedule


def multiplicative_lr(lr: float | Array, lr_lambda: optax.Schedule) -> optax.Schedule:
    r"""Multiply the rate by a function of the step: $\eta_t = \eta_0 \prod_{i=1}^t \lambda(i)$.

    Args:
        lr_lambda: $\lambda$; its value at 0 is not used.

    Returns:
        The schedule in the framework's own form.

    Differs from its twin: a schedule keeps no product, so step $t$ costs $t$ calls of $\lambda$ in a compiled loop.
    """

    def schedule(step):
        first = jnp.asarray(lr, jnp.result_type(lr, float))
        # In torch's order, from the first factor on: bit for bit the same product.
        return lax.fori_loop(1, step + 1, lambda i, rate: rate * jnp.asarray(lr_lambda(i), rate.dtype), first)

    return schedule


def step_lr(lr: float | Array, step_size: int, gamma: float = 0.1) -> optax.Schedule:
    r"""Multiply the rate by a constant every so many steps: $\eta_t = \eta_0\,\gamma^{\lfloor t/s \rfloor}$.

    Args:
        step_size: $s$, at least 1.
        gamma: $\gamma$, above 0.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``step_size`` is below 1 or ``gamma`` is not above 0.
    """
    check_count("step_lr", "step_size", step_size)
    check_positive("step_lr", "gamma", gamma)

    def schedule(step):
        # `optax.exponential_decay` goes down inside each stage too, unless `staircase`.
        return lr * jnp.exp(math.log(gamma) * (step // step_size))

    return schedule


def multi_step_lr(lr: float | Array, milestones: Sequence[int], gamma: float = 0.1) -> optax.Schedule:
    r"""Multiply the rate by a constant at each milestone: $\eta_t = \eta_0\,\gamma^{\#\{m \le t\}}$.

    Args:
        milestones: the steps $m$ that have the new rate; one that is listed twice counts twice.
        gamma: $\gamma$, the factor of each.

    Returns:
        The schedule in the framework's own form.
    """
    # optax takes a factor for each boundary, not a rate; a dict cannot hold one boundary twice.
    return optax.piecewise_constant_schedule(lr, {step: gamma**times for step, times in Counter(milestones).items()})


def constant_lr(lr: float | Array, factor: float = 1 / 3, total_iters: int = 5) -> optax.Schedule:
    r"""Hold a share of the rate for some steps: $\eta_t = f\,\eta_0$ for $t < n$, then $\eta_0$.

    Args:
        factor: $f$, above 0 and at most 1.
        total_iters: $n$; with 0 the share is never given up.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``factor`` lies outside.
    """
    check_share("constant_lr", "factor", factor, zero=False)
    return optax.piecewise_constant_schedule(lr * factor, {total_iters: 1 / factor} if total_iters else None)


def linear_lr(
    lr: float | Array, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
) -> optax.Schedule:
    r"""Go along a line: $\eta_t = \eta_0\,(a + (b - a) \min(t, n) / n)$.

    Args:
        start_factor: $a$, above 0 and at most 1: the first update already moves.
        end_factor: $b$, at least 0 and at most 1.
        total_iters: $n$, the step that first has $b$; with 0 the rate stays $a\,\eta_0$.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if a factor lies outside.
    """
    check_share("linear_lr", "start_factor", start_factor, zero=False)
    check_share("linear_lr", "end_factor", end_factor)
    if total_iters == 0:
        return optax.constant_schedule(lr * start_factor)

    def schedule(step):
        # Exactly b at the end. `optax.linear_schedule` compiles 1 - n * (1 / n), so that a way to 0 can end below it.
        gone = jnp.minimum(step, total_iters)
        return lr * (start_factor * (total_iters - gone) + end_factor * gone) / total_iters

    return schedule


def exponential_lr(lr: float | Array, gamma: float) -> optax.Schedule:
    r"""Multiply the rate by a constant at every step: $\eta_t = \eta_0\,\gamma^t$.

    Args:
        gamma: $\gamma$, above 0.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``gamma`` is not above 0.
    """
    check_positive("exponential_lr", "gamma", gamma)

    def schedule(step):
        # A float32 gamma would be off by t roundings at step t, as that of `optax.exponential_decay` is.
        return lr * jnp.exp(math.log(gamma) * step)

    return schedule


def polynomial_lr(lr: float | Array, total_iters: int = 5, power: float = 1.0) -> optax.Schedule:
    r"""Go to zero along a power: $\eta_t = \eta_0\,(1 - \min(t, n) / n)^p$.

    Args:
        total_iters: $n$, the step that first has rate 0; with 0 the rate stays.
        power: $p$.

    Returns:
        The schedule in the framework's own form.
    """
    if total_iters == 0:
        return optax.constant_schedule(lr)

    def schedule(step):
        # Exactly 0 at the end. `optax.polynomial_schedule` compiles 1 - n * (1 / n): below 0 for some n, its root NaN.
        # By a float: optax's int32 count divided by an int is float32, also with x64 on.
        return lr * (jnp.maximum(total_iters - step, 0) / float(total_iters)) ** power

    return schedule
