"""Linear regression: the gradient four ways, 20 rows against the exact recursion, and the exact solutions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import torch

from jax_impl import linear_regression as jax_side
from torch_impl import linear_regression as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])
MAGNITUDES = pytest.mark.parametrize("magnitude", [1.0, 1e-3], ids=["unit", "small"])
START = np.array([[1.0], [0.0]])
TRUE_BETA = np.array([[-1.0], [2.0]])


def course_data():
    """The fixed data set as float64 NumPy arrays."""
    return tuple(tensor.double().numpy() for tensor in torch_side.example_data())


def arrays(side, *values):
    """Values as float32 arrays of the framework of ``side``."""
    make = torch.tensor if side is torch_side else jnp.asarray
    return [make(np.asarray(value, dtype=np.float32)) for value in values]


# --- the data ------------------------------------------------------------------------------------------------------


def test_cell_data_has_the_shapes_of_the_course_and_is_the_same_on_both_sides():
    left, right = torch_side.example_data(), jax_side.example_data()
    assert [tuple(tensor.shape) for tensor in left] == [(50, 2), (50, 1)]
    for tensor, array in zip(left, right, strict=True):
        assert array.dtype == np.float32
        assert np.array_equal(tensor.numpy(), array)


@SIDES
def test_cell_data_law(side):
    """X is standard normal and y - X beta* is normal with standard deviation 0.1, by Kolmogorov and Smirnov."""
    source = torch.Generator().manual_seed(0) if side is torch_side else jax.random.key(0)
    X, y = (np.asarray(array, dtype=np.float64) for array in side.make_data(source, 20_000))
    noise = y - X @ TRUE_BETA
    assert scipy.stats.kstest(X.ravel(), "norm").pvalue > 1e-3
    assert scipy.stats.kstest(noise.ravel() / 0.1, "norm").pvalue > 1e-3
    # The noise does not come from the numbers that made X: a correlation of 1/sqrt(n) is chance.
    assert np.all(np.abs(X.T @ noise / 0.1 / len(X)) < 5 / np.sqrt(len(X)))


@SIDES
def test_make_data_without_noise_is_an_exact_fit(side):
    source = torch.Generator().manual_seed(0) if side is torch_side else jax.random.key(0)
    X, y = side.make_data(source, 7, noise=0.0)
    assert float(side.mean_squared_residual(y, side.predict(X, *arrays(side, TRUE_BETA)))) == 0


# --- functions and gradients ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "magnitude"), [((7, 3), 1.0), ((1, 1), 1e-3)], ids=["unit", "small, size 1"])
def test_predict_agrees(parity, rng, shape, magnitude):
    inputs = {"X": magnitude * rng.normal(size=shape), "beta": rng.normal(size=(shape[1], 1))}
    parity.assert_equivalent(torch_side.predict, jax_side.predict, inputs)


@pytest.mark.parametrize("loss", ["mean_squared_residual", "norm_loss"])
@MAGNITUDES
def test_losses_agree(parity, rng, magnitude, loss):
    inputs = {name: magnitude * rng.normal(size=(7, 1)) for name in ("y", "y_hat")}
    parity.assert_equivalent(getattr(torch_side, loss), getattr(jax_side, loss), inputs)


def test_both_losses_are_one_function_at_an_exact_fit_too(parity):
    """The norm squared again, on either side, against the mean of squares: the root's kink must not show."""
    y = np.array([[0.5], [-2.0], [0.0]])
    parity.assert_equivalent(torch_side.norm_loss, jax_side.mean_squared_residual, {"y": y, "y_hat": y})
    parity.assert_equivalent(torch_side.mean_squared_residual, jax_side.norm_loss, {"y": y, "y_hat": y})


def test_analytic_gradient_agrees(parity, rng):
    inputs = {"X": rng.normal(size=(7, 3)), "y": rng.normal(size=(7, 1)), "beta": rng.normal(size=(3, 1))}
    parity.assert_equivalent(torch_side.analytic_gradient, jax_side.analytic_gradient, inputs)


def torch_autograd(X, y, beta, loss="mean_squared_residual"):
    beta = beta.detach().requires_grad_()
    getattr(torch_side, loss)(y, torch_side.predict(X, beta)).backward()
    return beta.grad


def jax_autograd(X, y, beta):
    return jax.grad(lambda beta: jax_side.mean_squared_residual(y, jax_side.predict(X, beta)))(beta)


def test_cell_sanity_check_gradient_four_ways(parity):
    """At beta = (1, 0), the course's start: the formula is autograd of both sides. The fourth way stands below.

    The torch side differentiates the course's loss, the norm squared again, the JAX side the mean of squares.
    """
    X, y = course_data()
    inputs = {"X": X, "y": y, "beta": START}
    norm_autograd = partial(torch_autograd, loss="norm_loss")
    parity.assert_equivalent(norm_autograd, jax_side.analytic_gradient, inputs, gradients=False)
    parity.assert_equivalent(torch_side.analytic_gradient, jax_autograd, inputs, gradients=False)


