"""Weights across the bridge: matched by name or by order of call, bit for bit, refused when they do not fit."""

import re
from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

import parity

X = np.linspace(-1, 1, 6).reshape(2, 3)
WIDTHS = (3, 5, 4, 2)


class Chain(linen.Module):
    """Dense layers that linen numbers itself, in the order of their call."""

    widths: tuple[int, ...]
    bias: bool = True

    @linen.compact
    def __call__(self, x):
        for width in self.widths:
            x = linen.tanh(linen.Dense(width, use_bias=self.bias)(x))
        return x


class Encoder(linen.Module):
    def setup(self):
        self.first = linen.Dense(5)
        self.second = linen.Dense(3)

    def __call__(self, x):
        return self.second(linen.relu(self.first(x)))


class Nested(linen.Module):
    """The names of `TorchNested`, in the other order."""

    def setup(self):
        self.head = linen.Dense(3)
        self.encoder = Encoder()

    def __call__(self, x):
        return self.head(self.encoder(x))


class TorchEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 5)
        self.second = nn.Linear(5, 3)

    def forward(self, x):
        return self.second(self.first(x).relu())


class TorchNested(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = TorchEncoder()
        self.head = nn.Linear(3, 3)

    def forward(self, x):
        return self.head(self.encoder(x))


class Backwards(nn.Module):
    """Defines its layers in the other order than it calls them; all have one shape."""

    def __init__(self):
        super().__init__()
        self.late = nn.Linear(3, 3)
        self.early = nn.Linear(3, 3)

    def forward(self, x):
        return self.late(self.early(x).tanh()).tanh()


def chain(*widths, bias=True):
    layers = [nn.Linear(a, b, bias=bias) for a, b in pairwise(widths)]
    return nn.Sequential(*[part for layer in layers for part in (layer, nn.Tanh())])


def assert_round_trip(module, port):
    """There and back with every bit."""
    back = parity.to_torch(parity.to_linen(module, port, (X,)), module, port, (X,))
    assert back.keys() == module.state_dict().keys()
    for name, tensor in module.state_dict().items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor), name


def test_a_linear_layer_becomes_a_dense_one():
    module = nn.Linear(3, 2)
    params = parity.to_linen(module, linen.Dense(2), (X,))["params"]
    assert np.array_equal(params["kernel"], module.weight.detach().numpy().T)
    assert np.array_equal(params["bias"], module.bias.detach().numpy())


def test_the_result_computes_the_same():
    module = chain(*WIDTHS).double()
    parity.assert_equivalent(module, Chain(WIDTHS[1:]), (X,), dtypes=("float64",))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_round_trip_is_exact(dtype):
    module = chain(*WIDTHS).to(dtype)
    assert_round_trip(module, Chain(WIDTHS[1:]))


@pytest.mark.parametrize(
    ("dtype", "kept"), [(torch.float64, np.float64), (torch.bfloat16, ml_dtypes.bfloat16)], ids=str
)
def test_the_dtype_is_kept_whatever_the_x64_flag(dtype, kept):
    params = parity.to_linen(nn.Linear(3, 2).to(dtype), linen.Dense(2), (X,))["params"]
    assert params["kernel"].dtype == params["bias"].dtype == kept


def test_special_values_survive():
    module = nn.Linear(2, 2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[np.inf, -0.0], [1e-45, -np.inf]]))
    kernel = parity.to_linen(module, linen.Dense(2), (np.ones((1, 2)),))["params"]["kernel"]
    assert np.array_equal(kernel.T.view(np.uint32), module.weight.detach().numpy().view(np.uint32))


def test_eleven_layers_of_one_width_keep_their_order():
    """As strings Dense_10 comes before Dense_2."""
    module = chain(*[3] * 13)
    variables = parity.to_linen(module, Chain((3,) * 12), (X,))
    for index in range(12):
        kernel = variables["params"][f"Dense_{index}"]["kernel"]
        assert np.array_equal(kernel, module[2 * index].weight.detach().numpy().T), index
    assert_round_trip(module, Chain((3,) * 12))


