"""Training on real images: a small classifier of handwritten digits, from given weights and in a given order.

Nothing here draws a random number. The initial weights and the order of the examples come in as NumPy arrays, so two
implementations that are handed the same ones must print the same losses, up to rounding.

Differs from its twin: the state is one immutable pytree; a step returns the next, an epoch is one ``lax.scan``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from math import log
from typing import Any, NamedTuple, TypeAlias, cast

import jax
import numpy as np
import optax
from flax import linen as nn
from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Float, Int

from jax_impl._training_checks import check_orders, check_weights

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

    Differs from its twin: a kernel is a weight transposed; why not ``optax.adam``, ``_scale_by_adam`` says.
    """
    check_weights(weights, [(128, 64), (128, 128), (10, 128)])
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

    def mean_loss(params: Params) -> Float[Array, ""]:
        logits = _scores(params, images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    loss, gradients = jax.value_and_grad(mean_loss)(state.params)
    updates, moments = state.optimizer.update(gradients, state.moments, state.params)
    return replace(state, params=optax.apply_updates(state.params, updates), moments=moments), loss


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


@jax.jit
def evaluate(state: TrainState, images: Float[Array, "examples 64"], labels: Int[Array, " examples"]) -> Int[Array, ""]:
    """Count the images whose largest score stands at the right digit.

    Differs from its twin: the state is passed in, and nothing has to be switched off.
    """
    return (_scores(state.params, images).argmax(axis=-1) == labels).sum()


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


def _scores(params: Params, images: Float[Array, "batch 64"]) -> Float[Array, "batch 10"]:
    # apply returns a pair only to who asks for changed collections.
    return cast(Array, DigitsClassifier().apply({"params": params}, images))


# One object for each rate: jit compiles again for another static field of the state.
@cache
def _adam(learning_rate: float) -> optax.GradientTransformation:
    return optax.chain(_scale_by_adam(0.9, 0.999, 1e-8), optax.scale_by_learning_rate(learning_rate))


def _scale_by_adam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """``optax.scale_by_adam`` with a bias correction that is right to the last digits of float32.

    optax computes $1 - b^t$ as written. In float32, 0.999 is off by 1.3e-8, which is 1.3e-5 of what is left at t = 1:
    the steps are off by half of that, and 20 epochs on the digits carry the loss of a batch 1e-3 away.
    ``-expm1(t * log(b))`` is the same number without the cancellation; all else is optax's own.
    """

    def update(updates: optax.Updates, state: Any, params: Any = None) -> tuple[optax.Updates, optax.OptState]:
        count = optax.safe_increment(state.count)
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment_per_elem_norm(updates, state.nu, b2, 2)
        step_size = 1 / -jnp.expm1(count * log(b1))
        root_correction = jnp.sqrt(-jnp.expm1(count * log(b2)))
        scaled = jax.tree.map(lambda m, v: step_size * m / (jnp.sqrt(v) / root_correction + eps), mu, nu)
        return scaled, optax.ScaleByAdamState(count=count, mu=mu, nu=nu)

    return optax.GradientTransformation(optax.scale_by_adam(b1, b2, eps).init, update)
