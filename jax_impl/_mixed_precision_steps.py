"""One training step in mixed precision: scale, unscale, clip, step or skip, and move the scale.

Differs from its twin: the state is one immutable pytree, and a compiled step returns the next, skipped or not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, NamedTuple, cast

import jax
import optax
from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Bool, Float, Int

from jax_impl._mixed_precision_checks import check_groups, check_parts
from jax_impl._mixed_precision_policy import MixedClassifier, Policy
from jax_impl._mixed_precision_scale import LossScale, ScaleRule, initial_scale, unscale, update_scale
from jax_impl._training_checks import check_weights
from jax_impl.optimizers import adam, clip_by_global_norm
from jax_impl.training import Weights

__all__ = ["Recipe", "MixedState", "StepRecord", "mixed_state", "mixed_step"]


class Recipe(NamedTuple):
    """Everything about a run that no step changes.

    Attributes:
        policy: the dtypes.
        rule: how the loss scale moves; None for no loss scale, as bfloat16 and float32 need none.
        groups: the layers of each optimizer. An overflow in one group skips that group's step and no other's, and the
            one scale backs off.
        learning_rate: of Adam.
        schedule: from the steps asked for so far, skipped ones included, to a factor of the learning rate.
        max_norm: each group's gradients are clipped to it, after unscaling.
        parts: a batch goes through in so many equal parts, whose scaled gradients add up before they are unscaled.
    """

    policy: Policy = Policy()
    rule: ScaleRule | None = None
    groups: tuple[tuple[str, ...], ...] = (("first", "second", "output"),)
    learning_rate: float = 1e-3
    schedule: Callable[[Any], Any] | None = None
    max_norm: float | None = None
    parts: int = 1


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MixedState:
    """Everything that a training step changes.

    Differs from its twin: one immutable pytree, and beside it the recipe, which is static to jit.
    """

    params: dict[str, dict[str, Array]]
    moments: list[optax.OptState]
    steps: Array
    loss_scale: LossScale
    recipe: Recipe = field(metadata={"static": True})


class StepRecord(NamedTuple):
    """What one step, or each of many, leaves for a reader.

    Attributes:
        loss: before the step, unscaled.
        scale: after the step.
        growth_tracker: after the step.
        skipped: for each optimizer, whether its step was left out.
    """

    loss: Float[Array, "*steps"]
    scale: Float[Array, "*steps"]
    growth_tracker: Int[Array, "*steps"]
    skipped: Bool[Array, "*steps groups"]


def mixed_state(weights: Weights, recipe: Recipe, start: LossScale | None = None) -> MixedState:
    """Build the classifier with given weights, one Adam for each group, and the loss scale.

    Args:
        weights: a pair (weight, bias) for each of the three layers.
        recipe: what the run keeps to.
        start: the loss scale at the start; None for ``initial_scale()``.

    Returns:
        The state before the first step.

    Raises:
        ValueError: if a weight has another shape than its layer, a layer is not in exactly one group, or the rule is
            out of range.

    Differs from its twin: the moments, the count of steps and the scale are leaves of one tree.
    """
    check_weights(weights, [(128, 64), (128, 128), (10, 128)], "mixed_state")
    check_groups(recipe.groups, ("first", "second", "output"))
    params = {
        name: {"kernel": jnp.array(weight.T, recipe.policy.param), "bias": jnp.array(bias, recipe.policy.param)}
        for name, (weight, bias) in zip(("first", "second", "output"), weights, strict=True)
    }
    moments = [_direction(recipe.max_norm).init({name: params[name] for name in group}) for group in recipe.groups]
    scale = initial_scale(1.0) if recipe.rule is None else start or initial_scale()
    return MixedState(params, moments, jnp.int32(0), scale, recipe)


@jax.jit
def mixed_step(
    state: MixedState, images: Float[Array, "batch 64"], labels: Int[Array, " batch"]
) -> tuple[MixedState, StepRecord]:
    """Take one step of every optimizer down the mean cross-entropy of one batch.

    An optimizer whose gradients overflowed leaves its parameters, its moments and its count as they were. The schedule
    goes on all the same: it counts the steps that were asked for.

    Returns:
        The loss, the scale and what was skipped.

    Raises:
        ValueError: if the batch cannot be split into the recipe's equal parts, or a parameter is float16.

    Differs from its twin: the next state is returned beside the record. Both the step and its omission are computed,
    and one is selected, so the device never waits for the host.
    """
    recipe = state.recipe
    loss, gradients = _scaled_gradients(state, images, labels)
    factor = 1.0 if recipe.schedule is None else recipe.schedule(state.steps)
    params, moments, skipped = dict(state.params), [], []
    for group, memory in zip(recipe.groups, state.moments, strict=True):
        old = {name: params[name] for name in group}, memory
        part, overflow = _unscaled(state, {name: gradients[name] for name in group})
        directions, memory = _direction(recipe.max_norm).update(part, memory, old[0])
        new = _moved(old[0], directions, recipe.learning_rate * factor), memory
        part, memory = _selected(overflow, old, new)
        params, moments, skipped = params | part, [*moments, memory], [*skipped, overflow]
    overflows, scale = jnp.stack(skipped), state.loss_scale
    if recipe.rule is not None:
        scale = update_scale(scale, overflows.any(), recipe.rule)
    # The schedule counts every step asked for; a count inside the moments would count the ones taken.
    state = replace(state, params=params, moments=moments, steps=state.steps + 1, loss_scale=scale)
    return state, StepRecord(loss, *scale, overflows)


def _scaled_gradients(state: MixedState, images: Array, labels: Array) -> tuple[Array, Any]:
    parts, model = state.recipe.parts, MixedClassifier(state.recipe.policy)
    check_parts(len(labels), parts)

    def scaled_loss(params: Any, some: Array, theirs: Array) -> tuple[Array, Array]:
        scores = cast(Array, model.apply({"params": params}, some))
        # The scores come in float32, and so does the loss: 65,536 times a float16 loss would overflow.
        loss = optax.softmax_cross_entropy_with_integer_labels(scores, theirs).mean() / parts
        return loss * state.loss_scale.scale, loss

    def add(total: Any, part: tuple[Array, Array]) -> tuple[Any, None]:
        gradients, loss = jax.grad(scaled_loss, has_aux=True)(state.params, *part)
        return jax.tree.map(jnp.add, total, (loss, gradients)), None

    zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, state.params))
    return lax.scan(add, zero, (images.reshape(parts, -1, 64), labels.reshape(parts, -1)))[0]


def _unscaled(state: MixedState, gradients: Any) -> tuple[Any, Bool[Array, ""]]:
    # Without a scale nothing is looked for either, as in GradScaler(enabled=False).
    return (gradients, jnp.array(False)) if state.recipe.rule is None else unscale(state.loss_scale, gradients)


def _selected(overflow: Bool[Array, ""], old: Any, new: Any) -> Any:
    # The moments and the count with the parameters: a gradient set to zero would still age them.
    return jax.tree.map(lambda kept, taken: jnp.where(overflow, kept, taken), old, new)


def _moved(params: Any, directions: Any, rate: Float[Array, ""] | float) -> Any:
    return optax.apply_updates(params, jax.tree.map(lambda d: (rate * d).astype(d.dtype), directions))


# At a rate of 1, as the rate is a matter of the schedule; one object for each norm.
@cache
def _direction(max_norm: float | None) -> optax.GradientTransformation:
    clip = optax.identity() if max_norm is None else clip_by_global_norm(max_norm)
    return optax.chain(clip, adam(1.0, betas=(0.9, 0.999), eps=1e-8))
