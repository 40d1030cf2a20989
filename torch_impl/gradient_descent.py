r"""Gradient descent on $f(x) = (x - 2)^2$: a loop of given length, a loop that stops by itself, and the closed form.

A row of a trajectory is one state: $x$ before the update, its value and its slope.

Differs from its twin: the loop is Python's; ``backward`` adds into ``x.grad``, so each step must drop it, and the
update of a leaf stands under ``no_grad``. JAX scans a pure step and has nothing to reset.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from torch_impl._checks import check_shape

__all__ = ["Trajectory", "Stop", "quadratic", "descend", "descend_until", "closed_form", "example"]


class Trajectory(NamedTuple):
    """What each step of a descent saw, and where the last update led."""

    x: Float[Tensor, " steps"]
    y: Float[Tensor, " steps"]
    slope: Float[Tensor, " steps"]
    final_x: Float[Tensor, ""]


class Stop(NamedTuple):
    """Where a descent stopped: the point, its slope, and how many updates led there."""

    x: Float[Tensor, ""]
    slope: Float[Tensor, ""]
    steps: Int[Tensor, ""]


def quadratic(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""Evaluate $f(x) = (x - 2)^2$, whose minimum is $f(2) = 0$.

    Args:
        x: any number of points.

    Returns:
        $f$ at each point.
    """
    return (x - 2) ** 2


def descend(start: Float[Tensor, ""], step_size: Float[Tensor, ""] | float = 0.25, steps: int = 15) -> Trajectory:
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
        >>> [round(x, 3) for x in descend(torch.tensor(5.0), steps=3).x.tolist()]
        [5.0, 3.5, 2.75]

    Differs from its twin: nothing flows back through the walk to ``start``; in JAX it can.
    """
    _check_start("descend", start)
    if steps < 1:
        raise ValueError(f"descend: steps must be at least 1, got {steps}.")
    x = start.detach().clone().requires_grad_()
    rows = []
    for _ in range(steps):
        y = quadratic(x)
        y.backward()
        assert x.grad is not None
        rows.append((x.detach().clone(), y.detach(), x.grad))
        with torch.no_grad():
            x -= step_size * x.grad
        # backward() adds into .grad: without this line the next slope would contain this one.
        x.grad = None
    xs, ys, slopes = (torch.stack(column) for column in zip(*rows, strict=True))
    return Trajectory(xs, ys, slopes, x.detach())


def descend_until(
    start: Float[Tensor, ""],
    tolerance: Float[Tensor, ""] | float,
    step_size: Float[Tensor, ""] | float = 0.25,
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

    Differs from its twin: Python decides when to stop, so each step reads its slope back; JAX compiles the loop.
    """
    _check_start("descend_until", start)
    x = start.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(quadratic(x), x)
    steps = 0
    # "not small" rather than "large": a walk that overflowed to NaN is not at the minimum.
    while not slope.abs() <= tolerance and steps < max_steps:
        with torch.no_grad():
            x -= step_size * slope
        (slope,) = torch.autograd.grad(quadratic(x), x)
        steps += 1
    return Stop(x.detach(), slope, torch.tensor(steps))


def closed_form(
    start: Float[Tensor, ""], step_size: Float[Tensor, ""] | float = 0.25, steps: int = 15
) -> Float[Tensor, " states"]:
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
    k = torch.arange(steps + 1, dtype=start.dtype, device=start.device)
    return 2 + (start - 2) * (1 - 2 * step_size) ** k


def example() -> dict[str, np.ndarray]:
    """Run the course's descent: 15 steps of 0.25 from 5.

    Returns:
        The columns that the course prints: ``i``, ``x``, ``f(x)`` and ``f'(x)``, one row a step, each row one state.
    """
    run = descend(torch.tensor(5.0))
    return {"i": np.arange(len(run.x)), "x": run.x.numpy(), "f(x)": run.y.numpy(), "f'(x)": run.slope.numpy()}


def _check_start(function: str, start: Tensor) -> None:
    check_shape(function, "start", start.shape, (), "one number")
    if not start.is_floating_point():
        raise TypeError(f"{function}: start must be floating point, got {start.dtype}.")
