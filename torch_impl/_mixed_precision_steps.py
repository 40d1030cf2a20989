"""One training step in mixed precision: scale, unscale, clip, step or skip, and move the scale.

Differs from its twin: a module, optimizers and a scaler own what changes, and a step changes it in place.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from torch_impl._mixed_precision_checks import check_groups, check_parts
from torch_impl._mixed_precision_policy import MixedClassifier, Policy
from torch_impl._mixed_precision_scale import LossScale, ScaleRule, _grad_scaler, _numbers, initial_scale
from torch_impl._training_checks import check_weights
from torch_impl.training import Weights

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


class MixedState(NamedTuple):
    """Everything that a training step changes.

    Differs from its twin: the objects that own it, and change it in place.
    """

    model: MixedClassifier
    optimizers: list[torch.optim.Adam]
    schedulers: list[torch.optim.lr_scheduler.LambdaLR]
    scaler: torch.amp.GradScaler
    recipe: Recipe


class StepRecord(NamedTuple):
    """What one step, or each of many, leaves for a reader.

    Attributes:
        loss: before the step, unscaled.
        scale: after the step.
        growth_tracker: after the step.
        skipped: for each optimizer, whether its step was left out.
    """

    loss: Float[Tensor, "*steps"]
    scale: Float[Tensor, "*steps"]
    growth_tracker: Int[Tensor, "*steps"]
    skipped: Bool[Tensor, "*steps groups"]


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
    """
    check_weights(weights, [(128, 64), (128, 128), (10, 128)], "mixed_state")
    check_groups(recipe.groups, ("first", "second", "output"))
    model = MixedClassifier(recipe.policy)
    for layer, pair in zip((model.first, model.second, model.output), weights, strict=True):
        layer.weight, layer.bias = (nn.Parameter(torch.tensor(array).to(recipe.policy.param)) for array in pair)
    groups = [[p for name in names for p in model.get_submodule(name).parameters()] for names in recipe.groups]
    optimizers = [torch.optim.Adam(group, lr=recipe.learning_rate, betas=(0.9, 0.999), eps=1e-8) for group in groups]
    schedule = recipe.schedule or (lambda step: 1.0)
    schedulers = [torch.optim.lr_scheduler.LambdaLR(optimizer, schedule) for optimizer in optimizers]
    scaler = _grad_scaler(start or initial_scale(), recipe.rule or ScaleRule(), enabled=recipe.rule is not None)
    return MixedState(model, optimizers, schedulers, scaler, recipe)


def mixed_step(state: MixedState, images: Float[Tensor, "batch 64"], labels: Int[Tensor, " batch"]) -> StepRecord:
    """Take one step of every optimizer down the mean cross-entropy of one batch.

    An optimizer whose gradients overflowed leaves its parameters, its moments and its count as they were. The schedule
    goes on all the same: it counts the steps that were asked for.

    Returns:
        The loss, the scale and what was skipped.

    Raises:
        ValueError: if the batch cannot be split into the recipe's equal parts, or a parameter is float16.

    Differs from its twin: the state is changed in place.
    """
    model, optimizers, schedulers, scaler, recipe = state
    check_parts(len(labels), recipe.parts)
    model.train().zero_grad()
    total = torch.zeros((), device=images.device)
    for some, theirs in zip(images.chunk(recipe.parts), labels.chunk(recipe.parts), strict=True):
        # The scores come in float32, and so does the loss: 65,536 times a float16 loss would overflow.
        loss = functional.cross_entropy(model(some), theirs) / recipe.parts
        scaler.scale(loss).backward()
        total += loss.detach()
    taken = [_taken(optimizer) for optimizer in optimizers]
    for optimizer in optimizers:
        scaler.unscale_(optimizer)
        if recipe.max_norm is not None:
            clip_grad_norm_(optimizer.param_groups[0]["params"], recipe.max_norm)
        scaler.step(optimizer)
    scaler.update()
    for scheduler in schedulers:
        scheduler.step()
    skipped = [_taken(optimizer) == before for optimizer, before in zip(optimizers, taken, strict=True)]
    scale, tracker = _numbers(scaler)
    return StepRecord(total, torch.tensor(scale), torch.tensor(tracker), torch.tensor(skipped))


def _taken(optimizer: torch.optim.Adam) -> int:
    """The steps that Adam has counted; it keeps a count for each parameter, from the first step on."""
    return max((int(memory["step"]) for memory in optimizer.state.values()), default=0)
