"""Another argument of a call, or another function of the kind: named where it closes the whole gap."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from jax.scipy.ndimage import map_coordinates
from torch.nn import functional

import parity
from parity.diagnosis.library import Library

draw = np.random.default_rng(0)
X, Y = draw.normal(size=(2, 3, 4))
ROWS = {"x": X, "y": Y}
PLACES = np.array([[0.5, 1.5], [1.5, 0.25], [2.5, 0.75]])


def diagnosis(torch_side, jax_side, inputs):
    return parity.compare(torch_side, jax_side, inputs, dtypes=("float64",), jit=False).diagnosis or ""


def energy(x, y):
    return jnp.sum(jnp.tanh(x) * y**2)


@jax.jit
def compiled(x):
    return jax.nn.gelu(x) * x


CASES = {
    "a truth value": (
        lambda x, y: functional.gelu(x) * y,
        lambda x, y: jax.nn.gelu(x) * y,
        "jax.nn.gelu(approximate=False) instead of True at ",
    ),
    "a word": (
        lambda x, y: functional.pad(x, (1, 1), mode="reflect")[:, :4] * y,
        lambda x, y: jnp.pad(x, ((0, 0), (1, 1)), mode="edge")[:, :4] * y,
        "jax.numpy.pad(mode='reflect') instead of 'edge' at ",
    ),
    "a number": (
        lambda x, y: x.std(0) * y + x,
        lambda x, y: jnp.std(x, axis=0) * y + x,
        "jax.numpy.std(ddof=1) instead of 0 at ",
    ),
    "an axis": (
        lambda x, y: x.cumsum(0) * y,
        lambda x, y: jnp.cumsum(x, axis=1) * y,
        "jax.numpy.cumsum(axis=0) instead of 1 at ",
    ),
    "another function": (
        lambda x, y: functional.mse_loss(x, y, reduction="none") + x,
        lambda x, y: optax.l2_loss(x, y) + x,
        "optax.squared_error instead of optax.l2_loss at ",
    ),
    "behind jit": (
        lambda x, y: functional.gelu(x) * x + 0 * y,
        lambda x, y: compiled(x) + 0 * y,
        "jax.nn.gelu(approximate=False) instead of True at ",
    ),
    "the argument of a derivative": (
        lambda x, y: (1 - x.tanh() ** 2) * y**2,
        lambda x, y: jax.grad(energy, argnums=1)(x, y),
        "jax.grad(argnums=0) instead of 1 at ",
    ),
    "the axis of vmap": (
        lambda x, y: x * torch.arange(3).to(x)[:, None] + x.sum(0) + y,
        lambda x, y: jax.vmap(lambda one: one * jnp.arange(3) + one.sum(), in_axes=1)(x).reshape(3, 4) + y,
        "jax.vmap(out_axes=1) instead of 0 at ",
    ),
    "a mask too many": (
        lambda x, y: x.softmax(1) * y,
        lambda x, y: jax.nn.softmax(x, axis=1, where=jnp.arange(4) < 3) * y,
        "jax.nn.softmax without where at ",
    ),
    "a function of another meaning": (
        lambda x, y: x.median(1, keepdim=True).values * y,
        lambda x, y: jnp.median(x, axis=1, keepdims=True) * y,
        "the lower of two middle values, torch's median, not the mean of both of jax.numpy.median at ",
    ),
    "arguments exchanged": (
        lambda x, y: torch.atan2(x, y * x) + x,
        lambda x, y: jnp.arctan2(y * x, x) + x,
        "arguments x1 and x2 of jax.numpy.arctan2 exchanged at ",
    ),
    "a field of linen's": (
        lambda x, y: functional.layer_norm(x, (4,), eps=1e-5) * y,
        lambda x, y: nn.LayerNorm(use_bias=False, use_scale=False).apply({}, 0.01 * x * 100) * y,
        "LayerNorm(epsilon=1e-05) instead of 1e-06",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_call_is_named(case):
    torch_side, jax_side, said = CASES[case]
    assert said in diagnosis(torch_side, jax_side, ROWS)


def test_the_order_of_a_list_is_named():
    """grid_sample reads (x, y) from -1 to 1, map_coordinates [row, column] in pixels."""

    def torch_side(x):
        grid = torch.tensor(2 * PLACES / 3 - 1).to(x)
        return functional.grid_sample(x[None, None], grid[None, :, None], align_corners=True)[0, 0, :, 0] ** 2

    found = diagnosis(torch_side, lambda x: map_coordinates(x, list(PLACES.T), 1) ** 2, {"x": draw.normal(size=(4, 4))})
    assert "coordinates of jax.scipy.ndimage.map_coordinates in the reverse order at " in found


DIRECT = {
    "a function": (functional.gelu, jax.nn.gelu, "vanishes with jax.nn.gelu(approximate=False) instead of True"),
    "with options": (
        partial(torch.softmax, dim=1),
        partial(jax.nn.softmax, axis=0),
        "vanishes with jax.nn.softmax(axis=1) instead of 0",
    ),
}


@pytest.mark.parametrize("case", DIRECT)
def test_a_port_that_is_a_librarys_function_is_a_call(case):
    torch_side, jax_side, said = DIRECT[case]
    assert said in diagnosis(torch_side, jax_side, (X,))


RESIZED = {
    "corners": ({"mode": "bilinear", "align_corners": True}, "bilinear", "corners aligned, as align_corners=True"),
    "floor": ({"mode": "nearest"}, "nearest", "the pixel at floor(i x scale)"),
    "cubic": ({"mode": "bicubic"}, "bicubic", "method='bicubic-pytorch', whose a is -0.75"),
}


@pytest.mark.parametrize("kind", RESIZED)
@pytest.mark.parametrize("size", [(3, 9), (8, 8)], ids=str)
def test_what_torch_resizes_otherwise_is_named(kind, size):
    how, method, said = RESIZED[kind]
    found = diagnosis(
        lambda x: functional.interpolate(x, size=size, **how),
        lambda x: jax.image.resize(x, (1, 2, *size), method),
        {"x": draw.normal(size=(1, 2, 5, 7))},
    )
    assert f"the gap vanishes with {said}" in found


def test_nothing_is_named_where_no_call_explains_the_gap():
    found = diagnosis(lambda x, y: functional.gelu(x) * y + torch.sin(3 * x * y), CASES["a truth value"][1], ROWS)
    assert "vanishes with" not in found


def test_every_name_is_bound_back():
    def handle(*_):
        raise ZeroDivisionError("here")

    library, before = Library(), {**vars(jax.nn)}
    with library.watched(handle), pytest.raises(ZeroDivisionError, match="here"):
        jax.nn.gelu(X)
    assert vars(jax.nn) == before
