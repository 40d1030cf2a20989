"""A linear layer behind a flattened image: the kernel's rows in the order in which the port flattens."""

import jax
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

import parity
from test_bridge_kinds import IMAGES, normal


class Image(nn.Module):
    """A network as people write it: an image flattened before a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 2)
        self.norm = nn.BatchNorm2d(3)
        self.first = nn.Linear(3 * 4 * 3, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        return self.head(torch.relu(self.first(x.flatten(1))))


class ImagePort(linen.Module):
    """Its port; ``axes`` are permuted before it flattens. It hands a key on, which is no array of NumPy's."""

    axes: tuple[int, ...] = (0, 1, 2, 3)

    @linen.compact
    def __call__(self, x, train=False):
        x = linen.Conv(3, (2, 2), padding="VALID")(x)
        x = linen.relu(linen.BatchNorm(use_running_average=not train, epsilon=1e-5)(x))
        x = x.transpose(self.axes).reshape(len(x), -1)
        x = linen.relu(linen.Dense(5)(x))
        x = linen.Dropout(0.5)(x, deterministic=not train, rng=jax.random.key(0))
        return linen.Dense(2)(x)


PIXELS = (normal(2, 1, 5, 4),)
FLATTENED = {"channels last": (0, 1, 2, 3), "channels first, as torch": (0, 3, 1, 2)}


@pytest.mark.parametrize("order", FLATTENED)
def test_a_flattened_image_meets_the_kernel_in_the_ports_own_order(order):
    module, port = Image(), ImagePort(FLATTENED[order])
    assert parity.compare_modules(module, port, PIXELS, dtypes=("float64",), jit=False, **IMAGES).ok
    kernel = parity.to_linen(module, port, PIXELS, **IMAGES)["params"]["Dense_0"]["kernel"]
    rows = module.first.weight.detach().numpy().T
    moved = rows.reshape(3, 12, 5).swapaxes(0, 1).reshape(36, 5)
    assert np.array_equal(kernel, moved if order == "channels last" else rows)
    back = parity.to_torch(parity.to_linen(module, port, PIXELS, **IMAGES), module, port, PIXELS, **IMAGES)
    assert all(torch.equal(back[name], tensor) for name, tensor in module.state_dict().items())


def test_an_order_that_is_neither_is_left_to_the_report():
    report = parity.compare_modules(Image(), ImagePort((0, 2, 1, 3)), PIXELS, dtypes=("float64",), jit=False, **IMAGES)
    assert "Dense_0 (torch: first) is the first layer whose output differs; what enters it has the same numbers" in str(
        report
    )


def test_without_the_port_the_order_is_asked_for():
    variables = parity.to_linen(Image(), ImagePort(), PIXELS, **IMAGES)
    with pytest.raises(
        parity.InputError, match=r"^to_torch: shapes must tell how an image is flattened, got first behind 3"
    ):
        parity.to_torch(variables, Image())


def test_a_port_that_fails_on_channels_first_is_told_of_the_word():
    class Small(linen.Module):
        @linen.compact
        def __call__(self, x):  # (batch, height, width, channels)
            return linen.max_pool(linen.Conv(3, (2, 2))(x), (4, 4)).reshape(len(x), 3)

    with pytest.raises(parity.InputError, match=r"A port that takes channels last is told so by channels_last\.$"):
        parity.to_linen(nn.Conv2d(1, 3, 2), Small(), (np.zeros((1, 1, 5, 4)),))


class Drawer(nn.Module):
    """A decoder as people write it: a vector made an image before a transposed convolution."""

    def __init__(self, norm):
        super().__init__()
        self.first = nn.Linear(5, 3 * 2 * 4)
        self.norm = nn.BatchNorm2d(3) if norm else nn.Identity()
        self.conv = nn.ConvTranspose2d(3, 2, 2)

    def forward(self, x):
        return self.conv(torch.relu(self.norm(self.first(x).unflatten(1, (3, 2, 4)))))


class DrawerPort(linen.Module):
    """Its port, which unfolds with channels last, or as torch and then moves them."""

    norm: bool
    last: bool

    @linen.compact
    def __call__(self, x, train=False):
        x = linen.Dense(24)(x)
        x = x.reshape(-1, 2, 4, 3) if self.last else x.reshape(-1, 3, 2, 4).transpose(0, 2, 3, 1)
        x = linen.BatchNorm(use_running_average=not train, epsilon=1e-5)(x) if self.norm else x
        return linen.ConvTranspose(2, (2, 2), padding="VALID", transpose_kernel=True)(linen.relu(x))


CODES = (normal(3, 5),)


@pytest.mark.parametrize(("norm", "last"), [(False, True), (True, True), (False, False)])
def test_an_image_is_unfolded_from_the_kernel_in_the_ports_own_order(norm, last):
    module, port = Drawer(norm), DrawerPort(norm, last)
    assert parity.compare_modules(module, port, CODES, dtypes=("float64",), jit=False, **IMAGES).ok
    variables = parity.to_linen(module, port, CODES, **IMAGES)
    bias = module.first.bias.detach().numpy()
    expected = bias.reshape(3, 8).T.reshape(24) if last else bias
    assert np.array_equal(variables["params"]["Dense_0"]["bias"], expected)
    back = parity.to_torch(variables, module, port, CODES, **IMAGES)
    assert all(torch.equal(back[name], tensor) for name, tensor in module.state_dict().items())


def test_without_the_port_the_order_of_unfolding_is_asked_for():
    port = linen.Sequential([linen.Dense(24), lambda x: x.reshape(-1, 2, 4, 3), linen.Conv(2, (2, 2), padding="VALID")])
    module = nn.Sequential(nn.Linear(5, 24), nn.Unflatten(1, (3, 2, 4)), nn.Conv2d(3, 2, 2))
    variables = parity.to_linen(module, port, CODES)
    with pytest.raises(parity.InputError, match=r"^to_torch: .* how an image is unfolded, got 0 before 3"):
        parity.to_torch(variables, module)
