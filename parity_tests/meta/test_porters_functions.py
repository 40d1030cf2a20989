"""Functions as porters have them: built-in, partial, bound, stateful, returning what they should not."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import parity
from samples import MATRIX, VECTOR, agree, failing, quick


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return self.factor * x

    __call__ = forward


def keywords(**arrays):
    return arrays["a"] * arrays["b"]


def positional(*arrays):
    return arrays[0] - arrays[1]


def cubes(x):
    return (x**3).sum()


def test_a_built_in_function_without_a_signature():
    assert {leaf.path for leaf in quick(torch.tanh, np.tanh, (VECTOR,), gradients=False).leaves} == {"output"}
    assert quick(torch.add, jnp.add, (VECTOR, VECTOR)).ok


def test_neither_side_has_a_signature():
    class Hidden:
        __signature__ = "none"

        def __call__(self, *args):
            return args[0] * 2

    assert {leaf.path for leaf in quick(Hidden(), Hidden(), (VECTOR,)).leaves} == {"output", "grad/0"}


def test_partial_functions():
    report = quick(functools.partial(torch.sum, dim=1), functools.partial(jnp.sum, axis=1), (MATRIX,))
    assert report.ok


def test_a_partial_function_with_a_position_filled():
    assert agree(functools.partial(torch.mul, torch.tensor(2.0)), functools.partial(jnp.multiply, 2.0), (VECTOR,))


@pytest.mark.parametrize("side", [Scaled(2.0).forward, Scaled(2.0)], ids=["bound method", "callable object"])
def test_methods_and_callable_objects(side):
    report = quick(side, side, (VECTOR,))
    assert report.ok
    assert {leaf.path for leaf in report.leaves} == {"output", "grad/x"}


def test_functions_of_any_keywords():
    report = quick(keywords, keywords, {"a": VECTOR, "b": VECTOR})
    assert report.ok
    assert {leaf.path for leaf in report.leaves} == {"output", "grad/a", "grad/b"}


def test_functions_of_any_positions():
    report = quick(positional, positional, (VECTOR, VECTOR))
    assert {leaf.path for leaf in report.leaves} == {"output", "grad/0", "grad/1"}


def test_a_function_of_nothing():
    assert agree(lambda: torch.ones(2), lambda: jnp.ones(2), ())


def test_constants_and_counters_made_inside_follow_the_dtype():
    report = parity.compare(
        lambda x: x + torch.zeros(4) + torch.arange(4) * torch.linspace(0, 1, 4),
        lambda x: x + jnp.zeros(4) + jnp.arange(4) * jnp.linspace(0, 1, 4),
        (VECTOR,),
    )
    assert report.ok, str(report)


def test_a_jax_function_that_returns_numpy():
    assert agree(lambda x: 2 * x, lambda x: 2 * np.asarray(x), (VECTOR,), gradients=False)


def test_a_jax_function_that_returns_numpy_has_no_gradient_to_compare():
    with pytest.raises(
        parity.InputError, match=r"jax_fn must run on the inputs at float64, got TracerArrayConversionError"
    ):
        quick(lambda x: 2 * x, lambda x: 2 * np.asarray(x), (VECTOR,))


def test_a_constant_numpy_result_agrees():
    assert agree(lambda x: torch.tensor([1.0, 2.0]), lambda x: np.array([1.0, 2.0]), (VECTOR,))


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
def test_a_torch_function_that_returns_a_python_float_has_no_gradient():
    report = quick(lambda x: float(x.sum()), lambda x: x.sum(), (VECTOR,))
    assert failing(report) == {"grad/x"}
    assert report.leaf("grad/x").problem.startswith("torch has no gradient here")


def test_item_is_compared_without_gradients():
    assert agree(lambda x: x.sum().item(), lambda x: x.sum(), (VECTOR,), gradients=False)
    assert not agree(lambda x: x.sum().item(), lambda x: x.sum() + 1, (VECTOR,), gradients=False)


def test_python_numbers_on_both_sides():
    assert agree(lambda x: (2.0, 3, True), lambda x: (2.0, 3, True), (VECTOR,))
    assert not agree(lambda x: 2.0, lambda x: 2.5, (VECTOR,))


def test_functions_that_return_their_input():
    assert agree(lambda x: x, lambda x: x, (VECTOR,))
    assert agree(lambda x, n: (n, x, n), lambda x, n: (n, x, n), (VECTOR, np.arange(3)))


@pytest.mark.parametrize("array", [np.float64(3.0), np.array(3.0), np.array([[3.0]])], ids=["scalar", "0-d", "1x1"])
def test_arrays_of_one_element(array):
    report = quick(lambda x: x**2, lambda x: x**2, (array,))
    assert report.ok
    assert report.leaf("grad/x").shape == np.shape(array)


def test_integers_wrap_alike():
    assert agree(lambda n: n * n, lambda n: n * n, (np.array([2**20, 3], np.int32),))


def test_int64_does_not_fit_into_jax_below_float64():
    report = quick(lambda n: n * n, lambda n: n * n, (np.array([2**20, 3]),), dtypes=("float64", "float32"))
    assert {leaf.dtype for leaf in report.failures} == {"float32"}


def test_a_loss_that_calls_backward_on_its_own_leaf():
    def gradient(x):
        leaf = x.detach().clone().requires_grad_()
        cubes(leaf).backward()
        return leaf.grad

    assert agree(gradient, jax.grad(cubes), (VECTOR,), gradients=False)


def test_a_loss_that_calls_backward_on_its_argument():
    def gradient(x):
        x.requires_grad_()
        cubes(x).backward()
        return x.grad

    assert agree(gradient, jax.grad(cubes), (VECTOR,), gradients=False)


def test_a_wrong_value_is_seen_where_backward_is_called_on_the_argument():
    def gradient(x):
        x.requires_grad_()
        cubes(x).backward()
        return x.grad

    try:
        report = quick(gradient, lambda x: 7 * jax.grad(cubes)(x), (VECTOR,))
    except parity.InputError:
        return
    assert "output" in failing(report)


def test_an_autograd_grad_inside_is_compared_to_second_order():
    def gradient(x):
        x = x if x.requires_grad else x.requires_grad_()
        return torch.autograd.grad(cubes(x), x, create_graph=True)[0]

    report = quick(gradient, jax.grad(cubes), (VECTOR,))
    assert report.ok
    assert "grad/x" in {leaf.path for leaf in report.leaves}


def test_a_function_that_turns_gradients_off_has_none():
    report = quick(torch.no_grad()(torch.tanh), jnp.tanh, (VECTOR,))
    assert failing(report) == {"grad/x"}


def test_a_function_that_draws_from_the_callers_generator_is_no_port():
    """Masks and noise are inputs; two runs of one side would not even agree with each other."""
    report = quick(torch.nn.functional.dropout, lambda x: x, (np.ones(64),), gradients=False)
    assert not report.ok


def test_a_sparse_gradient_is_compared():
    def looked_up(table, index):
        return torch.nn.functional.embedding(index, table, sparse=True)

    assert agree(looked_up, lambda table, index: table[index], (MATRIX, np.array([2, 0, 2])))


def test_views_and_conjugates_are_resolved():
    z = VECTOR + 2j * VECTOR
    assert agree(lambda z: z.conj().T, lambda z: z.conj().T, (z.reshape(2, 2),))
    assert agree(lambda z: z.conj().imag, lambda z: z.conj().imag, (z,))
