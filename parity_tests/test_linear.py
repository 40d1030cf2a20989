"""The linear layer: outputs and every gradient, weights across and back bit for bit, the law of the first weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import torch
from flax import linen
from torch import nn

from jax_impl import linear as jax_side
from torch_impl import linear as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])
DRAWS = 100_000


# --- the cell of the course ----------------------------------------------------------------------------------------


def test_cell_linear_maps_9_by_2_to_9_by_3_and_starts_at_random(rng):
    x = rng.normal(size=(9, 2)).astype(np.float32)
    first, second = (torch_side.linear_layer(2, 3, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert first(torch.from_numpy(x)).shape == (9, 3)
    assert [tuple(p.shape) for p in first.parameters()] == [(3, 2), (3,)]
    assert all(p.requires_grad for p in first.parameters())
    assert not torch.equal(first.weight, second.weight)
    assert not torch.equal(first.bias, second.bias)

    layer = jax_side.linear_layer(2, 3)
    first, second = (layer.init(jax.random.key(seed), x)["params"] for seed in (0, 1))
    assert layer.apply({"params": first}, x).shape == (9, 3)
    assert jax.tree.map(jnp.shape, first) == {"kernel": (2, 3), "bias": (3,)}
    assert not np.array_equal(first["kernel"], second["kernel"])
    assert not np.array_equal(first["bias"], second["bias"])


def test_erratum_linear_cell_prints_a_tensor_that_it_did_not_transform(rng):
    """The cell prints 'in' as a (2, 3) tensor; Linear(2, 3) takes rows of 2 and refuses it on both sides."""
    printed = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=np.float32)
    with pytest.raises(RuntimeError, match=r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)"):
        torch_side.linear_layer(2, 3)(torch.from_numpy(printed))
    layer = jax_side.linear_layer(2, 3)
    variables = layer.init(jax.random.key(0), rng.normal(size=(9, 2)))
    with pytest.raises(Exception, match=r'"kernel".* expected to generate shape \(3, 3\), .* has shape \(2, 3\)'):
        layer.apply(variables, printed)


# --- the function --------------------------------------------------------------------------------------------------


def numpy_transform(x, weight, bias):
    """The definition, one sum an output: no matrix product, no transpose."""
    rows = x.reshape(-1, x.shape[-1])
    y = [[sum(row[i] * w[i] for i in range(len(w))) + b for w, b in zip(weight, bias, strict=True)] for row in rows]
    return np.array(y).reshape(*x.shape[:-1], len(weight))


@pytest.mark.parametrize(
    ("batch", "magnitude"),
    [((9,), 1.0), ((9,), 1e-3), ((), 1.0), ((2, 5), 1.0), ((1,), 1.0)],
    ids=["course", "small", "vector", "two axes", "one row"],
)
def test_transform_agrees(parity, rng, batch, magnitude):
    inputs = {
        "x": magnitude * rng.normal(size=(*batch, 2)),
        "weight": magnitude * rng.normal(size=(3, 2)),
        "bias": magnitude * rng.normal(size=3),
    }
    parity.assert_equivalent(torch_side.linear_transform, jax_side.linear_transform, inputs)


def test_transform_agrees_without_a_bias(parity, rng):
    inputs = {"x": rng.normal(size=(9, 2)), "weight": rng.normal(size=(3, 2))}
    parity.assert_equivalent(torch_side.linear_transform, jax_side.linear_transform, inputs)


def test_transform_agrees_on_nothing_and_on_infinity(parity, rng):
    for x in (np.zeros((0, 2)), np.array([[np.inf, 1.0], [np.nan, 0.0], [-np.inf, np.inf]])):
        inputs = {"x": x, "weight": rng.normal(size=(3, 2)), "bias": rng.normal(size=3)}
        parity.assert_equivalent(
            torch_side.linear_transform, jax_side.linear_transform, inputs, dtypes=("float64",), edge_cases=True
        )


def test_transform_is_its_definition(parity, rng):
    """Each side beside plain sums over Python loops, and both gradients beside their formulas."""
    x, weight, bias, cotangent = (rng.normal(size=shape) for shape in [(9, 2), (3, 2), (3,), (9, 3)])
    truth = (
        numpy_transform(x, weight, bias),
        np.einsum("bo,oi->bi", cotangent, weight),
        np.einsum("bo,bi->oi", cotangent, x),
        cotangent.sum(0),
    )

    def torch_pulled(x, weight, bias, cotangent):
        leaves = [leaf.detach().requires_grad_() for leaf in (x, weight, bias)]
        y = torch_side.linear_transform(*leaves)
        return (y.detach(), *torch.autograd.grad(y, leaves, cotangent))

    def jax_pulled(x, weight, bias, cotangent):
        y, pull = jax.vjp(jax_side.linear_transform, x, weight, bias)
        return (y, *pull(cotangent))

    inputs = {"x": x, "weight": weight, "bias": bias, "cotangent": cotangent}
    for left, right in (
        (torch_pulled, lambda **_: tuple(map(jnp.asarray, truth))),
        (lambda **_: tuple(map(torch.tensor, truth)), jax_pulled),
    ):
        parity.assert_equivalent(left, right, inputs, dtypes=("float64",), gradients=False)


# --- modules and their weights -------------------------------------------------------------------------------------


class Perceptron(linen.Module):
    """2-5-3 with a tanh between, the linen form of the ``nn.Sequential`` below."""

    @linen.compact
    def __call__(self, x):
        x = jnp.tanh(linen.Dense(5)(x))
        return linen.Dense(3)(x)


def sequential():
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3))


@pytest.mark.parametrize(
    ("torch_module", "linen_module"),
    [
        (nn.Linear(2, 3), linen.Dense(3)),
        (nn.Linear(2, 3, bias=False), linen.Dense(3, use_bias=False)),
        (torch_side.linear_layer(2, 3), jax_side.linear_layer(2, 3)),
        (sequential(), Perceptron()),
        (sequential(), linen.Sequential([linen.Dense(5), jnp.tanh, linen.Dense(3)])),
    ],
    ids=["Linear", "no bias", "linear_layer", "compact", "Sequential"],
)
def test_modules_agree_with_their_weights_bridged(parity, rng, torch_module, linen_module):
    report = parity.compare_modules(torch_module, linen_module, (rng.normal(size=(9, 2)),))
    assert report.ok, str(report)
    gradients = {leaf.path for leaf in report.leaves if leaf.quantity == "gradient"}
    assert len(gradients) == 1 + len(list(torch_module.parameters()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_weights_go_there_and_back_bit_for_bit(dtype):
    import parity

    torch_module, linen_module = sequential().to(dtype), Perceptron()
    variables = parity.to_linen(torch_module, linen_module, (np.zeros((1, 2)),))
    back = parity.to_torch(variables, torch_module)
    for name, tensor in torch_module.state_dict().items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor), name


# --- the law of the first weights ----------------------------------------------------------------------------------


def torch_draws(in_features, out_features):
    """torch's own reset_parameters, not ours: weight and bias as NumPy arrays in torch's layout."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = nn.Linear(in_features, out_features)
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def jax_draws(in_features, out_features):
    layer = jax_side.linear_layer(in_features, out_features)
    params = layer.init(jax.random.key(0), jnp.zeros((1, in_features)))["params"]
    return np.asarray(params["kernel"]).T, np.asarray(params["bias"])


