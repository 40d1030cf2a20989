"""Where PyTorch's resampling and what JAX offers for it part ways, each with its size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax.scipy.ndimage import map_coordinates
from torch.nn import functional

draw = np.random.default_rng(3)
X = draw.normal(size=(1, 1, 8, 8))


@pytest.fixture(autouse=True)
def x64():
    """Sizes are stated in float64."""
    with jax.enable_x64(True):
        yield


def torch_sized(size, mode, x=X, **options):
    return functional.interpolate(torch.tensor(x), size, mode=mode, **options).numpy()


def jax_sized(size, method, x=X, **options):
    return np.asarray(jax.image.resize(jnp.asarray(x), (*x.shape[:2], *size), method, **options))


def gap(left, right):
    return abs(left - right).max()


def test_trap_resize_antialias():
    """resize-antialias: ``jax.image.resize`` blurs what it shrinks, unless told."""
    ours = torch_sized((4, 4), "bilinear")
    assert gap(jax_sized((4, 4), "bilinear"), ours) > 0.1
    assert gap(jax_sized((4, 4), "bilinear", antialias=False), ours) < 1e-14
    assert gap(jax_sized((4, 4), "bilinear"), torch_sized((4, 4), "bilinear", antialias=True)) < 1e-14


def test_trap_bicubic_coefficient():
    """bicubic-coefficient: -3/4 in torch, -1/2 in JAX, and in torch too once it antialiases; JAX has both by name."""
    assert gap(jax_sized((13, 13), "bicubic"), torch_sized((13, 13), "bicubic")) > 0.1
    assert gap(jax_sized((13, 13), "bicubic"), torch_sized((13, 13), "bicubic", antialias=True)) < 1e-14
    assert gap(jax_sized((13, 13), "bicubic-pytorch", antialias=False), torch_sized((13, 13), "bicubic")) < 1e-14


def test_trap_nearest_rounding():
    """nearest-rounding: "nearest" takes the pixel below, JAX's the nearest centre: torch's "nearest-exact"."""
    assert gap(jax_sized((5, 5), "nearest"), torch_sized((5, 5), "nearest")) > 1
    assert gap(jax_sized((5, 5), "nearest"), torch_sized((5, 5), "nearest-exact")) == 0
    assert gap(jax_sized((16, 16), "nearest"), torch_sized((16, 16), "nearest")) == 0


def test_trap_align_corners():
    """align-corners: nothing in ``resize`` does it; ``scale_and_translate`` does."""
    ours = torch_sized((13, 13), "bilinear", align_corners=True)
    assert gap(jax_sized((13, 13), "bilinear"), ours) > 0.1
    scale = jnp.full(2, 12 / 7)
    given = {"shape": (1, 1, 13, 13), "spatial_dims": (2, 3), "scale": scale, "translation": 0.5 * (1 - scale)}
    moved = jax.image.scale_and_translate(jnp.asarray(X), method="bilinear", antialias=False, **given)
    assert gap(np.asarray(moved), ours) < 1e-13


def test_trap_scale_factor_recompute():
    """scale-factor-recompute: a scale of 1.5 is the distance of samples; 5 pixels become 7, not 7.5 of them."""
    x = X[..., :5, :5]
    given = {"scale_factor": 1.5, "mode": "bilinear"}
    ours = functional.interpolate(torch.tensor(x), **given).numpy()
    assert gap(jax_sized((7, 7), "bilinear", x), ours) > 0.1
    recomputed = functional.interpolate(torch.tensor(x), recompute_scale_factor=True, **given).numpy()
    assert gap(jax_sized((7, 7), "bilinear", x), recomputed) < 1e-14


def test_trap_a_size_that_stays():
    """Where a scale leads to the old size torch skips the axis, except in "bicubic" without antialias."""
    x = torch.tensor(X[..., :3, :3])
    same = functional.interpolate(x, scale_factor=1.3, mode="bilinear")
    assert torch.equal(same, x)
    assert gap(functional.interpolate(x, scale_factor=1.3, mode="bicubic").numpy(), x.numpy()) > 0.1


@pytest.mark.parametrize("mistake", ["(row, column)", "corners"])
def test_trap_grid_sample_coordinates(mistake):
    """grid-sample-coordinates: (x, y) between the outer edges, where ``map_coordinates`` wants rows and columns."""
    grid = draw.uniform(-0.8, 0.8, size=(1, 5, 5, 2))
    ours = functional.grid_sample(torch.tensor(X), torch.tensor(grid), align_corners=False).numpy()[0, 0]
    column, row = (((number + 1) * 8 - 1) / 2 for number in np.moveaxis(grid[0], -1, 0))
    assert gap(np.asarray(map_coordinates(X[0, 0], [row, column], 1)), ours) < 1e-13
    wrong = [column, row] if mistake == "(row, column)" else [(grid[0, ..., axis] + 1) / 2 * 7 for axis in (1, 0)]
    assert gap(np.asarray(map_coordinates(X[0, 0], wrong, 1)), ours) > 0.3


def test_trap_the_derivative_on_the_border():
    """On the outer pixel itself the place's derivative is 0 in torch; ``jnp.clip`` shares it, 1/2."""
    grid = torch.tensor([[[[-1.0, 0.3]]]], dtype=torch.float64, requires_grad=True)
    functional.grid_sample(torch.tensor(X), grid, padding_mode="border", align_corners=True).sum().backward()
    assert grid.grad is not None
    assert grid.grad[0, 0, 0, 0] == 0
    assert jax.grad(lambda place: jnp.clip(place, 0, 7))(0.0) == 0.5
