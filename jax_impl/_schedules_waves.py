"""Schedules that rise as well as fall: cosines, cycles and the way to an average of weights."""

import math
from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
import optax
from jax import Array

from jax_impl._schedules_checks import check_choice, check_count, check_share

__all__ = ["cosine_annealing_lr", "cosine_annealing_warm_restarts", "cyclic_lr", "one_cycle_lr", "swa_lr"]


def cosine_annealing_lr(lr: float | Array, T_max: int, eta_min: float | Array = 0.0) -> optax.Schedule:
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

    Differs from its twin: in closed form, equal at every step; ``optax.cosine_decay_schedule`` stays down after $T$.
    """
    check_count("cosine_annealing_lr", "T_max", T_max)

    def schedule(step):
        # The remainder is exact, where a large angle would lose digits; an int32 by an int would be float32 in x64.
        return _half_cosine(lr, eta_min, step % (2 * T_max) / float(T_max))

    return schedule


def cosine_annealing_warm_restarts(
    lr: float | Array, T_0: int, T_mult: int = 1, eta_min: float | Array = 0.0
) -> optax.Schedule:
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

    Differs from its twin: the cycle is looked up among the restarts; ``optax.sgdr_schedule`` has as many as it is given
    and stays at the end of the last.
    """
    check_count("cosine_annealing_warm_restarts", "T_0", T_0)
    check_count("cosine_annealing_warm_restarts", "T_mult", T_mult)
    lengths, starts = _cycles(T_0, T_mult)

    def schedule(step):
        cycle = jnp.searchsorted(starts, step, side="right", method="compare_all") - 1
        # Equal cycles are one entry of the table, so the remainder finds the place in them too.
        return _half_cosine(lr, eta_min, (step - starts[cycle]) % lengths[cycle] / lengths[cycle])

    return schedule


def cyclic_lr(
    base_lr: float | Array,
    max_lr: float | Array,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
    gamma: float = 1.0,
    scale_fn: Callable[[int | Array], float | Array] | None = None,
    scale_mode: Literal["cycle", "iterations"] = "cycle",
    base_momentum: float = 0.8,
    max_momentum: float = 0.9,
) -> tuple[optax.Schedule, optax.Schedule]:
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

    Differs from its twin: two schedules, of the rate and of the momentum. optax has no such cycle.
    """
    check_choice("cyclic_lr", "mode", mode, ("triangular", "triangular2", "exp_range"))
    check_choice("cyclic_lr", "scale_mode", scale_mode, ("cycle", "iterations"))
    check_count("cyclic_lr", "step_size_up", step_size_up)
    check_count("cyclic_lr", "step_size_down", step_size_up if step_size_down is None else step_size_down)
    up, down = step_size_up, step_size_up if step_size_down is None else step_size_down
    base = {"triangular": 1.0, "triangular2": 0.5, "exp_range": gamma}[mode]
    scale = scale_fn or (lambda x: jnp.exp(math.log(base) * (x - 1 if by_cycle else x)))
    by_cycle = scale_mode == "cycle" if scale_fn else mode != "exp_range"

    def height(step):
        cycle, since = step // (up + down) + 1, step % (up + down)
        x = jnp.where(since <= up, since / float(up), (up + down - since) / float(down))
        return x * scale(cycle if by_cycle else step)

    return (
        lambda step: base_lr + (max_lr - base_lr) * height(step),
        lambda step: max_momentum - (max_momentum - base_momentum) * height(step),
    )


def one_cycle_lr(
    max_lr: float | Array,
    total_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    *,
    three_phase: bool = False,
) -> tuple[optax.Schedule, optax.Schedule]:
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

    Differs from its twin: two schedules, of the rate and of the momentum; past step $n - 1$ both stay.
    ``optax.cosine_onecycle_schedule`` has its peak a step later and its end at step $n$.
    """
    check_count("one_cycle_lr", "total_steps", total_steps)
    check_share("one_cycle_lr", "pct_start", pct_start)
    check_choice("one_cycle_lr", "anneal_strategy", anneal_strategy, ("cos", "linear"))
    if pct_start * total_steps == 1:
        raise ValueError(f"one_cycle_lr: pct_start must not be 1 / total_steps, got {pct_start}.")
    top, last, low = pct_start * total_steps - 1, total_steps - 1, max_lr / div_factor
    # Each phase: its last step, the two rates, the two momenta.
    up, down = (top, (low, max_lr), (max_momentum, base_momentum)), (base_momentum, max_momentum)
    if three_phase:
        phases = [up, (2 * top, (max_lr, low), down), (last, (low, low / final_div_factor), (max_momentum,) * 2)]
    else:
        phases = [up, (last, (max_lr, low / final_div_factor), down)]
    between = _half_cosine if anneal_strategy == "cos" else _line
    ends, rates, momenta = zip(*phases, strict=True)
    return _phased(between, ends, rates), _phased(between, ends, momenta)


def swa_lr(
    lr: float | Array, swa_lr: float | Array, anneal_epochs: int = 10, anneal_strategy: Literal["cos", "linear"] = "cos"
) -> optax.Schedule:
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
    between = _half_cosine if anneal_strategy == "cos" else _line
    if anneal_epochs == 0:
        return optax.constant_schedule(swa_lr)

    def schedule(step):
        return between(lr, swa_lr, jnp.minimum(step, anneal_epochs) / float(anneal_epochs))

    return schedule


def _half_cosine(start: float | Array, end: float | Array, share: Array) -> Array:
    return _line(end, start, (1 + jnp.cos(jnp.pi * share)) / 2)


def _line(start: float | Array, end: float | Array, share: Array) -> Array:
    return start * (1 - share) + end * share  # exact at both ends


def _cycles(first: int, factor: int) -> tuple[Array, Array]:
    """The lengths and the first steps of all cycles that an int32 can count; of equal ones the first alone."""
    lengths = [first]
    while factor > 1 and sum(lengths) + lengths[-1] * factor < 2**31:
        lengths.append(lengths[-1] * factor)
    return jnp.array(lengths), jnp.cumsum(jnp.array([0, *lengths[:-1]]))


def _phased(between: Callable, ends: tuple, values: tuple) -> optax.Schedule:
    """From one value to another in each phase; the last one is left for good."""
    starts = (0.0, *ends[:-1])

    def schedule(step):
        step = jnp.minimum(step, ends[-1])
        *earlier, result = [
            between(*pair, (step - start) / (end - start))
            for start, end, pair in zip(starts, ends, values, strict=True)
        ]
        for end, value in zip(ends[-2::-1], earlier[::-1], strict=True):
            result = jnp.where(step <= end, value, result)
        return result

    return schedule
