"""Every initializer of ``torch.nn.init`` has one law on both sides: fans, gains, bounds, moments, and exact values."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn

from initializer_laws import DRAWS, jax_draws, ks, same_law, torch_draws
from jax_impl import initializers as jax_side
from oracles import agrees
from torch_impl import initializers as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])
OURS, THEIRS = (40, 10, 25, 10), (25, 10, 10, 40)
"""1e5 values of one convolution: torch's (out, in, height, width) and linen's (height, width, in, out)."""

LAWS = {
    "uniform": [{}, {"a": -2.0, "b": 0.5}],
    "normal": [{}, {"mean": 3.0, "std": 0.1}],
    "trunc_normal": [{}, {"std": 0.02}, {"mean": 1.0, "std": 2.0, "a": 0.0, "b": 1.5}, {"a": 1.0, "b": 2.5}],
    "xavier_uniform": [{}, {"gain": 5 / 3}],
    "xavier_normal": [{}, {"gain": 0.5}],
    "kaiming_uniform": [{}, {"a": math.sqrt(5)}, {"mode": "fan_out", "nonlinearity": "relu"}, {"nonlinearity": "tanh"}],
    "kaiming_normal": [{}, {"a": 0.2}, {"mode": "fan_out"}, {"nonlinearity": "linear"}],
}
CASES = [(name, options) for name, cases in LAWS.items() for options in cases]


def test_every_function_of_torch_nn_init_has_its_law():
    names = {name.removesuffix("_") for name in nn.init.__all__}
    assert names <= set(jax_side.__all__), names - set(jax_side.__all__)


# --- fans and gains ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 3), (8, 4, 7), (6, 2, 3, 5), (4, 3, 1, 2, 5), (1, 1), (0, 3)])
def test_fans_are_torchs_in_either_layout(shape):
    turned = (*shape[2:], shape[1], shape[0])
    expected = nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    assert torch_side.fans(shape) == jax_side.fans(turned) == expected


def test_gains_are_torchs_exactly():
    names = [*nn.init._NonlinearityType.__args__]
    for name, param in itertools.product(names, (None, 0, 0.2, math.sqrt(5), -1)):
        assert jax_side.calculate_gain(name, param) == nn.init.calculate_gain(name, param)
        assert torch_side.calculate_gain(name, param) == nn.init.calculate_gain(name, param)
    known = {"linear": 1, "sigmoid": 1, "tanh": 5 / 3, "relu": 2**0.5, "leaky_relu": (2 / 1.0001) ** 0.5, "selu": 0.75}
    assert {name: jax_side.calculate_gain(name) for name in known} == pytest.approx(known)


# --- what is drawn -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), CASES)
def test_one_law_on_both_sides(name, options):
    left = torch_draws(getattr(nn.init, f"{name}_") if not options else getattr(torch_side, name)(**options), OURS)
    right = jax_draws(getattr(jax_side, name)(**options), THEIRS)
    assert len(left) == len(right) == DRAWS
    assert same_law(left, right), ks(left, right)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_torchs_twin_is_torchs_function(name, options):
    """The same generator, the same bits."""
    left, right = torch.empty(3, 5), torch.empty(3, 5)
    getattr(nn.init, f"{name}_")(left, **options, generator=torch.Generator().manual_seed(1))
    getattr(torch_side, name)(**options)(right, generator=torch.Generator().manual_seed(1))
    assert torch.equal(left, right)


FAN_IN, FAN_OUT = 2500, 10000  # of the convolution above
BOUNDS = {
    ("xavier_uniform", ()): math.sqrt(6 / (FAN_IN + FAN_OUT)),
    ("kaiming_uniform", ()): math.sqrt(6 / FAN_IN),
    ("kaiming_uniform", (("a", math.sqrt(5)),)): 1 / math.sqrt(FAN_IN),
    ("kaiming_uniform", (("mode", "fan_out"), ("nonlinearity", "relu"))): math.sqrt(6 / FAN_OUT),
}
DEVIATIONS = {
    ("xavier_normal", ()): math.sqrt(2 / (FAN_IN + FAN_OUT)),
    ("kaiming_normal", ()): math.sqrt(2 / FAN_IN),
    ("kaiming_normal", (("mode", "fan_out"),)): math.sqrt(2 / FAN_OUT),
}


@pytest.mark.parametrize(("name", "options"), [*BOUNDS, *DEVIATIONS], ids=lambda value: str(value))
def test_bounds_and_deviations_are_the_papers(name, options):
    """The third voice: the ends of a uniform law are met to a ten-thousandth and never passed, a deviation to 1 %."""
    for draws in (
        torch_draws(getattr(torch_side, name)(**dict(options)), OURS),
        jax_draws(getattr(jax_side, name)(**dict(options)), THEIRS),
    ):
        if (name, options) in BOUNDS:
            bound = BOUNDS[name, options]
            assert bound * (1 - 1e-4) < np.abs(draws).max() <= bound * (1 + 2**-23)
        else:
            # Five standard errors of a normal law's deviation at 1e5 draws are 1.1 %.
            assert draws.std() == pytest.approx(DEVIATIONS[name, options], rel=5 / math.sqrt(2 * DRAWS))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_laws_make_what_they_are_asked_for(dtype):
    for name, options in CASES:
        drawn = getattr(jax_side, name)(**options)(jax.random.key(1), (4, 3), dtype)
        assert (drawn.shape, drawn.dtype) == ((4, 3), dtype)
        assert jnp.isfinite(drawn).all()


# --- what is placed ------------------------------------------------------------------------------------------------


def turned(weight):
    """torch's (out, in, ...) as linen's (..., in, out)."""
    return np.moveaxis(weight.numpy(), (0, 1), (-1, -2))


EXACT = [
    ("constant", {"val": 0.3}, (5, 3)),
    ("ones", {}, (5, 3)),
    ("zeros", {}, (4, 2, 3)),
    ("eye", {}, (5, 3)),
    ("eye", {}, (3, 5)),
    ("dirac", {}, (3, 5, 4)),
    ("dirac", {}, (5, 3, 3, 5)),
    ("dirac", {"groups": 3}, (9, 2, 3, 4)),
    ("dirac", {"groups": 2}, (4, 5, 1, 2, 3)),
]


@pytest.mark.parametrize(("name", "options", "shape"), EXACT, ids=lambda value: str(value))
def test_what_is_placed_is_equal(name, options, shape):
    truth = getattr(nn.init, f"{name}_")(torch.empty(shape), **options)
    ours = getattr(torch_side, name)(**options)(torch.empty(shape), generator=None)
    theirs = getattr(jax_side, name)(**options)(jax.random.key(0), turned(truth).shape, jnp.float32)
    assert torch.equal(ours, truth)
    assert np.array_equal(theirs, turned(truth))


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5), (4, 2, 3, 3), (20, 2, 1, 3)], ids=str)
def test_orthogonal_kernels_have_orthonormal_rows_or_columns(shape):
    """As a matrix of outputs by all else: the fewer of the two are orthonormal, times the gain."""
    weight = torch_side.orthogonal(3.0)(torch.empty(shape), generator=torch.Generator().manual_seed(0))
    kernel = jax_side.orthogonal(3.0)(jax.random.key(0), turned(weight).shape, jnp.float32)
    for matrix in (weight.numpy().reshape(shape[0], -1), np.asarray(kernel).reshape(-1, shape[0]).T):
        rows, columns = matrix.shape
        gram = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
        # 9 in the diagonal: a dozen float32 roundings of it, measured 2e-6.
        assert np.allclose(gram, 9 * np.eye(len(gram)), rtol=0, atol=1e-5)


def orthogonal_entries(shape):
    """Many small orthogonal matrices: torch one by one, JAX under vmap; entries by place."""
    generator = torch.Generator().manual_seed(0)
    ours = [nn.init.orthogonal_(torch.empty(shape), generator=generator).numpy() for _ in range(2000)]
    keys = jax.random.split(jax.random.key(0), 2000)
    theirs = jax.vmap(lambda key: jax_side.orthogonal()(key, shape[::-1], jnp.float32).T)(keys)
    return np.stack(ours), np.asarray(theirs)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4)], ids=str)
def test_no_orthogonal_matrix_is_preferred(shape):
    """Every entry has one law on both sides, the first too, whose sign QR alone would fix."""
    ours, theirs = orthogonal_entries(shape)
    for place in np.ndindex(shape):
        left, right = ours[:, *place], theirs[:, *place]
        assert ks(left, right) > 1e-3
        assert abs(right.mean()) < 5 * right.std() / math.sqrt(len(right))


@pytest.mark.parametrize(("sparsity", "zeros"), [(0.1, 5), (0.25, 10), (0.9, 36), (0.0, 0)])
def test_sparse_kernels_cut_each_input_from_its_share_of_outputs(sparsity, zeros):
    """40 outputs; the share rounded up: 0.1 of 41 is 5."""
    outputs = 41 if zeros == 5 else 40
    weight = torch_side.sparse(sparsity, 0.5)(torch.empty(outputs, 500), generator=torch.Generator().manual_seed(0))
    kernel = jax_side.sparse(sparsity, 0.5)(jax.random.key(0), (500, outputs), jnp.float32)
    for matrix in (weight.numpy(), np.asarray(kernel).T):
        assert set((matrix == 0).sum(0)) == {zeros}
        # Each output is hit as often as any other: binomial counts, five deviations.
        share = zeros / outputs
        assert np.abs((matrix == 0).sum(1) - 500 * share).max() <= 5 * math.sqrt(500 * share * (1 - share))
    assert ks(weight.numpy()[weight.numpy() != 0], np.asarray(kernel)[np.asarray(kernel) != 0]) > 1e-3


def test_a_known_identity():
    """A convolution with a Dirac kernel gives back its input."""
    x = np.arange(24.0, dtype=np.float32).reshape(1, 2, 3, 4)
    layer = nn.Conv2d(2, 3, 3, padding=1, bias=False)
    torch_side.dirac()(layer.weight)
    kernel = jax_side.dirac()(jax.random.key(0), (3, 3, 2, 3), jnp.float32)
    y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NCHW", "HWIO", "NCHW"))
    for out in (layer(torch.from_numpy(x)).detach().numpy(), np.asarray(y)):
        assert agrees(out, np.concatenate([x, np.zeros((1, 1, 3, 4))], 1), "float32")


# --- arguments -----------------------------------------------------------------------------------------------------


def of_shape(side, law, shape):
    return law(torch.empty(shape)) if side is torch_side else law(jax.random.key(0), shape, jnp.float32)


@SIDES
def test_arguments_that_do_not_fit_raise_one_sentence(side):
    with pytest.raises(ValueError, match=r"^calculate_gain: nonlinearity must be one of linear, .*, got swish\.$"):
        side.calculate_gain("swish")
    with pytest.raises(ValueError, match=r"^kaiming_normal: mode must be 'fan_in' or 'fan_out', got 'fan_avg'\.$"):
        side.kaiming_normal(mode="fan_avg")
    with pytest.raises(ValueError, match=r"^fans: shape must have at least 2 axes, got 1\.$"):
        side.fans((3,))
    with pytest.raises(ValueError, match=r"^eye: shape must have 2 axes, got 3\.$"):
        of_shape(side, side.eye(), (2, 3, 4))
    with pytest.raises(ValueError, match=r"^sparse: shape must have 2 axes, got 1\.$"):
        of_shape(side, side.sparse(0.5), (2,))
    with pytest.raises(ValueError, match=r"^dirac: shape must have 3, 4 or 5 axes, got 2\.$"):
        of_shape(side, side.dirac(), (2, 3))
    with pytest.raises(ValueError, match=r"^dirac: groups must divide the 4 outputs, got 3\.$"):
        of_shape(side, side.dirac(3), (4, 5, 4))
