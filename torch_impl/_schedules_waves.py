"""Schedules that rise as well as fall: cosines, cycles and the way to an average of weights."""

from collections.abc import Callable
from typing import Literal

from torch.optim import Optimizer, lr_scheduler
from torch.optim.swa_utils import SWALR

from torch_impl._schedules_checks import check_choice, check_count, check_share

__all__ = ["cosine_annealing_lr", "cosine_annealing_warm_restarts", "cyclic_lr", "one_cycle_lr", "swa_lr"]


def cosine_annealing_lr(optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> lr_scheduler.CosineAnnealingLR:
    r"""Swing between the first rate and the lowest for ever.

    $\eta_t = \eta_{min} + \tfrac12 (\eta_0 - \eta_{min}) (1 + \cos(\pi t / T))$: down until $T$, then up again
    (Loshchilov & Hutter 2016, arXiv:1608.03983, eq. 5, which stops at $T$).

    Args:
        T_max: $T$, half a period in steps; at least 1.
        eta_min: $\eta_{min}$, a rate.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``T_max`` is below 1.

    Differs from its twin: computed from the rate before, so that a rate changed by hand stays changed.
    """
    check_count("cosine_annealing_lr", "T_max", T_max)
    return lr_scheduler.CosineAnnealingLR(optimizer, T_max, eta_min)


def cosine_annealing_warm_restarts(
    optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0
) -> lr_scheduler.CosineAnnealingWarmRestarts:
    r"""Go down half a cosine, jump back up, and again, each time over more steps.

    $\eta_t = \eta_{min} + \tfrac12 (\eta_0 - \eta_{min}) (1 + \cos(\pi T_{cur} / T_i))$ with $T_i = T_0 T_{mult}^i$ and
    $T_{cur}$ the steps since the last restart (Loshchilov & Hutter 2016, arXiv:1608.03983, eq. 5).

    Args:
        T_0: the steps until the first restart; at least 1.
        T_mult: by how much each cycle is longer than the one before; at least 1.
        eta_min: $\eta_{min}$, a rate; only approached, since the restart comes in its place.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``T_0`` or ``T_mult`` is below 1.

    Differs from its twin: ``step(epoch)`` finds the cycle by a logarithm, at some restarts the wrong one.
    """
    check_count("cosine_annealing_warm_restarts", "T_0", T_0)
    check_count("cosine_annealing_warm_restarts", "T_mult", T_mult)
    return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0, T_mult, eta_min)


def cyclic_lr(
    optimizer: Optimizer,
    base_lr: float,
    max_lr: float,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
    gamma: float = 1.0,
    scale_fn: Callable[[float], float] | None = None,
    scale_mode: Literal["cycle", "iterations"] = "cycle",
    base_momentum: float = 0.8,
    max_momentum: float = 0.9,
    *,
    cycle_momentum: bool = True,
) -> lr_scheduler.CyclicLR:
    r"""Go up and down along lines, the momentum down and up.

    The rate is $\eta_{base} + (\eta_{max} - \eta_{base})\,x s$ and the momentum $m_{max} - (m_{max} - m_{base})\,x s$.
    In each cycle $x$ goes from 0 to 1 and back (Smith 2015, arXiv:1506.01186, section 3); $s$ is 1 (triangular),
    $2^{1 - cycle}$ (triangular2) or $\gamma^t$ (exp_range).

    Args:
        base_lr: $\eta_{base}$, where each cycle starts and ends.
        max_lr: $\eta_{max}$, the peak.
        step_size_up: steps from start to peak.
        step_size_down: steps from peak to end; None for as many.
        mode: which $s$.
        gamma: $\gamma$ of exp_range.
        scale_fn: an $s$ of one's own, in place of ``mode``.
        scale_mode: whether ``scale_fn`` is given the cycle, counted from 1, or the step.
        base_momentum: $m_{base}$, the momentum at the peak.
        max_momentum: $m_{max}$, the momentum at the start.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``mode`` or ``scale_mode`` is unknown or a step size below 1.

    Differs from its twin: the optimizer's own rate is overwritten, and its momentum or first beta too unless
    ``cycle_momentum`` is False.
    """
    check_choice("cyclic_lr", "mode", mode, ("triangular", "triangular2", "exp_range"))
    check_choice("cyclic_lr", "scale_mode", scale_mode, ("cycle", "iterations"))
    check_count("cyclic_lr", "step_size_up", step_size_up)
    check_count("cyclic_lr", "step_size_down", step_size_up if step_size_down is None else step_size_down)
    shape = (step_size_up, step_size_down, mode, gamma, scale_fn, scale_mode)
    return lr_scheduler.CyclicLR(optimizer, base_lr, max_lr, *shape, cycle_momentum, base_momentum, max_momentum)


