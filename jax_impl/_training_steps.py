"""The digits classifier, the state of its training, and one step: on a whole batch, or part by part.

Differs from its twin: the state is one immutable pytree, and a step returns the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, TypeAlias, cast

import jax
import numpy as np
import optax
from flax import linen as nn
from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Float, Int

from jax_impl._optimizers_adam import _scale_by_adam
from jax_impl._training_checks import check_parts, check_weights

__all__ = ["Weights", "DigitsClassifier", "TrainState", "initial_state", "train_step", "accumulated_step", "evaluate"]

# For each layer (fan_out, fan_in) and (fan_out,): the axes have no names, as they differ from layer to layer.
Weights: TypeAlias = Sequence[tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"]]]
Params: TypeAlias = dict[str, dict[str, Array]]


class DigitsClassifier(nn.Module):
    r"""Score an 8 by 8 image for each of the ten digits: 64-128-128-10 with ReLU between.

    $W_3 \, r(W_2 \, r(W_1 x + b_1) + b_2) + b_3$ with $r(z) = \max(z, 0)$

    Differs from its twin: ``apply`` is handed the parameters; ``init`` draws variance $1/fan_{in}$ and zero biases.
    """

    def setup(self) -> None:
        self.first = nn.Dense(128)
        self.second = nn.Dense(128)
        self.output = nn.Dense(10)

    def __call__(self, images: Float[Array, "*batch 64"]) -> Float[Array, "*batch 10"]:
        hidden = nn.relu(self.first(images))
        hidden = nn.relu(self.second(hidden))
        return self.output(hidden)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """Everything that a training step changes.

    Differs from its twin: one immutable pytree, and beside it the rule that makes the next one of it.
    """

    params: Params
    moments: optax.OptState
    optimizer: optax.GradientTransformation = field(metadata={"static": True})


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

    Differs from its twin: a kernel is a weight transposed; Adam is that of ``optimizers``, since ``optax.adam`` rounds
    its bias correction: 20 epochs on the digits carry the loss of a batch 1e-3 away.
    """
    check_weights(weights, [(128, 64), (128, 128), (10, 128)], "initial_state")
    params = {
        name: {"kernel": jnp.array(weight.T), "bias": jnp.array(bias)}
        for name, (weight, bias) in zip(("first", "second", "output"), weights, strict=True)
    }
    optimizer = _adam(learning_rate)
    return TrainState(params, optimizer.init(params), optimizer)


@jax.jit
def train_step(
    state: TrainState, images: Float[Array, "batch 64"], labels: Int[Array, " batch"]
) -> tuple[TrainState, Float[Array, ""]]:
    """Take one step of Adam down the mean cross-entropy of one batch.

    Returns:
        The loss before the step.

    Differs from its twin: the next state is returned beside the loss; the one given still stands.
    """

    loss, gradients = jax.value_and_grad(_mean_loss)(state.params, images, labels)
    return _updated(state, gradients), loss


@partial(jax.jit, static_argnames="parts")
def accumulated_step(
    state: TrainState, images: Float[Array, "batch 64"], labels: Int[Array, " batch"], parts: int = 4
) -> tuple[TrainState, Float[Array, ""]]:
    r"""Take the step of a large batch from equal parts of it, for a batch whose activations do not fit at once.

    The mean gradient over a batch is the mean of the means over its parts, as long as all parts are of one size: with a
    short one, each mean would have to be weighed by its share.

    Args:
        parts: how many; ``batch`` is a multiple of it.

    Returns:
        The mean loss of the batch before the step.

    Raises:
        ValueError: if the batch cannot be split into so many equal parts.

    Differs from its twin: a scan carries the sum; ``optax.MultiSteps`` does the same over calls.
    """
    check_parts(len(labels), parts)

    def add(total: Any, part: tuple[Array, Array]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, jax.value_and_grad(_mean_loss)(state.params, *part)), None

    zero = (jnp.zeros((), images.dtype), jax.tree.map(jnp.zeros_like, state.params))
    total, _ = lax.scan(add, zero, (images.reshape(parts, -1, 64), labels.reshape(parts, -1)))
    loss, gradients = jax.tree.map(lambda leaf: leaf / parts, total)
    return _updated(state, gradients), loss


@jax.jit
def evaluate(state: TrainState, images: Float[Array, "examples 64"], labels: Int[Array, " examples"]) -> Int[Array, ""]:
    """Count the images whose largest score stands at the right digit.

    Differs from its twin: the state is passed in, and nothing has to be switched off.
    """
    return (_scores(state.params, images).argmax(axis=-1) == labels).sum()


def _mean_loss(params: Params, images: Float[Array, "batch 64"], labels: Int[Array, " batch"]) -> Float[Array, ""]:
    return optax.softmax_cross_entropy_with_integer_labels(_scores(params, images), labels).mean()


def _updated(state: TrainState, gradients: Params) -> TrainState:
    updates, moments = state.optimizer.update(gradients, state.moments, state.params)
    return replace(state, params=optax.apply_updates(state.params, updates), moments=moments)


def _scores(params: Params, images: Float[Array, "batch 64"]) -> Float[Array, "batch 10"]:
    # apply returns a pair only to who asks for changed collections.
    return cast(Array, DigitsClassifier().apply({"params": params}, images))


# One object for each rate: jit compiles again for another static field of the state.
@cache
def _adam(learning_rate: float) -> optax.GradientTransformation:
    return optax.chain(_scale_by_adam((0.9, 0.999), 1e-8, amsgrad=False), optax.scale_by_learning_rate(learning_rate))
