"""A line and a wave by gradient descent: whole batches, one row drawn at random, momentum, and where chaos begins."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import torch
from jax import numpy as jnp

from jax_impl import training as jax_training
from oracles import agrees
from parity import JaxTraining, TorchTraining
from torch_impl import training as torch_training

torch.set_num_threads(1)

EXAMPLES, STEPS = 50, 20


def line(rng):
    """The text's data: 50 rows, the weights -1 and 2, noise of 0.1."""
    x = rng.normal(size=(EXAMPLES, 2))
    return x, x @ np.array([[-1.0], [2.0]]) + 0.1 * rng.normal(size=(EXAMPLES, 1))


def wave(rng, examples=40):
    """Points of the curve, and torch's own law for the weights of 1-32-32-1; both sides hold these in float32."""
    x = rng.uniform(size=(examples, 1))
    shapes = [(32, 1), (32, 32), (1, 32)]
    bounds = [1 / np.sqrt(fan_in) for _, fan_in in shapes]
    weights = [
        tuple(rng.uniform(-b, b, size=size).astype(np.float32) for size in (shape, shape[:1]))
        for b, shape in zip(bounds, shapes, strict=True)
    ]
    return x, 4 * np.sin(np.pi * x) * np.cos(6 * np.pi * x**2), weights


def every_row(steps, examples):
    return np.tile(np.arange(examples), (steps, 1))


def drawn_rows(rng, steps, examples):
    """One row a step: stochastic gradient descent in its first sense."""
    return rng.integers(examples, size=(steps, 1))


def read(state):
    """The numbers of the torch state as the JAX state holds them."""
    model, optimizer = state
    layers = getattr(model, "layers", [model])

    def tree(of):
        named = [("kernel", lambda layer: of(layer.weight).T), ("bias", lambda layer: of(layer.bias))]
        kept = [{name: get(layer) for name, get in named[: 1 + (layer.bias is not None)]} for layer in layers]
        return kept[0] if model is layers[0] else {f"Dense_{number}": layer for number, layer in enumerate(kept)}

    if not optimizer.defaults["momentum"]:
        return {"params": tree(lambda p: p)}
    return {"params": tree(lambda p: p), "velocity": [{"trace": tree(lambda p: optimizer.state[p]["momentum_buffer"])}]}


def sides(start, *arguments, **options):
    """Both sides of `compare_training` from one start."""
    left, right = (getattr(tree, start)(*arguments, **options) for tree in (torch_training, jax_training))
    return TorchTraining(left, torch_training.regression_step, read), JaxTraining(right, jax_training.regression_step)


def test_the_wave_agrees(parity, rng):
    parity.assert_equivalent(torch_training.wave, jax_training.wave, {"x": rng.uniform(size=(5, 3))})


def test_the_network_agrees(parity, rng):
    x, _, weights = wave(rng, 7)
    model = torch_training.wave_state(weights).model
    report = parity.compare_modules(model, jax_training.TanhNetwork((1, 32, 32, 1)), {"x": x})
    assert report.ok, report


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_line_agrees_step_by_step_and_end_to_end(parity, rng, momentum):
    x, y = line(rng)
    options = {"learning_rate": 0.1 * (1 - momentum), "momentum": momentum}
    report = parity.compare_training(*sides("line_state", np.array([[1.0, 0.0]]), **options), [(x, y)] * STEPS, maps=3)
    assert report.ok, report


def test_one_random_row_a_step_agrees(parity, rng):
    x, y = line(rng)
    batches = [(x[rows], y[rows]) for rows in drawn_rows(rng, 40, EXAMPLES)]
    report = parity.compare_training(*sides("line_state", np.array([[1.0, 0.0]])), batches, maps=3)
    assert report.ok, report


@pytest.mark.parametrize("momentum", [pytest.param(0.0, marks=pytest.mark.slow), 0.9])
def test_the_wave_runs_agree(parity, rng, momentum):
    x, y, weights = wave(rng)
    report = parity.compare_training(*sides("wave_state", weights, momentum=momentum), [(x, y)] * 60, maps=3)
    assert report.ok, report


@pytest.mark.slow
def test_the_wave_with_momentum_turns_chaotic_and_the_report_says_where(parity):
    """1,500 steps: the runs part in float64 too, every step from torch's own state holds."""
    rng = np.random.default_rng(0)
    x, y, weights = wave(rng, 200)
    report = parity.compare_training(*sides("wave_state", weights, momentum=0.9), [(x, y)] * 1500, maps=8)
    assert report.ok, report
    assert report.chaos["float32"] is not None
    assert "chaos" in str(report)


