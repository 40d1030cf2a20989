"""Modules made of modules: what a port gets wrong, each shown red or refused, and where the frameworks part."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

import parity as instrument
from jax_impl import sequential as jax_side
from torch_impl import sequential as torch_side

X = np.zeros((1, 3))


def init(port, seed=0):
    return port.init(jax.random.key(seed), jnp.zeros((1, 3)))["params"]


def layers_of(params):
    """The layers of a tree in JAX's order."""
    return list(
        dict.fromkeys(jax.tree_util.keystr(path[:1], simple=True) for path, _ in jax.tree.leaves_with_path(params))
    )


def test_trap_jax_sorts_layer_10_before_layer_2():
    """torch keeps the order of definition; a port that zips leaves to tensors mixes the layers from the eleventh on."""
    module, port = torch_side.CompactPerceptron([3] * 13), jax_side.CompactPerceptron([3] * 13)
    defined = list(dict.fromkeys(name.partition(".")[0] for name, _ in module.named_parameters()))
    assert defined == [f"Dense_{i}" for i in range(12)]
    assert layers_of(init(port)) == sorted(defined) != defined
    assert sorted(defined)[:5] == ["Dense_0", "Dense_1", "Dense_10", "Dense_11", "Dense_2"]


def test_trap_zipped_leaves_fit_and_compute_something_else(rng):
    """Equal shapes hide it: the zipped tree loads. Up to ten layers of one width it is right, with twelve it is not."""
    x = rng.normal(size=(4, 3)).astype(np.float32)
    for depth, right in ((10, True), (12, False)):
        torch.manual_seed(0)
        module, port = torch_side.CompactPerceptron([3] * (depth + 1)), jax_side.CompactPerceptron([3] * (depth + 1))
        params = init(port)
        # The zip of a careful port: weights with kernels, biases with biases, each transposed as it should be.
        weights = iter([p.detach().numpy().T for name, p in module.named_parameters() if name.endswith("weight")])
        biases = iter([p.detach().numpy() for name, p in module.named_parameters() if name.endswith("bias")])
        zipped = jax.tree.map(lambda leaf, w=weights, b=biases: next(w if leaf.ndim == 2 else b), params)
        gap = np.abs(np.asarray(port.apply({"params": zipped}, x)) - module(torch.from_numpy(x)).detach().numpy()).max()
        assert (gap < 1e-6) == right, gap


def test_trap_jax_lists_the_bias_before_the_weight():
    params = init(jax_side.perceptron((3, 5)))
    assert [leaf.ndim for leaf in jax.tree.leaves(params)] == [1, 2]
    assert [p.ndim for p in torch_side.perceptron((3, 5)).parameters()] == [2, 1]


def test_trap_a_plain_list_hides_layers_from_torch_only():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(3, 3)]

    assert list(Hidden().parameters()) == []
    assert jax_side.parameter_count(init(jax_side.ListPerceptron((3, 3)))) == 12


def test_divergence_flax_ignores_parameters_that_nothing_uses():
    """A renamed layer keeps its random start, silently; torch names what is missing and what is left over."""
    module, port = torch_side.perceptron((3, 5)), jax_side.perceptron((3, 5))
    params = init(port)
    extra = {**params, "layers_7": params["layers_0"]}
    assert np.array_equal(port.apply({"params": extra}, X), port.apply({"params": params}, X))
    state = module.state_dict() | {"7.weight": torch.zeros(5, 3)}
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "7.weight"'):
        module.load_state_dict(state)
    # The bridge refuses it on both sides.
    with pytest.raises(instrument.InputError, match=r"^to_torch: both modules must have the same layers, got these\."):
        instrument.to_torch({"params": extra}, module)


def test_divergence_the_first_weights_depend_on_the_name_in_flax_only():
    class Named(linen.Module):
        layer: str

        @linen.compact
        def __call__(self, x):
            return linen.Dense(5, name=self.layer)(x)

    encoder, decoder = (init(Named(name))[name]["kernel"] for name in ("encoder", "decoder"))
    assert not np.array_equal(encoder, decoder)
    assert np.array_equal(encoder, init(Named("encoder"))["encoder"]["kernel"])


