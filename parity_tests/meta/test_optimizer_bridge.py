"""A live torch optimizer becomes an optax transformation with its state, goes on there, and comes back."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from torch import nn

import parity
from optimizer_streams import default_dtype
from oracles import agrees
from parity.compare_optimizers import compare_optimizers
from parity.optimizers import optimizer_from_torch, optimizer_to_torch

KINDS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1},
    "ASGD": {"t0": 1.0},
    "Rprop": {},
    "Adam": {"amsgrad": True, "weight_decay": 0.1},
    "AdamW": {"lr": 0.1},
    "Adamax": {},
    "NAdam": {"decoupled_weight_decay": True, "weight_decay": 0.1},
    "RAdam": {},
    "RMSprop": {"centered": True, "momentum": 0.5, "maximize": True},
    "Adagrad": {"lr_decay": 0.1, "initial_accumulator_value": 0.2},
    "Adadelta": {},
    "Adafactor": {"weight_decay": 0.1},
    "Muon": {},
}


@pytest.fixture(autouse=True)
def _torch_in_float64():
    with default_dtype("float64"):
        yield


def trained(name, steps, groups=1):
    """A module and its optimizer after some steps; Muon takes matrices only."""
    torch.manual_seed(0)
    module = nn.Linear(3, 2, bias=name != "Muon")
    params = list(module.parameters())
    members = [{"params": [p], "lr": 0.05 * (1 + i)} for i, p in enumerate(params)] if groups == 2 else params
    live = getattr(torch.optim, name)(members, **KINDS[name])
    for step in range(steps):
        one_step(live, params, step)
    return module, live


def one_step(live, params, step):
    for parameter in params:
        parameter.grad = gradient_like(parameter.detach().numpy(), step)
    live.step()


def gradient_like(value, step):
    return torch.tensor(np.cos(np.arange(value.size).reshape(value.shape) + step))


def contents(live):
    return {
        (group, member, key): value.clone() if torch.is_tensor(value) else value
        for group, settings in enumerate(live.param_groups)
        for member, parameter in enumerate(settings["params"])
        for key, value in live.state.get(parameter, {}).items()
    }


def same(left, right):
    if torch.is_tensor(left):
        return torch.equal(left, right) and left.dtype == right.dtype
    return left == right


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("name", KINDS)
def test_there_and_back_changes_no_bit(name, groups):
    module, live = trained(name, 3, groups)
    before = contents(live)
    _, params, state = optimizer_from_torch(live, module)
    optimizer_to_torch(state, live, module, params=params)
    after = contents(live)
    assert before.keys() == after.keys()
    assert [key for key in before if not same(before[key], after[key])] == []


@pytest.mark.parametrize("name", KINDS)
def test_a_run_goes_on_on_the_other_side(name):
    """Three steps in torch, three in JAX, three in torch again: nine steps in torch."""
    module, live = trained(name, 3)
    rule, params, state = optimizer_from_torch(live, module)
    with jax.enable_x64(True):
        for step in range(3, 6):
            gradients = {key: jnp.asarray(gradient_like(value, step).numpy()) for key, value in params.items()}
            updates, state = rule.update(gradients, state, params)
            params = optax.apply_updates(params, updates)
        optimizer_to_torch(state, live, module, params=params)
    for step in range(6, 9):
        one_step(live, list(module.parameters()), step)
    expected, _ = trained(name, 9)
    for got, right in zip(module.parameters(), expected.parameters(), strict=True):
        assert agrees(got.detach().numpy(), right.detach().numpy())


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad"])
def test_an_optimizer_that_has_not_stepped_gives_an_empty_state(name):
    module, live = trained(name, 0)
    rule, params, state = optimizer_from_torch(live, module)
    with jax.enable_x64(True):
        empty = rule.init({key: jnp.asarray(value) for key, value in params.items()})
    assert jax.tree.all(jax.tree.map(np.array_equal, state, empty))
    optimizer_to_torch(state, live, module)
    one_step(live, list(module.parameters()), 0)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_lbfgs_goes_on_with_its_memory(steps):
    """A weight and a bias whose order by name is not their order in the optimizer."""
    module, other = nn.Linear(3, 1), nn.Linear(3, 1)
    other.load_state_dict(module.state_dict())
    x, y = (torch.tensor(np.random.default_rng(3).normal(size=(9, width))) for width in (3, 1))
    settings = {"max_iter": 2, "line_search_fn": "strong_wolfe"}
    live, reference = (torch.optim.LBFGS(m.parameters(), **settings) for m in (module, other))

    def go(optimizer, network):
        def closure():
            optimizer.zero_grad()
            loss = ((network(x) - y) ** 4).mean()
            loss.backward()
            return loss

        optimizer.step(closure)

    for _ in range(steps):
        go(live, module), go(reference, other)
    rule, params, state = optimizer_from_torch(live, module)

    def objective(p):
        return ((x.numpy() @ p["weight"].T + p["bias"] - y.numpy()) ** 4).mean()

    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, params)
        updates, state = rule.update(params, state, params, value_fn=objective)
        optimizer_to_torch(state, live, module, params=optax.apply_updates(params, updates))
    go(reference, other)
    go(live, module), go(reference, other)
    for got, right in zip(module.parameters(), other.parameters(), strict=True):
        assert agrees(got.detach().numpy(), right.detach().numpy())


def test_names_are_positions_without_a_module():
    _, live = trained("Adam", 1)
    _, params, state = optimizer_from_torch(live)
    assert list(params) == ["0", "1"]
    assert optax.tree.get(state, "mu")["1"].shape == (2,)


def test_the_rate_may_be_replaced_by_a_schedule():
    module, live = trained("Adam", 2)
    rule, params, state = optimizer_from_torch(live, module, learning_rate=lambda count: jnp.where(count < 3, 0.0, 1.0))
    gradients = {key: np.ones_like(value) for key, value in params.items()}
    still, state = rule.update(gradients, state, params)
    moves, _ = rule.update(gradients, state, params)
    assert not np.any(still["weight"])
    assert np.all(moves["weight"])


def test_what_cannot_be_carried_is_told():
    module, live = trained("Adam", 1)
    one_step(live, [module.weight], 1)
    module.bias.grad = None
    live.step()
    lion = type("Lion", (torch.optim.SGD,), {})(module.parameters(), lr=0.1)
    _, params, state = optimizer_from_torch(*reversed(trained("SGD", 1)))
    for call, message in {
        lambda: optimizer_from_torch(live, module): "optimizer_from_torch: the parameters of a group must all have",
        lambda: optimizer_from_torch(lion): r"torch_optimizer must be one of torch.optim's SGD, ASGD, .*Lion",
        lambda: optimizer_from_torch(live, nn.Linear(3, 2)): r"module must have all parameters .* of shape \(2, 3\)",
        lambda: optimizer_to_torch(state, live, module): "optimizer_to_torch: state must be that of adam over",
        lambda: optimizer_to_torch(state, live, module, params={"w": 1}): "params must be named .*, got .'w'.",
    }.items():
        with pytest.raises(parity.InputError, match=message):
            call()
    assert sorted(params) == ["bias", "weight"]


def test_no_registered_optimizers_are_told(monkeypatch):
    monkeypatch.setattr("parity.optimizers.implementation", lambda side: "jaxtyping")
    with pytest.raises(parity.InputError, match=r"registered for jax must have jaxtyping\.optimizers"):
        optimizer_from_torch(*reversed(trained("SGD", 1)))


def stream(rng):
    params = {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    return params, {name: rng.normal(size=(4, *value.shape)) for name, value in params.items()}


def test_compare_optimizers_says_which_step_differs_first(rng):
    params, gradients = stream(rng)

    def torch_sgd(leaves):
        return torch.optim.SGD(leaves, lr=0.1, momentum=0.9)

    assert compare_optimizers(torch_sgd, optax.sgd(0.1, momentum=0.9), params, gradients, jit=False).ok
    report = compare_optimizers(torch_sgd, optax.sgd(0.1), params, gradients, jit=False, dtypes=("float64",))
    assert {leaf.path for leaf in report.failures} == {f"output/000{k}/{name}" for k in (2, 3, 4) for name in "wb"}


@pytest.mark.parametrize("change", [{"w": np.zeros((4, 2, 3))}, {"b": np.zeros((5, 2))}, {"c": np.zeros(4)}])
def test_compare_optimizers_wants_a_gradient_for_each(rng, change):
    params, gradients = stream(rng)
    with pytest.raises(parity.InputError, match="compare_optimizers: gradients must hold for every parameter one"):
        compare_optimizers(torch.optim.SGD, optax.sgd(0.1), params, copy.copy(gradients) | change)
