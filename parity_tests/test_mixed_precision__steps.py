"""Mixed precision, the step: what is skipped, what is counted, clipped and added up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_impl import mixed_precision as jax_side
from mixed_precision_runs import SIDES, batches, memory_of, parameters_of, poisoned, recipe_of, run, same
from parity.digits import initial_weights
from torch_impl import mixed_precision as torch_side

torch.set_num_threads(1)

TWO = (("first",), ("second", "output"))


@pytest.fixture(params=SIDES)
def side(request):
    return SIDES[request.param]


@pytest.mark.parametrize(
    "changes",
    [{}, {"groups": TWO}, {"parts": 2, "max_norm": 0.5}, {"schedule": lambda step: 0.5 ** (step // 2)}],
    ids=["plain", "two optimizers", "parts, clipped", "schedule"],
)
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
def test_float16_runs_agree_in_scale_and_skips(rng, changes):
    """From 2**22 with growth every 2 steps: 12 steps with overflows that no one injected."""
    weights, taken = initial_weights(rng), batches(12)
    (left, ours, _), (right, theirs, _) = (
        run(side, weights, recipe_of(side, **changes), taken, side.initial_scale(2.0**22)) for side in SIDES.values()
    )
    for name in ("scale", "growth_tracker", "skipped"):
        assert np.array_equal([getattr(r, name) for r in left], [getattr(r, name) for r in right]), name
    skipped = np.array([record.skipped for record in left])
    assert 2 <= skipped.any(axis=1).sum() <= 10
    assert np.allclose([r.loss for r in left], [r.loss for r in right], rtol=5e-4)  # measured 5e-5: float16 products
    steps = (1 - skipped.any(axis=1)).sum()
    worst = max(np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (ours[-1], theirs[-1])), strict=True))
    # Adam moves by at most the rate a step; where a gradient is rounding alone, its sign may differ.
    assert worst <= 2 * 1e-3 * steps


@pytest.mark.parametrize(("interval", "value"), [(1, np.inf), (2, np.nan), (3, -np.inf), (2000, np.nan)])
def test_a_skipped_step_touches_nothing_but_the_scale(side, rng, interval, value):
    """The trap skip-step-optimizer-state: parameters, moments and Adam's count to the byte."""
    weights, taken = initial_weights(rng), poisoned(batches(4), 2, value)
    recipe = recipe_of(side, rule=side.ScaleRule(growth_interval=interval))
    _, parameters, before = run(side, weights, recipe, taken[:2], side.initial_scale(1024.0))
    kept = memory_of(side, before)
    records, after, state = run(side, weights, recipe, taken[:3], side.initial_scale(1024.0))
    assert [bool(r.skipped.all()) for r in records] == [False, False, True]
    assert same(after[2], parameters[1])
    assert same(memory_of(side, state), kept)
    assert records[2].scale == records[1].scale / 2
    assert records[2].growth_tracker == 0
    records, last, _ = run(side, weights, recipe, taken, side.initial_scale(1024.0))
    assert not records[3].skipped.any()
    assert not same(last[3], after[2])


def test_an_overflow_in_one_group_skips_that_group_alone_and_backs_off_the_one_scale(rng):
    """From the biases of the output: at a high scale their gradient overflows, that of the first layer does not."""
    weights, taken, seen = initial_weights(rng), batches(3), []
    for side in SIDES.values():
        start = side.initial_scale(2.0**20)
        recipe = recipe_of(side, groups=TWO)
        old = parameters_of(side, side.mixed_state(weights, recipe, start))
        records, parameters, _ = run(side, weights, recipe, taken, start)
        seen.append([record.skipped.tolist() for record in records])
        assert records[0].skipped.tolist() == [False, True]
        assert records[0].scale == 2.0**19
        assert not same(parameters[0]["first"], old["first"])
        assert same({name: parameters[0][name] for name in TWO[1]}, {name: old[name] for name in TWO[1]})
    assert seen[0] == seen[1]


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
def test_the_schedule_counts_the_steps_asked_for(side, rng):
    """The trap scheduler-on-skipped-step: skipped ones too, on both sides; Adam's own count does not."""
    weights, taken = initial_weights(rng), poisoned(batches(3), 0, np.inf)
    dying = recipe_of(side, schedule=lambda step: 1.0 * (step < 2))
    _, parameters, state = run(side, weights, dying, taken)
    assert not same(parameters[0], parameters[1])
    assert same(parameters[1], parameters[2])  # the third step asked for has rate 0, though only the second taken
    counts = (
        [int(o.state[o.param_groups[0]["params"][0]]["step"]) for o in state.optimizers]
        if side is torch_side
        else [int(leaf) for leaf in jax.tree.leaves(state.moments) if leaf.dtype == jnp.int32]
    )
    assert set(counts) == {2}


@pytest.mark.parametrize("norm", [1e-3, 0.1])
def test_clipping_comes_after_unscaling(side, rng, norm):
    """The trap unscale-before-clip: the clipped step is the same at every scale."""
    weights, taken = initial_weights(rng), batches(2)
    steps = [
        run(side, weights, recipe_of(side, "float32", max_norm=norm), taken, side.initial_scale(scale))[1][-1]
        for scale in (1.0, 2.0**10)
    ]
    assert same(*steps)


def test_parts_are_added_up_before_they_are_unscaled(side, rng):
    """In float32 at a power of two, four parts of 4 give the step of 16 up to the order of the sums."""
    weights, taken = initial_weights(rng), batches(1)
    whole, parts = (run(side, weights, recipe_of(side, "float32", parts=parts), taken) for parts in (1, 4))
    assert whole[0][0].loss == pytest.approx(float(parts[0][0].loss))
    moments = [jax.tree.leaves(memory_of(side, state)) for *_, state in (whole, parts)]
    for one, other in zip(*moments, strict=True):
        assert np.abs(one - other).max() <= 8 * np.finfo(np.float32).eps * max(1e-3, np.abs(one).max())


def test_without_a_rule_nothing_is_scaled_and_nothing_is_skipped(side, rng):
    records, parameters, _ = run(
        side, initial_weights(rng), recipe_of(side, "bfloat16", rule=None), poisoned(batches(2), 1, np.nan)
    )
    assert [float(record.scale) for record in records] == [1.0, 1.0]
    assert not any(record.skipped.any() for record in records)
    assert not np.isfinite(parameters[1]["first"]["kernel"]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": (("first",),)}, r"^mixed_state: groups must hold each of first, second, output once, got "),
        ({"parts": 3}, r"^mixed_step: parts must divide the batch of 16, got 3\."),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(side, rng, changes, message):
    with pytest.raises(ValueError, match=message):
        run(side, initial_weights(rng), recipe_of(side, **changes), batches())


def test_the_scale_is_a_leaf_that_the_compiled_step_moves(rng):
    """No host in between: ten steps in one scan, and the scale has moved."""
    state = jax_side.mixed_state(initial_weights(rng), recipe_of(jax_side))
    images, labels = (np.stack(part) for part in zip(*batches(10), strict=True))
    lowered = jax.jit(lambda state: jax.lax.scan(lambda s, b: jax_side.mixed_step(s, *b), state, (images, labels)))
    after, records = lowered(state)
    assert "callback" not in str(jax.make_jaxpr(lowered)(state))
    assert float(after.loss_scale.scale) == float(records.scale[-1]) != float(state.loss_scale.scale)
