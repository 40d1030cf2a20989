r"""Learning-rate schedules: every class of ``torch.optim.lr_scheduler``, and ``SWALR``.

A rate belongs to a step, counted from 0: the first update is made with the rate of step 0. Each function has the name
of its class and takes its keywords, less ``last_epoch``. (``LRScheduler`` is the base class and no schedule.)

Differs from its twin: the first argument is the optimizer, which holds the first rate $\eta_0$.
``scheduler.step()``, after ``optimizer.step()``, writes the next rate into it, mostly computed from the one before. To
resume, make both and then load both: a scheduler changes the rate of its optimizer when it is made.
"""

from collections.abc import Sequence

from torch.optim import lr_scheduler

from torch_impl._schedules_decay import (
    constant_lr,
    exponential_lr,
    lambda_lr,
    linear_lr,
    multi_step_lr,
    multiplicative_lr,
    polynomial_lr,
    step_lr,
)
from torch_impl._schedules_plateau import reduce_lr_on_plateau
from torch_impl._schedules_waves import (
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


def sequential_lr(
    schedules: Sequence[lr_scheduler.LRScheduler], milestones: Sequence[int]
) -> lr_scheduler.SequentialLR:
    r"""Follow one schedule after another, each from its own step 0.

    Args:
        schedules: one more than there are milestones.
        milestones: the steps at which the next one begins, in rising order.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if the two do not fit.

    Differs from its twin: all belong to one optimizer. A ``MultiplicativeLR`` or ``SWALR`` that comes second goes on
    from the rate at hand, not from $\eta_0$, and a ``OneCycleLR`` anywhere changes the first rate of the others.
    """
    if len(milestones) != len(schedules) - 1:
        raise ValueError(
            f"sequential_lr: milestones must be {len(schedules) - 1}, one between each two, got {len(milestones)}."
        )
    return lr_scheduler.SequentialLR(schedules[0].optimizer, list(schedules), list(milestones))


def chained_lr(schedules: Sequence[lr_scheduler.LRScheduler]) -> lr_scheduler.ChainedScheduler:
    r"""Apply several schedules to one rate: $\eta_t = \eta_0 \prod_i f_i(t)$.

    Args:
        schedules: at least one.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if there is none.

    Differs from its twin: each step updates the rate by all of them in turn. Those that set the rate and do not
    multiply it (``LambdaLR``, ``CyclicLR``, ``OneCycleLR``, warm restarts; ``CosineAnnealingLR`` after $T$ or with
    ``eta_min``) undo what the others did before.
    """
    if not schedules:
        raise ValueError("chained_lr: schedules must be at least one, got none.")
    return lr_scheduler.ChainedScheduler(schedules)
