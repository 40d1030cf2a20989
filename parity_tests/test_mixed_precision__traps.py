"""Mixed precision, the traps: what each lower dtype loses, what saves it, and where ready-made parts differ."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import linen as nn
from flax.training.dynamic_scale import DynamicScale
from torch.nn import functional

from jax_impl import mixed_precision as jax_side
from jax_impl._mixed_precision_policy import _widened_product
from torch_impl import mixed_precision as torch_side

torch.set_num_threads(1)

SIDES = {"torch": torch_side, "jax": jax_side}


def gradient_of_a_small_slope(side, scale):
    """d/dw of 1e-8 * w * x for x = 1, the product in float16: below float16's smallest, 6e-8, unless it is scaled."""
    state = side.initial_scale(scale)
    if side is torch_side:
        w = torch.nn.Parameter(torch.ones(1, 1))
        with torch.autocast("cpu", torch.float16):
            score = functional.linear(torch.ones(1, 1), w)
        (1e-8 * score.float().sum() * state.scale).backward()
        (unscaled,), overflow = side.unscale(state, [w.grad])
    else:
        half = jnp.ones((1, 1), jnp.float16)

        def loss(w):
            return 1e-8 * (half @ w.astype(jnp.float16)).astype(jnp.float32).sum() * state.scale

        unscaled, overflow = side.unscale(state, jax.grad(loss)(jnp.ones((1, 1))))
    assert not bool(overflow)
    return np.asarray(unscaled).item()


@pytest.mark.parametrize("side", SIDES)
def test_a_small_gradient_vanishes_in_float16_and_a_scale_saves_it(side):
    assert gradient_of_a_small_slope(SIDES[side], 1.0) == 0
    # 1e-8 * 65536 = 6.6e-4 is an ordinary number of float16, good to half of 2**-10.
    assert gradient_of_a_small_slope(SIDES[side], 65536.0) == pytest.approx(1e-8, rel=2**-11)


def test_updates_are_lost_without_float32_masters():
    """The trap bf16-lost-updates: 100 steps of 1e-3 leave bfloat16 at 1, for half a digit of it is 2e-3 there."""
    for low, expected in ((True, 1.0), (False, 0.9)):
        w = torch.ones(1, dtype=torch.bfloat16 if low else torch.float32)
        optimizer = torch.optim.SGD([w], lr=1e-3)
        v, rule = jnp.ones(1, jnp.bfloat16 if low else jnp.float32), optax.sgd(1e-3)
        for _ in range(100):
            w.grad = torch.ones_like(w)
            optimizer.step()
            v = optax.apply_updates(v, rule.update(jnp.ones_like(v), rule.init(v))[0])
        # Measured 1.3e-6 off in float32: a hundred roundings of a step.
        assert (w.item(), float(v[0])) == pytest.approx((expected, expected), abs=2e-6)


def test_dtype_computes_and_param_dtype_stores():
    """The trap dtype-vs-param-dtype, in linen: gradients follow storage, products follow dtype."""
    x = jnp.ones((4, 3))
    for options, stored, computed in (
        ({"dtype": jnp.bfloat16}, "float32", "bfloat16"),
        ({"param_dtype": jnp.bfloat16}, "bfloat16", "float32"),
    ):
        layer = nn.Dense(2, **options)
        variables = layer.init(jax.random.key(0), x)
        gradients = jax.grad(lambda v, layer=layer: layer.apply(v, x).astype(jnp.float32).sum())(variables)
        assert {leaf.dtype.name for leaf in jax.tree.leaves(gradients)} == {stored}
        assert layer.apply(variables, x).dtype == computed


def test_the_default_scale_is_more_than_a_float16_loss_can_bear():
    """The trap scale-times-fp16-loss: 65,536 is infinite in float16; a float32 loss takes it."""
    half, scale = np.float16(1.5), 2.0**16
    assert jnp.isinf(jnp.asarray(half) * scale)  # a Python number takes the dtype of the array
    assert (torch.tensor([half]) * torch.tensor(scale)).isinf().all()  # so does a tensor without axes beside one with
    assert (torch.tensor(half) * torch.tensor(scale)).item() == 1.5 * scale  # of two without axes the wider wins

    def loss(w, wide):
        scores = w.astype(jnp.float16) * jnp.full(8, 0.1, jnp.float16)
        return (scores.astype(jnp.float32) if wide else scores).mean().astype(jnp.float32) * scale

    assert not jnp.isfinite(jax.grad(loss)(jnp.float32(1.5), False))
    assert jnp.isfinite(jax.grad(loss)(jnp.float32(1.5), True))


