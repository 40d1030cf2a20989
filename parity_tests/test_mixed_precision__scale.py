"""The loss scale: the trajectory of GradScaler itself against the scan, state for state, over random scripts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jax_impl import mixed_precision as jax_side
from torch_impl import mixed_precision as torch_side

torch.set_num_threads(1)

SIDES = {"torch": torch_side, "jax": jax_side}
INTERVALS = (1, 2, 3, 2000)
SCRIPTS, STEPS = 260, 12  # at each interval
FACTORS = {"halves": (2.0, 0.5), "odd": (1.1, 0.7), "thirds": (4 / 3, 1 / 3)}
BAD = np.array([np.inf, -np.inf, np.nan], np.float32)


def scripts(rng, count, steps, interval):
    """Starts and scaled gradients; the tracker starts just below a long interval, so that it is met."""
    good = rng.random((count, steps)) < rng.choice([0.3, 0.7, 0.95, 1.0], size=(count, 1))
    gradients = np.where(good, 1.0, rng.choice(BAD, size=good.shape)).astype(np.float32)
    scales = np.exp2(rng.integers(-100, 128, count)).astype(np.float32)
    trackers = rng.integers(max(0, interval - 9), interval, count).astype(np.int32)
    return scales, trackers, gradients


def torch_runs(rule, scales, trackers, gradients):
    runs = [
        torch_side.scale_trajectory(torch_side.LossScale(*map(torch.tensor, start)), torch.tensor(script), rule)
        for *start, script in zip(scales, trackers, gradients, strict=True)
    ]
    return tuple(np.stack([np.asarray(column) for column in columns]) for columns in zip(*runs, strict=True))


@partial(jax.jit, static_argnums=0)
def jax_runs(rule, scales, trackers, gradients):
    run = partial(jax_side.scale_trajectory, rule=rule)
    return tuple(
        jax.vmap(lambda *start, script: run(jax_side.LossScale(*start), script), (0, 0))(
            scales, trackers, script=gradients
        )
    )


def same(rule, *script):
    left, right = torch_runs(torch_side.ScaleRule(*rule), *script), jax_runs(jax_side.ScaleRule(*rule), *script)
    return all(np.array_equal(ours, theirs) for ours, theirs in zip(left, right, strict=True))


@pytest.mark.parametrize("interval", INTERVALS)
def test_the_trajectories_agree_on_random_scripts(interval, rng):
    """1,040 scripts over the four intervals, 12 steps each: every scale and every tracker the same number."""
    assert same((2.0, 0.5, interval), *scripts(rng, SCRIPTS, STEPS, interval))


@pytest.mark.parametrize("factors", FACTORS.values(), ids=FACTORS)
def test_other_factors_agree_to_the_last_bit(factors, rng):
    """A product in float64, rounded once; in float32 alone it would differ."""
    assert same((*factors, 2), *scripts(rng, 30, STEPS, 2))
    scales = np.exp2(rng.uniform(-120, 120, 2000)).astype(np.float32)
    in_float32 = scales * np.float32(factors[1])
    in_float64 = (scales.astype(np.float64) * factors[1]).astype(np.float32)
    assert np.array_equal(in_float32, in_float64) == (factors == FACTORS["halves"])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([1.0, np.inf, -np.inf, np.nan]), min_size=12, max_size=12), st.sampled_from((1, 2, 3)))
def test_the_trajectories_agree_on_any_script(script, interval):
    one = np.array([script], np.float32)
    assert same((2.0, 0.5, interval), np.float32([2**16]), np.int32([0]), one)


@pytest.mark.slow
def test_the_trajectories_agree_on_a_thousand_scripts_of_hypothesis():
    """At any interval, from any tracker below it; shrunk to the shortest script if one ever differs."""
    seen = []

    @settings(max_examples=1000, deadline=None, derandomize=True)
    @given(
        st.lists(st.sampled_from([1.0, np.inf, -np.inf, np.nan]), min_size=12, max_size=12),
        st.sampled_from(INTERVALS),
        st.integers(1, 9),
        st.integers(-114, 127),  # twelve halvings below, XLA takes a subnormal number for 0
    )
    def agree(script, interval, left, exponent):
        seen.append(script)
        start = np.float32([np.ldexp(1.0, exponent)]), np.int32([max(0, interval - left)])
        assert same((2.0, 0.5, interval), *start, np.array([script], np.float32))

    agree()
    assert len(seen) >= 1000


def test_the_defaults_are_those_of_grad_scaler():
    memory = torch.amp.GradScaler("cpu").state_dict()
    for side in SIDES.values():
        assert side.ScaleRule() == tuple(memory[key] for key in ("growth_factor", "backoff_factor", "growth_interval"))
        assert tuple(map(float, side.initial_scale())) == (memory["scale"], memory["_growth_tracker"])


def test_two_thousand_good_steps_double_the_scale():
    """Interval 2000 from the beginning: the 2000th good step doubles it, not the 1999th and not the 2001st."""
    gradients = np.ones((1, 2001), np.float32)
    scales, trackers = torch_runs(torch_side.ScaleRule(), np.float32([65536]), np.int32([0]), gradients)
    assert scales[0, 1998:].tolist() == [65536, 131072, 131072]
    assert trackers[0, 1998:].tolist() == [1999, 0, 1]
    assert same(jax_side.ScaleRule(), np.float32([65536]), np.int32([0]), gradients)


@pytest.mark.parametrize(
    ("start", "script", "expected"),
    [
        (2.0**126, [1.0, 1.0, 1.0], [2.0**127] * 3),
        (3e38, [1.0, np.inf, 1.0], [3e38, 1.5e38, 3e38]),
        (2.0**-125, [np.nan, 1.0], [2.0**-126, 2.0**-125]),
        (0.0, [1.0, np.inf], [0.0, 0.0]),
    ],
    ids=["below infinity it stays", "and shrinks from there", "the smallest normal number", "zero is for ever"],
)
def test_the_ends_of_the_range(start, script, expected):
    script = np.float32([script])
    for module, runs in ((torch_side, torch_runs), (jax_side, jax_runs)):
        scales, _ = runs(module.ScaleRule(growth_interval=1), np.float32([start]), np.int32([0]), script)
        assert np.array_equal(scales[0], np.float32(expected))


def test_xla_takes_a_scale_below_the_normal_range_for_zero():
    """A divergence, on a CPU, from 142 overflows on end: torch halves 23 times more on the way to the same zero."""
    script = np.full((1, 26), np.inf, np.float32)
    start = np.float32([2.0**-125]), np.int32([0])
    scales, _ = torch_runs(torch_side.ScaleRule(), *start, script)
    assert np.array_equal(scales[0], np.exp2(-np.arange(126.0, 152)).astype(np.float32))
    ours, _ = jax_runs(jax_side.ScaleRule(), *start, script)
    assert np.asarray(ours)[0].tolist() == [2.0**-126, *[0.0] * 25]


def test_update_scale_agrees(parity, rng):
    """The kernel below GradScaler against the function of the state, compared like any function."""
    rules = [(2.0, 0.5, 2), (1.1, 0.7, 3)]

    def every(side):
        def update(scale, growth_tracker, overflow):
            state = side.LossScale(scale, growth_tracker)
            return [side.update_scale(state, overflow, side.ScaleRule(*rule)) for rule in rules]

        return update

    for scale, tracker, overflow in [(3e4, 1, False), (7.1e-3, 2, False), (5e37, 1, True)]:
        inputs = (np.float32(scale), np.int32(tracker), np.bool_(overflow))
        parity.assert_equivalent(*map(every, SIDES.values()), inputs, dtypes=("float32",), gradients=False)


@pytest.mark.parametrize("scale", [65536.0, 6e4, 1.0, 2.0**-20])
def test_unscale_agrees(parity, rng, scale):
    gradients = {"kernel": scale * rng.normal(size=(3, 2)), "bias": scale * rng.normal(size=2)}

    def torch_unscale(kernel, bias):
        unscaled, overflow = torch_side.unscale(torch_side.initial_scale(scale), [kernel, bias])
        return *unscaled, overflow

    def jax_unscale(kernel, bias):
        (kernel, bias), overflow = jax_side.unscale(jax_side.initial_scale(scale), (kernel, bias))
        return kernel, bias, overflow

    parity.assert_equivalent(torch_unscale, jax_unscale, gradients, dtypes=("float32", "bfloat16"), gradients=False)
    wide = {name: np.float32(gradient) for name, gradient in gradients.items()}
    left = torch_unscale(**{name: torch.tensor(x) for name, x in wide.items()})
    right = jax.jit(jax_unscale)(**wide)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(left, right, strict=True))


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_one_bad_element_is_found_in_the_scaled_gradients(bad):
    """In the scaled gradients alone: one that only the unscaling takes to infinity is missed on both sides."""
    found, missed = [1.0, float(bad), 2.0], [1.0, 3e38, 2.0]
    for values, scale, expected in ((found, 65536.0, True), (missed, 0.25, False)):
        left, overflow = torch_side.unscale(torch_side.initial_scale(scale), [torch.tensor(values)])
        assert overflow.item() is expected
        right, overflow = jax_side.unscale(jax_side.initial_scale(scale), [jnp.array(values)])
        assert bool(overflow) is expected
        assert np.array_equal(left[0].numpy(), right[0], equal_nan=True)
    assert np.isinf(left[0].numpy()).any()


@pytest.mark.parametrize("side", SIDES)
def test_gradients_of_float16_parameters_are_refused(side):
    half = {"torch": torch.ones(2, dtype=torch.float16), "jax": jnp.ones(2, jnp.float16)}[side]
    with pytest.raises(ValueError, match=r"^unscale: gradients must be those of float32 parameters, got float16\.$"):
        SIDES[side].unscale(SIDES[side].initial_scale(), [half])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"growth_factor": 1.0}, r"^ScaleRule: growth_factor must be above 1, got 1\.0\."),
        ({"backoff_factor": 1.0}, r"^ScaleRule: backoff_factor must be between 0 and 1, got 1\.0\."),
        ({"growth_interval": 0}, r"^ScaleRule: growth_interval must be at least 1, got 0\."),
    ],
)
def test_a_rule_out_of_range_is_refused(side, rule, message):
    module = SIDES[side]
    gradients = {"torch": torch.ones(1), "jax": jnp.ones(1)}[side]
    with pytest.raises(ValueError, match=message):
        module.scale_trajectory(module.initial_scale(), gradients, module.ScaleRule(**rule))
