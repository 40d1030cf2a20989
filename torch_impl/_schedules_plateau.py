"""The schedule that looks at the training: a lower rate where a metric stops improving."""

from typing import Literal

from torch.optim import Optimizer, lr_scheduler

from torch_impl._schedules_checks import check_choice, check_positive

__all__ = ["reduce_lr_on_plateau"]


def reduce_lr_on_plateau(
    optimizer: Optimizer,
    mode: Literal["min", "max"] = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: Literal["rel", "abs"] = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
) -> lr_scheduler.ReduceLROnPlateau:
    r"""Multiply the rate by a factor after more than ``patience`` metrics in a row that are not better than the best.

    Better is $m < b\,(1 - \theta)$ (min, rel), $m < b - \theta$ (min, abs), $m > b\,(1 + \theta)$ (max, rel) or
    $m > b + \theta$ (max, abs), $b$ the best so far. A NaN is never better.

    Args:
        mode: whether a smaller or a larger metric is better.
        factor: of each reduction, below 1.
        patience: the bad metrics in a row that are borne; the next one reduces.
        threshold: $\theta$, a share of the best or an amount.
        threshold_mode: which of the two.
        cooldown: the metrics after a reduction of which none counts as bad.
        min_lr: the rate below which none is set.
        eps: a reduction by no more than this is not made, a rate.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``mode`` or ``threshold_mode`` is unknown, or ``factor`` not between 0 and 1.

    Differs from its twin: ``scheduler.step(metric)`` changes the scheduler and its optimizer.
    """
    check_choice("reduce_lr_on_plateau", "mode", mode, ("min", "max"))
    check_choice("reduce_lr_on_plateau", "threshold_mode", threshold_mode, ("rel", "abs"))
    check_positive("reduce_lr_on_plateau", "factor", factor)
    if factor >= 1:
        raise ValueError(f"reduce_lr_on_plateau: factor must be below 1, got {factor}.")
    return lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, factor, patience, threshold, threshold_mode, cooldown, min_lr, eps
    )
