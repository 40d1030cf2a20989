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
