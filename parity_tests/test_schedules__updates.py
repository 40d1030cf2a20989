"""Schedules in an optimizer: which update has which rate, by torch's order of steps and by optax's count."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from jax_impl import schedules as jax_side
from oracles import agrees
from schedule_cases import torch_maker, torch_rates
from torch_impl import schedules as torch_side


def jax_moves(schedule, steps, state=None):
    """How far gradient descent goes at each update where the gradient is 1, which is the rate; and its last state."""
    rule = optax.sgd(schedule)
    state = rule.init(jnp.zeros(())) if state is None else state
    step = jax.jit(rule.update)
    moves = []
    for _ in range(steps):
        move, state = step(jnp.ones(()), state)
        moves.append(-float(move))
    return np.array(moves), state


def torch_moves(make, steps, *, scheduler_first=False):
    weight = torch.zeros((), requires_grad=True)
    weight.grad = torch.ones(())
    stepped = torch.optim.SGD([weight], lr=0.1)
    scheduler, moves = make(stepped), []
    for _ in range(steps):
        before = weight.item()
        for step in (scheduler.step, stepped.step) if scheduler_first else (stepped.step, scheduler.step):
            step()
        moves.append(before - weight.item())
    return np.array(moves)


def test_the_first_update_has_the_rate_of_step_0():
    """Trap scheduler-step-order: torch agrees with optax only where scheduler.step() comes after optimizer.step()."""
    schedule = jax_side.exponential_lr(0.1, 0.5)
    moves, _ = jax_moves(schedule, 6)
    assert agrees(moves, 0.1 * 0.5 ** np.arange(6), "float32")
    assert agrees(torch_moves(torch_maker("exponential_lr", {"gamma": 0.5}), 6), moves, "float32")


def test_stepping_the_scheduler_first_loses_the_first_rate():
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        late = torch_moves(torch_maker("exponential_lr", {"gamma": 0.5}), 6, scheduler_first=True)
    assert agrees(late, 0.1 * 0.5 ** np.arange(1, 7), "float32")


def test_jax_resumed_in_mid_run_goes_on_along_the_schedule():
    """All that a schedule has of state is optax's count, part of the optimizer's."""
    schedule = jax_side.cosine_annealing_lr(0.1, 10)
    whole, _ = jax_moves(schedule, 30)
    first, state = jax_moves(schedule, 17)
    saved = jax.tree.map(np.asarray, state)
    second, _ = jax_moves(schedule, 13, jax.tree.map(jnp.asarray, saved))
    assert np.array_equal(np.concatenate([first, second]), whole)


def test_a_scheduler_stepped_once_an_epoch_is_the_schedule_of_the_epoch():
    """Trap epoch-vs-step-units: optax counts updates, here 3 an epoch; taken for epochs, a rate 1024 too small."""
    schedule, updates, epochs = jax_side.exponential_lr(0.1, 0.5), 3, 5
    moves, _ = jax_moves(lambda step: schedule(step // updates), updates * epochs)
    rates = torch_rates(torch_maker("exponential_lr", {"gamma": 0.5}), steps=epochs)[0]
    assert agrees(moves, np.repeat(rates, updates), "float32")
    unconverted, _ = jax_moves(schedule, updates * epochs)
    assert unconverted[-1] / moves[-1] == 0.5**10


def test_rate_and_momentum_go_into_one_rule():
    """OneCycleLR moves SGD's momentum too; optax takes both schedules by name."""
    rate, momentum = jax_side.one_cycle_lr(0.5, 10)
    rule = optax.inject_hyperparams(optax.sgd)(learning_rate=rate, momentum=momentum)
    weight = torch.zeros((), requires_grad=True, dtype=torch.float64)
    stepped = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    scheduler = torch_side.one_cycle_lr(stepped, 0.5, 10)
    with jax.enable_x64(True):
        params = jnp.zeros(())
        state = rule.init(params)
        for gradient in np.sin(np.arange(10.0)):
            weight.grad = torch.tensor(gradient)
            stepped.step()
            scheduler.step()
            updates, state = rule.update(jnp.asarray(gradient), state, params)
            params = optax.apply_updates(params, updates)
            assert agrees(params, weight.detach().numpy())


def test_trap_multisteps_schedule_count():
    """Inside optax.MultiSteps a schedule counts real updates: every second of 6 micro-steps moves, by 0, 0.1, 0.2."""
    rule = optax.MultiSteps(optax.sgd(lambda step: 0.1 * step), 2)
    state, moves = rule.init(jnp.zeros(())), []
    step = jax.jit(rule.update)
    for _ in range(6):
        move, state = step(jnp.ones(()), state, jnp.zeros(()))
        moves.append(-float(move))
    assert agrees(moves, [0, 0, 0, 0.1, 0, 0.2], "float32")
