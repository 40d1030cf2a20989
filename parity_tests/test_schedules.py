"""Every schedule of ``torch.optim.lr_scheduler`` has one rate on both sides at every step, also resumed."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from jax_impl import schedules as jax_side
from oracles import agrees
from schedule_cases import CASES, STEPS, TWO, jax_rates, optimizer, torch_maker, torch_rates
from torch_impl import schedules as torch_side

SIDES = [pytest.param(torch_side, optimizer(), id="torch"), pytest.param(jax_side, 0.1, id="jax")]


def test_every_class_of_torch_has_its_schedule():
    classes = {name for name in lr_scheduler.__all__ if name != "LRScheduler"}
    made = {type(torch_maker(name, cases[0])(optimizer())).__name__ for name, cases in CASES.items()} - {"SWALR"}
    assert classes == made | {"SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"}
    assert {*CASES, "sequential_lr", "chained_lr", "reduce_lr_on_plateau"} == set(jax_side.__all__)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "one_cycle_lr")) for n in CASES])
def test_schedule_agrees(parity, name):
    """100 steps of every case, the steps traced; the first rate is an input, so float32 starts from its own."""

    def of_torch(lr, steps):
        found = [torch_rates(torch_maker(name, case), lr.item(), len(steps)) for case in CASES[name]]
        return [[torch.tensor(values, dtype=lr.dtype) for values in pair[: 1 + (name in TWO)]] for pair in found]

    def of_jax(lr, steps):
        return [[x.astype(lr.dtype) for x in jax_rates(name, case, lr, steps)] for case in CASES[name]]

    inputs = {"lr": np.array(0.1), "steps": np.arange(STEPS)}
    parity.assert_equivalent(of_torch, of_jax, inputs, gradients=False, name=name)


@pytest.mark.parametrize("name", CASES)
def test_every_rate_agrees_to_1e_12_of_itself(name):
    """Not of the largest rate alone, a rounding of which torch's own lines carry to a small end (4e-18 on 4e-6)."""
    for case in CASES[name]:
        with jax.enable_x64(True):
            right = [np.asarray(values) for values in jax_rates(name, case)]
        for ours, theirs in zip(torch_rates(torch_maker(name, case)), right, strict=False):
            assert theirs.dtype == np.float64
            assert (np.abs(ours - theirs) <= 1e-12 * np.abs(ours) + 2**-53 * np.abs(ours).max()).all(), case


@pytest.mark.parametrize("name", CASES)
def test_torch_resumed_in_mid_run_goes_on_along_the_schedule(name):
    """A new optimizer and scheduler, both made and then both loaded, after 40 steps."""
    for case in CASES[name]:
        whole, at = torch_rates(torch_maker(name, case))[0], 40
        first = optimizer()
        scheduler = torch_maker(name, case)(first)
        for _ in range(at):
            first.step()
            scheduler.step()
        second = optimizer()
        resumed = torch_maker(name, case)(second)
        second.load_state_dict(first.state_dict())
        resumed.load_state_dict(scheduler.state_dict())
        for step in range(at, STEPS):
            assert second.param_groups[0]["lr"] == whole[step]
            second.step()
            if step < STEPS - 1:
                resumed.step()


# --- compositions --------------------------------------------------------------------------------------------------


def warm_cosine(side, lr):
    return side.sequential_lr([side.linear_lr(lr, 0.01, total_iters=12), side.cosine_annealing_lr(lr, 30)], [12])


def three_stages(side, lr):
    stages = [side.constant_lr(lr, 0.2, 100), side.exponential_lr(lr, 0.9), side.step_lr(lr, 5, 0.5)]
    return side.sequential_lr(stages, [8, 40])


def restarts_and_swa(side, lr):
    """SWALR goes on from the rate at hand, which to a function of the step must be told."""
    restarts = side.cosine_annealing_warm_restarts(lr, 5, 2)
    return side.sequential_lr([restarts, side.swa_lr(lr if side is torch_side else restarts(32), 0.01, 9)], [33])


def chain(side, lr):
    one = lr if side is torch_side else 1.0
    return side.chained_lr(
        [
            side.linear_lr(lr, 0.1, total_iters=20),
            side.exponential_lr(one, 0.97),
            side.multi_step_lr(one, [30, 60], 0.5),
            side.multiplicative_lr(one, lambda step: 1 - 0.1 / (1.0 + step)),
            side.cosine_annealing_lr(one, 120),
            side.polynomial_lr(one, 110, 1.5),
        ]
    )


