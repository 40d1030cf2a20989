"""Every kind of layer that the bridge carries: the same function on both sides, and back bit for bit."""

import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

import parity

draw = np.random.default_rng(5)


class ChannelsLast(nn.Module):
    """A torch layer as linen lays its images out: channels last."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x.movedim(-1, 1)).movedim(1, -1)


KINDS = {
    "Linear": (nn.Linear(3, 2), linen.Dense(2), draw.normal(size=(4, 3))),
    "Linear without bias": (nn.Linear(3, 2, bias=False), linen.Dense(2, use_bias=False), draw.normal(size=(4, 3))),
    "Conv1d": (ChannelsLast(nn.Conv1d(3, 4, 2)), linen.Conv(4, (2,), padding="VALID"), draw.normal(size=(2, 5, 3))),
    "Conv2d": (
        ChannelsLast(nn.Conv2d(3, 4, (2, 3))),
        linen.Conv(4, (2, 3), padding="VALID"),
        draw.normal(size=(2, 5, 6, 3)),
    ),
    "Conv2d in groups": (
        ChannelsLast(nn.Conv2d(4, 6, (2, 3), groups=2)),
        linen.Conv(6, (2, 3), padding="VALID", feature_group_count=2),
        draw.normal(size=(2, 5, 6, 4)),
    ),
    "Conv3d": (
        ChannelsLast(nn.Conv3d(2, 3, (1, 2, 3))),
        linen.Conv(3, (1, 2, 3), padding="VALID"),
        draw.normal(size=(1, 3, 4, 5, 2)),
    ),
    "LayerNorm": (nn.LayerNorm(5), linen.LayerNorm(epsilon=1e-5), draw.normal(size=(3, 5))),
    "GroupNorm": (
        ChannelsLast(nn.GroupNorm(2, 6)),
        linen.GroupNorm(num_groups=2, epsilon=1e-5),
        draw.normal(size=(2, 4, 6)),
    ),
    "RMSNorm": (nn.RMSNorm(5, eps=1e-6), linen.RMSNorm(epsilon=1e-6), draw.normal(size=(3, 5))),
    "Embedding": (nn.Embedding(7, 3), linen.Embed(7, 3), draw.integers(0, 7, size=(2, 4))),
}


@pytest.fixture(params=KINDS, scope="module")
def pair(request):
    torch_module, linen_module, x = KINDS[request.param]
    with torch.no_grad():  # norms start at scale 1 and bias 0, which would hide an exchange
        for tensor in torch_module.parameters():
            tensor.copy_(torch.tensor(draw.normal(size=tuple(tensor.shape))))
    return torch_module, linen_module, (x,)


def test_both_compute_the_same(pair):
    parity.assert_equivalent(*pair, dtypes=("float64",), jit=False)


def test_there_and_back_bit_for_bit(pair):
    torch_module, linen_module, inputs = pair
    back = parity.to_torch(parity.to_linen(*pair), torch_module, linen_module, inputs)
    assert all(torch.equal(back[name], tensor) for name, tensor in torch_module.state_dict().items())


def test_a_kind_without_a_rule_says_so():
    with pytest.raises(
        parity.InputError, match=r"^to_linen: matched layers must hold the same weights, got .*Bilinear"
    ):
        parity.to_linen(nn.Bilinear(3, 3, 2), linen.Dense(2), (np.zeros((1, 3)),))
