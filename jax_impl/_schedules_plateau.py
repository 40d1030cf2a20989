"""The schedule that looks at the training: a lower rate where a metric stops improving."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

from jax_impl._schedules_checks import check_choice, check_positive

__all__ = ["reduce_lr_on_plateau"]


def reduce_lr_on_plateau(
    lr: float | Array,
    mode: Literal["min", "max"] = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: Literal["rel", "abs"] = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
) -> optax.schedules.StatefulSchedule:
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

    Differs from its twin: the state, a named tuple of four scalars, is passed: ``state = schedule.init()``,
    ``state = schedule.update(state, metric=m)`` and ``schedule(state)`` for the rate, all of them fit for ``jit``.
    ``optax.inject_hyperparams`` takes it for a rate; ``tx.update(..., metric=m)`` feeds it, without a metric it waits.
    ``optax.contrib.reduce_on_plateau`` bears one bad metric less, only minimises and knows no ``eps``.
    """
    check_choice("reduce_lr_on_plateau", "mode", mode, ("min", "max"))
    check_choice("reduce_lr_on_plateau", "threshold_mode", threshold_mode, ("rel", "abs"))
    check_positive("reduce_lr_on_plateau", "factor", factor)
    if factor >= 1:
        raise ValueError(f"reduce_lr_on_plateau: factor must be below 1, got {factor}.")
    return _Plateau(lr, mode, factor, patience, threshold, threshold_mode, cooldown, min_lr, eps)


class _PlateauState(NamedTuple):
    lr: Array
    best: Array
    num_bad: Array
    cooldown: Array


@dataclass(frozen=True)
class _Plateau(optax.schedules.StatefulSchedule):
    lr: float | Array
    mode: str
    factor: float
    patience: int
    threshold: float
    threshold_mode: str
    cooldown: int
    min_lr: float
    eps: float

    def init(self) -> _PlateauState:
        lr = jnp.asarray(self.lr, jnp.result_type(self.lr, float))
        worst = jnp.full_like(lr, jnp.inf if self.mode == "min" else -jnp.inf)
        return _PlateauState(lr, worst, jnp.array(0), jnp.array(0))

    def update(self, state: _PlateauState, *, metric: float | Array | None = None, **_: Any) -> _PlateauState:
        if metric is None:
            return state
        better = self._is_better(metric, state.best)
        cooling = state.cooldown > 0
        num_bad = jnp.where(better | cooling, 0, state.num_bad + 1)
        plateau = num_bad > self.patience
        lower = jnp.maximum(state.lr * self.factor, self.min_lr)
        return _PlateauState(
            lr=jnp.where(plateau & (state.lr - lower > self.eps), lower, state.lr),
            best=jnp.where(better, metric, state.best),
            num_bad=jnp.where(plateau, 0, num_bad),
            # A reduction that eps forbids starts the cooldown all the same.
            cooldown=jnp.where(plateau, self.cooldown, state.cooldown - cooling),
        )

    def __call__(self, state: _PlateauState, **_: Any) -> Array:
        return state.lr

    def _is_better(self, metric: float | Array, best: Array) -> Array:
        sign = 1 if self.mode == "max" else -1
        bar = best * (1 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return jnp.asarray(metric > bar if self.mode == "max" else metric < bar)
