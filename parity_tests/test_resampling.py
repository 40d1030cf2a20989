"""Resampling agrees with its twin and with NumPy: every mode, size and scale, and gradients at every kink."""

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_impl import resampling as jax_side
from oracles import agrees
from torch_impl import resampling as torch_side

MODES = {1: ("linear", "nearest", "nearest-exact", "area"), 2: ("bilinear", "bicubic"), 3: ("trilinear", "area")}
VOLUME = pytest.param("bilinear", 3, marks=pytest.mark.slow)
SETTINGS = {
    "size": {"size": 7},
    "smaller": {"size": 3},
    "scale": {"scale_factor": 1.7},
    "scale, recomputed": {"scale_factor": 0.6, "recompute_scale_factor": True},
}


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def channels_last(function):
    return lambda x, *rest: jnp.moveaxis(function(jnp.moveaxis(x, 1, -1), *rest), -1, 1)


def settings(space):
    for mode, given in product(MODES[space], SETTINGS.values()):
        yield given | {"mode": mode}
        if "linear" in mode or mode == "bicubic":
            yield given | {"mode": mode, "align_corners": True}
        if space == 2:
            yield given | {"mode": mode, "antialias": True}


def resized(space):
    return (
        lambda x: [torch_side.interpolate(x, **given) for given in settings(space)],
        lambda x: [channels_last(partial(jax_side.interpolate, **given))(x) for given in settings(space)],
    )


@pytest.mark.parametrize("space", [pytest.param(n, marks=[pytest.mark.slow] * (n == 3)) for n in MODES])
def test_every_setting_of_interpolate_agrees(parity, rng, space):
    """One to three axes, no two alike; at float32 along one."""
    inputs = {"x": rng.normal(size=(1, 2, *(5, 4, 2)[:space]))}
    dtypes = ("float64", "float32")[: 1 + (space == 1)]
    parity.assert_equivalent(*resized(space), inputs, name=f"{space} axes", dtypes=dtypes, jit=space == 1)


def test_the_nearest_pixels_are_the_same(rng, x64):
    """Torch reckons the nearest pixel in float32: the same is taken at every size of small images, and every scale."""
    for old, new in product((2, 3, 5, 11), range(1, 13)):
        x = rng.normal(size=(1, 1, old))
        for mode in ("nearest", "nearest-exact"):
            given = {"scale_factor": 0.3 + new / 5} if old > 3 else {"size": new}
            theirs = torch_side.interpolate(torch.tensor(x), mode=mode, **given).numpy()
            ours = jax_side.interpolate(jnp.asarray(x[0, 0][None, :, None]), mode=mode, **given)
            assert np.array_equal(theirs[0, 0], np.asarray(ours)[0, :, 0])


def test_linear_is_numpy_s_interpolation(rng, x64):
    """A third voice: np.interp holds the outer values beyond the outer centres, as torch does."""
    x = rng.normal(size=6)
    for new, align in product((4, 9), (False, True)):
        places = np.linspace(0, 5, new) if align else (np.arange(new) + 0.5) * 6 / new - 0.5
        expected = np.interp(places, np.arange(6), x)
        given = {"size": new, "mode": "linear", "align_corners": align}
        assert agrees(torch_side.interpolate(torch.tensor(x[None, None]), **given).numpy()[0, 0], expected)
        assert agrees(np.asarray(jax_side.interpolate(jnp.asarray(x[None, :, None]), **given))[0, :, 0], expected)


EDGES = ("zeros", "border", "reflection")
KINKS = np.array([-1, 0, 1, 0.5, -0.5, 0.25, -0.75, 1 / 3, 0.6, 3.0, -3.0, 2.0])


def sampled(mode):
    """Both sides, under every edge, with the corners aligned or not."""
    ways = [(mode, *rest) for rest in product(EDGES, (False, True))]
    return (
        lambda x, grid: [torch_side.grid_sample(x, grid, *way) for way in ways],
        lambda x, grid: [channels_last(jax_side.grid_sample)(x, grid, *way) for way in ways],
    )


@pytest.mark.parametrize(("mode", "space"), [("bilinear", 2), ("nearest", 2), ("bicubic", 2), VOLUME])
def test_grid_samples_agree(parity, rng, mode, space):
    """At random places, many of them outside, and at the kinks: pixels, edges, and what they reflect."""
    places = np.concatenate([1.5 * rng.normal(size=(1, 20, space)), rng.choice(KINKS, size=(1, 80, space))], axis=1)
    grid = places.reshape(1, *[1] * (space - 1), 100, space)
    inputs = {"x": rng.normal(size=(1, 2, *(3, 5, 2)[:space])), "grid": grid}
    quick = {"jit": False, "dtypes": ("float64",)}
    parity.assert_equivalent(*sampled(mode), inputs, name=f"{mode}, {space} axes", **quick)


def test_affine_grids_agree(parity, rng):
    def both(side):
        return lambda flat, solid: [
            *(side.affine_grid(flat, (3, 4), align_corners=align) for align in (False, True)),
            side.affine_grid(solid, (2, 3, 4)),
        ]

    inputs = {"flat": rng.normal(size=(2, 2, 3)), "solid": rng.normal(size=(1, 3, 4))}
    parity.assert_equivalent(both(torch_side), both(jax_side), inputs, name="affine_grid")


def test_bilinear_samples_are_numpy_s(rng, x64):
    """The four pixels around, by their areas; and the unit map reads an image as it is."""
    image, (u, v) = rng.normal(size=(3, 4)), (0.3, -0.4)
    x, y = ((u + 1) * 4 - 1) / 2, ((v + 1) * 3 - 1) / 2
    i, j = int(np.floor(y)), int(np.floor(x))
    a, b = y - i, x - j
    expected = (1 - a) * ((1 - b) * image[i, j] + b * image[i, j + 1])
    expected += a * ((1 - b) * image[i + 1, j] + b * image[i + 1, j + 1])
    grid = np.array([[[[u, v]]]])
    assert agrees(
        torch_side.grid_sample(torch.tensor(image[None, None]), torch.tensor(grid)).numpy().ravel(), [expected]
    )
    pixels = jnp.asarray(image[None, :, :, None])
    assert agrees(np.asarray(jax_side.grid_sample(pixels, jnp.asarray(grid))).ravel(), [expected])
    unit = jax_side.affine_grid(jnp.eye(2, 3)[None], (3, 4))
    assert agrees(np.asarray(jax_side.grid_sample(pixels, unit)), np.asarray(pixels))


ERRORS = {
    "size or scale_factor must be given alone": lambda side, x: side.interpolate(x),
    "mode must be one of": lambda side, x: side.interpolate(x, 2, mode="linear"),
    "align_corners must be false": lambda side, x: side.interpolate(x, 2, align_corners=True),
    "antialias must be false": lambda side, x: side.interpolate(x, 2, antialias=True),
    "grid_sample: mode must be": lambda side, x: side.grid_sample(x, x[..., :2], "cubic"),
    "grid_sample: padding_mode must be": lambda side, x: side.grid_sample(x, x[..., :2], "nearest", "mirror"),
}


@pytest.mark.parametrize("words", ERRORS)
def test_errors_are_the_same(words):
    said = []
    for side, native in ((torch_side, torch.tensor), (jax_side, jnp.asarray)):
        with pytest.raises(ValueError, match=words) as error:
            ERRORS[words](side, native(np.ones((1, 2, 2, 2), np.float32)))
        said.append(str(error.value))
    assert said[0] == said[1]
