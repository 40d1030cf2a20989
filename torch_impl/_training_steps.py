"""The digits classifier, the state of its training, and one step: on a whole batch, or part by part.

Differs from its twin: a module and an optimizer own the parameters and the moments, and a step changes them in place.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from torch_impl._training_checks import check_parts, check_weights

__all__ = ["Weights", "DigitsClassifier", "TrainState", "initial_state", "train_step", "accumulated_step", "evaluate"]

# For each layer (fan_out, fan_in) and (fan_out,): the axes have no names, as they differ from layer to layer.
Weights: TypeAlias = Sequence[tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"]]]


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
    check_weights(weights, [layer.weight.shape for layer in layers], "initial_state")
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


def accumulated_step(
    state: TrainState, images: Float[Tensor, "batch 64"], labels: Int[Tensor, " batch"], parts: int = 4
) -> Float[Tensor, ""]:
    r"""Take the step of a large batch from equal parts of it, for a batch whose activations do not fit at once.

    The mean gradient over a batch is the mean of the means over its parts, as long as all parts are of one size: with a
    short one, each mean would have to be weighed by its share.

    Args:
        parts: how many; ``batch`` is a multiple of it.

    Returns:
        The mean loss of the batch before the step.

    Raises:
        ValueError: if the batch cannot be split into so many equal parts.

    Differs from its twin: every ``backward`` adds to ``.grad``; that is why ``zero_grad`` exists.
    """
    check_parts(len(labels), parts)
    model, optimizer = state
    model.train()
    optimizer.zero_grad()
    total = images.new_zeros(())
    for some_images, some_labels in zip(images.chunk(parts), labels.chunk(parts), strict=True):
        loss = functional.cross_entropy(model(some_images), some_labels) / parts
        loss.backward()
        total += loss.detach()
    optimizer.step()
    return total


@torch.no_grad()
def evaluate(
    state: TrainState, images: Float[Tensor, "examples 64"], labels: Int[Tensor, " examples"]
) -> Int[Tensor, ""]:
    """Count the images whose largest score stands at the right digit.

    Differs from its twin: ``eval()`` and ``no_grad``; a function of parameters needs neither.
    """
    model = state.model.eval()
    return (model(images).argmax(dim=-1) == labels).sum()