def dynamic_scales(script, **options):
    def step(scale, bad):
        scale, finite, _, _ = scale.value_and_grad(lambda w: w * jnp.where(bad, jnp.inf, 1.0))(jnp.float32(1.0))
        return scale, (scale.scale, finite)

    start = DynamicScale(**options).replace(fin_steps=jnp.int32(0), scale=jnp.float32(65536.0))
    return np.asarray(jax.lax.scan(step, start, script)[1][0])


def test_dynamic_scale_of_flax_grows_one_step_late(rng):
    """The trap growth-interval-off-by-one: at an interval of n it grows at step n + 1; n - 1 gives GradScaler's own."""
    script = rng.random(60) < 0.1
    gradients = torch.tensor(np.where(script, np.inf, 1.0), dtype=torch.float32)
    for interval in (2, 3, 5):
        rule = torch_side.ScaleRule(growth_interval=interval)
        expected = torch_side.scale_trajectory(torch_side.initial_scale(), gradients, rule).scale.numpy()
        assert np.array_equal(dynamic_scales(jnp.asarray(script), growth_interval=interval - 1), expected)
        assert not np.array_equal(dynamic_scales(jnp.asarray(script), growth_interval=interval), expected)
    good = dynamic_scales(jnp.zeros(6, bool), growth_interval=3)
    assert good.tolist() == [65536.0] * 3 + [131072.0] * 3


def test_dynamic_scale_of_flax_has_a_floor_and_a_ceiling_of_its_own():
    """The trap min-loss-scale: it stops at 1.2e-38 and at 3.4e38, which is no power of two any more."""
    floor = dynamic_scales(jnp.ones(160, bool))[-1]
    assert floor == np.finfo(np.float32).tiny
    ceiling = dynamic_scales(jnp.zeros(140, bool), growth_interval=0)[-1]
    assert ceiling == np.finfo(np.float32).max
    rule = torch_side.ScaleRule(growth_interval=1)
    assert torch_side.scale_trajectory(torch_side.initial_scale(), torch.ones(140), rule).scale[-1] == 2.0**127


def test_apply_if_finite_gives_up():
    """The trap apply-if-finite-gives-up: after two bad steps on end the third goes into the parameters."""
    rule = optax.apply_if_finite(optax.sgd(0.1), max_consecutive_errors=2)
    w, memory, seen = jnp.ones(1), rule.init(jnp.ones(1)), []
    for _ in range(3):
        updates, memory = rule.update(jnp.full(1, jnp.nan), memory, w)
        w = optax.apply_updates(w, updates)
        seen.append(bool(jnp.isfinite(w).all()))
    assert seen == [True, True, False]


def test_adam_s_epsilon_is_zero_in_float16():
    """The trap adam-eps-underflow: on float16 parameters 0/0 and 1e-5/0 at the first step, in both frameworks."""
    gradient = np.array([0, 1e-5, 1], np.float16)
    w = torch.zeros(3, dtype=torch.float16)
    w.grad = torch.tensor(gradient)
    torch.optim.Adam([w], lr=0.5, foreach=False).step()
    rule = optax.adam(0.5)
    updates, _ = rule.update(jnp.asarray(gradient), rule.init(jnp.zeros(3, jnp.float16)))
    for moved in (w.numpy(), np.asarray(updates)):
        assert np.isnan(moved[0])
        assert np.isneginf(moved[1])
        assert moved[2] == pytest.approx(-0.5)


