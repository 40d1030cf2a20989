"""Training on real images: a small classifier of handwritten digits, from given weights and in a given order.

Nothing here draws a random number. The initial weights and the order of the examples come in as NumPy arrays, so two
implementations that are handed the same ones must print the same losses, up to rounding.

Differs from its twin: a module and an optimizer own the parameters and the moments, and a step changes them in place.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from torch_impl._training_checks import check_orders, check_weights

__all__ = [
    "DigitsClassifier",
    "TrainState",
    "History",
    "initial_state",
    "train_step",
    "train_epoch",
    "evaluate",
    "train_classifier",
]

# For each layer (fan_out, fan_in) and (fan_out,): the axes have no names, as they differ from layer to layer.
Weights: TypeAlias = Sequence[tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"]]]
Examples: TypeAlias = tuple[Float[np.ndarray, "_ pixels"], Int[np.ndarray, " _"]]


class DigitsClassifier(nn.Module):
    r"""Score an 8 by 8 image for each of the ten digits: 64-128-128-10 with ReLU between.

    $W_3 \, r(W_2 \, r(W_1 x + b_1) + b_2) + b_3$ with $r(z) = \max(z, 0)$

    Differs from its twin: the module owns its parameters and draws them from $U(\pm 1/\sqrt{fan_{in}})$.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 128)
        self.second = nn.Linear(128, 128)
        self.output = nn.Linear(128, 10)

    def forward(self, images: Float[Tensor, "*batch 64"]) -> Float[Tensor, "*batch 10"]:
        hidden = torch.relu(self.first(images))
        hidden = torch.relu(self.second(hidden))
        return self.output(hidden)


class TrainState(NamedTuple):
    """Everything that a training step changes.

    Differs from its twin: the two objects that own it, and change it in place.
    """

    model: DigitsClassifier
    optimizer: torch.optim.Adam


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


def initial_state(weights: Weights, *, learning_rate: float = 1e-3) -> TrainState:
    r"""Build the classifier with given weights, and Adam with its moments at zero.

    $\theta_t = \theta_{t-1} - \alpha \, \hat m_t / (\sqrt{\hat v_t} + \epsilon)$ with
    $\hat m_t = m_t / (1 - \beta_1^t)$ and $\hat v_t = v_t / (1 - \beta_2^t)$
    (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1), $\beta_1 = 0.9$, $\beta_2 = 0.999$, $\epsilon = 10^{-8}$.

    Args:
        weights: a pair (weight, bias) for each of the three layers; their dtype is the dtype of the run.
        learning_rate: $\alpha$.

    Returns:
        The state before the first step.

    Raises:
        ValueError: if a weight or a bias has another shape than its layer.
    """
    model = DigitsClassifier()
    layers = [model.first, model.second, model.output]
    check_weights(weights, [layer.weight.shape for layer in layers])
    for layer, (weight, bias) in zip(layers, weights, strict=True):
        # Copies: from_numpy would train the caller's arrays.
        layer.weight = nn.Parameter(torch.tensor(weight))
        layer.bias = nn.Parameter(torch.tensor(bias))
    return TrainState(model, torch.optim.Adam(model.parameters(), lr=learning_rate, betas=(0.9, 0.999), eps=1e-8))


def train_step(
    state: TrainState, images: Float[Tensor, "batch 64"], labels: Int[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Take one step of Adam down the mean cross-entropy of one batch.

    Returns:
        The loss before the step.

    Differs from its twin: the state is changed in place.
    """
    model, optimizer = state
    model.train()
    optimizer.zero_grad()
    loss = functional.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.detach()


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


@torch.no_grad()
def evaluate(
    state: TrainState, images: Float[Tensor, "examples 64"], labels: Int[Tensor, " examples"]
) -> Int[Tensor, ""]:
    """Count the images whose largest score stands at the right digit.

    Differs from its twin: ``eval()`` and ``no_grad``; a function of parameters needs neither.
    """
    model = state.model.eval()
    return (model(images).argmax(dim=-1) == labels).sum()


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
