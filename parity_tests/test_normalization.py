"""Normalisation: every layer in both modes, running statistics after ten batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_impl import normalization as jax_side
from oracles import agrees
from torch_impl import normalization as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])
STEPS = 10


@pytest.fixture(autouse=True)
def x64():
    """What is held against NumPy is computed in its precision."""
    with jax.enable_x64(True):
        yield


def moments(x, axes, ddof=0):
    return x.mean(axes, keepdims=True), x.var(axes, keepdims=True, ddof=ddof)


def numpy_norm(x, axes, eps=1e-5):
    mean, var = moments(x, axes)
    return (x - mean) / np.sqrt(var + eps)


# --- running statistics --------------------------------------------------------------------------------------------


def torch_run(layer, batches):
    """Statistics after training on all batches, and the evaluation of the first."""
    layer = layer.double().train()
    for batch in batches:
        layer(torch.tensor(batch))
    out = layer.eval()(torch.tensor(batches[0]))
    return [layer.running_mean.numpy(), layer.running_var.numpy(), out.detach().numpy()]


def jax_run(layer, batches):
    batches = np.moveaxis(batches, 2, -1)
    variables = jax.tree.map(
        lambda leaf: leaf.astype(float) if leaf.dtype == jnp.float32 else leaf,
        layer.init(jax.random.key(0), batches[0], use_running_average=False),
    )

    @jax.jit
    def step(variables, batch):
        _, new = layer.apply(variables, batch, use_running_average=False, mutable=["batch_stats"])
        return variables | new, None

    variables, _ = jax.lax.scan(step, variables, batches)
    out = layer.apply(variables, batches[0], use_running_average=True)
    return [variables["batch_stats"]["mean"], variables["batch_stats"]["var"], np.moveaxis(out, -1, 1)]


def numpy_run(batches, axes, momentum):
    """The statistics of a sample, ddof 1, of each batch (or each example, and then their mean)."""
    mean, var = np.zeros(batches.shape[2]), np.ones(batches.shape[2])
    for step, batch in enumerate(batches):
        share = 1 / (step + 1) if momentum is None else momentum
        new_mean, new_var = (np.moveaxis(m, 1, -1).reshape(-1, len(mean)).mean(0) for m in moments(batch, axes, 1))
        mean, var = (1 - share) * mean + share * new_mean, (1 - share) * var + share * new_var
    shape = (-1, *[1] * (batches.ndim - 3))
    return [mean, var, (batches[0] - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + 1e-5)]


@pytest.mark.parametrize(
    ("kind", "space", "momentum"),
    [("batch", 1, 0.1), ("batch", 2, 0.3), ("batch", 3, None), ("instance", 1, 0.1), ("instance", 2, 0.3)],
)
def test_running_statistics_after_ten_batches(rng, kind, space, momentum):
    """Both sides beside NumPy: mean, variance, and the evaluation that takes them."""
    batches = 2 + rng.normal(size=(STEPS, 4, 3, 5, 2, 2)[: 3 + space])
    make = f"{kind}_norm_layer"
    options = {"momentum": momentum, "track_running_stats": True, "affine": True}
    expected = numpy_run(batches, (0, *range(2, 2 + space)) if kind == "batch" else (*range(2, 2 + space),), momentum)
    for side, run in ((torch_side, torch_run), (jax_side, jax_run)):
        found = run(getattr(side, make)(3, space, **options), batches)
        for name, ours, oracle in zip(("mean", "var", "evaluated"), found, expected, strict=True):
            assert agrees(ours, oracle), f"{side.__name__}: {name}"


def test_what_a_batch_adds_to_the_statistics_has_no_gradient():
    layer = jax_side.batch_norm_layer(2, 1)
    variables = layer.init(jax.random.key(0), jnp.ones((3, 2)), use_running_average=False)

    def moved(x):
        return layer.apply(variables, x, False, mutable=["batch_stats"])[1]["batch_stats"]["mean"].sum()

    assert not jax.grad(moved)(jnp.arange(6.0).reshape(3, 2)).any()


# --- layers, in the mode that has no memory ------------------------------------------------------------------------


def applied(layer, x, params, **mode):
    out = layer.apply({"params": params}, jnp.moveaxis(x, 1, -1), **mode)
    return jnp.moveaxis(out, -1, 1)


def called(layer, x, params):
    weights = {{"scale": "weight"}.get(name, name): leaf for name, leaf in params.items()}
    return torch.func.functional_call(layer, {name: leaf.to(x) for name, leaf in weights.items()}, (x,))


LAYERS = {
    "batch": (2, "batch_norm_layer", (4, 2), {"track_running_stats": False}, {"use_running_average": False}, (0, 2, 3)),
    "instance": (2, "instance_norm_layer", (4, 2), {"affine": True}, {}, (2, 3)),
    "group": (2, "group_norm_layer", (2, 4), {}, {}, None),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("magnitude", [1.0, 1e-3])
def test_layers_agree_and_are_their_definition(parity, rng, kind, magnitude):
    """At a thousandth, epsilon decides."""
    _, make, sizes, options, mode, axes = LAYERS[kind]
    layers = [getattr(side, make)(*sizes, **options) for side in (torch_side, jax_side)]
    x, params = (
        magnitude * rng.normal(size=(3, 4, 2, 5)),
        dict(zip(("scale", "bias"), rng.normal(size=(2, 4)), strict=True)),
    )
    parity.assert_equivalent(
        lambda x, params: called(layers[0], x, params),
        lambda x, params: applied(layers[1], x, params, **mode),
        (x, params),
    )
    grouped = x.reshape(3, 2, 2, 2, 5)
    centred = numpy_norm(x, axes) if axes else numpy_norm(grouped, (2, 3, 4)).reshape(x.shape)
    expected = centred * params["scale"][:, None, None] + params["bias"][:, None, None]
    assert agrees(applied(layers[1], x, params, **mode), expected)


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_without_a_bias_agree(parity, rng, kind):
    _, make, sizes, options, mode, _ = LAYERS[kind]
    left, right = (
        getattr(side, make)(*sizes, **{**options, "affine": True}, bias=False) for side in (torch_side, jax_side)
    )
    inputs = (rng.normal(size=(3, 4, 2, 5)), {"scale": rng.normal(size=4)})
    assert [name for name, _ in left.named_parameters()] == ["weight"]
    parity.assert_equivalent(
        lambda x, params: called(left, x, params),
        lambda x, params: applied(right, x, params, **mode),
        inputs,
        dtypes=("float64",),
        jit=False,
    )


@pytest.mark.parametrize("shape", [(5,), (2, 5)])
def test_layer_norm_takes_any_number_of_axes(parity, rng, shape):
    pair = [side.layer_norm_layer(shape) for side in (torch_side, jax_side)]
    report = parity.compare_modules(*pair, (rng.normal(size=(3, 2, 5)),))
    assert report.ok, str(report)


@pytest.mark.parametrize("eps", [None, 1e-3])
def test_rms_norm_takes_the_epsilon_of_the_dtype(parity, rng, eps):
    """Inputs near the square root of float64's: there the default decides."""
    pair = [side.rms_norm_layer((5,), eps=eps) for side in (torch_side, jax_side)]
    inputs = (1e-7 * rng.normal(size=(3, 5)),)
    report = parity.compare_modules(*pair, inputs, dtypes=("float64",))
    assert report.ok, str(report)
    report = parity.compare_modules(*pair, (rng.normal(size=(3, 5)),))
    assert report.ok, str(report)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_local_response_norm_agrees(parity, rng, size):
    options = {"alpha": 0.5, "beta": 0.6, "k": 1.5}
    x = rng.normal(size=(2, 4, 3, 5))
    parity.assert_equivalent(
        lambda x: torch_side.local_response_norm(x, size, **options),
        lambda x: jnp.moveaxis(jax_side.local_response_norm(jnp.moveaxis(x, 1, -1), size, **options), -1, 1),
        (x,),
        jit=size == 2,
    )
    padded = np.pad(x**2, ((0, 0), (size // 2, (size - 1) // 2), (0, 0), (0, 0)))
    mean = np.stack([padded[:, c : c + size].mean(1) for c in range(4)], 1)
    assert agrees(torch_side.local_response_norm(torch.tensor(x), size, **options), x * (1.5 + 0.5 * mean) ** -0.6)


# --- arguments -----------------------------------------------------------------------------------------------------


@SIDES
def test_arguments_that_do_not_fit_raise_one_sentence(side):
    x = torch.ones(2, 3) if side is torch_side else jnp.ones((2, 3))
    with pytest.raises(ValueError, match=r"^batch_norm_layer: space must be 1, 2 or 3, got 4\.$"):
        side.batch_norm_layer(3, 4)
    with pytest.raises(ValueError, match=r"^group_norm_layer: num_channels must be a multiple of .* 3, got 4\.$"):
        side.group_norm_layer(3, 4)
    with pytest.raises(ValueError, match=r"^dropout: p must be 0 to 1, got 1.5\.$"):
        side.dropout(x, x > 0, p=1.5)
    with pytest.raises(ValueError, match=r"^local_response_norm: size must be at least 1, got 0\.$"):
        side.local_response_norm(x, 0)


def test_channels_first_and_a_single_value_are_refused():
    """Where linen would normalise over columns, or remember a variance of 0."""
    layer = jax_side.batch_norm_layer(3)
    with pytest.raises(ValueError, match=r"^BatchNorm: x must have 2 axes .* and 3 channels, got shape \(2, 3, 4, 5\)"):
        layer.init(jax.random.key(0), jnp.ones((2, 3, 4, 5)), False)
    with pytest.raises(ValueError, match=r"^BatchNorm: x must have more than one value a channel in training"):
        layer.init(jax.random.key(0), jnp.ones((1, 1, 1, 3)), False)
