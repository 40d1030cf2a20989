"""A second side that is not JAX's: torch's again, NumPy's, or JAX's where float64 cannot be traced."""

import re

import flax.linen as linen
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import parity
from samples import MATRIX

DTYPES = ("float64", "float32", "bfloat16")


def by_hand(x):
    exponentials = torch.exp(x - x.amax(-1, keepdim=True))
    return exponentials / exponentials.sum(-1, keepdim=True)


def fused(x):
    return torch.softmax(x, -1)


def test_two_functions_of_torch_agree():
    report = parity.compare(fused, by_hand, (MATRIX,), dtypes=DTYPES, right="torch")
    assert report.ok, str(report)
    assert {leaf.path for leaf in report.leaves} == {"output", "grad/x"}
    assert {leaf.sides for leaf in report.leaves} == {("first torch", "second torch")}
    assert "second torch has no jaxpr" in report.notes[0]


def test_a_wrong_second_function_is_told_from_the_first():
    report = parity.compare(fused, lambda x: torch.softmax(x, 0), (MATRIX,), dtypes=DTYPES, right="torch")
    assert {leaf.dtype for leaf in report.failures} == set(DTYPES)
    text = str(report)
    assert "differ between first torch and second torch" in text
    assert re.search(r"first torch [-\d.e]+ \| second torch", text)


def test_the_side_that_is_rougher_is_called_by_its_name():
    def rough(x):
        return torch.softmax(x, -1).bfloat16().to(x) if x.dtype == torch.float32 else torch.softmax(x, -1)

    report = parity.compare(fused, rough, (MATRIX,), dtypes=("float64", "float32"), right="torch")
    assert "at float32 second torch loses more than its own rounding" in str(report)


class Block(nn.Module):
    """Two layers with a norm between; ``slip`` makes a mistake."""

    def __init__(self, activation, slip=0.0):
        super().__init__()
        self.inner, self.norm, self.outer = nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2)
        self.activation, self.slip = activation, slip

    def forward(self, x):
        return self.outer(self.activation(self.norm(self.inner(x)))) * (1 + self.slip)


def smooth(x):
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


@pytest.mark.parametrize("train", [False, True])
def test_two_modules_agree_with_the_weights_of_the_first(train):
    first, second = Block(functional.gelu), Block(smooth)
    second.norm.running_var.mul_(3)
    report = parity.compare_modules(first, second, (MATRIX,), dtypes=DTYPES, train=train)
    assert report.ok, str(report)
    assert report.leaf("grad/params/inner.weight", "float32").shape == (6, 4)
    assert not torch.equal(first.inner.weight, second.inner.weight)


def test_buffers_of_two_modules_are_compared_in_training():
    """Running statistics and the number of batches: no output of one step shows a wrong momentum."""
    first, second = Block(torch.tanh), Block(torch.tanh)
    second.norm.momentum = 0.9
    report = parity.compare_modules(first, second, (MATRIX,), train=True, dtypes=("float64",))
    assert {leaf.path for leaf in report.failures} == {
        f"output/buffers/norm.running_{part}" for part in ("mean", "var")
    }
    assert report.leaf("output/buffers/norm.num_batches_tracked").ok
    assert parity.compare_modules(first, second, (MATRIX,), dtypes=("float64",)).ok
    assert not first.norm.running_mean.any()


def test_a_wrong_module_differs_at_every_dtype():
    report = parity.compare_modules(Block(torch.tanh), Block(torch.tanh, slip=0.5), (MATRIX,), dtypes=DTYPES)
    assert {leaf.dtype for leaf in report.failures if leaf.path == "output"} == set(DTYPES)


def test_a_subtle_mistake_of_a_module_differs_at_float64_and_float32():
    report = parity.compare_modules(
        Block(functional.gelu), Block(lambda x: functional.gelu(x, approximate="tanh")), (MATRIX,)
    )
    assert {leaf.dtype for leaf in report.failures if leaf.path == "output"} == {"float64", "float32"}


IDS = np.array([2, 0, 1])
CLOSED_OVER = r"wrap it in jnp\.asarray inside the function, or pass it as an input\.$"


@pytest.mark.parametrize("fn", [lambda x: x[IDS], lambda x: jnp.take(x, IDS, axis=0)], ids=["index", "take"])
def test_closed_over_integers_of_numpy_come_with_a_remedy(fn):
    """JAX traces them once, and then meets the other width of integers."""
    with pytest.raises(parity.InputError, match=CLOSED_OVER):
        parity.compare(lambda x: x[torch.tensor(IDS)], fn, (MATRIX,))


def test_expect_says_it_too():
    by_index = lambda x: x[IDS]  # noqa: E731
    parity.expect(by_index, (MATRIX,))
    with pytest.raises(parity.InputError, match=CLOSED_OVER):
        parity.expect(by_index, (MATRIX,), dtype="float64")


