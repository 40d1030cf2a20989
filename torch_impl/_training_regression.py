r"""Two regressions of the course: a line by a module, and a wave by a small tanh network, both by gradient descent.

The second goes after $4 \sin(\pi x) \cos(6 \pi x^2)$ on $[0, 1]$. Its run turns unstable after a while, in float64
too: two right implementations part there, and only step by step can they be held together.

Differs from its twin: a step changes the module and the velocity in place.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from torch_impl._training_checks import check_weights

__all__ = ["TanhNetwork", "Regression", "wave", "line_state", "wave_state", "regression_step", "fit"]

# For each layer (fan_out, fan_in) and (fan_out,): the axes have no names, as they differ from layer to layer.
Weights: TypeAlias = Sequence[tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"]]]


class TanhNetwork(nn.Module):
    """Layers of the given widths with tanh between: 1-32-32-1 for the wave.

    Args:
        widths: of the input, of every hidden layer, of the output.

    Differs from its twin: the width of the input is needed, for the parameters are made at once.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return self.layers[-1](x)


class Regression(NamedTuple):
    """Everything that a step of regression changes.

    Differs from its twin: the two objects that own it, and change it in place.
    """

    model: nn.Module
    optimizer: torch.optim.SGD


def wave(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""The curve to fit, $4 \sin(\pi x) \cos(6 \pi x^2)$."""
    return 4 * torch.sin(math.pi * x) * torch.cos(6 * math.pi * x**2)


def line_state(
    weight: Float[np.ndarray, "1 features"], *, learning_rate: float = 0.1, momentum: float = 0.0
) -> Regression:
    r"""A linear layer without a bias, and SGD: the regression of the text, by a module.

    $v_t = \mu v_{t-1} + g_t$, $\theta_t = \theta_{t-1} - \alpha v_t$

    Args:
        weight: the start; its dtype is the dtype of the run.
        learning_rate: $\alpha$.
        momentum: $\mu$.

    Returns:
        The state before the first step.

    Differs from its twin: ``nn.Linear`` draws a weight of its own first.
    """
    model = nn.Linear(weight.shape[1], 1, bias=False)
    model.weight = nn.Parameter(torch.tensor(weight))
    return Regression(model, torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=momentum))


def wave_state(weights: Weights, *, learning_rate: float = 0.05, momentum: float = 0.0) -> Regression:
    r"""A tanh network with given weights, and SGD as in ``line_state``.

    Args:
        weights: a pair (weight, bias) for each layer; their dtype is the dtype of the run.
        learning_rate: $\alpha$.
        momentum: $\mu$.

    Returns:
        The state before the first step.

    Raises:
        ValueError: if a bias has another shape than its layer, or a layer does not fit the one before it.
    """
    widths = [weights[0][0].shape[1], *(len(weight) for weight, _ in weights)]
    check_weights(weights, list(zip(widths[1:], widths, strict=False)), "wave_state")
    model = TanhNetwork(widths)
    for layer, (weight, bias) in zip(model.layers, weights, strict=True):
        layer.weight, layer.bias = nn.Parameter(torch.tensor(weight)), nn.Parameter(torch.tensor(bias))
    return Regression(model, torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=momentum))


def regression_step(
    state: Regression, x: Float[Tensor, "batch features"], y: Float[Tensor, "batch 1"]
) -> Float[Tensor, ""]:
    """Take one step down the mean squared error.

    Args:
        y: a column like the model's output; a row of targets would be broadcast against it to (batch, batch).

    Returns:
        The loss before the step.

    Differs from its twin: the state is changed in place.
    """
    state.optimizer.zero_grad()
    loss = functional.mse_loss(state.model(x), y)
    loss.backward()
    state.optimizer.step()
    return loss.detach()


def fit(
    state: Regression,
    x: Float[Tensor, "examples features"],
    y: Float[Tensor, "examples 1"],
    rows: Int[Tensor, "steps batch"],
) -> Float[Tensor, " steps"]:
    """Take one step for every row of ``rows``: all examples at once, or a single one drawn at random.

    Args:
        rows: which examples each step sees; ``batch`` is 1 for stochastic gradient descent.

    Returns:
        The loss of every step.

    Differs from its twin: a Python loop over steps in place.
    """
    return torch.stack([regression_step(state, x[some], y[some]) for some in rows])
