"""Convolution: values and gradients beside plain loops, every padding mode, and the port through a flatten."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

from counterparts_convolution import channels_last, kernel_last, pair
from jax_impl import convolution as jax_side
from oracles import agrees
from torch_impl import convolution as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])


@pytest.fixture(autouse=True)
def x64():
    """What is held against NumPy is computed in its precision."""
    with jax.enable_x64(True):
        yield


def convolved(name, space, **options):
    """A function of images, kernel and bias, of both sides; torch's layout comes in and goes out."""
    return (
        lambda x, kernel, bias: getattr(torch_side, name)(x, kernel, bias, **options),
        lambda x, kernel, bias: channels_last(
            lambda x: getattr(jax_side, name)(x, kernel_last(kernel), bias, **options), x, space
        ),
    )


# --- the course's blur ---------------------------------------------------------------------------------------------


def test_the_blur_is_the_mean_of_nine_pixels(parity, rng):
    """Each channel by itself; outside are zeros, so a border of ones darkens to 6/9 and a corner to 4/9."""
    x = rng.normal(size=(2, 3, 5, 4))
    parity.assert_equivalent(*pair("blur", 2), (x,))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    mean = sum(padded[:, :, i : i + 5, j : j + 4] for i in range(3) for j in range(3)) / 9
    assert agrees(torch_side.blur(torch.tensor(x)), mean)
    ones = np.asarray(jax_side.blur(jnp.ones((1, 3, 4, 1))))[0, ..., 0]
    assert ones[0, :2] == pytest.approx([4 / 9, 6 / 9])
    assert ones[1, 1] == pytest.approx(1)


# --- convolving ----------------------------------------------------------------------------------------------------


def numpy_conv(x, kernel, bias, options):
    """The definition over two axes, a sum for each number of the output."""
    stride, dilation = options["stride"], options["dilation"]
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in options["padding"])))
    out, each, *window = kernel.shape
    places = [range(0, x.shape[2 + a] - dilation[a] * (window[a] - 1), stride[a]) for a in (0, 1)]
    y = np.empty((len(x), out, len(places[0]), len(places[1])))
    for o, (r, row), (c, column) in product(range(out), enumerate(places[0]), enumerate(places[1])):
        first = o // (out // options["groups"]) * each
        seen = x[:, first : first + each, row :: dilation[0], column :: dilation[1]][:, :, : window[0], : window[1]]
        y[:, o, r, c] = (seen * kernel[o]).sum((1, 2, 3)) + bias[o]
    return y


@pytest.mark.parametrize("magnitude", [1.0, 1e-3])
def test_conv_agrees_and_is_its_definition(parity, rng, magnitude):
    """Nothing is square, and every option is told at once."""
    x, kernel, bias = magnitude * rng.normal(size=(2, 4, 7, 6)), rng.normal(size=(6, 2, 3, 2)), rng.normal(size=6)
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 3), "groups": 2}
    parity.assert_equivalent(*convolved("conv", 2, **options), (x, kernel, bias))
    truth = numpy_conv(x, kernel, bias, options)
    torch_conv, _ = convolved("conv", 2, **options)
    assert agrees(torch_conv(*map(torch.tensor, (x, kernel, bias))), truth)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", ["same", (1, 2)])
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_conv_agrees_in_every_padding_mode(parity, rng, mode, padding):
    """A window of 4 by 2 and a dilation of 1 make ``same`` odd: one more stands behind."""
    x, kernel, bias = rng.normal(size=(2, 2, 5, 4)), rng.normal(size=(3, 2, 4, 2)), rng.normal(size=3)
    sides = convolved("conv", 2, padding=padding, padding_mode=mode)
    parity.assert_equivalent(*sides, (x, kernel, bias), dtypes=("float64",), jit=False)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_the_functions_are_torch_modules(rng):
    """The torch twin beside nn.Conv2d itself, in the mode that the module pads by hand."""
    for mode in ("reflect", "zeros"):
        layer = nn.Conv2d(2, 3, (4, 2), padding="same", padding_mode=mode).double()
        x = torch.tensor(rng.normal(size=(2, 2, 5, 4)))
        ours = torch_side.conv(x, layer.weight, layer.bias, padding="same", padding_mode=mode)
        assert torch.equal(ours, layer(x))


