"""The dynamic loss scale: what it remembers, how it unscales, and how it grows and backs off.

A gradient below 6e-8 is zero in float16. Multiply the loss by a large number, and every gradient grows with it; divide
before the step. The largest number that overflows nothing is found by trying.

Differs from its twin: the state is a pytree inside the compiled step, which never asks the host; ``GradScaler`` asks,
for each optimizer, whether to skip.
"""

from typing import Any, NamedTuple

import jax
from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Bool, Float, Int

from jax_impl._mixed_precision_checks import check_masters, check_rule

__all__ = ["ScaleRule", "LossScale", "initial_scale", "unscale", "update_scale", "scale_trajectory"]


class ScaleRule(NamedTuple):
    """How a loss scale moves.

    Attributes:
        growth_factor: times the scale after ``growth_interval`` good steps on end; above 1.
        backoff_factor: times the scale after a step that overflowed; between 0 and 1.
        growth_interval: in steps, at least 1.
    """

    growth_factor: float = 2.0
    backoff_factor: float = 0.5
    growth_interval: int = 2000


class LossScale(NamedTuple):
    """What a loss scale remembers, at one step or after each of many.

    Attributes:
        scale: times the loss.
        growth_tracker: the good steps since the scale last moved.
    """

    scale: Float[Array, "*steps"]
    growth_tracker: Int[Array, "*steps"]


def initial_scale(scale: float = 2.0**16) -> LossScale:
    """The scale before the first step.

    Args:
        scale: one that overflows is found out, and backs off.

    Returns:
        The scale in float32, and a tracker at 0.
    """
    return LossScale(jnp.float32(scale), jnp.int32(0))


def unscale(state: LossScale, gradients: Any) -> tuple[Any, Bool[Array, ""]]:
    r"""Undo the scale in the gradients, and say whether one of them was lost to it.

    $g \leftarrow g \cdot \mathrm{fl}(1/s)$; infinities and NaN are looked for before that, in the scaled gradients.

    Args:
        state: its ``scale`` is $s$.
        gradients: of the scaled loss, in the dtype of the parameters.

    Returns:
        The gradients of the loss itself, and whether any of them was infinite or NaN.

    Raises:
        ValueError: if a gradient is float16: its parameter is no float32 master.

    Differs from its twin: any tree; XLA takes what falls below 1.2e-38 for 0 on a CPU, the reciprocal of a scale above
    2**126 too.
    """
    leaves = jax.tree.leaves(gradients)
    check_masters([str(leaf.dtype) for leaf in leaves])
    overflow = ~jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]))
    inverse = 1 / state.scale

    def unscaled(leaf: Array) -> Array:
        wide = leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))
        return (wide * inverse.astype(wide.dtype)).astype(leaf.dtype)

    return jax.tree.map(unscaled, gradients), overflow


def update_scale(state: LossScale, overflow: Bool[Array, ""], rule: ScaleRule) -> LossScale:
    """Back off after an overflow; grow when the last of ``growth_interval`` good steps on end is done.

    A product with a factor is taken in float64 and rounded once. There is no floor: enough overflows on end take the
    scale to 0. There is no ceiling but infinity, to which it does not grow.

    Args:
        state: before the step.
        overflow: what ``unscale`` found; with several optimizers, what it found for any of them.
        rule: the factors and the interval.

    Returns:
        The state after the step.

    Raises:
        ValueError: if ``rule`` is out of range.

    Differs from its twin: XLA takes a scale below 1.2e-38 for 0 on a CPU.
    """
    check_rule(rule)
    grown, shrunk = (_times(state.scale, factor) for factor in (rule.growth_factor, rule.backoff_factor))
    # Counts the step just done: the scale grows at the last step of the interval, not after it.
    due = state.growth_tracker + 1 == rule.growth_interval
    good = jnp.where(due & jnp.isfinite(grown), grown, state.scale)
    scale = jnp.where(overflow, shrunk, good)
    return LossScale(scale, jnp.where(overflow | due, 0, state.growth_tracker + 1))


def scale_trajectory(
    start: LossScale, scaled_gradients: Float[Array, " steps"], rule: ScaleRule | None = None
) -> LossScale:
    """Run the scale through a script, one scaled gradient a step.

    Args:
        start: the state before the first step.
        scaled_gradients: matters only by what is infinite or NaN in it.
        rule: the factors and the interval; None for the defaults.

    Returns:
        The state after every step.

    Raises:
        ValueError: if ``rule`` is out of range.

    Differs from its twin: a scan.
    """

    def step(state: LossScale, gradient: Float[Array, ""]) -> tuple[LossScale, LossScale]:
        state = update_scale(state, ~jnp.isfinite(gradient), rule or ScaleRule())
        return state, state

    return lax.scan(step, start, scaled_gradients)[1]


def _times(scale: Float[Array, "*steps"], factor: float) -> Float[Array, "*steps"]:
    # Two roundings, to float64 and to float32, as torch has them; float32 alone agrees for powers of two only.
    with jax.enable_x64(True):
        return (scale.astype(jnp.float64) * factor).astype(jnp.float32)
