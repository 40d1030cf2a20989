"""Gradient accumulation: a batch in equal parts takes the whole batch's step; unequal parts have to be weighed."""

from dataclasses import replace

import jax
import numpy as np
import optax
import pytest
import torch
from jax import numpy as jnp

from jax_impl import training as jax_training
from oracles import agrees
from parity import JaxTraining, TorchTraining
from parity.digits import initial_weights, load_digits
from test_training import read
from torch_impl import training as torch_training

torch.set_num_threads(1)


def batches(count, size=32):
    (images, labels), _ = load_digits()
    return [(images[at : at + size], labels[at : at + size]) for at in range(0, count * size, size)]


def sides(rng):
    weights = initial_weights(rng)
    left, right = torch_training.initial_state(weights), jax_training.initial_state(weights)
    return TorchTraining(left, torch_training.accumulated_step, read), JaxTraining(right, jax_training.accumulated_step)


def test_the_accumulated_runs_agree(parity, rng):
    report = parity.compare_training(*sides(rng), batches(4), maps=2, dtypes=("float64",))
    assert report.ok, report


@pytest.mark.slow  # the short test above holds every step to torch's own parts
def test_parts_take_the_step_of_the_whole(parity, rng):
    """torch in one batch against JAX in four parts."""
    left, right = sides(rng)
    whole = replace(left, step=torch_training.train_step)
    report = parity.compare_training(whole, right, batches(3), maps=1)
    assert report.ok, report


@jax.enable_x64(True)
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_multi_steps_of_optax_accumulates_in_float32_unless_told(rng, told):
    """By the moments: Adam's first step is the sign of the gradient, for one that is nothing but rounding too."""
    state = jax_training.initial_state(initial_weights(rng, "float64"))
    images, labels = (jnp.asarray(part) for part in batches(1)[0])
    expected, _ = jax_training.accumulated_step(state, images, labels, 4)
    rule = optax.MultiSteps(state.optimizer, every_k_schedule=4, **{"accumulator_dtype": jnp.float64} if told else {})
    memory = rule.init(state.params)
    for part in zip(jnp.split(images, 4), jnp.split(labels, 4), strict=True):
        _, memory = rule.update(jax.grad(mean_loss)(state.params, *part), memory, state.params)
    got = memory.inner_opt_state[0]
    pairs = list(zip(jax.tree.leaves(got.mu), jax.tree.leaves(expected.moments[0].mu), strict=True))
    assert all(agrees(a, b) for a, b in pairs) == told
    assert all(agrees(a, b, "float32") for a, b in pairs)


@jax.jit
def mean_loss(params, images, labels):
    logits = jax_training.DigitsClassifier().apply({"params": params}, images)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


@jax.enable_x64(True)
def test_the_mean_of_unequal_parts_is_another_gradient(rng):
    """20 and 12 of 32 weighed alike, as both a sum of backwards and `MultiSteps` do: the gradient is off by a tenth."""
    params = jax_training.initial_state(initial_weights(rng, "float64")).params
    images, labels = (jnp.asarray(part) for part in batches(1)[0])
    whole = jax.grad(mean_loss)(params, images, labels)
    parts = [jax.grad(mean_loss)(params, images[rows], labels[rows]) for rows in (slice(20), slice(20, None))]
    alike = jax.tree.map(lambda a, b: (a + b) / 2, *parts)
    weighed = jax.tree.map(lambda a, b: (20 * a + 12 * b) / 32, *parts)
    assert all(map(agrees, jax.tree.leaves(weighed), jax.tree.leaves(whole)))
    gaps = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max() / jnp.abs(b).max()), alike, whole)
    assert max(jax.tree.leaves(gaps)) > 0.05


def gradients_of(state, images, labels):
    return jax.grad(mean_loss)(state.params, images, labels)


def summed(state, images, labels):
    """A mistake: the parts' gradients are added, not averaged. Adam hides it from every step but for its epsilon."""
    gradients = jax.tree.map(lambda g: 4 * g, gradients_of(state, images, labels))
    updates, moments = state.optimizer.update(gradients, state.moments, state.params)
    after = replace(state, params=optax.apply_updates(state.params, updates), moments=moments)
    return after, mean_loss(state.params, images, labels)


def last_part_only(state, images, labels):
    """A mistake: every part's gradient overwrites the one before, as without torch's `+=`."""
    return jax_training.train_step(state, images[-8:], labels[-8:])


@pytest.mark.parametrize("mistake", [pytest.param(summed, marks=pytest.mark.slow), last_part_only])
def test_a_planted_mistake_shows_at_once(parity, rng, mistake):
    left, right = sides(rng)
    wrong = replace(right, step=mistake)
    report = parity.compare_training(left, wrong, batches(2), dtypes=("float64",), maps=1, record=False)
    assert not report.ok


@pytest.mark.parametrize("tree", [torch_training, jax_training], ids=["torch", "jax"])
def test_unequal_parts_are_refused(rng, tree):
    state = tree.initial_state(initial_weights(rng))
    images, labels = np.zeros((30, 64), np.float32), np.zeros(30, int)
    arrays = (torch.tensor(images), torch.tensor(labels)) if tree is torch_training else (images, labels)
    with pytest.raises(ValueError, match=r"^accumulated_step: parts must divide the batch of 30, got 4\."):
        tree.accumulated_step(state, *arrays)
