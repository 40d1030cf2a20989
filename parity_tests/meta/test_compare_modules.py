"""Modules: outputs and the gradient of every weight, by linen's paths; both are left as they were."""

import copy

import jax
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

import parity
from samples import failing

X = np.linspace(-1, 1, 6).reshape(2, 3)


def quick(torch_module, linen_module, inputs=(X,), **options):
    return parity.compare_modules(
        torch_module, linen_module, inputs, **{"dtypes": ("float64",), "jit": False, **options}
    )


class Mlp(linen.Module):
    hidden: int = 4
    scale: float = 1.0
    frozen: bool = False

    @linen.compact
    def __call__(self, x):
        x = linen.relu(linen.Dense(self.hidden)(x))
        x = jax.lax.stop_gradient(x) if self.frozen else x
        return self.scale * linen.Dense(2)(x)


def mlp():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


WEIGHTS = [f"grad/params/Dense_{i}/{leaf}" for i in (0, 1) for leaf in ("bias", "kernel")]


def test_a_right_port_agrees_at_every_dtype():
    report = parity.compare_modules(mlp(), Mlp(), (X,), dtypes=("float64", "float32", "bfloat16"))
    assert report.ok, str(report)


def test_every_weight_and_every_input_has_its_gradient_by_linens_path():
    paths = {leaf.path for leaf in quick(mlp(), Mlp()).leaves if leaf.quantity == "gradient"}
    assert paths == {*WEIGHTS, "grad/x"}


def test_gradients_of_weights_stand_in_linens_layout():
    assert quick(mlp(), Mlp()).leaf("grad/params/Dense_0/kernel").shape == (3, 4)


def test_a_wrong_output_is_caught():
    assert failing(quick(mlp(), Mlp(scale=2.0))) == {"output", "grad/x", *WEIGHTS}


def test_a_weight_that_gets_no_gradient_is_caught_by_its_path():
    assert failing(quick(mlp(), Mlp(frozen=True))) == {"grad/x", *WEIGHTS[:2]}


def test_a_frozen_torch_weight_is_compared_all_the_same():
    """requires_grad belongs to training, not to the function that the module computes."""
    module = mlp()
    module[0].requires_grad_(False)
    assert quick(module, Mlp()).ok
    assert not module[0].weight.requires_grad


@pytest.mark.parametrize("training", [True, False])
def test_the_torch_module_is_left_as_it_was(training):
    """Its mode, its weights, the gradients that the caller has collected, and no hook left behind."""
    module = mlp().train(training)
    module(torch.tensor(X, dtype=torch.float32)).sum().backward()
    weights, gradients = ([copy.deepcopy(tensor) for tensor in tensors] for tensors in collected(module))
    quick(module, Mlp(), train=not training)
    assert module.training is training
    for before, after in zip((weights, gradients), collected(module), strict=True):
        assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert not any(child._forward_pre_hooks for child in module.modules())


def collected(module):
    """The weights and their gradients."""
    return list(module.parameters()), [parameter.grad for parameter in module.parameters()]


def test_the_weights_own_dtype_does_not_matter():
    assert quick(mlp().double(), Mlp()).ok
    assert quick(mlp().bfloat16(), Mlp()).ok


def test_an_mlp_with_linens_sequential():
    port = linen.Sequential([linen.Dense(4), linen.relu, linen.Dense(2)])
    assert quick(mlp(), port).ok


def test_the_mode_reaches_both_sides():
    class Mode(nn.Module):
        def forward(self, x):
            return 2 * x if self.training else x

    class LinenMode(linen.Module):
        @linen.compact
        def __call__(self, x, train: bool = False):
            return 2 * x if train else x

    torch_mode, linen_mode = (
        nn.Sequential(nn.Linear(3, 3), Mode()),
        Wrapped(inner=LinenMode()),
    )
    assert quick(torch_mode, linen_mode, train=True).ok
    assert quick(torch_mode, linen_mode, train=False).ok


class Wrapped(linen.Module):
    inner: linen.Module

    @linen.compact
    def __call__(self, x, train: bool):
        return self.inner(linen.Dense(3)(x), train=train)


def test_modules_without_weights_may_be_compared():
    class Relu(linen.Module):
        def __call__(self, x):
            return linen.relu(x)

    report = quick(nn.ReLU(), Relu())
    assert report.ok
    assert {leaf.path for leaf in report.leaves} == {"output", "grad/x"}


def test_an_input_called_params_is_an_input():
    class Torch(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, params):
            return self.layer(params)

    class Linen(linen.Module):
        @linen.compact
        def __call__(self, params):
            return linen.Dense(2)(params)

    assert quick(Torch(), Linen()).ok


def test_keywords_that_both_modules_know():
    class Torch(nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs)

    assert quick(Torch(3, 2), linen.Dense(2), {"inputs": X}).ok


def test_keywords_that_one_module_does_not_know_are_one_sentence():
    with pytest.raises(parity.InputError, match=r"unexpected keyword argument 'input'"):
        quick(nn.Linear(3, 2), linen.Dense(2), {"input": X})


@pytest.mark.parametrize(
    ("sides", "sentence"),
    [
        ((linen.Dense(2), nn.Linear(3, 2)), "^compare_modules: torch_module must be an? .*module, got Dense"),
        ((nn.Linear, linen.Dense(2)), r"^compare_modules: torch_module must be an? .*module, got type"),
        ((nn.ReLU(), linen.relu), r"^compare_modules: linen_module must be an? .*module, got "),
    ],
    ids=["exchanged", "class", "function"],
)
def test_what_is_no_module_of_its_side_is_one_sentence(sides, sentence):
    with pytest.raises(parity.InputError, match=sentence):
        quick(*sides)


def test_a_call_that_fails_speaks_of_the_modules():
    with pytest.raises(parity.InputError, match=r"^compare_modules: torch_module must run on the inputs at float64"):
        quick(nn.Linear(3, 2), linen.Dense(2), (np.arange(6).reshape(2, 3),))


def test_an_unknown_option_is_refused():
    with pytest.raises(parity.InputError, match=r"^compare_modules: options must be of .*, got rtol"):
        quick(mlp(), Mlp(), rtol=1e-3)


def test_the_rerun_line_names_the_modules(monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    report = quick(mlp(), Mlp(scale=2.0), seed=3, train=True)
    options = "train=True, dtypes=('float64',), seed=3, jit=False"
    assert report.rerun == f"parity.compare_modules(Sequential, Mlp, inputs, {options})"