def test_names_that_agree_are_matched_in_any_order():
    module = TorchNested()
    variables = parity.to_linen(module, Nested(), (X,))
    kernel = variables["params"]["encoder"]["first"]["kernel"]
    assert np.array_equal(kernel, module.encoder.first.weight.detach().numpy().T)
    assert_round_trip(module, Nested())


def test_a_sequential_meets_linens_sequential_by_its_numbers():
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    port = linen.Sequential([linen.Dense(3), linen.Dense(3)])
    variables = parity.to_linen(module, port, (X,))
    assert np.array_equal(variables["params"]["layers_1"]["kernel"], module[1].weight.detach().numpy().T)
    assert_round_trip(module, port)


def test_layers_are_matched_in_the_order_of_their_call_where_names_differ():
    module = Backwards()
    variables = parity.to_linen(module, Chain((3, 3)), (X,))
    assert np.array_equal(variables["params"]["Dense_0"]["kernel"], module.early.weight.detach().numpy().T)


def test_a_round_trip_asks_for_the_port_rather_than_exchange_layers():
    """Names differ, shapes do not, and the definition is not in the order of the call."""
    module = Backwards()
    variables = parity.to_linen(module, Chain((3, 3)), (X,))
    with pytest.raises(parity.InputError, match=r"^to_torch: names or shapes must tell the layers apart, got 2 "):
        parity.to_torch(variables, module)
    assert_round_trip(module, Chain((3, 3)))


def test_names_or_shapes_that_settle_it_need_no_port():
    module = chain(*WIDTHS)
    back = parity.to_torch(parity.to_linen(module, Chain(WIDTHS[1:]), (X,)), module)
    assert all(torch.equal(back[name], tensor) for name, tensor in module.state_dict().items())


def test_a_layer_called_twice_is_one_layer():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(self.layer(x))

    class LinenTwice(linen.Module):
        @linen.compact
        def __call__(self, x):
            layer = linen.Dense(3)
            return layer(layer(x))

    parity.assert_equivalent(Twice(), LinenTwice(), (X,), dtypes=("float64",), jit=False)


def test_a_layer_without_bias_on_both_sides():
    module = chain(*WIDTHS, bias=False)
    assert_round_trip(module, Chain(WIDTHS[1:], bias=False))


@pytest.mark.parametrize(
    ("torch_bias", "linen_bias", "got"),
    [(True, False, "['bias', 'weight'] against ['kernel']"), (False, True, "['weight'] against ['bias', 'kernel']")],
)
def test_a_bias_missing_on_one_side_is_an_error(torch_bias, linen_bias, got):
    sentence = re.escape(f"to_linen: matched layers must hold the same weights, got {got} in ")
    with pytest.raises(parity.InputError, match=f"^{sentence}"):
        parity.to_linen(nn.Linear(3, 2, bias=torch_bias), linen.Dense(2, use_bias=linen_bias), (X,))


def test_a_wrong_width_names_both_shapes():
    sentence = r"^to_linen: kernel must have shape \(3, 2\), that of torch's .*in linen's layout, got \(3, 4\) in "
    with pytest.raises(parity.InputError, match=sentence):
        parity.to_linen(nn.Linear(3, 2), linen.Dense(4), (X,))


def test_a_layer_too_many_shows_both_trees():
    with pytest.raises(
        parity.InputError, match=r"must have the same layers, got these.*\n.*torch.*linen\n.*0 Linear.*Dense_0"
    ):
        parity.to_linen(chain(*WIDTHS), Chain((5, 4)), (X,))


def test_going_back_is_refused_with_the_same_care():
    variables = parity.to_linen(nn.Linear(3, 2), linen.Dense(2), (X,))
    with pytest.raises(parity.InputError, match=r"^to_torch: kernel must have shape \(3, 4\)"):
        parity.to_torch(variables, nn.Linear(3, 4))


def test_the_module_is_not_changed_by_going_back():
    module = nn.Linear(3, 2)
    before = module.weight.clone()
    parity.to_torch({"params": {"kernel": np.zeros((3, 2)), "bias": np.zeros(2)}}, module)
    assert torch.equal(module.weight, before)


def test_weights_are_copies():
    module = nn.Linear(3, 2)
    before = module.bias.clone()
    parity.to_linen(module, linen.Dense(2), (X,))["params"]["bias"][:] = 7
    assert torch.equal(module.bias, before)
