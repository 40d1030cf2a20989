"""Which layer is which: by name, by order, by shape, as told; and what cannot be matched is told with both trees."""

import re

import jax
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

import parity
from parity.bridge_moves import refines
from test_bridge_kinds import HIDDEN, Looks, Output, Stack, attention, normal, spread


class CellWithoutBias(linen.Module):
    """A GRU as Flax NNX has it: no second bias at the candidate."""

    @linen.compact
    def __call__(self, x, h):
        gates = {
            name: linen.Dense(HIDDEN, use_bias=name[0] == "i", name=name)
            for name in ("ir", "iz", "in", "hr", "hz", "hn")
        }
        r, z = (linen.sigmoid(gates[f"i{k}"](x) + gates[f"h{k}"](h)) for k in "rz")
        n = linen.tanh(gates["in"](x) + r * gates["hn"](h))
        return (1 - z) * n + z * h


REFUSED = {
    "a GRU without the second bias": (
        Output(nn.GRUCell(3, HIDDEN)),
        CellWithoutBias(),
        (normal(2, 3), normal(2, 5)),
        "a cell without a bias at hn cannot hold it",
    ),
    "a projection": (
        Output(nn.LSTM(3, HIDDEN, proj_size=2, batch_first=True)),
        Stack(linen.LSTMCell),
        (normal(2, 4, 3),),
        "linen's LSTMCell has no projection",
    ),
    "a transposed convolution in groups": (
        nn.ConvTranspose1d(4, 4, 2, groups=2),
        spread(4, (2,), transpose_kernel=True),
        (normal(2, 5, 4),),
        "linen's ConvTranspose has no groups",
    ),
    "keys of attention's own": (
        attention(8, 2, add_bias_kv=True),
        Looks(8),
        (normal(2, 3, 8),) * 3,
        "linen's attention has no bias_k and bias_v",
    ),
    "other heads": (
        attention(8, 4),
        Looks(8),
        (normal(2, 3, 8),) * 3,
        r"out/kernel must have shape \(4, 2, 8\), .* got \(2, 4, 8\)",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_linen_has_no_place_for_is_told(kind):
    *sides, sentence = REFUSED[kind]
    with pytest.raises(parity.InputError, match=f"^to_linen: .*{sentence}"):
        parity.to_linen(*sides)


class Two(nn.Module):
    """Two branches of one shape, and a parameter and a table of its own."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.up = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 4)
        self.shift = nn.Parameter(torch.ones(3))
        self.register_buffer("table", torch.ones(2))

    def forward(self, x):
        return self.up(self.left(x) - self.right(x) + self.shift)


class TwoPort(linen.Module):
    """Calls the branches the other way round, and a wider layer first of all."""

    @linen.compact
    def __call__(self, x):
        wide = linen.Dense(4, name="wide")
        wide(x)
        minus, plus = linen.Dense(3, name="b")(x), linen.Dense(3, name="a")(x)
        return wide(plus - minus + self.param("offset", linen.initializers.ones, (3,)))


LINE = (normal(2, 3),)
NAMES = {"left": "a", "right": "b", "shift": "offset", "table": None}


@pytest.mark.parametrize("rename", [NAMES, lambda name: NAMES.get(name, name)], ids=["dict", "function"])
def test_a_rename_settles_what_cannot_be_guessed(rename):
    module = Two()
    assert parity.compare_modules(module, TwoPort(), LINE, rename=rename, dtypes=("float64",), jit=False).ok
    params = parity.to_linen(module, TwoPort(), LINE, rename=rename)["params"]
    assert np.array_equal(params["a"]["kernel"], module.left.weight.detach().numpy().T)
    back = parity.to_torch({"params": params}, module, rename=rename)
    assert all(torch.equal(back[name], tensor) for name, tensor in module.state_dict().items())


RENAMED_WRONG = {
    "no such layer in torch": (
        {"lef": "a"},
        r"rename must give places to torch's .*, got 'lef'\. Did you mean 'left'\?",
    ),
    "no such layer in linen": (
        {"left": "aa"},
        r"rename must place 'left' at a layer of linen's, got 'aa'\. Did you mean 'a'",
    ),
    "not enough": (
        {"shift": "offset", "table": None},
        r"got 2 that fit left: b, a\. Say which: rename=\{'left': 'b'\}\.",
    ),
    "of another shape": (NAMES | {"left": "wide"}, r"kernel must have shape \(3, 3\), .* got \(3, 4\) in left"),
}


@pytest.mark.parametrize("kind", RENAMED_WRONG)
def test_a_rename_that_does_not_settle_it_is_told(kind):
    rename, sentence = RENAMED_WRONG[kind]
    with pytest.raises(parity.InputError, match=rf"^to_linen: .*{sentence}"):
        parity.to_linen(Two(), TwoPort(), LINE, rename=rename)


class Numbered(nn.Module):
    """Its list counts the activations too."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*[part for _ in range(3) for part in (nn.Linear(3, 3), nn.Tanh())])
        self.head = nn.Linear(3, 3)

    def forward(self, x):
        return self.head(self.layers(x))


class NumberedPort(linen.Module):
    def setup(self):
        self.head = linen.Dense(3)
        self.layers = [linen.Dense(3) for _ in range(3)]

    def __call__(self, x):
        for layer in self.layers:
            x = linen.tanh(layer(x))
        return self.head(x)


def test_numbers_that_count_other_things_are_no_names():
    """torch's layers.2 is linen's layers_1, though there is a layers_2."""
    module = Numbered()
    assert parity.compare_modules(module, NumberedPort(), LINE, dtypes=("float64",), jit=False).ok
    params = parity.to_linen(module, NumberedPort(), LINE)["params"]
    assert np.array_equal(params["layers_1"]["kernel"], module.state_dict()["layers.2.weight"].numpy().T)


def test_what_is_left_over_is_named():
    sentence = re.escape("both modules must have the same layers, got these. It seems that linen alone has layers_1.")
    with pytest.raises(parity.InputError, match=sentence):
        parity.to_linen(nn.Linear(3, 3), linen.Sequential([linen.Dense(3), linen.Dense(4)]), LINE)


class TiedOutput(nn.Module):
    """A table whose transpose is the output's weight; the output is defined first, and has a bias of its own."""

    def __init__(self):
        super().__init__()
        self.output, self.embed = nn.Linear(3, 7), nn.Embedding(7, 3)
        self.output.weight = self.embed.weight

    def forward(self, ids):
        return self.output(self.embed(ids))


class TiedPort(linen.Module):
    @linen.compact
    def __call__(self, ids):
        embed = linen.Embed(7, 3)
        return embed.attend(embed(ids)) + self.param("bias", linen.initializers.zeros, (7,))


def test_a_table_that_is_the_outputs_weight_is_one_leaf():
    module, ids = TiedOutput(), (np.arange(6).reshape(2, 3),)
    assert parity.compare_modules(module, TiedPort(), ids, dtypes=("float64",), jit=False).ok
    variables = parity.to_linen(module, TiedPort(), ids)
    assert len(jax.tree.leaves(variables)) == 2
    back = parity.to_torch(jax.tree.map(lambda leaf: leaf + 1, variables), module, TiedPort(), ids)
    assert torch.equal(back["output.weight"], back["embed.weight"])
    assert torch.equal(back["output.weight"], module.embed.weight + 1)


def test_projections_that_torch_wrote_as_linear_layers_are_linens_with_heads():
    """A general dense layer writes one axis as several."""
    module = nn.Sequential(nn.Linear(8, 6), nn.Flatten(2), nn.Linear(6, 8))
    port = linen.Sequential([linen.DenseGeneral((2, 3)), lambda x: x, linen.DenseGeneral(8, axis=(-2, -1))])
    assert parity.compare_modules(module, port, (normal(2, 5, 8),), dtypes=("float64",), jit=False).ok


class Branches(nn.Module):
    """Two recurrent branches of one shape."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.RNN(3, HIDDEN, batch_first=True), nn.RNN(3, HIDDEN, batch_first=True)

    def forward(self, x):
        return self.first(x)[0] - 2 * self.second(x)[0]


class BranchesPort(linen.Module):
    """They are called in the other order, and linen's RNN keeps its cell a step further down."""

    def setup(self):
        self.first, self.second = linen.RNN(linen.SimpleCell(HIDDEN)), linen.RNN(linen.SimpleCell(HIDDEN))

    def __call__(self, x):
        second = 2 * self.second(x)
        return self.first(x) - second


def test_recurrent_layers_are_matched_by_name_before_the_order_of_their_calls():
    variables = parity.to_linen(Branches(), BranchesPort(), (normal(2, 4, 3),))
    assert set(variables["params"]) == {"first", "second"}
    assert parity.compare_modules(Branches(), BranchesPort(), (normal(2, 4, 3),), dtypes=("float64",), jit=False).ok


def test_behind_a_linear_layer_no_images_channels_are_left():
    """8 features are no image of 4 channels, flattened: the way back needs no port."""
    module = nn.Sequential(nn.Conv1d(3, 4, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 8), nn.Linear(8, 2))
    layers = [linen.Conv(4, (1,)), lambda x: x.mean(1), linen.Dense(8), linen.Dense(2)]
    variables = parity.to_linen(module, linen.Sequential(layers), (normal(2, 3, 5),), channels_last=True)
    back = parity.to_torch(variables, module)
    assert all(torch.equal(back[name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(
    ("fine", "coarse", "finer"),
    [((2, 3, 4), (6, 4), True), ((6, 2, 2), (6, 4), True), ((6, 4, 1), (6, 4), True), ((6, 4, 2), (6, 4), False)],
)
def test_one_shape_refines_another(fine, coarse, finer):
    assert refines(fine, coarse) is finer
