"""Mixed precision: mistakes planted in the real thing, each of which the proofs of this topic must see."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from torch.nn import functional

import parity as instrument
from jax_impl import mixed_precision as jax_side
from mixed_precision_runs import SIDES, batches, parameters_of, recipe_of, run, same
from parity.digits import initial_weights
from parity.errors import PolicyError
from test_mixed_precision__scale import jax_runs, scripts, torch_runs
from torch_impl import mixed_precision as torch_side

torch.set_num_threads(1)


def wrong_update(state, overflow, rule, *, mistake):
    if mistake == "grows one step late":
        rule = jax_side.ScaleRule(rule.growth_factor, rule.backoff_factor, rule.growth_interval + 1)
    if mistake == "does not back off":
        moved = jax_side.update_scale(state, jnp.array(False), rule)
        return jax.tree.map(lambda kept, new: jnp.where(overflow, kept, new), state, moved)._replace(
            growth_tracker=jnp.where(overflow, 0, moved.growth_tracker)
        )
    moved = jax_side.update_scale(state, overflow, rule)
    if mistake == "keeps its tracker on an overflow":
        return moved._replace(growth_tracker=jnp.where(overflow, state.growth_tracker, moved.growth_tracker))
    if mistake == "has a floor of 1":
        return moved._replace(scale=jnp.maximum(moved.scale, 1.0))
    if mistake == "grows to infinity":
        grown = jnp.where(
            state.growth_tracker + 1 == rule.growth_interval, state.scale * rule.growth_factor, moved.scale
        )
        return moved._replace(scale=jnp.where(overflow, moved.scale, grown))
    return moved


@pytest.mark.parametrize(
    "mistake",
    [
        None,
        "grows one step late",
        "does not back off",
        "keeps its tracker on an overflow",
        "has a floor of 1",
        "grows to infinity",
    ],
)
def test_a_wrong_scale_is_seen_by_random_scripts(rng, mistake):
    rule, script = (2.0, 0.5, 2), scripts(rng, 60, 12, 2)
    expected = torch_runs(torch_side.ScaleRule(*rule), *script)

    def trajectory(*start, gradients):
        def step(state, gradient):
            state = wrong_update(state, ~jnp.isfinite(gradient), jax_side.ScaleRule(*rule), mistake=mistake)
            return state, state

        return jax.lax.scan(step, jax_side.LossScale(*start), gradients)[1]

    got = jax.jit(jax.vmap(lambda scale, tracker, gradients: trajectory(scale, tracker, gradients=gradients)))(*script)
    assert all(map(np.array_equal, got, expected)) == (mistake is None)
    assert all(map(np.array_equal, jax_runs(jax_side.ScaleRule(*rule), *script), expected))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("low", ["bfloat16", "float16"])
def test_a_loss_in_half_is_seen_in_the_program(side, low, rng):
    """The trap loss-in-half: numbers within the noise, a program that is not the one that was meant."""
    inputs, labels = {"scores": rng.normal(size=(4, 10))}, np.array([1, 2, 3, 4])

    def torch_loss(scores, wide):
        return functional.cross_entropy(scores.float() if wide else scores, torch.tensor(labels))

    def jax_loss(scores, wide):
        scores = scores.astype(jnp.float32) if wide else scores
        return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()

    loss, softmax = {"torch": (torch_loss, "_log_softmax"), "jax": (jax_loss, "exp")}[side]
    instrument.dtypes(partial(loss, wide=True), inputs, dtype=low).check({softmax: "float32"})
    with pytest.raises(PolicyError, match=f"{softmax} must be float32, got .*{low}"):
        instrument.dtypes(partial(loss, wide=False), inputs, dtype=low).check({softmax: "float32"})


def one_step(weights, scale, *, order):
    """The step in torch by hand, its three parts in some order; Adam would hide a factor, so SGD."""
    images, labels = batches()[0]
    state = torch_side.mixed_state(weights, recipe_of(torch_side, "float32"), torch_side.initial_scale(scale))
    model, scaler = state.model, state.scaler
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler.scale(functional.cross_entropy(model(torch.tensor(images)), torch.tensor(labels))).backward()
    for part in order.split():
        if part == "unscale":
            scaler.unscale_(optimizer)
        elif part == "clip":
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        else:
            scaler.step(optimizer)
    return parameters_of(torch_side, state)


@pytest.mark.parametrize(("order", "right"), [("unscale clip step", True), ("clip unscale step", False)])
def test_clip_before_unscale_is_seen_by_a_change_of_scale(order, right, rng):
    weights = initial_weights(rng)
    assert same(*(one_step(weights, scale, order=order) for scale in (1.0, 1024.0))) == right


def test_unscaling_after_the_optimizer_is_refused_by_grad_scaler(rng):
    with pytest.raises(RuntimeError, match=r"unscale_\(\) is being called after step\(\)"):
        one_step(initial_weights(rng), 1024.0, order="step unscale")


def test_a_step_counted_on_a_skip_is_seen_in_the_next_one(rng):
    """Adam's bias correction after one more count: the parameters are elsewhere at once."""
    weights, taken = initial_weights(rng), batches(2)
    _, first, state = run(jax_side, weights, recipe_of(jax_side), taken[:1])
    images, labels = map(jnp.asarray, taken[1])
    counted = jax.tree.map(lambda leaf: leaf + 1 if leaf.dtype == jnp.int32 else leaf, state.moments)
    wrong = type(state)(state.params, counted, state.steps, state.loss_scale, state.recipe)
    after = [parameters_of(jax_side, jax_side.mixed_step(each, images, labels)[0]) for each in (state, wrong)]
    assert not same(*after)
    assert not same(after[0], first[0])
