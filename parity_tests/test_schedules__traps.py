"""Where torch, optax and the calendar part ways: the divergences of schedules, each with its measured size."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from torch.optim import lr_scheduler

from jax_impl import schedules as jax_side
from oracles import agrees
from schedule_cases import optimizer, torch_maker, torch_rates
from torch_impl import schedules as torch_side


def of_optax(schedule, steps=100):
    """An optax schedule at every step, compiled, in float64."""
    with jax.enable_x64(True):
        return np.asarray(jax.jit(jax.vmap(lambda step: jnp.asarray(schedule(step))))(jnp.arange(steps)))


def of_torch(name, lr=1.0, steps=100, **settings):
    return torch_rates(torch_maker(name, settings), lr, steps)[0]


# --- optax's own schedules ---------------------------------------------------------------------------------------


def test_trap_cosine_after_end():
    """Past T torch climbs back to the first rate, optax stays: the gap at 2T is all of it."""
    left, right = of_torch("cosine_annealing_lr", T_max=10), of_optax(optax.cosine_decay_schedule(1.0, 10))
    assert agrees(left[:11], right[:11])
    assert (left[20] - right[20]).round(12) == 1.0


def test_trap_sgdr_end():
    """optax has the cycles it was given and ends at 0; torch starts the next one at the first rate."""
    cycles = [{"init_value": 1.0, "peak_value": 1.0, "decay_steps": n, "warmup_steps": 0} for n in (3, 6)]
    left = of_torch("cosine_annealing_warm_restarts", T_0=3, T_mult=2)
    right = of_optax(optax.sgdr_schedule(cycles))
    assert agrees(left[:9], right[:9])
    assert (left[9], right[9]) == (1.0, 0.0)


@pytest.mark.parametrize(("anneal_strategy", "gap"), [("cos", 0.1483), ("linear", 0.16)])
def test_trap_onecycle_differences(anneal_strategy, gap):
    """20 steps: equal at step 0 alone. optax's peak is a step later; its line has another third phase."""
    make = {"cos": optax.cosine_onecycle_schedule, "linear": optax.linear_onecycle_schedule}[anneal_strategy]
    left = of_torch("one_cycle_lr", steps=20, max_lr=1.0, total_steps=20, anneal_strategy=anneal_strategy)
    right = of_optax(make(20, 1.0), 20)
    assert agrees(left[0], right[0])
    assert np.abs(left[1:] - right[1:]).min() > 1e-5
    assert np.abs(left - right).max().round(4) == gap
    assert (left.argmax(), right.argmax()) == (5, 6)


def test_trap_exponential_staircase():
    """Every 3 steps, by half: optax without ``staircase`` is at 0.794 after one step, torch at 1."""
    left, smooth = of_torch("step_lr", step_size=3, gamma=0.5), of_optax(optax.exponential_decay(1.0, 3, 0.5))
    assert agrees(left, of_optax(optax.exponential_decay(1.0, 3, 0.5, staircase=True)))
    assert (left[1], smooth[1].round(3)) == (1.0, 0.794)


def test_trap_piecewise_multiplies():
    """Its values are factors: {3: 0.1, 6: 0.01} ends at 0.001, a tenth of what is meant."""
    assert agrees(of_optax(optax.piecewise_constant_schedule(1.0, {3: 0.1, 6: 0.01}))[-1], 0.001)
    left = of_torch("multi_step_lr", milestones=[3, 6])
    assert agrees(left, of_optax(optax.piecewise_constant_schedule(1.0, {3: 0.1, 6: 0.1})))


def test_trap_warmup_first_step_zero():
    """LinearLR starts at a third, the usual warm-up of optax at 0: its first update does nothing."""
    left, right = of_torch("linear_lr"), of_optax(optax.warmup_constant_schedule(0.0, 1.0, 5))
    assert left[:2].round(3).tolist() == [0.333, 0.467]
    assert right[:2].round(12).tolist() == [0.0, 0.2]


