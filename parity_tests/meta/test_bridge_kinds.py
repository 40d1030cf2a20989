"""Layers with states, gates, heads or windows the other way: the same function, and back as far as linen has room."""

import copy
from typing import Any

import jax
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

import parity
from jax_impl import normalization

draw = np.random.default_rng(5)
IMAGES: dict[str, Any] = {"channels_last": True}
TRAINED: dict[str, Any] = {"channels_last": True, "train": True}
HIDDEN = 5


def normal(*shape):
    return draw.normal(size=shape)


class Output(nn.Module):
    """A torch layer without the states that it returns beside its output."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *args):
        out = self.layer(*args)
        return out[0] if isinstance(out, tuple) else out


def stack(kind, inputs, layers=1, ways=1):
    return Output(kind(inputs, HIDDEN, layers, batch_first=True, bidirectional=ways == 2))


class Stack(linen.Module):
    """Layers of linen's cells, one way or two."""

    cell: type
    layers: int = 1
    ways: int = 1

    @linen.compact
    def __call__(self, x: Any):
        for _ in range(self.layers):
            layers = [linen.RNN(self.cell(HIDDEN)) for _ in range(self.ways)]
            x = layers[0](x) if self.ways == 1 else linen.Bidirectional(layers[0], layers[1])(x)
        return x


class OneStep(linen.Module):
    """A cell, its state in torch's order."""

    cell: type

    @linen.compact
    def __call__(self, x, state):
        return self.cell(HIDDEN)(state[::-1] if isinstance(state, tuple) else state, x)[1]


class Looks(linen.Module):
    """linen's attention, its arguments in torch's order."""

    width: int

    @linen.compact
    def __call__(self, query, key, value):
        return linen.MultiHeadDotProductAttention(2, qkv_features=self.width, out_features=self.width)(
            query, key, value
        )


class Normed(linen.Module):
    """linen's own batch norm."""

    @linen.compact
    def __call__(self, x, train=False):
        return linen.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)(x)


def attention(*sizes, **options):
    return Output(nn.MultiheadAttention(*sizes, batch_first=True, **options))


def spread(features, window, **options):
    return linen.ConvTranspose(features, window, padding="VALID", **options)


SUMMED = ("bias_ih", "bias_hh")  # of each, linen holds the sum
KINDS = {
    "ConvTranspose1d": (
        nn.ConvTranspose1d(3, 4, 2),
        spread(4, (2,), transpose_kernel=True),
        (normal(2, 3, 5),),
        IMAGES,
    ),
    "ConvTranspose2d": (
        nn.ConvTranspose2d(3, 4, (2, 3), stride=2),
        spread(4, (2, 3), strides=(2, 2), transpose_kernel=True),
        (normal(2, 3, 4, 5),),
        IMAGES,
    ),
    "ConvTranspose2d whose window runs the other way": (
        nn.ConvTranspose2d(3, 3, (2, 3), dilation=(1, 2)),
        spread(3, (2, 3), kernel_dilation=(1, 2)),
        (normal(2, 3, 4, 5),),
        IMAGES,
    ),
    "ConvTranspose3d": (
        nn.ConvTranspose3d(3, 2, (2, 3, 1)),
        spread(2, (2, 3, 1), transpose_kernel=True),
        (normal(2, 3, 3, 2, 4),),
        IMAGES,
    ),
    "dilated Conv2d in groups": (
        nn.Conv2d(4, 6, (2, 3), groups=2, dilation=(1, 2)),
        linen.Conv(6, (2, 3), padding="VALID", feature_group_count=2, kernel_dilation=(1, 2)),
        (normal(2, 4, 5, 6),),
        IMAGES,
    ),
    "BatchNorm2d": (nn.BatchNorm2d(3), Normed(), (normal(2, 3, 5, 4),), IMAGES),
    "BatchNorm2d in training": (
        nn.BatchNorm2d(3),
        normalization.batch_norm_layer(3, 2),
        (normal(2, 3, 5, 4),),
        TRAINED,
    ),
    "BatchNorm1d that counts": (
        nn.BatchNorm1d(3, momentum=None),
        normalization.batch_norm_layer(3, 1, momentum=None),
        (normal(2, 3, 5),),
        TRAINED,
    ),
    "InstanceNorm2d": (
        nn.InstanceNorm2d(3, affine=True),
        linen.InstanceNorm(epsilon=1e-5),
        (normal(2, 3, 5, 4),),
        IMAGES,
    ),
    "InstanceNorm2d in training": (
        nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
        normalization.instance_norm_layer(3, 2, affine=True, track_running_stats=True),
        (normal(2, 3, 5, 4),),
        TRAINED,
    ),
    "PReLU": (nn.PReLU(), linen.PReLU(), (normal(3, 4),), {}),
    "RNN": (stack(nn.RNN, 3, 2), Stack(linen.SimpleCell, 2), (normal(2, 4, 3),), {}),
    "LSTM": (stack(nn.LSTM, 3), Stack(linen.LSTMCell), (normal(2, 4, 3),), {}),
    "LSTM optimized": (stack(nn.LSTM, 3), Stack(linen.OptimizedLSTMCell), (normal(2, 4, 3),), {}),
    "LSTM of two layers two ways": (stack(nn.LSTM, 3, 2, 2), Stack(linen.LSTMCell, 2, 2), (normal(2, 4, 3),), {}),
    "GRU": (stack(nn.GRU, 3), Stack(linen.GRUCell), (normal(2, 4, 3),), {}),
    "RNNCell": (Output(nn.RNNCell(3, HIDDEN)), OneStep(linen.SimpleCell), (normal(2, 3), normal(2, 5)), {}),
    "GRUCell": (Output(nn.GRUCell(3, HIDDEN)), OneStep(linen.GRUCell), (normal(2, 3), normal(2, 5)), {}),
    "LSTMCell": (
        Output(nn.LSTMCell(3, HIDDEN)),
        OneStep(linen.LSTMCell),
        (normal(2, 3), (normal(2, 5), normal(2, 5))),
        {},
    ),
    "attention": (attention(8, 2), Looks(8), (normal(2, 3, 8), normal(2, 5, 8), normal(2, 5, 8)), {}),
    "attention over other widths": (
        attention(4, 2, kdim=3, vdim=5),
        Looks(4),
        (normal(2, 3, 4), normal(2, 6, 3), normal(2, 6, 5)),
        {},
    ),
}
LONG = ("RNN", "LSTM optimized", "LSTM of two layers two ways", "LSTMCell", "attention over other widths")
MARKS: dict[str, Any] = dict.fromkeys((*LONG, "ConvTranspose3d", "RNNCell", "GRUCell"), pytest.mark.slow)