def test_trap_a_layer_in_between_moves_the_automatic_names():
    """A checkpoint's Dense_1 is then loaded into another layer; here the shapes still tell."""
    before, after = init(jax_side.CompactPerceptron((3, 5, 2))), init(jax_side.CompactPerceptron((3, 4, 5, 2)))
    assert before["Dense_1"]["kernel"].shape == (5, 2)
    assert after["Dense_1"]["kernel"].shape == (4, 5)


def test_trap_a_shared_tensor_is_counted_as_often_as_state_dict_names_it():
    module = torch_side.tied_perceptron(3, 4)
    assert torch_side.parameter_count(dict(module.named_parameters())) == 12
    assert torch_side.parameter_count(module.state_dict()) == 48
    assert jax_side.parameter_count(init(jax_side.tied_perceptron(3, 4))) == 12


def test_trap_a_shared_tensor_must_be_loaded_under_each_of_its_names():
    """torch loads name after name, and the last wins: a saved state that is new under one name only changes nothing."""
    module, port = torch_side.tied_perceptron(3, 2), jax_side.tied_perceptron(3, 2)
    kernel = np.asarray(init(port, seed=1)["layers_0"]["kernel"])
    saved = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.load_state_dict(saved | {"0.weight": torch.from_numpy(kernel.T.copy())})
    assert not np.array_equal(module[0].weight.detach().numpy(), kernel.T)
    module.load_state_dict(instrument.to_torch({"params": init(port, seed=1)}, module))
    assert np.array_equal(module[0].weight.detach().numpy(), kernel.T)


class SharedWeight(nn.Module):
    """Two layers with one weight, as an embedding and the output of a language model have it."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(3, 5, bias=False)
        self.middle = nn.Linear(5, 3)
        self.output = nn.Linear(3, 5, bias=False)
        self.output.weight = self.embed.weight

    def forward(self, x):
        return self.output(self.middle(self.embed(x)))


class SharedLayer(linen.Module):
    shared: bool = True

    def setup(self):
        self.embed = linen.Dense(5, use_bias=False)
        self.middle = linen.Dense(3)
        self.output = self.embed if self.shared else linen.Dense(5, use_bias=False)

    def __call__(self, x):
        return self.output(self.middle(self.embed(x)))


def test_a_weight_of_two_layers_agrees_with_one_layer_called_twice(parity, rng):
    module, port = SharedWeight(), SharedLayer()
    report = parity.compare_modules(module, port, (rng.normal(size=(4, 3)),))
    assert report.ok, str(report)
    other = SharedWeight()
    other.load_state_dict(instrument.to_torch(instrument.to_linen(module, port, (X,)), other, port, (X,)))
    assert all(torch.equal(other.state_dict()[name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(
    ("module", "port"),
    [
        (SharedWeight(), SharedLayer(shared=False)),
        (torch_side.tied_perceptron(3, 2), jax_side.perceptron((3, 3, 3))),
        (torch_side.perceptron((3, 3, 3)), jax_side.tied_perceptron(3, 2)),
        (torch_side.ScannedPerceptron(3, 2), jax_side.ScannedPerceptron(3, 2)),
    ],
    ids=["weight untied", "layer untied", "layer tied", "scan against a list"],
)
def test_planted_other_layers_are_refused_with_both_trees(parity, rng, module, port):
    """Tied against not tied computes the same at first, and parts at the first step of training."""
    with pytest.raises(instrument.InputError, match=r"^compare_modules: both modules must have the same layers, got"):
        parity.compare_modules(module, port, (rng.normal(size=(4, 3)),), record=False)


def test_weights_of_many_equal_layers_are_not_guessed():
    """By shape alone twelve layers fit each; the order of the calls, which the linen module tells, settles it."""
    module, port = torch_side.ListPerceptron([3] * 13), jax_side.CompactPerceptron([3] * 13)
    params = {"params": init(port)}
    with pytest.raises(instrument.InputError, match=re.escape("got 12 that fit layers.0: Dense_0, Dense_1, Dense_2,")):
        instrument.to_torch(params, module)
    state = instrument.to_torch(params, module, port, (X,))
    assert np.array_equal(state["layers.10.weight"].numpy().T, params["params"]["Dense_10"]["kernel"])


def test_a_layer_of_linen_takes_its_position_for_a_feature_count():
    """Dense(3, 4) is nn.Linear(3, 4) with 3 outputs: the second word of Flax is use_bias."""
    params = linen.Dense(3, 4).init(jax.random.key(0), jnp.zeros((1, 7)))["params"]
    assert params["kernel"].shape == (7, 3)
