"""Derivatives agree four ways: closed form, difference, torch and JAX, in first and second order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_impl import autograd as jax_side
from oracles import agrees
from torch_impl import autograd as torch_side

SIDES = [pytest.param(torch_side, torch.tensor, id="torch"), pytest.param(jax_side, jnp.asarray, id="jax")]
SCALES = pytest.mark.parametrize("scale", [1.0, 1e-3], ids=["unit", "small"])


def g_gradient(w):
    return np.array([2 * w[1] - w[1] * np.sin(w[0]), 2 * w[0] + np.cos(w[0])])


def g_hessian(w):
    return np.array([[-w[1] * np.cos(w[0]), 2 - np.sin(w[0])], [2 - np.sin(w[0]), 0.0]])


def complex_step(function, point, direction):
    """The slope along a direction, from a difference along the imaginary axis: nothing cancels, so it is exact."""
    return np.imag(function(point + 1e-30j * direction)) / 1e-30


def squared_error(weights, x, y):
    return ((x * weights).sum() - y) ** 2


# The cells of the text.


def test_cell_f_has_slope_minus_two_at_one():
    """Cell f(x)=(x-2)²: f'(1) = -2, with the text's own one-element tensor."""
    x = torch.tensor([1.0], requires_grad=True)
    torch_side.quadratic(x).backward()
    assert x.grad.tolist() == [-2.0]
    assert jax.vmap(jax.grad(jax_side.quadratic))(jnp.array([1.0])).tolist() == [-2.0]


@pytest.mark.parametrize(("side", "array"), SIDES)
def test_cell_g_gradient_and_the_texts_wrong_claim(side, array):
    """Cell g(w): ∇g([π, 1]) = [2, 2π-1], printed as [2.0000, 5.2832]. Erratum: the text claims [2, π-1], short by π."""
    slope = np.asarray(side.gradient(side.tilted_cosine, array([np.float32(np.pi), 1.0])))
    assert [f"{value:.4f}" for value in slope] == ["2.0000", "5.2832"]
    assert slope == pytest.approx([2, 2 * np.pi - 1])
    assert slope - [2, np.pi - 1] == pytest.approx([0, np.pi])


@pytest.mark.parametrize(("side", "array"), SIDES)
def test_small_graph_adds_the_slopes_of_both_paths(side, array):
    a, b = array(2.0), array(1.0)
    assert side.small_graph(a, b) == 6
    assert side.gradient(lambda a: side.small_graph(a, b), a) == 2
    assert side.gradient(lambda b: side.small_graph(a, b), b) == 5


def test_operations_read_the_graph_from_opposite_ends():
    leaves = ("AccumulateGrad", "AccumulateGrad")
    backwards = torch_side.operations(torch_side.small_graph, torch.tensor(2.0), torch.tensor(1.0))
    assert backwards == ("MulBackward0", "AddBackward0", "AddBackward0", *leaves)
    assert jax_side.operations(jax_side.small_graph, jnp.array(2.0), jnp.array(1.0)) == ("add", "add", "mul")


# Both sides, value and gradient.


@SCALES
@pytest.mark.parametrize("name", ["quadratic", "stopped_target_loss", "straight_through_round", "safe_norm"])
def test_function_agrees(parity, rng, name, scale):
    x = scale * rng.normal(size=(4, 3))
    x[1] = 0
    x[2] = [0.5, 1.5, -2.5]  # halves: ties of the rounding
    parity.assert_equivalent(getattr(torch_side, name), getattr(jax_side, name), (x,))


@SCALES
def test_functions_of_the_text_agree(parity, rng, scale):
    parity.assert_equivalent(torch_side.tilted_cosine, jax_side.tilted_cosine, (scale * rng.normal(size=2),))
    a, b = scale * rng.normal(size=(2, 3, 5))
    parity.assert_equivalent(torch_side.small_graph, jax_side.small_graph, (a, b))


@SCALES
def test_gradient_four_ways(parity, rng, scale):
    """Closed form, difference, torch and JAX give one gradient of g."""
    w, direction = scale * rng.normal(size=2), rng.normal(size=2)
    difference = complex_step(lambda w: 2 * w[0] * w[1] + w[1] * np.cos(w[0]), w, direction)
    np.testing.assert_array_max_ulp(g_gradient(w) @ direction, difference, maxulp=8)
    with jax.enable_x64(True):
        for side, array in ((torch_side, torch.tensor), (jax_side, jnp.asarray)):
            slope = side.gradient(side.tilted_cosine, array(w))
            np.testing.assert_array_max_ulp(np.asarray(slope), g_gradient(w), maxulp=4)
            _, along = side.jacobian_vector_product(side.tilted_cosine, array(w), array(direction))
            np.testing.assert_array_max_ulp(np.asarray(along), difference, maxulp=8)
    # The gradients compared here are those of the gradient: second order by reverse over reverse.
    parity.assert_equivalent(
        lambda w: torch_side.value_and_gradient(torch_side.tilted_cosine, w),
        lambda w: jax_side.value_and_gradient(jax_side.tilted_cosine, w),
        (w,),
        name="value_and_gradient",
    )


@SCALES
def test_second_order_four_ways(parity, rng, scale):
    """Closed form, difference of the gradient, torch and JAX give one Hessian of g."""
    w, direction = scale * rng.normal(size=2), rng.normal(size=2)
    difference = complex_step(g_gradient, w, direction)
    np.testing.assert_array_max_ulp(g_hessian(w) @ direction, difference, maxulp=8)
    with jax.enable_x64(True):
        for side, array in ((torch_side, torch.tensor), (jax_side, jnp.asarray)):
            matrix = np.asarray(side.hessian(side.tilted_cosine, array(w)))
            np.testing.assert_array_max_ulp(matrix, g_hessian(w), maxulp=4)
            product = side.hessian_vector_product(side.tilted_cosine, array(w), array(direction))
            np.testing.assert_array_max_ulp(np.asarray(product), difference, maxulp=8)
    # The gradient of a Hessian: third order.
    parity.assert_equivalent(
        lambda w: torch_side.hessian(torch_side.tilted_cosine, w),
        lambda w: jax_side.hessian(jax_side.tilted_cosine, w),
        (w,),
        name="hessian",
    )
    parity.assert_equivalent(
        lambda w, v: torch_side.hessian_vector_product(torch_side.tilted_cosine, w, v),
        lambda w, v: jax_side.hessian_vector_product(jax_side.tilted_cosine, w, v),
        {"w": w, "v": direction},
        name="hessian_vector_product",
    )


def test_forward_and_reverse_mode_agree(parity, rng):
    """u·(Jv) = (uᵀJ)·v, for a function from 3 to 2 numbers."""
    matrix, point, direction, cotangent = (
        rng.normal(size=(2, 3)),
        rng.normal(size=3),
        rng.normal(size=3),
        rng.normal(size=2),
    )

    def both_modes(side, tanh, matrix, point, direction, cotangent):
        def layer(x):
            return tanh(matrix @ x)

        forward = side.jacobian_vector_product(layer, point, direction)
        reverse = side.vector_jacobian_product(layer, point, cotangent)
        return {"forward": forward, "reverse": reverse, "gap": cotangent @ forward[1] - reverse[1] @ direction}

    arguments = {"matrix": matrix, "point": point, "direction": direction, "cotangent": cotangent}
    parity.assert_equivalent(
        lambda **kw: both_modes(torch_side, torch.tanh, **kw),
        lambda **kw: both_modes(jax_side, jnp.tanh, **kw),
        arguments,
        name="forward and reverse mode",
    )
    exact = both_modes(torch_side, torch.tanh, **{name: torch.tensor(value) for name, value in arguments.items()})
    assert abs(exact["gap"].item()) < 4 * np.finfo(np.float64).eps


@SCALES
def test_per_example_gradients_agree(parity, rng, scale):
    weights, inputs, targets = scale * rng.normal(size=3), rng.normal(size=(5, 3)), rng.normal(size=5)
    parity.assert_equivalent(
        lambda w, x, y: torch_side.per_example_gradients(squared_error, w, x, y),
        lambda w, x, y: jax_side.per_example_gradients(squared_error, w, x, y),
        {"w": weights, "x": inputs, "y": targets},
        name="per_example_gradients",
    )
    each = torch_side.per_example_gradients(squared_error, *map(torch.tensor, (weights, inputs, targets))).numpy()
    closed_form = 2 * (inputs @ weights - targets)[:, None] * inputs
    assert agrees(each, closed_form)


def test_accumulated_gradient_agrees(parity, rng):
    """Four batches of five: ``.grad`` on one side, a scan on the other, one batch of twenty as oracle."""
    weights, inputs, targets = rng.normal(size=3), rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 5))

    def batch_loss(w, x, y):
        return ((x @ w - y) ** 2).sum()

    def oracle(w, x, y):
        return torch.func.grad(batch_loss)(w, x.reshape(20, 3), y.reshape(20))

    inputs = {"w": weights, "x": inputs, "y": targets}
    for reference in (lambda w, x, y: torch_side.accumulated_gradient(batch_loss, w, x, y), oracle):
        parity.assert_equivalent(
            reference,
            lambda w, x, y: jax_side.accumulated_gradient(batch_loss, w, x, y),
            inputs,
            gradients=False,
            name="accumulated_gradient",
        )


@pytest.mark.parametrize(("side", "array"), SIDES)
def test_custom_derivative_and_stopped_target_are_exact(side, array):
    value, slope = side.vector_jacobian_product(
        side.straight_through_round, array([0.5, 1.5, -2.7]), array([1.0, 2.0, 3.0])
    )
    assert value.tolist() == [0, 2, -3]
    assert slope.tolist() == [1, 2, 3]
    assert side.gradient(side.stopped_target_loss, array(1.0)) == -4
    squares = side.per_example_gradients(
        lambda w, x, y: (side.straight_through_round(w * x) - y) ** 2, array(1.0), array([1.4, 2.6]), array([0.0, 0.0])
    )
    np.testing.assert_array_max_ulp(np.asarray(squares), np.float32([2 * 1 * 1.4, 2 * 3 * 2.6]), maxulp=1)


@pytest.mark.parametrize(("side", "array"), SIDES)
def test_bad_input_is_told(side, array):
    with pytest.raises(ValueError, match=r"^gradient: function\(point\) must have shape \(\), a scalar, got \(2,\)\.$"):
        side.gradient(side.quadratic, array([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"^value_and_gradient: function\(point\) must have shape \(\)"):
        side.value_and_gradient(side.quadratic, array([1.0, 2.0]))
    for function in (side.per_example_gradients, side.accumulated_gradient):
        with pytest.raises(ValueError, match=r"len\(targets\) must have shape \(2,\), one for each \w+, got \(3,\)"):
            function(squared_error, array([1.0]), array([[1.0], [2.0]]), array([1.0, 2.0, 3.0]))
