"""Training on real images: a small classifier of handwritten digits, from given weights and in a given order.

Nothing here draws a random number. The initial weights and the order of the examples come in as NumPy arrays, so two
implementations that are handed the same ones must print the same losses, up to rounding.

Differs from its twin: the state is one immutable pytree; a step returns the next, an epoch is one ``lax.scan``.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import jax
import numpy as np
from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Float, Int

from jax_impl._training_checks import check_orders
from jax_impl._training_regression import Regression, TanhNetwork, fit, line_state, regression_step, wave, wave_state
from jax_impl._training_steps import (
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


@partial(jax.jit, static_argnames="batch_size")
def train_epoch(
    state: TrainState,
    images: Float[Array, "examples 64"],
    labels: Int[Array, " examples"],
    order: Int[Array, " examples"],
    batch_size: int = 64,
) -> tuple[TrainState, Float[Array, " steps"]]:
    """Go through the examples once, in the order given; the last batch may be short.

    Args:
        order: the row that comes first, second, and so on.
        batch_size: the examples of one step.

    Returns:
        The loss of every batch.

    Differs from its twin: a scan over the full batches, compiled once; the next state is returned beside the losses.
    """

    def step(state: TrainState, rows: Int[Array, " batch"]) -> tuple[TrainState, Float[Array, ""]]:
        return train_step(state, images[rows], labels[rows])

    steps, left = divmod(len(order), batch_size)
    full, last = order[: len(order) - left], order[len(order) - left :]
    state, losses = lax.scan(step, state, full.reshape(steps, batch_size))
    if left:
        # A scan takes equal shapes only; the short batch is one more step of the same program.
        state, loss = step(state, last)
        losses = jnp.append(losses, loss)
    return state, losses


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
    dtype = state.params["output"]["bias"].dtype
    train, test = [(jnp.asarray(images, dtype), jnp.asarray(labels)) for images, labels in data]
    sizes = [min(batch_size, orders.shape[1] - start) for start in range(0, orders.shape[1], batch_size)]
    rows = []
    for order in jnp.asarray(orders):
        state, losses = train_epoch(state, *train, order, batch_size)
        step_loss = np.asarray(losses, np.float64)
        accuracy = evaluate(state, *test).item() / len(test[1])
        rows.append((step_loss, np.average(step_loss, weights=sizes), accuracy))
        if progress is not None:
            progress(*rows[-1][1:])
    return History(*(np.stack(column) for column in zip(*rows, strict=True)))
