"""Where the derivatives of torch and JAX part ways, each with its measured values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import lax

from jax_impl import autograd as jax_side
from oracles import agrees
from torch_impl import autograd as torch_side

NAN = float("nan")


def both_slopes(torch_fn, jax_fn, x):
    """The gradient of the sum of either function, at float32."""
    left = torch_side.gradient(lambda x: torch_fn(x).sum(), torch.tensor(x))
    right = jax_side.gradient(lambda x: jax_fn(x).sum(), jnp.array(x))
    return left.tolist(), right.tolist()


def assert_only_gradients_differ(parity, torch_fn, jax_fn, x):
    """A comparison of random inputs would pass, and so does the value; a comparison on the kink must not."""
    report = parity.compare(torch_fn, jax_fn, (np.array(x),), dtypes=("float64",), record=False)
    assert {(leaf.quantity, leaf.path) for leaf in report.failures} == {("gradient", "grad/x")}


# trap: (torch, JAX, where, torch's gradient, JAX's gradient)
KINKS = {
    "relu-vs-maximum": (torch.relu, lambda x: jnp.maximum(x, 0), [0.0], [0.0], [0.5]),
    "clamp-min-vs-relu": (lambda x: x.clamp(min=0), jax.nn.relu, [0.0], [1.0], [0.0]),
    "abs-l1-zero-grad": (torch.abs, lambda x: jnp.abs(x), [0.0], [0.0], [1.0]),
    "clip-boundary-grad": (lambda x: x.clamp(-1, 1), lambda x: jnp.clip(x, -1, 1), [-1.0, 1.0], [1.0, 1.0], [0.5, 0.5]),
    "lax-clamp": (lambda x: x.clamp(-1, 1), lambda x: lax.clamp(-1.0, x, 1.0), [-1.0, 1.0], [1.0, 1.0], [0.0, 0.0]),
    "max-ties-grad": (lambda x: x.max(0).values, lambda x: x.max(0), [1.0, 1.0, 0.0], [1, 0, 0], [0.5, 0.5, 0]),
    "min-ties-grad": (lambda x: x.min(0).values, lambda x: x.min(0), [2.0, 1.0, 1.0], [0, 1, 0], [0, 0.5, 0.5]),
    "norm-zero-grad": (torch.linalg.norm, lambda x: jnp.linalg.norm(x), [0.0, 0.0], [0, 0], [NAN, NAN]),
    "where-nan-grad": (
        lambda x: x[x > 0].log(),
        lambda x: jnp.where(x > 0, jnp.log(x), 0),
        [0.0, 2.0],
        [0, 0.5],
        [NAN, 0.5],
    ),
    "atan2-zero": (
        lambda x: torch.atan2(x[0], x[1]),
        lambda x: jnp.arctan2(x[0], x[1]),
        [0.0, 0.0],
        [0, 0],
        [NAN, NAN],
    ),
    "hypot-zero": (
        lambda x: torch.hypot(x[0], x[1]),
        lambda x: jnp.hypot(x[0], x[1]),
        [0.0, 0.0],
        [NAN, NAN],
        [0.5, 0.5],
    ),
    "pow-zero": (lambda x: x[0] ** x[1], lambda x: x[0] ** x[1], [0.0, 0.0], [0, 0], [NAN, 0]),
}


@pytest.mark.parametrize("trap", KINKS)
def test_gradients_differ_on_the_kink(parity, trap):
    torch_fn, jax_fn, x, torch_slope, jax_slope = KINKS[trap]
    left, right = both_slopes(torch_fn, jax_fn, x)
    assert agrees(left, torch_slope, "float32")
    assert agrees(right, jax_slope, "float32")
    if trap != "where-nan-grad":  # its torch side returns another shape
        assert_only_gradients_differ(parity, torch_fn, jax_fn, x)


AGREEING = {
    "relu": (torch.relu, jax.nn.relu, [0.0], [0.0]),
    "maximum": (lambda x: torch.maximum(x, x * 0), lambda x: jnp.maximum(x, lax.stop_gradient(x * 0)), [0.0], [0.5]),
    "where": (lambda x: torch.where(x >= 0, x, 0), lambda x: jnp.where(x >= 0, x, 0), [0.0], [1.0]),
    "amax": (torch.amax, lambda x: jnp.max(x), [1.0, 1.0, 0.0], [0.5, 0.5, 0.0]),
    "sqrt-of-sum": (lambda x: (x * x).sum().sqrt(), lambda x: jnp.sqrt((x * x).sum()), [0.0, 0.0], [NAN, NAN]),
    "where-log": (
        lambda x: torch.where(x > 0, x.log(), 0),
        lambda x: jnp.where(x > 0, jnp.log(x), 0),
        [0.0, 2.0],
        [NAN, 0.5],
    ),
    "read-twice": (lambda x: x[[0, 0, 1]], lambda x: x[jnp.array([0, 0, 1])], [3.0, 4.0], [2.0, 1.0]),
}


@pytest.mark.parametrize("name", AGREEING)
def test_gradients_agree_on_the_kink(name):
    torch_fn, jax_fn, x, slope = AGREEING[name]
    left, right = both_slopes(torch_fn, jax_fn, x)
    assert agrees(left, slope, "float32")
    assert agrees(right, slope, "float32")


def clip(x, low=-1.0, high=1.0):
    return jnp.where((x >= low) & (x <= high), x, lax.stop_gradient(jnp.clip(x, low, high)))


def arctan2(y, x):
    at_zero = (x == 0) & (y == 0)
    return jnp.where(at_zero, 0, jnp.arctan2(jnp.where(at_zero, 0, y), jnp.where(at_zero, 1, x)))


TORCH_CONVENTION = {
    "abs": (torch.abs, lambda x: jnp.where(x == 0, 0, jnp.abs(jnp.where(x == 0, 1, x)))),
    "clamp": (lambda x: x.clamp(-1, 1), clip),
    "max": (lambda x: x.max(0).values, lambda x: jnp.take_along_axis(x, x.argmax(0, keepdims=True), 0)[0]),
    "norm": (lambda x: torch.linalg.vector_norm(x, dim=0), lambda x: jax_side.safe_norm(x.T)),
    "atan2": (lambda x: torch.atan2(x[0], x[1]), lambda x: arctan2(x[0], x[1])),
    "log of the positive": (
        lambda x: x[x > 0].log().sum(),
        lambda x: jnp.where(x > 0, jnp.log(jnp.where(x > 0, x, 1)), 0).sum(),
    ),
}


@pytest.mark.parametrize("name", TORCH_CONVENTION)
def test_torch_convention_can_be_written_in_jax(parity, rng, name):
    """The remedy of each trap, on its kinks and beside them."""
    x = rng.normal(size=(3, 4))
    x[:, 0], x[:, 1] = 0, [1, -1, 1]
    parity.assert_equivalent(*TORCH_CONVENTION[name], (x,), name=f"{name}, by torch's convention")


def test_stopped_gradients():
    """detach-vs-stop-gradient: -4 with the stop and +2 without, at one value; ``.data`` and no_grad stop too."""

    def loss(stop):
        return lambda w: (2 * w - stop(3 * w)) ** 2

    def no_grad(x):
        with torch.no_grad():
            return x + 0

    slopes = [torch_side.gradient(loss(stop), torch.tensor(1.0)) for stop in (torch.detach, lambda x: x.data, no_grad)]
    assert slopes == [-4, -4, -4]
    assert jax_side.gradient(loss(lax.stop_gradient), jnp.array(1.0)) == -4
    assert torch_side.gradient(loss(lambda x: x), torch.tensor(1.0)) == 2
    assert jax_side.gradient(loss(lambda x: x), jnp.array(1.0)) == 2


def test_straight_through_needs_the_stop_on_the_difference_only():
    """ste-straight-through: gradient 1 with x + sg(round(x) - x), 0 with sg(round(x))."""
    x = jnp.array(0.7)
    assert jax_side.gradient(lambda x: x + lax.stop_gradient(jnp.round(x) - x), x) == 1
    assert jax_side.gradient(lambda x: lax.stop_gradient(jnp.round(x)) + 0 * x, x) == 0
    # A custom backward pass serves reverse mode alone, on both sides.
    with pytest.raises(NotImplementedError, match="You must implement the jvp function"):
        torch_side.jacobian_vector_product(torch_side.straight_through_round, torch.tensor(0.7), torch.tensor(1.0))
    with pytest.raises(TypeError, match=r"can't apply forward-mode autodiff \(jvp\) to a custom_vjp function"):
        jax_side.jacobian_vector_product(jax_side.straight_through_round, x, x)


def test_erratum_data_hides_a_write_from_autograd():
    """Erratum: ``.data`` updates where ``no_grad`` belongs. After the same write one gradient is wrong, one refused."""
    x = torch.tensor([5.0], requires_grad=True)
    y = (x**2).sum()
    x.data.mul_(0)
    y.backward()
    assert x.grad.item() == 0  # d(x²)/dx at 5 is 10
    y = (x**2).sum()
    with torch.no_grad():
        x.mul_(0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph=True")
def test_erratum_detach_without_underscore_is_a_no_op():
    """Erratum: ``beta.grad.detach()`` returns a new tensor; ``detach_()`` was meant, and cuts ``beta.grad`` itself."""
    x = torch.tensor(5.0, requires_grad=True)
    torch_side.quadratic(x).backward(create_graph=True)
    x.grad.detach()
    assert x.grad.requires_grad
    x.grad.detach_()
    assert not x.grad.requires_grad


def test_erratum_stale_grad_doubles_the_first_step():
    """Erratum: a ``backward`` before the loop leaves its gradient in ``.grad``: the first step is twice as long."""
    x = torch.tensor(5.0, requires_grad=True)
    torch_side.quadratic(x).backward()
    fresh = x.grad.item()
    torch_side.quadratic(x).backward()
    assert x.grad.item() / fresh == 2
    slope = jax.grad(jax_side.quadratic)
    assert slope(5.0) / slope(5.0) == 1


def test_complex_gradients_are_conjugates():
    """complex-grad-conjugate: |z|² at 1+2j has gradient 2+4j in torch, 2-4j in JAX."""

    def squared_length(z):
        return (z * z.conj()).real

    assert torch_side.gradient(squared_length, torch.tensor(1 + 2j)) == 2 + 4j
    assert jax_side.gradient(squared_length, jnp.array(1 + 2j)) == 2 - 4j


def test_repeated_index_writes_once_or_adds_up():
    """duplicate-index-add: ``+=`` at [0, 0, 1] gives [1, 1, 0] in torch; ``.at[].add`` gives [2, 1, 0]."""
    index = [0, 0, 1]
    y = torch.zeros(3)
    y[index] += 1
    assert y.tolist() == [1, 1, 0]
    assert torch.zeros(3).index_add_(0, torch.tensor(index), torch.ones(3)).tolist() == [2, 1, 0]
    assert jnp.zeros(3).at[jnp.array(index)].add(1).tolist() == [2, 1, 0]


def test_what_each_framework_refuses():
    """A one-element result, an unused input, a Python number inside the loss: one side refuses, one goes on."""
    with pytest.raises(TypeError, match=r"Gradient only defined for scalar-output functions"):
        jax.grad(jax_side.quadratic)(jnp.array([1.0]))  # the text's own tensor([1.0]).backward() works
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch_side.gradient(lambda x: torch.tensor(1.0), torch.tensor(5.0))
    assert jax_side.gradient(lambda x: jnp.array(1.0), jnp.array(5.0)) == 0
    assert torch_side.gradient(lambda x: x * x.item(), torch.tensor(5.0)) == 5  # the second factor is cut off: not 10
    with pytest.raises(jax.errors.ConcretizationTypeError, match="concrete value"):
        jax_side.gradient(lambda x: x * x.item(), jnp.array(5.0))