def test_trap_warmup_cosine_total_steps():
    """decay_steps is the total, with the warm-up; T_max is what is left. Taken for each other: 0.35 at the end."""

    def rates(T_max):
        def make(stepped):
            up, down = lr_scheduler.LinearLR(stepped, 1e-8, total_iters=5), None
            down = lr_scheduler.CosineAnnealingLR(stepped, T_max)
            return lr_scheduler.SequentialLR(stepped, [up, down], [5])

        return torch_rates(make, 1.0, 15)[0]

    right = of_optax(optax.warmup_cosine_decay_schedule(0.0, 1.0, 5, 15), 15)
    # LinearLR cannot start at 0; from 1e-8 it is 1e-8 away.
    assert np.allclose(rates(10), right, rtol=0, atol=1e-8)
    assert (rates(10)[-1].round(4), rates(15)[-1].round(2)) == (0.0245, 0.35)


def test_optax_takes_a_decay_of_zero_for_none():
    assert of_optax(optax.exponential_decay(1.0, 1, 0.0))[5] == 1.0
    # The twins refuse it, torch's own class does as it is told.
    assert torch_rates(lambda stepped: lr_scheduler.ExponentialLR(stepped, 0.0))[0][5] == 0.0


def test_optax_rates_are_float32_with_x64_on():
    """The count is int32, and an int32 divided by an int is float32 in JAX: 1e-8 off in a float64 run, measured."""
    with jax.enable_x64(True):
        steps = jnp.arange(60, dtype=jnp.int32)
        theirs = jax.vmap(optax.exponential_decay(1.0, 1, 0.93))(steps)
        ours = jax.vmap(jax_side.exponential_lr(1.0, 0.93))(steps)
        assert (theirs.dtype, ours.dtype) == (jnp.float32, jnp.float64)
        error = np.abs(np.asarray(theirs, np.float64) - np.asarray(ours)).max()
    assert 1e-9 < error < 1e-6


def test_optax_polynomial_is_nan_at_its_end():
    """Compiled, count / 50 becomes count * (1/50), and 1 - 50 * (1/50) is -2.2e-16: its root is NaN from there on."""
    rates = of_optax(optax.polynomial_schedule(1.0, 0.0, 0.5, 50))
    assert np.isfinite(rates[:50]).all()
    assert np.isnan(rates[50:]).all()
    ours = of_optax(jax_side.polynomial_lr(1.0, 50, 0.5))
    assert (ours[50:] == 0).all()
    assert agrees(ours, of_torch("polynomial_lr", total_iters=50, power=0.5))


def test_optax_line_to_zero_ends_below_zero_in_float32():
    """The same cause: -3e-8 for a rate, which climbs the loss. Ours is 0."""
    steps = jnp.arange(40)
    rates = jax.jit(jax.vmap(optax.linear_schedule(1.0, 0.0, 33)))(steps)
    assert float(rates[-1]) == pytest.approx(-2.98e-8, rel=1e-3)  # three digits of 2**-25
    assert float(jax.jit(jax.vmap(jax_side.linear_lr(1.0, 1.0, 0.0, 33)))(steps)[-1]) == 0.0


# --- torch's own ----------------------------------------------------------------------------------------------------


def test_torch_drifts_from_its_own_cosine():
    """The rate comes from the one before: 2e-14 off after 100 steps, 3e-12 after 10 000, about 3e-16 a step."""
    truth = 0.5 * (1 + np.cos(np.pi * np.arange(10_000) / 10))
    error = np.abs(of_torch("cosine_annealing_lr", steps=10_000, T_max=10) - truth)
    assert 1e-15 < error[:100].max() < 1e-13
    assert 1e-12 < error.max() < 1e-11


def test_a_cosine_goes_on_from_a_rate_changed_by_hand():
    """Divergence by design: torch's recursion keeps the change, a function of the step cannot know it."""
    stepped = optimizer(1.0)
    scheduler = torch_side.cosine_annealing_lr(stepped, 10)
    stepped.param_groups[0]["lr"] *= 0.5
    stepped.step()
    scheduler.step()
    assert stepped.param_groups[0]["lr"] == pytest.approx(0.5 * float(jax_side.cosine_annealing_lr(1.0, 10)(1)))


def test_a_scheduler_made_after_its_optimizer_was_loaded_warms_up_twice():
    """LinearLR multiplies the rate it finds by a third when it is made: the resumed run has a third of the rate."""
    first = optimizer(1.0)
    scheduler = torch_side.linear_lr(first)
    for _ in range(20):
        first.step()
        scheduler.step()
    second = optimizer(1.0)
    second.load_state_dict(first.state_dict())
    resumed = torch_side.linear_lr(second)
    resumed.load_state_dict(scheduler.state_dict())
    assert first.param_groups[0]["lr"] == pytest.approx(1.0)
    assert second.param_groups[0]["lr"] == pytest.approx(1 / 3)