def test_statistics_left_in_float16_are_wrong(rng):
    """The trap norm-stats-half: linen's norms keep them in float32 unless told not to. Measured: 2e-3 against 0.2."""
    x = (100 + rng.normal(size=(256, 3))).astype(np.float16)
    wide = x.astype(np.float64)
    truth = (wide - wide.mean(0)) / np.sqrt(wide.var(0) + 1e-5)
    gaps = []
    for kept in (True, False):
        layer = nn.BatchNorm(False, epsilon=1e-5, dtype=jnp.float16, force_float32_reductions=kept)
        got, _ = layer.apply(layer.init(jax.random.key(0), x), x, mutable=["batch_stats"])
        gaps.append(np.abs(np.asarray(got, np.float64) - truth).max())
    assert gaps[0] < 0.01 < 0.1 < gaps[1]


def test_a_global_norm_in_bfloat16_is_a_sum_in_bfloat16(rng):
    """The trap global-norm-bf16: unscaled gradients are float32 here, so that the clip factor is right."""
    gradient = rng.normal(size=1000).astype(np.float32)
    low = jnp.asarray(gradient, jnp.bfloat16)
    truth = np.linalg.norm(np.asarray(low, np.float64))
    assert float(optax.global_norm(low.astype(jnp.float32))) == pytest.approx(truth)
    assert abs(float(optax.global_norm(low)) - truth) > 1e-4 * truth


def test_dense_of_flax_adds_up_its_bias_s_gradient_in_its_dtype():
    """A divergence that moves the loss scale: in float16 the sum overflows on the way to what float16 holds."""
    parts = np.concatenate([np.full(96, 1000.0), np.full(64, -1000.0)]).astype(np.float32)  # 96,000, then 32,000
    bias = torch.nn.Parameter(torch.zeros(1))
    with torch.autocast("cpu", torch.float16):
        out = functional.linear(torch.zeros(160, 1), torch.zeros(1, 1), bias)
    out.backward(torch.tensor(parts, dtype=torch.float16)[:, None])
    assert bias.grad.item() == 32000

    def gradient(dot_general):
        layer = nn.Dense(1, dtype=jnp.float16, dot_general=dot_general)
        variables = layer.init(jax.random.key(0), jnp.zeros((160, 1)))

        def pulled(variables):
            out = layer.apply(variables, jnp.zeros((160, 1))).astype(jnp.float16)[:, 0]
            return (out.astype(jnp.float32) * parts).sum()

        return jax.grad(pulled)(variables)["params"]["bias"].item()

    assert not np.isfinite(gradient(None))
    assert gradient(_widened_product) == 32000


def test_a_bias_before_a_mean_has_a_wrong_gradient_in_bfloat16_on_a_cpu():
    """JAX leaves the sum over pixels to XLA in bfloat16, and equal terms are rounded alike; torch adds in float32."""
    image = jnp.zeros((8, 7, 7, 4), jnp.bfloat16)
    gradient = jax.grad(lambda bias: (image + bias).mean((0, 1, 2)).sum() * jnp.bfloat16(1.1))(image[0, 0, 0])
    bias = torch.zeros(4, dtype=torch.bfloat16, requires_grad=True)
    ((torch.zeros(8, 7, 7, 4, dtype=torch.bfloat16) + bias).mean((0, 1, 2)).sum() * 1.1).backward()
    # one rounding to bfloat16, 2^-9 of itself: measured 0.0014
    assert bias.grad[0].item() == pytest.approx(1.1, rel=2.0**-9)
    assert abs(float(gradient[0]) / 1.1 - 1) > 0.05


def test_autocast_casts_a_weight_once_a_region_and_adds_up_its_gradients_low():
    """A weight used twice: 2048 + 1 is 2048 in float16. JAX does the same where one cast is reused."""

    def in_torch(**options):
        w = torch.nn.Parameter(torch.ones(1, 1))
        with torch.autocast("cpu", torch.float16, **options):
            total = functional.linear(torch.full((1, 1), 2048.0), w) + functional.linear(torch.ones(1, 1), w)
        total.backward(torch.ones_like(total))
        return w.grad.item()

    def used_twice(w, once):
        low = w.astype(jnp.float16)
        first, second = (low, low) if once else (low, w.astype(jnp.float16))
        return (jnp.float16(2048) * first + jnp.float16(1) * second).astype(jnp.float32)

    in_jax = [jax.grad(used_twice)(jnp.float32(1), once).item() for once in (True, False)]
    assert [in_torch(), in_torch(cache_enabled=False)] == in_jax == [2048, 2049]
