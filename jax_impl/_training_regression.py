r"""Two regressions of the course: a line by a module, and a wave by a small tanh network, both by gradient descent.

The second goes after $4 \sin(\pi x) \cos(6 \pi x^2)$ on $[0, 1]$. Its run turns unstable after a while, in float64
too: two right implementations part there, and only step by step can they be held together.

Differs from its twin: a step returns the next state, and a whole fit is one ``lax.scan``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeAlias, cast

import jax
import numpy as np
import optax
from flax import linen as nn
from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Float, Int

from jax_impl._training_checks import check_weights

__all__ = ["TanhNetwork", "Regression", "wave", "line_state", "wave_state", "regression_step", "fit"]

# For each layer (fan_out, fan_in) and (fan_out,): the axes have no names, as they differ from layer to layer.
Weights: TypeAlias = Sequence[tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"]]]


class TanhNetwork(nn.Module):
    """Layers of the given widths with tanh between: 1-32-32-1 for the wave.

    Args:
        widths: of the input, of every hidden layer, of the output.

    Differs from its twin: the width of the input is not needed, for ``init`` reads it off its argument.
    """

    widths: Sequence[int]

    @nn.compact
    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        for width in self.widths[1:-1]:
            x = jnp.tanh(nn.Dense(width)(x))
        return nn.Dense(self.widths[-1])(x)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Regression:
    """Everything that a step of regression changes.

    Differs from its twin: one immutable pytree, and beside it the model and the rule that make the next one of it.
    """

    params: Any
    velocity: optax.OptState
    model: nn.Module = field(metadata={"static": True})
    optimizer: optax.GradientTransformation = field(metadata={"static": True})


def wave(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""The curve to fit, $4 \sin(\pi x) \cos(6 \pi x^2)$."""
    return 4 * jnp.sin(math.pi * x) * jnp.cos(6 * math.pi * x**2)


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

    Differs from its twin: nothing is drawn, as ``init`` is not called.
    """
    return _state(nn.Dense(1, use_bias=False), {"kernel": jnp.array(weight.T)}, _sgd(learning_rate, momentum))


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
    widths = (weights[0][0].shape[1], *(len(weight) for weight, _ in weights))
    check_weights(weights, list(zip(widths[1:], widths, strict=False)), "wave_state")
    layers = [{"kernel": jnp.array(weight.T), "bias": jnp.array(bias)} for weight, bias in weights]
    params = {f"Dense_{number}": layer for number, layer in enumerate(layers)}
    return _state(TanhNetwork(widths), params, _sgd(learning_rate, momentum))


@jax.jit
def regression_step(
    state: Regression, x: Float[Array, "batch features"], y: Float[Array, "batch 1"]
) -> tuple[Regression, Float[Array, ""]]:
    """Take one step down the mean squared error.

    Args:
        y: a column like the model's output; a row of targets would be broadcast against it to (batch, batch).

    Returns:
        The loss before the step.

    Differs from its twin: the next state is returned beside the loss; the one given still stands.
    """

    def mean_square(params: Any) -> Float[Array, ""]:
        predictions = cast(Array, state.model.apply({"params": params}, x))
        return optax.losses.squared_error(predictions, y).mean()

    loss, gradients = jax.value_and_grad(mean_square)(state.params)
    updates, velocity = state.optimizer.update(gradients, state.velocity, state.params)
    return replace(state, params=optax.apply_updates(state.params, updates), velocity=velocity), loss


@jax.jit
def fit(
    state: Regression,
    x: Float[Array, "examples features"],
    y: Float[Array, "examples 1"],
    rows: Int[Array, "steps batch"],
) -> tuple[Regression, Float[Array, " steps"]]:
    """Take one step for every row of ``rows``: all examples at once, or a single one drawn at random.

    Args:
        rows: which examples each step sees; ``batch`` is 1 for stochastic gradient descent.

    Returns:
        The loss of every step.

    Differs from its twin: one scan; the last state is returned beside the losses.
    """
    return lax.scan(lambda state, some: regression_step(state, x[some], y[some]), state, rows)


def _state(model: nn.Module, params: Any, optimizer: optax.GradientTransformation) -> Regression:
    return Regression(params, optimizer.init(params), model, optimizer)


# One object for each setting: jit compiles again for another static field of the state.
@cache
def _sgd(learning_rate: float, momentum: float) -> optax.GradientTransformation:
    return optax.sgd(learning_rate, momentum or None)