def test_compositions_agree(parity):
    makers = (warm_cosine, three_stages, restarts_and_swa, chain)

    def of_torch(lr, steps):
        found = [torch_rates(lambda stepped, make=make: make(torch_side, stepped), lr.item())[0] for make in makers]
        return [torch.tensor(rates, dtype=lr.dtype) for rates in found]

    def of_jax(lr, steps):
        return [jax.vmap(make(jax_side, lr))(steps) for make in makers]

    inputs = {"lr": np.array(0.1), "steps": np.arange(STEPS)}
    parity.assert_equivalent(of_torch, of_jax, inputs, gradients=False, name="compositions")


# --- closed forms --------------------------------------------------------------------------------------------------

CLOSED_FORMS = {
    ("step_lr", 1): lambda t: 0.1 * 0.5 ** (t // 30),
    ("linear_lr", 0): lambda t: 0.1 * (1 / 3 + 2 / 3 * np.minimum(t, 5) / 5),
    ("exponential_lr", 0): lambda t: 0.1 * 0.93**t,
    ("polynomial_lr", 1): lambda t: 0.1 * (1 - np.minimum(t, 80) / 80) ** 2.5,
    ("cosine_annealing_lr", 0): lambda t: 0.05 * (1 + np.cos(np.pi * t / 10)),
    ("cosine_annealing_warm_restarts", 0): lambda t: 0.05 * (1 + np.cos(np.pi * (t % 10) / 10)),
    ("swa_lr", 1): lambda t: 0.1 + 0.4 * np.minimum(t, 77) / 77,
}


@pytest.mark.parametrize(("name", "case"), CLOSED_FORMS, ids=[name for name, _ in CLOSED_FORMS])
def test_rates_are_their_closed_form(name, case):
    """torch computes each from the one before: over 1000 steps it drifts by 3e-13 of the first rate (cosine)."""
    with jax.enable_x64(True):
        right = np.asarray(jax_rates(name, CASES[name][case], steps=jnp.arange(1000, dtype=jnp.int32))[0])
    left = torch_rates(torch_maker(name, CASES[name][case]), steps=1000)[0]
    truth = CLOSED_FORMS[name, case](np.arange(1000))
    assert agrees(right, truth)
    assert agrees(left, truth)


def test_a_known_cycle():
    """Smith's triangle, by hand: up in 2, down in 2, the momentum against it; the second cycle half as high."""
    rate, momentum = jax_side.cyclic_lr(1.0, 3.0, 2, mode="triangular2", base_momentum=0.5, max_momentum=0.9)
    assert agrees(jax.vmap(rate)(jnp.arange(9)), [1, 2, 3, 2, 1, 1.5, 2, 1.5, 1], "float32")
    assert agrees(jax.vmap(momentum)(jnp.arange(5)), [0.9, 0.7, 0.5, 0.7, 0.9], "float32")


def test_a_known_cosine():
    schedule = jax_side.cosine_annealing_lr(1.0, 4)
    root = math.sqrt(0.5)
    with jax.enable_x64(True):
        rates = np.asarray(jax.vmap(schedule)(jnp.arange(9)))
    assert agrees(2 * rates, [2, 1 + root, 1, 1 - root, 0, 1 - root, 1, 1 + root, 2])


# --- arguments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "first"), SIDES)
def test_arguments_that_do_not_fit_raise_one_sentence(side, first):
    with pytest.raises(ValueError, match=r"^step_lr: step_size must be an integer of at least 1, got 0\.$"):
        side.step_lr(first, 0)
    with pytest.raises(ValueError, match=r"^exponential_lr: gamma must be above 0, got 0\.$"):
        side.exponential_lr(first, 0)
    with pytest.raises(ValueError, match=r"^constant_lr: factor must be above 0 and at most 1, got 0\.$"):
        side.constant_lr(first, 0)
    with pytest.raises(ValueError, match=r"^linear_lr: end_factor must be at least 0 and at most 1, got 2\.$"):
        side.linear_lr(first, end_factor=2)
    with pytest.raises(ValueError, match=r"^swa_lr: anneal_strategy must be 'cos' or 'linear', got 'sin'\.$"):
        side.swa_lr(first, 0.1, anneal_strategy="sin")
    with pytest.raises(ValueError, match=r"^chained_lr: schedules must be at least one, got none\.$"):
        side.chained_lr([])
    with pytest.raises(ValueError, match=r"^sequential_lr: milestones must be 0, one between each two, got 1\.$"):
        side.sequential_lr([side.step_lr(first, 3)], [5])
    lead = (first,) if side is torch_side else ()
    with pytest.raises(ValueError, match=r"^one_cycle_lr: pct_start must not be 1 / total_steps, got 0\.1\.$"):
        side.one_cycle_lr(*lead, 1.0, 10, pct_start=0.1)
    with pytest.raises(
        ValueError, match=r"^cyclic_lr: mode must be 'triangular' or .* or 'exp_range', got 'square'\.$"
    ):
        side.cyclic_lr(*lead, 0.1, 1.0, mode="square")
