"""Modules made of modules: names, shapes and counts; outputs and every gradient; weights there and back."""

import re
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn

from jax_impl import sequential as jax_side
from oracles import agrees
from torch_impl import sequential as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])
DEEP = (3, *[4] * 11, 2)  # twelve layers, ten of them of one shape

MODELS = {
    "Sequential": lambda side: side.perceptron((3, 5, 2)),
    "nested": lambda side: side.autoencoder((3, 5, 2)),
    "tied": lambda side: side.tied_perceptron(3, 3),
    "list of 12": lambda side: side.ListPerceptron(DEEP),
    "compact, 12": lambda side: side.CompactPerceptron(DEEP),
    "dict": lambda side: side.BranchedPerceptron((3, 5), {"value": 1, "policy": 4}),
    "tied weight": lambda side: side.TiedAutoencoder((3, 5)),
}
BRIDGED = pytest.mark.parametrize("model", MODELS)


def pair(model):
    torch.manual_seed(0)
    return MODELS[model](torch_side), MODELS[model](jax_side)


def init(linen_module, seed=0):
    return linen_module.init(jax.random.key(seed), jnp.zeros((1, 3)))["params"]


# --- names, shapes, counts -----------------------------------------------------------------------------------------

NAMES = {
    "Sequential": ("0.weight 0.bias 2.weight 2.bias", "layers_0/bias layers_0/kernel layers_2/bias layers_2/kernel"),
    "tied": ("0.weight 0.bias", "layers_0/bias layers_0/kernel"),
    "tied weight": ("decoder_bias encoder.weight encoder.bias", "decoder_bias encoder/bias encoder/kernel"),
    "dict": (
        "trunk.0.weight trunk.0.bias heads.value.weight heads.value.bias heads.policy.weight heads.policy.bias",
        "heads_policy/bias heads_policy/kernel heads_value/bias heads_value/kernel"
        " trunk/layers_0/bias trunk/layers_0/kernel",
    ),
}


@pytest.mark.parametrize("model", NAMES)
def test_names_are_each_frameworks_own(model):
    module, port = pair(model)
    left = torch_side.parameter_table(dict(module.named_parameters()))
    right = jax_side.parameter_table(init(port))
    assert (" ".join(row.name for row in left), " ".join(row.name for row in right)) == NAMES[model]


@BRIDGED
def test_shapes_and_counts_are_the_same_but_for_the_transpose(model):
    module, port = pair(model)
    parameters = dict(module.named_parameters())
    left, right = torch_side.parameter_table(parameters), jax_side.parameter_table(init(port))
    assert sorted(row.shape[::-1] for row in left) == sorted(row.shape for row in right)
    assert all(row.size == np.prod(row.shape, dtype=int) for row in (*left, *right))
    total = sum(p.numel() for p in module.parameters())
    assert torch_side.parameter_count(parameters) == jax_side.parameter_count(init(port)) == total


def test_the_count_of_a_perceptron_is_its_formula():
    widths = (3, 5, 2)
    count = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths))
    assert torch_side.parameter_count(dict(torch_side.perceptron(widths).named_parameters())) == count == 32
    assert jax_side.parameter_count(init(jax_side.perceptron(widths))) == count


def test_the_table_takes_shapes_that_were_never_computed():
    port = jax_side.perceptron((3, 5, 2))
    shapes = jax.eval_shape(port.init, jax.random.key(0), jnp.zeros((1, 3)))["params"]
    assert jax_side.parameter_table(shapes) == jax_side.parameter_table(init(port))
    with torch.device("meta"):
        module = torch_side.perceptron((3, 5, 2))
    assert torch_side.parameter_count(dict(module.named_parameters())) == 32


def test_the_layers_are_listed_by_number_on_both_sides():
    left = torch_side.parameter_table(dict(torch_side.ListPerceptron(DEEP).named_parameters()))
    right = jax_side.parameter_table(init(jax_side.ListPerceptron(DEEP)))
    for rows in (left, right):
        numbers = [int(re.findall(r"\d+", row.name)[0]) for row in rows]
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(12))


# --- outputs, gradients, weights -----------------------------------------------------------------------------------


@BRIDGED
def test_models_agree_with_their_weights_bridged(parity, rng, model):
    module, port = pair(model)
    report = parity.compare_modules(module, port, (rng.normal(size=(4, 3)),))
    assert report.ok, str(report)
    gradients = {leaf.path for leaf in report.leaves if leaf.quantity == "gradient"}
    assert len(gradients) == 1 + len(list(module.parameters()))


@pytest.mark.parametrize("magnitude", [1e-3, 30.0], ids=["small", "saturated"])
def test_models_agree_at_other_magnitudes(parity, rng, magnitude):
    module, port = pair("nested")
    report = parity.compare_modules(module, port, (magnitude * rng.normal(size=(4, 3)),))
    assert report.ok, str(report)


@BRIDGED
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_weights_go_there_and_back_bit_for_bit(model, dtype):
    """Back into a module that holds other weights: what is not carried would keep them."""
    import parity

    module, port = pair(model)
    module, x = module.to(dtype), np.zeros((1, 3))
    other = MODELS[model](torch_side).to(dtype)
    other.load_state_dict(parity.to_torch(parity.to_linen(module, port, (x,)), other, port, (x,)))
    for name, tensor in module.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


