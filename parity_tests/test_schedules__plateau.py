"""ReduceLROnPlateau: one rate on both sides after every metric of a stream, inside jit too."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jax_impl import schedules as jax_side
from schedule_cases import optimizer
from torch_impl import schedules as torch_side

FALLING = [5.0, 4.0, 4.0, 3.9999, 3.9, 3.9, 3.9, 3.9, 3.8, *[3.8] * 12]
AWKWARD = [np.nan, 3.0, np.inf, 3.0, np.nan, np.nan, -1.0, -np.inf, *[0.0] * 9]
WAVE = [*np.round(np.sin(np.arange(50.0)), 1)]


def torch_stream(metrics, lr=0.5, **options):
    """The rate after each metric."""
    stepped = optimizer(lr)
    scheduler, rates = torch_side.reduce_lr_on_plateau(stepped, **options), []
    for metric in metrics:
        scheduler.step(metric)
        rates.append(stepped.param_groups[0]["lr"])
    return np.array(rates)


def jax_stream(metrics, lr=0.5, *, jit=True, **options):
    schedule = jax_side.reduce_lr_on_plateau(lr, **options)

    def step(state, metric):
        state = schedule.update(state, metric=metric)
        return state, schedule(state)

    with jax.enable_x64(True):
        if jit:
            return np.asarray(
                jax.jit(lambda stream: jax.lax.scan(step, schedule.init(), stream)[1])(jnp.array(metrics))
            )
        state, rates = schedule.init(), []
        for metric in metrics:
            state, rate = step(state, metric)
            rates.append(float(rate))
        return np.array(rates)


@pytest.mark.parametrize("metrics", [FALLING, AWKWARD, WAVE], ids=["falling", "nan and inf", "wave"])
@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"patience": 0, "cooldown": 2, "factor": 0.5},
        {"patience": 1, "mode": "max", "threshold": 0.1, "threshold_mode": "abs"},
        {"patience": 1, "threshold": 0.05, "min_lr": 0.01},
        {"patience": 1, "mode": "max", "eps": 0.1},
    ],
    ids=["default", "cooldown", "max abs", "min_lr", "eps"],
)
def test_rates_agree_after_every_metric(metrics, options):
    left = torch_stream(metrics, **options)
    assert np.array_equal(jax_stream(metrics, **options), left)


options = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["min", "max"]),
        "factor": st.sampled_from([0.1, 0.5, 0.9]),
        "patience": st.integers(0, 4),
        "threshold": st.sampled_from([0.0, 1e-4, 0.25, 1.0, 2.0]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "cooldown": st.integers(0, 3),
        "min_lr": st.sampled_from([0.0, 0.05, 1.0]),
        "eps": st.sampled_from([0.0, 1e-8, 0.05]),
    }
)
streams = st.lists(st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 0.75, 1.0, 2.0, float("nan")]), max_size=25)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(options=options, metrics=streams)
def test_rates_agree_whatever_the_options_and_the_metrics(options, metrics):
    """Few metrics, so that they meet the thresholds exactly; uncompiled, since every option set would be a program."""
    assert np.array_equal(jax_stream(metrics, jit=False, **options), torch_stream(metrics, **options))


def test_resumed_in_mid_stream_both_go_on():
    stepped = optimizer(0.5)
    scheduler = torch_side.reduce_lr_on_plateau(stepped, patience=1)
    schedule = jax_side.reduce_lr_on_plateau(0.5, patience=1)
    state = schedule.init()
    for metric in FALLING[:8]:
        scheduler.step(metric)
        state = schedule.update(state, metric=metric)
    saved, state_dict = jax.tree.map(np.asarray, state), scheduler.state_dict()
    resumed = optimizer(stepped.param_groups[0]["lr"])
    scheduler = torch_side.reduce_lr_on_plateau(resumed, patience=1)
    scheduler.load_state_dict(state_dict)
    state = jax.tree.map(jnp.asarray, saved)
    for metric in FALLING[8:]:
        scheduler.step(metric)
        state = schedule.update(state, metric=metric)
        assert np.float32(resumed.param_groups[0]["lr"]) == pytest.approx(float(schedule(state)))


def test_a_rule_is_fed_once_an_epoch_and_waits_between():
    """inject_hyperparams takes the schedule; an update without a metric leaves it alone."""
    schedule = jax_side.reduce_lr_on_plateau(0.5, factor=0.5, patience=0)
    rule = optax.inject_hyperparams(optax.sgd)(learning_rate=schedule)
    params = jnp.zeros(())
    state, moves = rule.init(params), []
    plain, fed = jax.jit(rule.update), jax.jit(lambda g, s, p, m: rule.update(g, s, p, metric=m))
    for metric in (3.0, 3.0, 3.0):
        for _ in range(2):
            move, state = plain(jnp.ones(()), state, params)
            moves.append(-float(move))
        move, state = fed(jnp.ones(()), state, params, metric)
        moves.append(-float(move))
    # The update that brings the metric still has the old rate.
    assert moves == [0.5] * 6 + [0.25] * 3
    move, _ = plain(jnp.ones(()), state, params)
    assert float(move) == -0.125


def optax_stream(metrics, **options):
    rule = optax.contrib.reduce_on_plateau(**options)
    state, scales = rule.init(jnp.zeros(())), []
    step = jax.jit(lambda state, value: rule.update(jnp.ones(()), state, value=value))
    for metric in metrics:
        scale, state = step(state, metric)
        scales.append(float(scale))
    return np.array(scales)


def test_optax_bears_one_bad_metric_less():
    """Trap plateau-patience: 12 flat metrics, patience 2, factor 1/2: 1/8 in torch, 1/32 in optax, measured."""
    flat, options = [1.0] * 12, {"factor": 0.5, "patience": 2}
    ours = torch_stream(flat, lr=1.0, **options)
    assert np.array_equal(jax_stream(flat, lr=1.0, **options), ours)
    assert ours[-1] == 0.5**3
    assert optax_stream(flat, **options)[-1] == 0.5**5
    assert np.array_equal(optax_stream(flat, factor=0.5, patience=3), ours)


def test_optax_agrees_with_one_more_patience_while_it_minimises():
    """Cooldown and the relative threshold are the same; there is no mode, and eps only shows where min_scale is met."""
    for cooldown in (0, 1, 3):
        options = {"factor": 0.5, "cooldown": cooldown}
        ours = torch_stream(FALLING, lr=1.0, patience=1, **options)
        assert np.array_equal(optax_stream(FALLING, patience=2, **options), ours)
    rising = [*np.arange(8.0)]
    assert torch_stream(rising, lr=1.0, mode="max", patience=1, factor=0.5)[-1] == 1.0
    assert optax_stream(rising, patience=2, factor=0.5)[-1] == 0.5**3


@pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])
def test_arguments_that_do_not_fit_raise_one_sentence(side):
    first = optimizer() if side is torch_side else 0.1
    with pytest.raises(ValueError, match=r"^reduce_lr_on_plateau: mode must be 'min' or 'max', got 'mean'\.$"):
        side.reduce_lr_on_plateau(first, mode="mean")
    with pytest.raises(ValueError, match=r"^reduce_lr_on_plateau: factor must be below 1, got 1\.0\.$"):
        side.reduce_lr_on_plateau(first, factor=1.0)
