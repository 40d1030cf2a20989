"""Remedies of numbers and axes that belong together: lengths in several places, thresholds, groups, broadcasts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn import functional

import parity

draw = np.random.default_rng(89)
ROWS, IMAGES, SQUARE = draw.normal(size=(6, 4)), draw.normal(size=(3, 4, 5)), draw.normal(size=(4, 4, 3))
RATES = {"steps": np.arange(24), "peak": np.array([0.5, 2.0, 0.125])}


def diagnosis(torch_side, jax_side, inputs, **options):
    """What the report says of its cause, "" for nothing."""
    return parity.compare(torch_side, jax_side, inputs, dtypes=("float64",), jit=False, **options).diagnosis or ""


def triangle(steps, peak, down):
    """Three steps up, ``down`` steps down, over and over; each cycle half as high."""
    since, cycle = steps % (3 + down), steps // (3 + down)
    since, cycle = since[:, None] * (peak / peak), cycle[:, None] * (peak / peak)
    return peak * 0.5**cycle * ((since <= 3) * since / 3 + (since > 3) * (3 + down - since) / down)


def grouped(x, groups):
    parts = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
    centred = parts - parts.mean((2, 3), keepdims=True)
    return (centred / jnp.sqrt((centred**2).mean((2, 3), keepdims=True) + 1e-5)).reshape(x.shape)


def watched(x, bar):
    """How often the best so far was beaten."""

    def step(best, now):
        return jnp.where(now < bar(best), now, best), now < bar(best)

    return jnp.cumsum(jax.lax.scan(step, jnp.inf, x)[1]) * jnp.sin(x)


def torch_watched(x):
    best, seen = torch.tensor(torch.inf), []
    for now in x:
        seen.append(now < best * (1 - 1e-3))
        best = now if seen[-1] else best
    return torch.stack(seen).cumsum(0) * torch.sin(x)


FALLING = np.array([5.0, 4.0, 3.9999, 3.5, 3.4999, 2.0, 1.9995, 1.7, 1.69999, 1.3, 1.2999, 1.1])
KEYS = draw.normal(size=(2, 5, 4))
CASES = {
    "a period": (
        lambda steps, peak: triangle(steps, peak, 5),
        lambda steps, peak: triangle(steps, peak, 3),
        RATES,
        "6 is 8, 3 is 5: a length, or a period, of 2 steps",
    ),
    "a threshold": (
        torch_watched,
        lambda x: watched(x, lambda best: best),
        (FALLING,),
        "of itself less: a relative threshold",
    ),
    "groups": (
        lambda x: functional.group_norm(x, 2),
        lambda x: grouped(x, 4),
        (IMAGES,),
        "an axis of 4 is split into (2, 2) instead of (4, 1): another number of groups",
    ),
    "a mask along the wrong axes": (
        lambda x, keep: torch.exp(x * keep[:, :, None]) * x,
        lambda x, keep: jnp.exp(x * keep[:, :3][:, None]) * x,
        {"x": SQUARE, "keep": (draw.random((4, 4)) < 0.5) * 1.5},
        "is keep along axes (0, 1), broadcast over the others",
    ),
    "a key of zeros": (
        lambda x: torch.cat([x, torch.zeros_like(x[..., :1])], -1).softmax(-1)[..., :-1] @ (x.mT**2),
        lambda x: jax.nn.softmax(x) @ (x.mT**2),
        (KEYS,),
        "the softmax has one more key, of score 0",
    ),
    "a clamp of logarithms": (
        lambda p: p.log().clamp(min=-100).sum(-1),
        lambda p: jnp.log(p + 1e-7).sum(-1),
        (np.abs(ROWS) * np.array([1.0, 1e-60, 1.0, 1e-50]),),
        "the logarithm takes no 1e-07, its epsilon, and is clamped to at least -100",
    ),
    "two counts of Bessel's": (
        lambda x: torch.stack([x.var(0), 0.5 * x[:3].var(0)]),
        lambda x: jnp.stack([scale * ((part - part.mean(0)) ** 2).mean(0) for scale, part in ((1, x), (0.5, x[:3]))]),
        (ROWS,),
        "Bessel's correction, n / (n - 1) = 6/5 and 3/2",
    ),
    "a residual": (
        lambda x: x + torch.tanh(x - x.mean(-1, keepdim=True)),
        lambda x: (y := x - x.mean(-1, keepdims=True)) + jnp.tanh(y),
        (ROWS,),
        "of the sum, a residual connection, is x",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_named(name):
    torch_side, jax_side, inputs, words = CASES[name]
    assert words in diagnosis(torch_side, jax_side, inputs, gradients=False)
