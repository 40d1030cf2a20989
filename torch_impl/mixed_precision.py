"""Mixed precision: products in bfloat16 or float16, everything that they would spoil in float32.

bfloat16 has the range of float32 and 8 bits of it; float16 has 11 bits and a range that ends at 65,504 and at 6e-8. So
both need float32 parameters, for small updates vanish in either, and float16 needs a loss scale as well.

Differs from its twin: ``torch.amp.autocast`` casts what modules compute, ``torch.amp.GradScaler`` skips what
overflowed.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from torch_impl._mixed_precision_operations import OPERATIONS, Measured, operation_dtypes, under_policy
from torch_impl._mixed_precision_policy import MixedClassifier, Policy, cast, choose_policy
from torch_impl._mixed_precision_scale import (
    LossScale,
    ScaleRule,
    initial_scale,
    scale_trajectory,
    unscale,
    update_scale,
)
from torch_impl._mixed_precision_steps import MixedState, Recipe, StepRecord, mixed_state, mixed_step
from torch_impl.training import Weights

__all__ = [
    "Policy",
    "choose_policy",
    "cast",
    "MixedClassifier",
    "OPERATIONS",
    "Measured",
    "under_policy",
    "operation_dtypes",
    "ScaleRule",
    "LossScale",
    "initial_scale",
    "unscale",
    "update_scale",
    "scale_trajectory",
    "Recipe",
    "MixedState",
    "StepRecord",
    "mixed_state",
    "mixed_step",
    "MixedHistory",
    "train_mixed",
]

Examples: TypeAlias = tuple[Float[np.ndarray, "_ pixels"], Int[np.ndarray, " _"]]


class MixedHistory(NamedTuple):
    """What one training run leaves behind.

    Attributes:
        loss: of every batch, before the step that it led to.
        scale: the loss scale after every step.
        growth_tracker: the good steps since the scale last moved, after every step.
        skipped: at every step and for each optimizer, whether it was left out.
        accuracy: the share of the test images classified rightly after every epoch.
    """

    loss: Float[np.ndarray, " steps"]
    scale: Float[np.ndarray, " steps"]
    growth_tracker: Int[np.ndarray, " steps"]
    skipped: Bool[np.ndarray, "steps groups"]
    accuracy: Float[np.ndarray, " epochs"]


def train_mixed(
    data: tuple[Examples, Examples],
    weights: Weights,
    orders: Int[np.ndarray, "epochs examples"],
    recipe: Recipe,
    *,
    batch_size: int = 64,
    start: LossScale | None = None,
) -> MixedHistory:
    """Train the digits classifier by a recipe, and measure it after every epoch.

    Args:
        data: (images, labels) to train on, then (images, labels) to test on.
        weights: a pair (weight, bias) for each layer.
        orders: for every epoch, the order in which the training examples come; those that fill no batch are left out.
        recipe: dtypes, loss scale, optimizers, clipping and accumulation.
        batch_size: the examples of one step.
        start: the loss scale at the start; None for ``initial_scale()``.

    Returns:
        The losses, the loss scale's trajectory and the accuracies.

    Raises:
        ValueError: as ``mixed_state`` and ``mixed_step`` do.

    Differs from its twin: a Python loop over steps in place.
    """
    state = mixed_state(weights, recipe, start)
    train, test = [(torch.tensor(images, dtype=torch.float32), torch.tensor(labels)) for images, labels in data]
    records, accuracy = [], []
    for order in torch.tensor(orders):
        batches = order[: len(order) // batch_size * batch_size].split(batch_size)
        records += [mixed_step(state, train[0][rows], train[1][rows]) for rows in batches]
        accuracy.append(_accuracy(state.model, *test))
    record = StepRecord(*(torch.stack(column) for column in zip(*records, strict=True)))
    return MixedHistory(*(column.numpy() for column in record), accuracy=np.array(accuracy))


@torch.no_grad()
def _accuracy(model: MixedClassifier, images: Tensor, labels: Tensor) -> float:
    return (model.eval()(images).argmax(dim=-1) == labels).double().mean().item()
