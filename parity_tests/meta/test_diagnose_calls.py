"""Another argument of a call, or another function of the kind: named where it closes the whole gap."""

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
