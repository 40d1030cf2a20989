"""Linear regression: what the course says and what is true, and the mistakes that a port makes, with their size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_impl import linear_regression as jax_side
from torch_impl import linear_regression as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])
START = np.array([[1.0], [0.0]])
TRUE_BETA = np.array([[-1.0], [2.0]])


def course_data():
    """The fixed data set as float64 NumPy arrays."""
    return tuple(tensor.double().numpy() for tensor in torch_side.example_data())


def numpy_gradient(X, y, beta):
    return -2 / len(y) * X.T @ (y - X @ beta)


def arrays(side, *values):
    """Values as float32 arrays of the framework of ``side``."""
    make = torch.tensor if side is torch_side else jnp.asarray
    return [make(np.asarray(value, dtype=np.float32)) for value in values]


# --- errata of the course ------------------------------------------------------------------------------------------


@SIDES
def test_erratum_residual_sum_of_squares_is_the_mean(side):
    """The course calls it RSS and divides by n: the sum is n times as large."""
    y, y_hat = arrays(side, [[1.0], [2.0], [3.0], [4.0]], np.zeros((4, 1)))
    assert float(side.mean_squared_residual(y, y_hat)) == 7.5
    assert float(((y - y_hat) ** 2).sum()) == 30.0 == 4 * 7.5


@SIDES
def test_erratum_table_prints_the_loss_before_the_update_beside_beta_after_it(side):
    """Here a row is one state. The course's beta of row i is ours of row i + 1; its loss is ours of row i."""
    X, y = side.example_data()
    table = side.example()

    def loss_at(beta):
        return float(side.mean_squared_residual(y, side.predict(X, *arrays(side, beta[:, None]))))

    one_state = [loss_at(beta) for beta in table["beta"]]
    assert one_state == pytest.approx(table["loss"].tolist())
    as_printed = [loss_at(beta) for beta in table["beta"][1:]]
    assert as_printed == pytest.approx(table["loss"][1:].tolist())
    assert table["loss"][0] > 1.3 * as_printed[0]


def test_erratum_printed_rows_of_the_course_show_the_shift():
    """Its own first rows: gradient (4.251404, -4.610432) at (1, 0), and beside it beta = start - 0.1 gradient."""
    gradient, beta = np.array([4.251404, -4.610432]), np.array([0.5748596, 0.4610432])
    assert START.ravel() - 0.1 * gradient == pytest.approx(beta)


@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph")
def test_erratum_detach_is_a_no_op_where_detach_in_place_was_meant():
    """`beta.grad.detach()` returns a new tensor and leaves beta.grad in its graph; `detach_()` takes it out."""
    X, y, beta = arrays(torch_side, *course_data(), START)
    beta.requires_grad_()
    torch_side.mean_squared_residual(y, torch_side.predict(X, beta)).backward(create_graph=True)
    assert beta.grad is not None
    beta.grad.detach()
    assert beta.grad.requires_grad
    beta.grad.detach_()
    assert not beta.grad.requires_grad
    beta.grad = None  # create_graph=True ties beta and its gradient in a cycle


def test_erratum_nabla_w_is_nabla_beta():
    """The formula writes the gradient by w of a loss that has no w: what it states is the gradient by beta."""
    X, y = (jnp.asarray(a, jnp.float32) for a in course_data())
    by_X, by_beta = jax.grad(lambda X, b: jax_side.mean_squared_residual(y, jax_side.predict(X, b)), (0, 1))(X, START)
    assert (by_X.shape, by_beta.shape) == ((50, 2), (2, 1))
    assert np.asarray(by_beta) == pytest.approx(numpy_gradient(*course_data(), START))


def test_erratum_data_hides_an_update_from_autograd_and_no_grad_does_not():
    """A backward() through a value changed by `.data` is silently wrong; changed under no_grad it raises."""
    beta = torch.tensor([3.0], requires_grad=True)
    loss = (beta * beta).sum()
    beta.data.mul_(10)
    loss.backward()
    assert beta.grad is not None
    assert beta.grad.item() == 60.0  # of the loss 9, whose gradient was 6

    beta = torch.tensor([3.0], requires_grad=True)
    loss = (beta * beta).sum()
    with torch.no_grad():
        beta.mul_(10)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_erratum_norm_squared_has_no_gradient_at_an_exact_fit_in_jax(parity):
    """The course's loss as it stands: torch gives 0, JAX NaN. norm_loss gives 0 on both sides."""
    y = np.array([[0.5], [-2.0], [0.0]])
    report = parity.compare(
        lambda y, y_hat: torch.norm(y - y_hat) ** 2 / len(y),
        lambda y, y_hat: jnp.linalg.norm(y - y_hat) ** 2 / len(y),
        {"y": y, "y_hat": y},
        dtypes=("float64",),
        jit=False,
        record=False,
    )
    assert {leaf.path for leaf in report.failures} == {"grad/y", "grad/y_hat"}

    def course_loss(y_hat):
        return jnp.linalg.norm(y - y_hat) ** 2 / len(y)

    assert np.isnan(jax.grad(course_loss)(jnp.asarray(y))).all()
    assert (jax.grad(jax_side.norm_loss, 1)(jnp.asarray(y), jnp.asarray(y)) == 0).all()


