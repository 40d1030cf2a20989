r"""Linear regression $\hat y = X\beta$: the data, the loss and its gradient, gradient descent, and the exact solutions.

Every array keeps the course's column layout: $X$ is $n \times d$, and $\beta$, $y$, $\hat y$ are columns.

Differs from its twin: noise comes from a key; the descent is one compiled ``lax.scan`` over ``value_and_grad``.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from jaxtyping import Float

from jax_impl._checks import check_shape

__all__ = [
    "Trajectory",
    "make_data",
    "example_data",
    "predict",
    "mean_squared_residual",
    "norm_loss",
    "analytic_gradient",
    "descend",
    "normal_equations",
    "least_squares",
    "example",
]

_TRUE_BETA = (-1.0, 2.0)


class Trajectory(NamedTuple):
    """What each step of a descent saw, and where the last update led."""

    loss: Float[Array, " steps"]
    gradient: Float[Array, "steps features 1"]
    beta: Float[Array, "steps features 1"]
    final_beta: Float[Array, "features 1"]


def make_data(
    key: Array, samples: int = 50, noise: float = 0.1
) -> tuple[Float[Array, "samples features"], Float[Array, "samples 1"]]:
    r"""Draw the course's data set: $y = X\beta^* + \sigma\varepsilon$ with $\beta^* = (-1, 2)$.

    Args:
        samples: $n$.
        noise: $\sigma$, the standard deviation of what $X$ does not explain.

    Returns:
        $X$ and $y$, in the default precision.

    Differs from its twin: ``key`` gives $X$ and $\varepsilon$, both standard normal, the same each time.
    """
    X_key, noise_key = jax.random.split(key)
    X = jax.random.normal(X_key, (samples, len(_TRUE_BETA)))
    epsilon = jax.random.normal(noise_key, (samples, 1))
    return X, predict(X, jnp.array(_TRUE_BETA)[:, None]) + noise * epsilon


def example_data() -> tuple[Float[Array, "samples features"], Float[Array, "samples 1"]]:
    """Return one fixed data set of ``make_data``'s law, drawn by NumPy: the same numbers in both frameworks.

    Returns:
        $X$ and $y$: 50 samples, float32.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, len(_TRUE_BETA)))
    y = X @ np.array(_TRUE_BETA)[:, None] + 0.1 * rng.normal(size=(50, 1))
    return jnp.array(X, dtype=jnp.float32), jnp.array(y, dtype=jnp.float32)


def predict(X: Float[Array, "samples features"], beta: Float[Array, "features 1"]) -> Float[Array, "samples 1"]:
    r"""Evaluate the model $\hat y = X\beta$.

    Args:
        X: one sample a row.
        beta: $\beta$, a column.

    Returns:
        $\hat y$, a column.

    Raises:
        ValueError: if ``beta`` is not a column with one row for each column of ``X``.
    """
    check_shape("predict", "beta", beta.shape, (X.shape[1], 1), "a column with one row a feature")
    return X @ beta


def mean_squared_residual(y: Float[Array, "samples 1"], y_hat: Float[Array, "samples 1"]) -> Float[Array, ""]:
    r"""Average the squared residuals.

    $\mathcal L = \frac1n \lVert y - \hat y \rVert_2^2$: a mean, although the course calls it the sum of squares.

    Args:
        y: the targets.
        y_hat: the predictions.

    Returns:
        The loss.

    Raises:
        ValueError: if the shapes differ; $(n,)$ against $(n, 1)$ would broadcast to $(n, n)$.
    """
    check_shape("mean_squared_residual", "y_hat", y_hat.shape, y.shape, "the shape of y")
    return ((y - y_hat) ** 2).mean()


def norm_loss(y: Float[Array, "samples 1"], y_hat: Float[Array, "samples 1"]) -> Float[Array, ""]:
    r"""Compute the same loss as the course writes it: a norm, squared again.

    $\mathcal L = \frac1n \left(\sqrt{\sum_i (y_i - \hat y_i)^2}\right)^2$, with the subgradient 0 at an exact fit.

    Args:
        y: the targets.
        y_hat: the predictions.

    Returns:
        The loss.

    Raises:
        ValueError: if the shapes differ.

    Differs from its twin: ``jnp.linalg.norm`` has a NaN gradient at zero, so optax's norm stands here.
    """
    check_shape("norm_loss", "y_hat", y_hat.shape, y.shape, "the shape of y")
    return optax.safe_norm(y - y_hat, min_norm=0.0) ** 2 / len(y)