@pytest.mark.parametrize(
    ("space", "options"),
    [
        (1, {}),
        (2, {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "groups": 2, "dilation": (1, 2)}),
        (3, {"stride": 2}),
    ],
)
def test_conv_transpose_agrees(parity, rng, space, options):
    groups = options.get("groups", 1)
    x, kernel = rng.normal(size=(2, 4, 3, 4, 2)[: 2 + space]), rng.normal(size=(4, 3, 2, 3, 2)[: 2 + space])
    inputs = (x, kernel, rng.normal(size=3 * groups))
    parity.assert_equivalent(*convolved("conv_transpose", space, **options), inputs, jit=space == 2)


def test_conv_transpose_is_the_gradient_of_conv(rng):
    """For any x and y: <conv(x), y> = <x, conv_transpose(y)>."""
    x, y, kernel = rng.normal(size=(1, 5, 7, 2)), rng.normal(size=(1, 2, 3, 3)), rng.normal(size=(3, 3, 2, 3))
    ahead = jax_side.conv(x, kernel, stride=2)
    back = jax_side.conv_transpose(y, kernel, stride=2)
    assert float((ahead * y).sum()) == pytest.approx(float((x * back).sum()))


@pytest.mark.parametrize("space", [1, 3])
def test_conv_agrees_over_one_and_three_axes(parity, rng, space):
    inputs = (rng.normal(size=(2, 2, 4, 3, 5)[: 2 + space]), rng.normal(size=(3, 2, 2, 3, 2)[: 2 + space]))
    parity.assert_equivalent(
        *convolved("conv", space, stride=2, padding=1), (*inputs, rng.normal(size=3)), dtypes=("float64",), jit=False
    )


# --- linen's own layer, and the port through a flatten -------------------------------------------------------------


class Classifier(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = jnp.moveaxis(x, 1, -1)  # the images come as torch has them
        x = linen.relu(linen.Conv(3, (3, 2), padding="VALID")(x))
        x = linen.max_pool(x, (2, 2), (2, 2))
        # (batch, rows, columns, channels) to torch's order of features
        x = jnp.moveaxis(x, -1, 1).reshape(x.shape[0], -1)
        return linen.Dense(4)(x)


def test_conv_flatten_dense_ports_by_flattening_in_torchs_order(parity, rng):
    layers = (nn.Conv2d(2, 3, (3, 2)), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4))
    report = parity.compare_modules(nn.Sequential(*layers), Classifier(), (rng.normal(size=(2, 2, 6, 7)),))
    assert report.ok, str(report)


def test_or_by_permuting_the_dense_kernel_once(rng):
    """A model that flattens NHWC takes the dense kernel with its rows in that order."""
    maps, weight = rng.normal(size=(2, 3, 2, 4)), rng.normal(size=(5, 24))
    expected = maps.reshape(2, -1) @ weight.T
    kernel = weight.reshape(5, 3, 2, 4).transpose(2, 3, 1, 0).reshape(24, 5)
    assert agrees(np.moveaxis(maps, 1, -1).reshape(2, -1) @ kernel, expected)


# --- arguments -----------------------------------------------------------------------------------------------------


@SIDES
def test_arguments_that_do_not_fit_raise_one_sentence(side):
    make = torch.ones if side is torch_side else jnp.ones
    x, kernel = make((1, 1, 4, 4)), make((1, 1, 1, 1))
    with pytest.raises(ValueError, match=r"^conv: padding_mode must be zeros, .* or circular, got edge\.$"):
        side.conv(x, kernel, padding_mode="edge")
    with pytest.raises(ValueError, match=r"^conv: stride must be 1 where padding is same, got 2\.$"):
        side.conv(x, kernel, padding="same", stride=2)
    with pytest.raises(ValueError, match=r"^pad: mode must be one of zeros, reflect, replicate, circular, got edge\.$"):
        side.pad(x, ((1, 1), (1, 1)), mode="edge")
    with pytest.raises(ValueError, match=r"^blur: side must be odd, got 2\.$"):
        side.blur(x, 2)