@BRIDGED
def test_weights_of_linen_go_there_and_back_bit_for_bit(model):
    import parity

    module, port = pair(model)
    x, params = np.zeros((1, 3)), init(port)
    module.load_state_dict(parity.to_torch({"params": params}, module, port, (x,)))
    back = parity.to_linen(module, port, (x,))["params"]
    assert jax.tree.structure(back) == jax.tree.structure(params)
    assert all(map(np.array_equal, jax.tree.leaves(back), jax.tree.leaves(params)))


def numpy_perceptron(x, layers):
    *hidden, (weight, bias) = layers
    for w, b in hidden:
        x = np.tanh(x @ w.T + b)
    return x @ weight.T + bias


@pytest.mark.parametrize("model", ["Sequential", "list of 12", "compact, 12"])
def test_models_are_their_formula(model, rng):
    """Both sides beside NumPy: two ports of one mistake would agree with each other."""
    import parity

    module, port = pair(model)
    module, x = module.double(), rng.normal(size=(4, 3))
    tensors = [p.detach().numpy() for p in module.parameters()]
    truth = numpy_perceptron(x, list(zip(tensors[::2], tensors[1::2], strict=True)))
    with jax.enable_x64(True):
        ported = port.apply(parity.to_linen(module, port, (x,)), jnp.asarray(x))
    assert agrees(module(torch.from_numpy(x)).detach().numpy(), truth)
    assert agrees(ported, truth)


# --- one layer scanned ---------------------------------------------------------------------------------------------


def scanned(width=3, depth=12):
    torch.manual_seed(0)
    return torch_side.ScannedPerceptron(width, depth), jax_side.ScannedPerceptron(width, depth)


def test_a_scan_has_one_leaf_for_all_layers():
    module, port = scanned()
    params = init(port)
    assert jax.tree.map(jnp.shape, params) == {"layers": {"bias": (12, 3), "kernel": (12, 3, 3)}}
    assert jax_side.parameter_count(params) == torch_side.parameter_count(dict(module.named_parameters())) == 144
    # split_rngs: no two layers start equal.
    assert len(np.unique(params["layers"]["kernel"][:, 0, 0])) == 12


def test_stacked_layers_agree_with_the_scan(parity, rng):
    """The module's layers, stacked, as what `nn.scan` holds: outputs, and the gradient of every row of both leaves."""
    module, port = scanned()
    stacked = {name: tensor.detach().numpy() for name, tensor in torch_side.stack_layers(module.layers).items()}
    assert {name: array.shape for name, array in stacked.items()} == {"weight": (12, 3, 3), "bias": (12, 3)}

    def torch_scan(weight, bias, x):
        rows = [{"weight": w, "bias": b} for w, b in zip(weight, bias, strict=True)]
        state = {f"layers.{i}.{name}": tensor for i, row in enumerate(rows) for name, tensor in row.items()}
        return torch.func.functional_call(module, state, (x,))

    def jax_scan(weight, bias, x):
        return port.apply({"params": {"layers": {"kernel": weight.transpose(0, 2, 1), "bias": bias}}}, x)

    parity.assert_equivalent(torch_scan, jax_scan, {**stacked, "x": rng.normal(size=(4, 3))})


def test_stack_layers_makes_what_a_scan_takes(rng):
    """Twelve trees of a list, stacked, and run as one scan: the same numbers as layer by layer."""
    width, depth, x = 3, 12, rng.normal(size=(4, 3))
    listed = jax_side.ListPerceptron([width] * (depth + 1))
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), init(listed))
        stacked = jax_side.stack_layers([params[f"layers_{i}"] for i in range(depth)])
        out = jax_side.ScannedPerceptron(width, depth).apply({"params": {"layers": stacked}}, x)
        by_layer = jnp.tanh(listed.apply({"params": params}, x))
    assert jax.tree.map(jnp.shape, stacked) == {"bias": (12, 3), "kernel": (12, 3, 3)}
    assert agrees(out, by_layer)


# --- arguments -----------------------------------------------------------------------------------------------------


@SIDES
def test_sizes_that_make_no_model_raise_one_sentence(side):
    for name in ("perceptron", "autoencoder", "ListPerceptron", "CompactPerceptron"):
        with pytest.raises(ValueError, match=rf"^{name}: widths must be at least 2 positive sizes, got \(3,\)\."):
            built(side, getattr(side, name)([3]))
    with pytest.raises(ValueError, match=r"^TiedAutoencoder: widths must be 2 positive sizes, got \(3, 5, 2\)\."):
        built(side, side.TiedAutoencoder((3, 5, 2)))
    with pytest.raises(ValueError, match=r"^perceptron: widths must be at least 2 positive sizes, got \(3, 0\)\.$"):
        side.perceptron((3, 0))
    with pytest.raises(ValueError, match=r"^tied_perceptron: depth must be at least 1, got 0\.$"):
        side.tied_perceptron(3, 0)
    with pytest.raises(ValueError, match=r"^ScannedPerceptron: width must be at least 1, got 0\."):
        built(side, side.ScannedPerceptron(0, 2))


def built(side, model):
    """A linen module checks its fields when it is initialised; a torch one when it is made."""
    return model if isinstance(model, nn.Module) else init(model)
