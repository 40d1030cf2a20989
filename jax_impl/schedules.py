r"""Learning-rate schedules: every class of ``torch.optim.lr_scheduler``, and ``SWALR``.

A rate belongs to a step, counted from 0: the first update is made with the rate of step 0. Each function has the name
of its class and takes its keywords, less ``last_epoch``. (``LRScheduler`` is the base class and no schedule.)

Differs from its twin: the first argument ``lr`` is the first rate $\eta_0$, and a schedule is a pure function of the
step: ``jit`` takes it, any step may be asked for in any order, and the step is all there is to resume. optax counts
updates. For a torch scheduler stepped once an epoch write ``lambda step: schedule(step // updates_per_epoch)``.
"""

from collections.abc import Sequence
from math import prod

import optax

from jax_impl._schedules_decay import (
    constant_lr,
    exponential_lr,
    lambda_lr,
    linear_lr,
    multi_step_lr,
    multiplicative_lr,
    polynomial_lr,
    step_lr,
)
from jax_impl._schedules_plateau import reduce_lr_on_plateau
from jax_impl._schedules_waves import (
    cosine_annealing_lr,
    cosine_annealing_warm_restarts,
    cyclic_lr,
    one_cycle_lr,
    swa_lr,
)

__all__ = [
    "lambda_lr",
    "multiplicative_lr",
    "step_lr",
    "multi_step_lr",
    "constant_lr",
    "linear_lr",
    "exponential_lr",
    "polynomial_lr",
    "cosine_annealing_lr",
    "cosine_annealing_warm_restarts",
    "cyclic_lr",
    "one_cycle_lr",
    "swa_lr",
    "reduce_lr_on_plateau",
    "sequential_lr",
    "chained_lr",
]


def sequential_lr(schedules: Sequence[optax.Schedule], milestones: Sequence[int]) -> optax.Schedule:
    r"""Follow one schedule after another, each from its own step 0.

    Args:
        schedules: one more than there are milestones.
        milestones: the steps at which the next one begins, in rising order.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if the two do not fit.

    Differs from its twin: each has a first rate of its own; one that is to go on from the rate at hand is given
    that rate.
    """
    if len(milestones) != len(schedules) - 1:
        raise ValueError(
            f"sequential_lr: milestones must be {len(schedules) - 1}, one between each two, got {len(milestones)}."
        )
    return optax.join_schedules(schedules, milestones)


def chained_lr(schedules: Sequence[optax.Schedule]) -> optax.Schedule:
    r"""Apply several schedules to one rate: $\eta_t = \eta_0 \prod_i f_i(t)$.

    Args:
        schedules: at least one.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if there is none.

    Differs from its twin: one schedule carries $\eta_0$, the others are factors, of first rate 1. The product is
    torch's chain where each of them multiplies the rate.
    """
    if not schedules:
        raise ValueError("chained_lr: schedules must be at least one, got none.")
    return lambda step: prod(schedule(step) for schedule in schedules)