def analytic_gradient(
    X: Float[Array, "samples features"], y: Float[Array, "samples 1"], beta: Float[Array, "features 1"]
) -> Float[Array, "features 1"]:
    r"""Differentiate the loss by hand.

    $\nabla_\beta \mathcal L = -\frac2n X^\top (y - X\beta)$

    Args:
        X: one sample a row.
        y: the targets.
        beta: where.

    Returns:
        The gradient by $\beta$.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    _check_targets("analytic_gradient", X, y)
    return -2 / len(y) * X.T @ (y - predict(X, beta))


def descend(
    X: Float[Array, "samples features"],
    y: Float[Array, "samples 1"],
    start: Float[Array, "features 1"],
    step_size: Float[Array, ""] | float = 0.1,
    steps: int = 20,
) -> Trajectory:
    r"""Minimize ``mean_squared_residual`` by gradient descent on the whole data set.

    $\beta_{k+1} = \beta_k - \eta \nabla_\beta \mathcal L(\beta_k)$

    Args:
        X: one sample a row.
        y: the targets.
        start: $\beta_0$.
        step_size: $\eta$.
        steps: how many updates, at least 1.

    Returns:
        Row $k$ holds the loss at $\beta_k$, the gradient there and $\beta_k$ itself, all before the update;
        ``final_beta`` is the point after the last one.

    Raises:
        ValueError: if the shapes do not fit together or ``steps`` is below 1.

    Differs from its twin: compiled once for each shape and ``steps``; differentiable in every argument but ``steps``.
    """
    _check_targets("descend", X, y)
    check_shape("descend", "start", start.shape, (X.shape[1], 1), "a column with one row a feature")
    if steps < 1:
        raise ValueError(f"descend: steps must be at least 1, got {steps}.")
    return _scan(X, y, start, step_size, steps)


@partial(jax.jit, static_argnames="steps")
def _scan(X, y, start, step_size, steps):
    def step(beta, _):
        loss, gradient = jax.value_and_grad(lambda beta: mean_squared_residual(y, predict(X, beta)))(beta)
        return beta - step_size * gradient, (loss, gradient, beta)

    final_beta, rows = lax.scan(step, start, length=steps)
    return Trajectory(*rows, final_beta)


def normal_equations(X: Float[Array, "samples features"], y: Float[Array, "samples 1"]) -> Float[Array, "features 1"]:
    r"""Solve $X^\top X \beta = X^\top y$; it squares the condition number of $X$, so center the columns in float32.

    Args:
        X: one sample a row, of full column rank.
        y: the targets.

    Returns:
        The minimizer of the loss.

    Raises:
        ValueError: if ``y`` is not a column with one row for each row of ``X``.
    """
    _check_targets("normal_equations", X, y)
    return jnp.linalg.solve(X.T @ X, X.T @ y)


def least_squares(X: Float[Array, "samples features"], y: Float[Array, "samples 1"]) -> Float[Array, "features 1"]:
    r"""Minimize $\lVert y - X\beta \rVert_2$ by a factorization of $X$ itself.

    Args:
        X: one sample a row.
        y: the targets.

    Returns:
        The minimizer of the loss.

    Raises:
        ValueError: if ``y`` is not a column with one row for each row of ``X``.

    Differs from its twin: by the singular values; PyTorch takes LAPACK's ``gelsy`` (pivoted QR) on the CPU.
    """
    _check_targets("least_squares", X, y)
    return jnp.linalg.lstsq(X, y)[0]


def example() -> dict[str, np.ndarray]:
    """Run the course's descent, 20 steps of 0.1 from (1, 0), on ``example_data``.

    Returns:
        The columns that the course prints: ``i``, ``loss``, ``grad`` and ``beta``, one row a step, each row one state.
    """
    run = descend(*example_data(), jnp.array([[1.0], [0.0]]))
    columns = {"loss": run.loss, "grad": run.gradient[..., 0], "beta": run.beta[..., 0]}
    return {"i": np.arange(len(run.loss))} | {name: np.asarray(column) for name, column in columns.items()}


def _check_targets(function: str, X: Array, y: Array) -> None:
    check_shape(function, "y", y.shape, (X.shape[0], 1), "a column with one row a sample")