def test_and_the_remedy_works():
    assert parity.compare(lambda x: x[torch.tensor(IDS)], lambda x: x[jnp.asarray(IDS)], (MATRIX,)).ok


def test_assert_equivalent_takes_two_torch_modules():
    assert parity.assert_equivalent(Block(torch.tanh), Block(torch.tanh), (MATRIX,)).ok


def test_a_module_without_weights_tells_by_itself():
    assert parity.compare(nn.Softmax(-1), nn.Softmax(-1), (MATRIX,)).leaves[0].sides == ("first torch", "second torch")


def test_modules_with_other_weights_are_refused():
    sentence = (
        "compare_modules: two torch modules must have the same state_dict keys and shapes, got bias (3,) and (2,)."
    )
    with pytest.raises(parity.InputError, match=re.escape(sentence)):
        parity.compare_modules(nn.Linear(4, 3), nn.Linear(4, 2), (MATRIX,))


def test_a_function_of_numpy_is_held_against_torch():
    report = parity.compare(torch.tanh, np.tanh, (MATRIX,), dtypes=DTYPES, right="numpy")
    assert report.ok, str(report)
    assert {(leaf.path, leaf.sides) for leaf in report.leaves} == {("output", ("torch", "numpy"))}
    assert "gradients are not compared: NumPy has none" in report.notes
    assert not parity.compare(torch.tanh, np.arctan, (MATRIX,), dtypes=("float32",), right="numpy").ok


def test_a_function_that_cannot_be_traced_has_its_inputs_perturbed():
    options = {"jit": False, "gradients": False, "dtypes": ("float32",)}
    report = parity.compare(torch.sin, lambda x: jnp.asarray(np.sin(np.asarray(x))), (MATRIX,), **options)
    assert report.ok, str(report)
    wrong = parity.compare(torch.sin, lambda x: jnp.asarray(np.tan(np.asarray(x))), (MATRIX,), **options)
    assert "float32: allowances come from perturbed inputs; the program cannot be interpreted" in wrong.notes


@pytest.mark.parametrize(
    ("second", "right", "sentence"),
    [
        (fused, "jax", ' A second function of torch tensors needs right="torch".'),
        (np.tanh, "jax", ' Use jnp in place of np; a function of NumPy arrays needs right="numpy".'),
        (lambda x: jnp.asarray(x.detach().numpy()), "torch", "got another framework's array at output."),
        (np.tanh, "numbers", "compare: right must be jax or torch or numpy, got 'numbers'."),
    ],
    ids=["torch", "numpy", "jax", "unknown"],
)
def test_a_second_side_of_another_kind_is_said_to_be_one(second, right, sentence):
    with pytest.raises(parity.InputError, match=re.escape(sentence)):
        parity.compare(fused, second, (MATRIX,), right=right)


CELLS = [linen.LSTMCell, linen.OptimizedLSTMCell]


def torch_lstm(x, weights):
    """Linen's cell: its gates are keyed by what they do, and only the hidden side has biases."""
    h = c = x.new_zeros(4)
    states = []
    for row in x:
        i, f, g, o = (row @ weights[f"i{gate}"] + h @ weights[f"h{gate}"] + weights[f"b{gate}"] for gate in "ifgo")
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
    return torch.stack(states)


def linen_lstm(cell):
    def function(x, weights):
        gates = {f"i{gate}": {"kernel": weights[f"i{gate}"]} for gate in "ifgo"}
        gates |= {f"h{gate}": {"kernel": weights[f"h{gate}"], "bias": weights[f"b{gate}"]} for gate in "ifgo"}
        return linen.RNN(cell(4)).apply({"params": {"cell": gates}}, x[None])[0]

    return function


@pytest.mark.parametrize("cell", [CELLS[0], pytest.param(CELLS[1], marks=pytest.mark.slow)])
def test_a_carry_in_float32_is_compared_at_every_dtype(cell):
    """JAX cannot trace it in float64, so its float32 program is interpreted there."""
    generator = np.random.default_rng(3)
    x = generator.normal(size=(5, 3))
    weights = {f"i{gate}": generator.normal(size=(3, 4)) / 2 for gate in "ifgo"}
    weights |= {f"h{gate}": generator.normal(size=(4, 4)) / 2 for gate in "ifgo"}
    weights |= {f"b{gate}": generator.normal(size=4) for gate in "ifgo"}
    report = parity.compare(torch_lstm, linen_lstm(cell), (x, weights), dtypes=("float64", "float32"))
    assert report.ok, str(report)
    assert "float64: JAX cannot trace the program there; its float32 program is interpreted in float64" in report.notes
    weights["slip"] = np.array(1e-6)
    wrong = parity.compare(
        lambda x, weights: torch_lstm(x, weights) + weights["slip"], linen_lstm(cell), (x, weights), jit=False
    )
    assert not wrong.leaf("output", "float64").ok
