r"""Gradient descent on $f(x) = (x - 2)^2$: a loop of given length, a loop that stops by itself, and the closed form.

A row of a trajectory is one state: $x$ before the update, its value and its slope.

Differs from its twin: ``value_and_grad`` returns a fresh slope each time, so nothing is reset; the loops are
``lax.scan`` and ``lax.while_loop``, compiled as one program, and both walks are pure functions of their start.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Int

from jax_impl._checks import check_shape

__all__ = ["Trajectory", "Stop", "quadratic", "descend", "descend_until", "closed_form", "example"]


class Trajectory(NamedTuple):
    """What each step of a descent saw, and where the last update led."""

    x: Float[Array, " steps"]
    y: Float[Array, " steps"]
    slope: Float[Array, " steps"]
    final_x: Float[Array, ""]


class Stop(NamedTuple):
    """Where a descent stopped: the point, its slope, and how many updates led there."""

    x: Float[Array, ""]
    slope: Float[Array, ""]
    steps: Int[Array, ""]


def quadratic(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Evaluate $f(x) = (x - 2)^2$, whose minimum is $f(2) = 0$.

    Args:
        x: any number of points.

    Returns:
        $f$ at each point.
    """
    return (x - 2) ** 2


def descend(start: Float[Array, ""], step_size: Float[Array, ""] | float = 0.25, steps: int = 15) -> Trajectory:
    r"""Walk downhill on ``quadratic`` for a given number of steps.

    $x_{k+1} = x_k - \eta f'(x_k)$

    Args:
        start: $x_0$.
        step_size: $\eta$; the walk converges for $0 < \eta < 1$.
        steps: how many updates, at least 1.

    Returns:
        Row $k$ holds $x_k$, $f(x_k)$ and $f'(x_k)$, all before the update; ``final_x`` is the point after the last one.

    Raises:
        ValueError: if ``start`` is not one number or ``steps`` is below 1.
        TypeError: if ``start`` is not floating point.

    Example:
        >>> [round(x, 3) for x in descend(jnp.array(5.0), steps=3).x.tolist()]
        [5.0, 3.5, 2.75]

    Differs from its twin: compiled once for each ``steps``; differentiable in ``start`` and ``step_size``.
    """
    _check_start("descend", start)
    if steps < 1:
        raise ValueError(f"descend: steps must be at least 1, got {steps}.")
    return _scan(start, step_size, steps)


@partial(jax.jit, static_argnames="steps")
def _scan(start, step_size, steps):
    def step(x, _):
        y, slope = jax.value_and_grad(quadratic)(x)
        return x - step_size * slope, (x, y, slope)

    final_x, rows = lax.scan(step, start, length=steps)
    return Trajectory(*rows, final_x)


def descend_until(
    start: Float[Array, ""],
    tolerance: Float[Array, ""] | float,
    step_size: Float[Array, ""] | float = 0.25,
    max_steps: int = 1000,
) -> Stop:
    r"""Walk downhill on ``quadratic`` until the slope is small.

    Args:
        start: $x_0$.
        tolerance: stop at the first point with $|f'(x)|$ at or below it.
        step_size: $\eta$; the walk converges for $0 < \eta < 1$.
        max_steps: give up after so many updates; the slope that is returned then tells.

    Returns:
        The point, its own slope, and the number of updates.

    Raises:
        ValueError: if ``start`` is not one number.
        TypeError: if ``start`` is not floating point.

    Differs from its twin: the test of the slope is part of the compiled loop; nothing is read back before the end.
    """
    _check_start("descend_until", start)
    return _while(start, tolerance, step_size, max_steps)


@jax.jit
def _while(start, tolerance, step_size, max_steps):
    slope_at = jax.grad(quadratic)

    def unfinished(state):
        # "not small" rather than "large": a walk that overflowed to NaN is not at the minimum.
        return ~(jnp.abs(state.slope) <= tolerance) & (state.steps < max_steps)

    def update(state):
        x = state.x - step_size * state.slope
        return Stop(x, slope_at(x), state.steps + 1)

    return lax.while_loop(unfinished, update, Stop(start, slope_at(start), jnp.array(0)))


def closed_form(
    start: Float[Array, ""], step_size: Float[Array, ""] | float = 0.25, steps: int = 15
) -> Float[Array, " states"]:
    r"""Solve the recurrence of ``descend``.

    $x_k = 2 + (x_0 - 2)(1 - 2\eta)^k$, since each step shrinks the distance from 2 by one factor.

    Args:
        start: $x_0$.
        step_size: $\eta$.
        steps: the last $k$.

    Returns:
        $x_0, \dots, x_{steps}$: the start, then the point after every update.

    Raises:
        ValueError: if ``start`` is not one number.
        TypeError: if ``start`` is not floating point.
    """
    _check_start("closed_form", start)
    # Integers: the derivative of base**0.0 at base 0 is NaN in JAX, of base**0 it is 0, as in torch.
    k = jnp.arange(steps + 1)
    return 2 + (start - 2) * (1 - 2 * step_size) ** k


def example() -> dict[str, np.ndarray]:
    """Run the course's descent: 15 steps of 0.25 from 5.

    Returns:
        The columns that the course prints: ``i``, ``x``, ``f(x)`` and ``f'(x)``, one row a step, each row one state.
    """
    run = descend(jnp.array(5.0))
    columns = {"x": run.x, "f(x)": run.y, "f'(x)": run.slope}
    return {"i": np.arange(len(run.x))} | {name: np.asarray(column) for name, column in columns.items()}


def _check_start(function: str, start: Array) -> None:
    check_shape(function, "start", start.shape, (), "one number")
    if not jnp.issubdtype(start.dtype, jnp.floating):
        raise TypeError(f"{function}: start must be floating point, got {start.dtype}.")
