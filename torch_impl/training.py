"""Training on real images: a small classifier of handwritten digits, from given weights and in a given order.

Nothing here draws a random number. The initial weights and the order of the examples come in as NumPy arrays, so two
implementations that are handed the same ones must print the same losses, up to rounding.

Differs from its twin: a module and an optimizer own the parameters and the moments, and a step changes them in place.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from torch_impl._training_checks import check_orders
from torch_impl._training_regression import Regression, TanhNetwork, fit, line_state, regression_step, wave, wave_state
from torch_impl._training_steps import (
    DigitsClassifier,
    TrainState,
    Weights,
    accumulated_step,
    evaluate,
    initial_state,
    train_step,
)

__all__ = [
    "TanhNetwork",
    "Regression",
    "wave",
    "line_state",
    "wave_state",
    "regression_step",
    "fit",
    "DigitsClassifier",
    "TrainState",
    "initial_state",
    "train_step",
    "accumulated_step",
    "evaluate",
    "History",
    "train_epoch",
    "train_classifier",
]

Examples: TypeAlias = tuple[Float[np.ndarray, "_ pixels"], Int[np.ndarray, " _"]]


class History(NamedTuple):
    """What one training run leaves behind.

    Attributes:
        step_loss: the loss of every batch, before the step that it led to.
        loss: the mean of ``step_loss`` over the epoch's examples: a short last batch counts for its own size only.
        accuracy: the share of the test images classified rightly after every epoch.
    """

    step_loss: Float[np.ndarray, "epochs steps"]
    loss: Float[np.ndarray, " epochs"]
    accuracy: Float[np.ndarray, " epochs"]


def train_epoch(
    state: TrainState,
    images: Float[Tensor, "examples 64"],
    labels: Int[Tensor, " examples"],
    order: Int[Tensor, " examples"],
    batch_size: int = 64,
) -> Float[Tensor, " steps"]:
    """Go through the examples once, in the order given; the last batch may be short.

    Args:
        order: the row that comes first, second, and so on.
        batch_size: the examples of one step.

    Returns:
        The loss of every batch.

    Differs from its twin: a Python loop over steps in place.
    """
    losses = [train_step(state, images[rows], labels[rows]) for rows in order.split(batch_size)]
    return torch.stack(losses)


def train_classifier(
    data: tuple[Examples, Examples],
    weights: Weights,
    orders: Int[np.ndarray, "epochs examples"],
    *,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    progress: Callable[[float, float], None] | None = None,
) -> History:
    """Train the classifier with Adam, and measure it after every epoch.

    Args:
        data: (images, labels) to train on, then (images, labels) to test on.
        weights: a pair (weight, bias) for each layer; their dtype is the dtype of the run.
        orders: for every epoch, the order in which the training examples come.
        batch_size: the examples of one step; the last step of an epoch takes what is left.
        learning_rate: Adam's step size.
        progress: called after every epoch with its mean loss and the test accuracy.

    Returns:
        The losses and accuracies of the run.

    Raises:
        ValueError: if a weight has another shape than its layer, a row of ``orders`` is no permutation of the
            training examples, or ``batch_size`` is below 1.
    """
    check_orders(orders, len(data[0][1]), batch_size)
    state = initial_state(weights, learning_rate=learning_rate)
    dtype = state.model.output.weight.dtype
    train, test = [(torch.tensor(images, dtype=dtype), torch.tensor(labels)) for images, labels in data]
    sizes = [min(batch_size, orders.shape[1] - start) for start in range(0, orders.shape[1], batch_size)]
    rows = []
    for order in torch.tensor(orders):
        step_loss = train_epoch(state, *train, order, batch_size).double().numpy()
        accuracy = evaluate(state, *test).item() / len(test[1])
        rows.append((step_loss, np.average(step_loss, weights=sizes), accuracy))
        if progress is not None:
            progress(*rows[-1][1:])
    return History(*(np.stack(column) for column in zip(*rows, strict=True)))