def test_linear_layer_draws_what_nn_linear_draws():
    """The same generator state gives the same bits, and the global generator is left alone."""
    weight, bias = torch_draws(7, 5)
    before = torch.random.get_rng_state()
    layer = torch_side.linear_layer(7, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(layer.weight.detach().numpy(), weight)
    assert np.array_equal(layer.bias.detach().numpy(), bias)


@pytest.mark.parametrize(("leaf", "shape"), [(0, (4, DRAWS // 4)), (1, (4, DRAWS))], ids=["weight", "bias"])
def test_first_weights_have_one_law(leaf, shape):
    """torch's own nn.Linear against the JAX law, 1e5 draws each: KS against each other and against U(-1/2, 1/2)."""
    left, right = (np.ravel(draws(*shape)[leaf]).astype(np.float64) for draws in (torch_draws, jax_draws))
    bound = 1 / np.sqrt(shape[0])
    assert len(left) == len(right) == DRAWS
    assert scipy.stats.ks_2samp(left, right).pvalue > 1e-3
    for sample in (left, right):
        assert scipy.stats.kstest(sample, scipy.stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3
        # Five standard errors of the first four moments; a uniform law has E x^2 = b^2/3 and E x^4 = b^4/5.
        for power, moment in ((1, 0), (2, bound**2 / 3), (3, 0), (4, bound**4 / 5)):
            error = np.sqrt((bound ** (2 * power) / (2 * power + 1) - moment**2) / DRAWS)
            assert abs(np.mean(sample**power) - moment) < 5 * error
        assert np.abs(sample).max() <= bound


def test_laws_do_not_depend_on_the_outputs():
    """The bound is 1/sqrt(in) = 0.1 for 3000 outputs as for 1: of so many draws the largest comes within 0.0001."""
    for draws in (torch_draws, jax_draws):
        for leaf in draws(100, 3000):
            assert 0.0999 < np.abs(leaf).max() <= 0.1


# --- arguments -----------------------------------------------------------------------------------------------------


@SIDES
def test_arguments_that_do_not_fit_raise_one_sentence(side):
    make = torch.zeros if side is torch_side else jnp.zeros
    name = "linear_transform"
    with pytest.raises(ValueError, match=rf"^{name}: weight must have shape \(2, 3\), .* x last, got \(2, 4\)\.$"):
        side.linear_transform(make((5, 3)), make((2, 4)))
    with pytest.raises(ValueError, match=rf"^{name}: bias must have shape \(2,\), .* of weight, got \(1,\)\.$"):
        side.linear_transform(make((5, 3)), make((2, 3)), make((1,)))
    with pytest.raises(ValueError, match=r"^bias_law: in_features must be at least 1, got 0\.$"):
        side.bias_law(0)