# --- traps ---------------------------------------------------------------------------------------------------------


@SIDES
def test_trap_flat_targets_broadcast(side):
    """(n,) against (n, 1) is (n, n): the mean over all pairs. Measured at the optimum: 8.22 instead of 0.0088.

    Both frameworks do it, so a comparison of the two sides alone would never see it; the shape check does.
    """
    X, y = side.example_data()
    y_hat = side.predict(X, side.least_squares(X, y))
    wrong = float(((y[:, 0] - y_hat) ** 2).mean())
    assert f"{wrong:.2f} {float(side.mean_squared_residual(y, y_hat)):.4f}" == "8.22 0.0088"
    for loss in (side.mean_squared_residual, side.norm_loss):
        with pytest.raises(ValueError, match=r"y_hat must have shape \(50,\), the shape of y, got \(50, 1\)\.$"):
            loss(y[:, 0], y_hat)


def test_trap_sum_for_mean_scales_the_gradient_by_n(parity):
    """Gradient 50 times as large: the course's step 0.1 then diverges, where the mean's converges."""

    def summed(y, y_hat):
        return ((y - y_hat) ** 2).sum()

    X, y = course_data()
    inputs = {"y": y, "y_hat": X @ START}
    report = parity.compare(torch_side.mean_squared_residual, summed, inputs, dtypes=("float64",), record=False)
    assert {leaf.path for leaf in report.failures} == {"output", "grad/y", "grad/y_hat"}
    # A step of 0.1 on the sum is a step of 5 on the mean.
    loss = jax_side.descend(*arrays(jax_side, X, y, START), step_size=0.1 * len(y)).loss
    assert float(loss[-1]) > 1e12 * float(loss[0])


def test_trap_forgot_zero_grad_goes_on_swinging():
    """Measured: the losses part at the third row, 1.91 instead of 3.13; at the 20th 0.68 instead of 0.0196."""
    X, y, beta = arrays(torch_side, *course_data(), START)
    beta.requires_grad_()
    losses = []
    for _ in range(20):
        loss = torch_side.mean_squared_residual(y, torch_side.predict(X, beta))
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            beta -= 0.1 * beta.grad
    right = torch_side.example()["loss"]
    assert losses[:2] == right[:2].tolist()
    assert f"{losses[2]:.2f} {right[2]:.2f}" == "1.91 3.13"
    assert f"{losses[-1]:.2f} {right[-1]:.4f}" == "0.68 0.0196"


@SIDES
def test_trap_normal_equations_in_float32_fail_far_from_zero(side):
    """One feature with mean 1000 and an intercept: X'X has condition 1e12, past float32's 1.7e7.

    Measured, where float64 finds slope 2.988 and intercept 13.94: normal equations, torch 2.49 and 512, JAX 3.32 and
    -320; least squares, 3.002 and 0.003 on both (it cuts the small singular value). Centered first, the slope is right.
    """
    rng = np.random.default_rng(0)
    feature = 1000 + rng.normal(size=(50, 1))
    target = 3 * feature + 2 + 0.1 * rng.normal(size=(50, 1))
    X, y = arrays(side, np.hstack([feature, np.ones((50, 1))]), target)
    truth = np.linalg.lstsq(np.hstack([feature, np.ones((50, 1))]), target)[0].ravel()
    assert f"{truth[0]:.3f} {truth[1]:.2f}" == "2.988 13.94"

    assert abs(float(side.normal_equations(X, y)[1, 0]) - truth[1]) > 100
    slope, intercept = np.asarray(side.least_squares(X, y)).ravel()
    assert f"{slope:.3f} {intercept:.3f}" == "3.002 0.003"
    centered = side.normal_equations(X[:, :1] - X[:, :1].mean(), y - y.mean())
    # Centering float32 values of 1000 leaves their rounding, 3e-5 of a unit spread.
    assert float(centered[0, 0]) == pytest.approx(truth[0], rel=3e-5)


# --- arguments -----------------------------------------------------------------------------------------------------


@SIDES
def test_shapes_that_do_not_fit_raise_one_sentence(side):
    X, y, start = arrays(side, *course_data(), START)
    column = r"a column with one row a"
    with pytest.raises(ValueError, match=rf"^predict: beta must have shape \(2, 1\), {column} feature, got \(2,\)\.$"):
        side.predict(X, start[:, 0])
    for function in (side.normal_equations, side.least_squares):
        name = function.__name__
        with pytest.raises(ValueError, match=rf"^{name}: y must have shape \(50, 1\), {column} sample, got \(50,\)\.$"):
            function(X, y[:, 0])
    for function in (side.analytic_gradient, side.descend):
        name = function.__name__
        with pytest.raises(
            ValueError, match=rf"^{name}: y must have shape \(50, 1\), {column} sample, got \(49, 1\)\.$"
        ):
            function(X, y[1:], start)
    with pytest.raises(
        ValueError, match=rf"^descend: start must have shape \(2, 1\), {column} feature, got \(1, 2\)\.$"
    ):
        side.descend(X, y, start.T)
    with pytest.raises(ValueError, match=r"^descend: steps must be at least 1, got 0\.$"):
        side.descend(X, y, start, steps=0)
