"""Where linen's convolutions and pools part ways with torch's, each with its size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch.nn import functional

from jax_impl import convolution as jax_side


@pytest.fixture(autouse=True)
def x64():
    """Sizes are stated in float64."""
    with jax.enable_x64(True):
        yield


def first(x):
    """Channels last to first."""
    return np.moveaxis(np.asarray(x), -1, 1)


def last(x):
    return np.moveaxis(x, 1, -1)


def gap(left, right):
    return np.abs(np.asarray(left) - np.asarray(right)).max()


def test_trap_conv_default_padding(rng):
    """conv-default-padding: 8 by 8 becomes 6 by 6 in torch and stays 8 by 8 in linen."""
    x, kernel = rng.normal(size=(1, 3, 8, 8)), rng.normal(size=(3, 3, 3, 4))
    left = functional.conv2d(torch.tensor(x), torch.tensor(kernel.transpose(3, 2, 0, 1)))
    layer = linen.Conv(4, (3, 3), use_bias=False)
    right = layer.apply({"params": {"kernel": kernel}}, last(x))
    assert (left.shape[2:], right.shape[1:3]) == ((6, 6), (8, 8))
    assert gap(left, first(right)[:, :, 1:-1, 1:-1]) < 1e-12  # the inside is the same: rounding alone


@pytest.mark.parametrize("order", [(2, 3, 0, 1), (3, 2, 1, 0)], ids=["in and out", "rows and columns"])
def test_trap_conv_kernel_layout(rng, order):
    """conv-kernel-layout: two wrong orders fit where in = out and rows = columns, and are off by more than 1."""
    x, kernel = rng.normal(size=(2, 3, 6, 6)), rng.normal(size=(3, 3, 3, 3))
    left = functional.conv2d(torch.tensor(x), torch.tensor(kernel))
    assert gap(left, first(jax_side.conv(last(x), kernel.transpose(2, 3, 1, 0)))) < 1e-12  # rounding alone
    assert gap(left, first(jax_side.conv(last(x), kernel.transpose(order)))) > 1


def test_trap_nchw_accepted_silently():
    """nchw-accepted-silently: linen reads the columns as channels, and makes a kernel for them."""
    variables = linen.Conv(4, (3, 3)).init(jax.random.key(0), jnp.ones((2, 3, 8, 8)))
    assert variables["params"]["kernel"].shape == (3, 3, 8, 4)


def test_trap_pool_padding(rng):
    """pool-padding: a strided SAME pads behind, zeros by hand win over negative values."""
    x = rng.normal(size=(2, 3, 8, 8)) - 3
    left = functional.max_pool2d(torch.tensor(x), 3, 2, 1)
    given = linen.max_pool(last(x), (3, 3), (2, 2), ((1, 1), (1, 1)))
    assert np.array_equal(left, first(given))
    assert gap(left, first(linen.max_pool(last(x), (3, 3), (2, 2), "SAME"))) > 1
    zeros = np.pad(last(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    assert gap(left, first(linen.max_pool(zeros, (3, 3), (2, 2)))) > 1


def test_trap_pool_stride(rng):
    """A pool of torch steps by its window; linen's by 1."""
    x = rng.normal(size=(1, 2, 6, 6))
    assert functional.max_pool2d(torch.tensor(x), 2).shape[2:] == (3, 3)
    assert linen.max_pool(last(x), (2, 2)).shape[1:3] == (5, 5)


def test_trap_avg_pool_ceil_mode_is_not_padding():
    """Ones, window 3, stride 2, padding 1: what ceil_mode adds does not count, so linen's last mean is 1/3 for 1/2."""
    left = functional.avg_pool1d(torch.ones(1, 1, 6), 3, 2, 1, ceil_mode=True).ravel().tolist()
    right = linen.avg_pool(jnp.ones((1, 6, 1)), (3,), (2,), ((1, 2),)).ravel().tolist()
    assert left == pytest.approx([2 / 3, 1, 1, 1 / 2])
    assert right == pytest.approx([2 / 3, 1, 1, 1 / 3])