@pytest.fixture(params=KINDS, scope="module")
def pair(request):
    torch_module, linen_module, inputs, options = KINDS[request.param]
    with torch.no_grad():  # norms start at 1 and 0, which would hide an exchange; variances are positive
        for tensor in [*torch_module.parameters(), *torch_module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.tensor(0.1 + np.abs(draw.normal(size=tuple(tensor.shape)))))
    return torch_module, linen_module, inputs, options


def layout(options):
    return {"channels_last": options.get("channels_last", False)}


@pytest.mark.parametrize("pair", [pytest.param(kind, marks=MARKS.get(kind, ())) for kind in KINDS], indirect=True)
def test_both_compute_the_same_and_every_gradient_arrives(pair):
    *sides, options = pair
    report = parity.assert_equivalent(*sides, dtypes=("float64",), **options)
    leaves = jax.tree.leaves(parity.to_linen(*sides, **layout(options))["params"])
    assert len([leaf for leaf in report.leaves if leaf.path.startswith("grad/params/")]) == len(leaves)


def test_there_and_back_bit_for_bit_and_two_biases_as_their_sum(pair):
    torch_module, linen_module, inputs, options = pair
    where = (linen_module, inputs)
    variables = parity.to_linen(torch_module, *where, **layout(options))
    back = parity.to_torch(variables, torch_module, *where, **layout(options))
    for name, tensor in torch_module.state_dict().items():
        if not any(bias in name for bias in SUMMED):
            assert torch.equal(back[name], tensor), name
    other = copy.deepcopy(torch_module)
    other.load_state_dict(back)
    again = parity.to_linen(other, *where, **layout(options))
    assert jax.tree.all(jax.tree.map(np.array_equal, variables, again))


def test_the_second_bias_is_zero_on_the_way_back_except_where_the_gru_needs_it():
    module, port, inputs, _ = KINDS["GRU"]
    back = parity.to_torch(parity.to_linen(module, port, inputs), module, port, inputs)
    second, own = back["layer.bias_hh_l0"], module.state_dict()["layer.bias_hh_l0"]
    assert not second[: 2 * HIDDEN].any()
    assert torch.equal(second[2 * HIDDEN :], own[2 * HIDDEN :])


def test_the_number_of_batches_stays_behind_and_comes_back_as_it_was():
    module, port, inputs, options = KINDS["BatchNorm2d"]
    module.num_batches_tracked.fill_(7)
    variables = parity.to_linen(module, port, inputs, **layout(options))
    assert set(variables["batch_stats"]["BatchNorm_0"]) == {"mean", "var"}
    assert parity.to_torch(variables, module)["num_batches_tracked"] == 7


def test_a_layer_that_counts_batches_gets_their_number():
    module, port, inputs, options = KINDS["BatchNorm1d that counts"]
    module.num_batches_tracked.fill_(7)
    assert parity.to_linen(module, port, inputs, **layout(options))["batch_stats"]["count"] == 7


def test_running_statistics_are_compared_in_training_and_linens_variance_is_found():
    """linen keeps the batch's own variance, torch that of a sample."""
    module, port, inputs, _ = KINDS["BatchNorm2d"]
    report = parity.compare_modules(module, port, inputs, dtypes=("float64",), jit=False, **TRAINED)
    assert [leaf.path for leaf in report.failures] == ["output/batch_stats/BatchNorm_0/var"]


def test_a_kernel_that_may_run_either_way_asks_for_the_port():
    module, port, inputs, options = KINDS["ConvTranspose2d whose window runs the other way"]
    variables = parity.to_linen(module, port, inputs, **layout(options))
    with pytest.raises(parity.InputError, match=r"^to_torch: shapes must tell the layout of a kernel, got 2 that fit"):
        parity.to_torch(variables, module)