def test_warm_restarts_by_epoch_miss_a_restart():
    """step(121) with T_0=1, T_mult=3: log(243, 3) is 4.999... in float64, so the rate is 0 where a cycle starts."""
    stepped = optimizer(1.0)
    scheduler = torch_side.cosine_annealing_warm_restarts(stepped, 1, 3)
    stepped.step()
    scheduler.step(121)
    assert stepped.param_groups[0]["lr"] == 0.0
    assert of_torch("cosine_annealing_warm_restarts", steps=122, T_0=1, T_mult=3)[121] == 1.0
    assert float(jax_side.cosine_annealing_warm_restarts(1.0, 1, 3)(121)) == 1.0


def test_one_cycle_past_its_end():
    """Step n is allowed and goes beyond the minimum, a line below 0; step n + 1 raises. JAX stays at the minimum."""
    for strategy, beyond in (("cos", 0.0495), ("linear", -0.1429)):
        settings = {"max_lr": 1.0, "total_steps": 10, "anneal_strategy": strategy}
        stepped = optimizer()
        scheduler = torch_side.one_cycle_lr(stepped, **settings)
        for _ in range(10):
            stepped.step()
            scheduler.step()
        assert round(stepped.param_groups[0]["lr"], 4) == beyond
        with pytest.raises(ValueError, match="Tried to step 11 times"):
            scheduler.step()
        rate, _ = jax_side.one_cycle_lr(**settings)
        assert agrees([rate(9), rate(10), rate(99)], [1 / 25e4] * 3, "float32")


def test_one_cycle_cannot_rise_in_no_time():
    """pct_start * total_steps == 1 divides by zero at step 0; the twins refuse it by name."""
    with pytest.raises(ZeroDivisionError, match="float division by zero"):
        lr_scheduler.OneCycleLR(optimizer(), 1.0, total_steps=10, pct_start=0.1)


def test_a_constant_share_of_zero_divides_by_it():
    with pytest.raises(ZeroDivisionError, match="float division by zero"):
        torch_rates(lambda stepped: lr_scheduler.ConstantLR(stepped, factor=0.0))


def test_a_multiplicative_scheduler_that_comes_second_goes_on_from_the_rate_at_hand():
    """At the milestone torch multiplies by the factor of 0 too: 0.05, where from the first rate it would be 0.1."""

    def both(side, lr):
        return [side.constant_lr(lr, 0.5, 100), side.multiplicative_lr(lr, lambda step: 1.0)]

    left = torch_rates(lambda stepped: torch_side.sequential_lr(both(torch_side, stepped), [4]))[0]
    right = of_optax(jax_side.sequential_lr(both(jax_side, 0.1), [4]))
    assert agrees(left[:4], right[:4])
    assert (left[4].round(12), right[4].round(12)) == (0.05, 0.1)


def test_a_chain_of_one_that_sets_the_rate_forgets_the_others():
    """LambdaLR before ExponentialLR: one factor of gamma in all, not one a step: 0.5 at step 5, not 1/32."""

    def chained(side, lr):
        one = lr if side is torch_side else 1.0
        return side.chained_lr([side.lambda_lr(lr, lambda step: 1.0), side.exponential_lr(one, 0.5)])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        left = torch_rates(lambda stepped: chained(torch_side, stepped), 1.0)[0]
    assert left[5] == 0.5
    assert of_optax(chained(jax_side, 1.0))[5] == 1 / 32


def test_a_chained_cosine_is_a_product_until_it_turns():
    """Past T its recursion adds instead of multiplying: of 0.9 a step none is left where 11 factors belong."""

    def chained(side, lr):
        one = lr if side is torch_side else 1.0
        return side.chained_lr([side.exponential_lr(lr, 0.9), side.cosine_annealing_lr(one, 10)])

    left = torch_rates(lambda stepped: chained(torch_side, stepped), 1.0)[0]
    right = of_optax(chained(jax_side, 1.0))
    assert agrees(left[:11], right[:11])
    assert left[11] / right[11] == pytest.approx(0.9**-11)