def one_cycle_lr(
    optimizer: Optimizer,
    max_lr: float,
    total_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    *,
    three_phase: bool = False,
    cycle_momentum: bool = True,
) -> lr_scheduler.OneCycleLR:
    r"""Go once up to a large rate and down to almost none, the momentum once down and up.

    From $\eta_{max} / d$ at step 0 to $\eta_{max}$ at step $p n - 1$, to $\eta_{max} / (d f)$ at step $n - 1$; with
    three phases to $\eta_{max} / d$ at step $2 p n - 2$ in between (Smith & Topin 2017, arXiv:1708.07120).

    Args:
        max_lr: $\eta_{max}$, the peak.
        total_steps: $n$, the updates of the whole training.
        pct_start: $p$, the share of the way up.
        anneal_strategy: along half a cosine or a line.
        base_momentum: the momentum at the peak.
        max_momentum: the momentum at both ends.
        div_factor: $d$.
        final_div_factor: $f$.
        three_phase: whether the way down is as long as the way up, with a third phase to the end.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``total_steps`` is below 1, ``pct_start`` no share or 1/n, or the strategy unknown.

    Differs from its twin: the optimizer's own rate is overwritten, and its momentum or first beta too unless
    ``cycle_momentum`` is False. The step after ``total_steps`` raises a ValueError.
    """
    check_count("one_cycle_lr", "total_steps", total_steps)
    check_share("one_cycle_lr", "pct_start", pct_start)
    check_choice("one_cycle_lr", "anneal_strategy", anneal_strategy, ("cos", "linear"))
    if pct_start * total_steps == 1:  # OneCycleLR would divide by zero
        raise ValueError(f"one_cycle_lr: pct_start must not be 1 / total_steps, got {pct_start}.")
    return lr_scheduler.OneCycleLR(
        optimizer,
        max_lr,
        total_steps,
        pct_start=float(pct_start),
        anneal_strategy=anneal_strategy,
        cycle_momentum=cycle_momentum,
        base_momentum=base_momentum,
        max_momentum=max_momentum,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
        three_phase=three_phase,
    )


def swa_lr(
    optimizer: Optimizer, swa_lr: float, anneal_epochs: int = 10, anneal_strategy: Literal["cos", "linear"] = "cos"
) -> SWALR:
    r"""Go from the first rate to the one at which weights are averaged, and stay.

    $\eta_t = \alpha_t \eta_{swa} + (1 - \alpha_t) \eta_0$, $\alpha$ from 0 to 1 (Izmailov et al., arXiv:1803.05407).

    Args:
        swa_lr: $\eta_{swa}$.
        anneal_epochs: the steps until there; with 0 it holds from the start.
        anneal_strategy: whether $\alpha$ follows half a cosine or a line.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``anneal_epochs`` is below 0 or the strategy unknown.
    """
    check_count("swa_lr", "anneal_epochs", anneal_epochs, least=0)
    check_choice("swa_lr", "anneal_strategy", anneal_strategy, ("cos", "linear"))
    return SWALR(optimizer, swa_lr, anneal_epochs, anneal_strategy)