def test_analytic_gradient_is_the_finite_difference(rng):
    """Along a random direction; the loss is quadratic, so a central difference has no truncation error at any width."""
    X, y = course_data()
    direction = rng.normal(size=(2, 1))

    def loss(beta):
        return np.mean((y - X @ beta) ** 2)

    difference = (loss(START + direction) - loss(START - direction)) / 2
    gradient = torch_side.analytic_gradient(*(torch.from_numpy(a) for a in (X, y, START))).numpy()
    assert (gradient * direction).sum() == pytest.approx(difference)


# --- the descent ---------------------------------------------------------------------------------------------------


def exact_rows(X, y, steps, step_size=0.1):
    """beta_k = beta_LS + (I - 2 step/n X'X)^k (beta_0 - beta_LS), in float64: no loop, no autograd."""
    solution = np.linalg.lstsq(X, y)[0]
    values, vectors = np.linalg.eigh(X.T @ X)
    shrink = (1 - 2 * step_size / len(y) * values) ** np.arange(steps + 1)[:, None]  # (steps + 1, features)
    return solution + vectors @ (shrink[..., None] * (vectors.T @ (START - solution)))


def test_cell_descent_20_rows_agree(parity):
    """Loss, gradient and beta of every row.

    In float32 the rows are not bit-equal: the sums over 50 samples run in another order. Measured, largest gaps of the
    20 rows: loss 4.8e-7 of 6.2, gradient 3.6e-7 of 4.7, beta 1.2e-7 of 1.9.
    """
    X, y = course_data()
    parity.assert_equivalent(
        torch_side.descend, jax_side.descend, {"X": X, "y": y, "start": START, "steps": 20}, gradients=False
    )


def test_descent_agrees_on_another_shape_at_small_magnitude(parity, rng):
    magnitude = 1e-3
    X, y = magnitude * rng.normal(size=(9, 4)), magnitude * rng.normal(size=(9, 1))
    inputs = {"X": X, "y": y, "start": magnitude * rng.normal(size=(4, 1)), "step_size": 0.2, "steps": 20}
    parity.assert_equivalent(torch_side.descend, jax_side.descend, inputs, gradients=False)


def test_each_step_from_a_shared_state_agrees(parity):
    """One step of JAX from torch's own state, at all 20 states at once: no gap can hide behind an earlier one."""
    X, y = course_data()
    run = torch_side.descend(*(torch.from_numpy(a) for a in (X, y, START)))

    def torch_steps(X, y, betas):
        return torch.stack([torch_side.descend(X, y, beta, steps=1).final_beta for beta in betas])

    def jax_steps(X, y, betas):
        return jax.vmap(lambda beta: jax_side.descend(X, y, beta, steps=1).final_beta)(betas)

    parity.assert_equivalent(torch_steps, jax_steps, {"X": X, "y": y, "betas": run.beta.numpy()}, gradients=False)


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_rows_are_the_exact_recursion(parity, name):
    """Each side's 20 states against the eigenvalue form in NumPy, which is no loop."""
    X, y = course_data()
    rows = exact_rows(X, y, 20)
    recursion = {"X": X, "y": y, "rows": rows}

    def torch_rows(X, y, rows):
        run = torch_side.descend(X, y, torch.tensor(START).to(X))
        return torch.cat([run.beta, run.final_beta[None]]) if name == "torch" else rows

    def jax_rows(X, y, rows):
        run = jax_side.descend(X, y, jnp.asarray(START, X.dtype))
        return jnp.concatenate([run.beta, run.final_beta[None]]) if name == "jax" else rows

    parity.assert_equivalent(torch_rows, jax_rows, recursion, gradients=False)


@SIDES
def test_cell_descent_ends_near_the_true_beta(side):
    """The text: 'beta = [-1,2]; very close'. After 20 steps this data is within 0.11, and 0.018 at its own optimum."""
    beta = np.asarray(side.descend(*side.example_data(), *arrays(side, START)).final_beta)
    assert np.abs(beta - TRUE_BETA).max() < 0.11
    assert np.abs(np.asarray(side.least_squares(*side.example_data())) - TRUE_BETA).max() < 0.02


@SIDES
def test_table_has_the_columns_of_the_course(side):
    table = side.example()
    assert {name: column.shape for name, column in table.items()} == {
        "i": (20,),
        "loss": (20,),
        "grad": (20, 2),
        "beta": (20, 2),
    }
    assert table["beta"][0].tolist() == [1.0, 0.0]


# --- the exact solutions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "magnitude"),
    [("normal_equations", 1.0), ("least_squares", 1.0), ("least_squares", 1e-3)],
    ids=["normal_equations", "least_squares", "least_squares, small"],
)
def test_solvers_agree(parity, rng, solver, magnitude):
    inputs = {"X": magnitude * rng.normal(size=(9, 3)), "y": magnitude * rng.normal(size=(9, 1))}
    parity.assert_equivalent(getattr(torch_side, solver), getattr(jax_side, solver), inputs)


def test_descent_converges_to_both_solutions(parity):
    X, y = course_data()

    def limit(X, y):
        return jax_side.descend(X, y, jnp.asarray(START, X.dtype), steps=400).final_beta

    for solver in (torch_side.normal_equations, torch_side.least_squares):
        parity.assert_equivalent(solver, limit, {"X": X, "y": y}, gradients=False)
