"""Recurrent layers without biases, which linen's own cells always have: zeros there, and nothing on the way back."""

from functools import partial

import flax.linen as linen
import jax
import numpy as np
import pytest
import torch
from torch import nn

import parity
from parity.convert import Conversion
from test_bridge_kinds import HIDDEN, Output, Stack, normal

quick = partial(parity.compare_modules, dtypes=("float64",), jit=False)
X = (normal(2, 4, 3),)
KINDS = {
    "RNN": (nn.RNN, linen.SimpleCell, ["i/bias"]),
    "GRU": (nn.GRU, linen.GRUCell, ["hn/bias", "in/bias", "ir/bias", "iz/bias"]),
    "LSTM": (nn.LSTM, linen.OptimizedLSTMCell, [f"h{gate}/bias" for gate in "fgio"]),
}


class Bare(linen.Module):
    """A cell of one's own without biases."""

    features: int

    @linen.compact
    def __call__(self, x):
        i, h = (linen.Dense(self.features, use_bias=False, name=name) for name in "ih")
        state, states = np.zeros((len(x), self.features)), []
        for step in x.swapaxes(0, 1):
            state = linen.tanh(i(step) + h(state))
            states.append(state)
        return jax.numpy.stack(states, 1)


def sides(kind):
    module, cell, biases = KINDS[kind]
    return Output(module(3, HIDDEN, batch_first=True, bias=False)), Stack(cell), biases


@pytest.mark.parametrize("kind", KINDS)
def test_all_but_the_biases_gradients_agree_and_these_are_told(kind):
    """The same function; but linen would train what torch does not have."""
    module, port, biases = sides(kind)
    report = quick(module, port, X)
    assert [leaf.path.split("/", 3)[-1] for leaf in sorted(report.failures, key=lambda leaf: leaf.path)] == biases
    assert all(leaf.problem.startswith("torch has no gradient here") for leaf in report.failures)


@pytest.mark.parametrize("kind", KINDS)
def test_there_they_are_zeros_and_back_every_weight_is_as_it_was(kind):
    module, port, biases = sides(kind)
    variables = parity.to_linen(module, port, X)
    (cell,) = variables["params"].values()
    assert [f"{part}/bias" for part in sorted(cell) if "bias" in cell[part]] == biases
    assert not any(cell[name.partition("/")[0]]["bias"].any() for name in biases)
    back = parity.to_torch(variables, module)
    assert list(back) == list(module.state_dict())
    assert all(torch.equal(back[name], tensor) for name, tensor in module.state_dict().items())


def test_a_bias_that_linen_has_learned_has_no_place_in_torch():
    module, port, _ = sides("RNN")
    variables = parity.to_linen(module, port, X)
    variables["params"]["SimpleCell_0"]["i"]["bias"][1] = 0.5
    sentence = "^to_torch: params/SimpleCell_0/i/bias must be zeros, as torch has no such tensor, got other numbers"
    with pytest.raises(parity.InputError, match=sentence):
        parity.to_torch(variables, module, port, X)


def test_a_cell_of_ones_own_without_biases_agrees_in_every_gradient():
    assert quick(sides("RNN")[0], Bare(HIDDEN), X).ok


def test_files_are_converted_there_and_back(tmp_path):
    from safetensors.torch import load, save_file

    module, port, _ = sides("GRU")
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    save_file(state, tmp_path / "net.safetensors")
    options = {"channels_last": False, "rename": None}
    there, *counts = Conversion(module, port, X, options).run(tmp_path / "net.safetensors")
    assert counts == [10, 3 * HIDDEN * (3 + HIDDEN) + 4 * HIDDEN]
    (tmp_path / "net.msgpack").write_bytes(there)
    back, *_ = Conversion(module, port, X, options).run(tmp_path / "net.msgpack")
    assert all(torch.equal(tensor, state[name]) for name, tensor in load(back).items())