def numpy_line(x, y, weight, rows, rate):
    """The third voice: the gradient of the mean square by hand."""
    losses = []
    for some in rows:
        residual = x[some] @ weight.T - y[some]
        losses.append(np.mean(residual**2))
        weight = weight - rate * 2 / len(some) * residual.T @ x[some]
    return np.array(losses), weight


@pytest.mark.parametrize("drawn", [False, True], ids=["every row", "one row"])
def test_fit_follows_the_gradient_by_hand(rng, drawn):
    (x, y), start = line(rng), np.array([[1.0, 0.0]])
    rows = drawn_rows(rng, STEPS, EXAMPLES) if drawn else every_row(STEPS, EXAMPLES)
    expected, weight = numpy_line(x, y, start, rows, 0.1)
    left = torch_training.line_state(start)
    assert agrees(torch_training.fit(left, *map(torch.tensor, (x, y, rows))).numpy(), expected)
    assert agrees(left.model.weight.detach().numpy(), weight)
    with jax.enable_x64(True):
        right, losses = jax_training.fit(jax_training.line_state(start), *map(jnp.asarray, (x, y, rows)))
        assert agrees(np.asarray(losses), expected)
        assert agrees(np.asarray(right.params["kernel"]).T, weight)


def test_both_come_near_the_weights_that_made_the_data(rng):
    x, y = line(rng)
    left = torch_training.line_state(np.array([[1.0, 0.0]]))
    torch_training.fit(left, torch.tensor(x), torch.tensor(y), torch.tensor(every_row(200, EXAMPLES)))
    exact = np.linalg.lstsq(x, y, rcond=None)[0].T
    # 200 steps shrink the start's distance by 0.8^200 at the data's curvature: below float64's rounding.
    assert agrees(left.model.weight.detach().numpy(), exact)


def test_targets_in_a_row_would_be_broadcast():
    """The trap of the tutorial: (n,) against (n, 1) is (n, n), with a warning in torch and without one in JAX."""
    outputs, targets = np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 2.0, 4.0])
    with pytest.warns(UserWarning, match="will likely lead to incorrect results due to broadcasting"):
        torch_loss = torch.nn.functional.mse_loss(torch.tensor(outputs), torch.tensor(targets))
    assert torch_loss.item() == pytest.approx(np.square(outputs - targets).mean())
    assert jnp.square(jnp.asarray(outputs) - jnp.asarray(targets)).mean() == pytest.approx(28 / 9)


PLANTED = {
    "the loss a sum, not a mean": lambda x, y: (x, y, 2.0),
    "the targets in another order than the inputs": lambda x, y: (x, y[::-1], 1.0),
    "the last example left out": lambda x, y: (x[:-1], y[:-1], 1.0),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_shows_at_once(parity, rng, name):
    x, y = line(rng)
    left, right = sides("line_state", np.array([[1.0, 0.0]]))

    def mistaken(state, x, y):
        x, y, factor = PLANTED[name](x, y)
        after, loss = jax_training.regression_step(state, x, y)
        grown = {"kernel": state.params["kernel"] + factor * (after.params["kernel"] - state.params["kernel"])}
        return replace(after, params=grown), factor * loss

    wrong = replace(right, step=mistaken)
    report = parity.compare_training(left, wrong, [(x, y)] * 5, dtypes=("float64",), maps=1, record=False)
    assert not report.ok


@pytest.mark.parametrize(
    ("planted", "right"), [({"momentum": 0.9}, {"momentum": 0.99}), ({"learning_rate": 0.1}, {"learning_rate": 0.01})]
)
def test_another_setting_shows(parity, rng, planted, right):
    x, y = line(rng)
    start = np.array([[1.0, 0.0]])
    left, other = sides("line_state", start, **right)[0], sides("line_state", start, **planted)[1]
    report = parity.compare_training(left, other, [(x, y)] * 5, dtypes=("float64",), maps=1, record=False)
    assert not report.ok


@pytest.mark.parametrize("tree", [torch_training, jax_training], ids=["torch", "jax"])
def test_weights_that_do_not_fit_are_refused(rng, tree):
    _, _, weights = wave(rng)
    with pytest.raises(ValueError, match=r"^wave_state: weight must have shape \(32, 32\)"):
        tree.wave_state([weights[0], weights[0], weights[2]])