def test_trap_lax_conv_layout(rng):
    """lax-conv-layout: ``lax.conv`` is NCHW and OIHW, as torch is and linen is not."""
    x, kernel = rng.normal(size=(1, 3, 8, 8)), rng.normal(size=(4, 3, 3, 3))
    left = functional.conv2d(torch.tensor(x), torch.tensor(kernel))
    assert gap(left, jax.lax.conv(x, kernel, (1, 1), "VALID")) < 1e-12  # rounding alone


def test_trap_conv_transpose_mirrors(rng):
    """``linen.ConvTranspose`` correlates; torch's is a gradient, whose kernel is mirrored and its channels swapped."""
    x, kernel = rng.normal(size=(1, 5, 2)), rng.normal(size=(3, 2, 2))
    left = functional.conv_transpose1d(torch.tensor(first(x)), torch.tensor(kernel.transpose(2, 1, 0)), stride=2)
    options = {"padding": "VALID", "strides": (2,), "use_bias": False}
    told, untold = (
        linen.ConvTranspose(2, (3,), transpose_kernel=flag, **options).apply({"params": {"kernel": kernel}}, x)
        for flag in (True, False)
    )
    assert gap(left, first(told)) < 1e-12  # rounding alone
    assert gap(left, first(untold)) > 0.5


def test_trap_pixel_shuffle_order(rng):
    """unfold-and-pixel-shuffle-order: depth-to-space code reads (row, column, channel); torch's channel is first."""
    x = rng.normal(size=(1, 8, 2, 3))
    left = functional.pixel_shuffle(torch.tensor(x), 2)
    naive = last(x).reshape(1, 2, 3, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(1, 4, 6, 2)
    assert np.array_equal(left, first(jax_side.pixel_shuffle(last(x), 2)))
    assert gap(left, first(naive)) > 1


def test_trap_flatten_order(rng):
    """conv, flatten, dense: the same features in another order, and a dense layer that fits either."""
    maps, weight = rng.normal(size=(2, 3, 2, 4)), rng.normal(size=(5, 24))
    assert gap(maps.reshape(2, -1) @ weight.T, last(maps).reshape(2, -1) @ weight.T) > 1


def test_trap_numpy_symmetric_is_not_torchs_reflect():
    """``reflect`` leaves the edge out on both sides; NumPy's ``symmetric`` repeats it."""
    x = np.arange(4.0)
    left = functional.pad(torch.tensor(x)[None, None], (2, 0), mode="reflect")[0, 0].tolist()
    assert left == jnp.pad(x, (2, 0), mode="reflect").tolist() == [2, 1, 0, 1, 2, 3]
    assert jnp.pad(x, (2, 0), mode="symmetric").tolist() == [1, 0, 0, 1, 2, 3]


def test_trap_fractional_pool_takes_the_columns_sample_first(rng):
    """Over two axes torch's first random number is the columns'; over three they come in the axes' order."""
    x, samples = rng.normal(size=(1, 1, 9, 9)), np.array([[[0.05, 0.95]]])
    left = functional.fractional_max_pool2d(torch.tensor(x), 2, 5, _random_samples=torch.tensor(samples))
    ours, swapped = (jax_side.fractional_max_pool(last(x), (2, 2), (5, 5), s)[0] for s in (samples, samples[..., ::-1]))
    assert np.array_equal(left, first(ours))
    assert not np.array_equal(left, first(swapped))


def test_trap_relu_of_nan_has_no_gradient():
    """``jax.nn.relu`` stops the gradient at NaN, torch lets it through; power pooling of negative numbers shows it."""
    x = torch.tensor(float("nan"), requires_grad=True)
    torch.relu(x).backward()
    assert (x.grad.item(), float(jax.grad(jax.nn.relu)(float("nan")))) == (1, 0)
