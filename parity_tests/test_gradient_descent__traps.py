"""Gradient descent: what the course prints and what is true, and the mistakes that a port makes, with their size."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from jax_impl import gradient_descent as jax_side
from torch_impl import gradient_descent as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])


def number(side, value):
    """One number in the framework of ``side``."""
    return torch.tensor(value) if side is torch_side else jnp.asarray(value)


# --- errata ---------------------------------------------------------------------------------------------------------


@SIDES
def test_erratum_second_descent_prints_the_y_of_an_older_state(side):
    """The text prints x after the last update beside y from before it; the two differ by a factor 4 in value."""
    run = side.descend(number(side, 5.0))
    value_at_final_x = side.quadratic(run.final_x)
    assert float(run.y[-1]) == float(side.quadratic(run.x[-1])) == 9 * 2.0**-28
    assert float(value_at_final_x) == 9 * 2.0**-30
    assert float(run.y[-1] / value_at_final_x) == 4


def test_erratum_last_gradient_prints_zero_because_it_was_zeroed():
    """The cell 'print the last gradient (should be 0)' shows [0.]: zero_() ran. The slope at that x is 1.8e-4."""
    x = torch.tensor([5.0], requires_grad=True)
    for _ in range(15):
        torch_side.quadratic(x).sum().backward()
        assert x.grad is not None
        with torch.no_grad():
            x -= 0.25 * x.grad
        x.grad.zero_()
    assert x.grad.tolist() == [0.0]
    assert float(jax.grad(jax_side.quadratic)(x.item())) == 6 * 2.0**-15


# --- traps ---------------------------------------------------------------------------------------------------------


def forgetful_walk(steps):
    """The course's loop without its last line: the slope of every step is added to those before."""
    x = torch.tensor(5.0, requires_grad=True)
    xs = []
    for _ in range(steps):
        torch_side.quadratic(x).backward()
        xs.append(x.item())
        with torch.no_grad():
            x -= 0.25 * x.grad  # pyright: ignore[reportOptionalOperand]
    return xs


def test_trap_forgot_zero_grad_is_momentum_one():
    """The first two points are right, then the walk never settles: it is SGD with momentum 1, as optax shows.

    Measured: the 15th point is 0.418 instead of 2.0002.
    """
    wrong = forgetful_walk(15)
    right = torch_side.example()["x"].tolist()
    assert wrong[:4] == [5.0, 3.5, 1.25, -0.625]
    assert right[:4] == [5.0, 3.5, 2.75, 2.375]
    assert f"{wrong[-1]:.3f} {right[-1]:.4f}" == "0.418 2.0002"

    optimizer = optax.sgd(0.25, momentum=1.0)
    x, xs = jnp.array(5.0), []
    state = optimizer.init(x)
    for _ in range(15):
        xs.append(float(x))
        updates, state = optimizer.update(jax.grad(jax_side.quadratic)(x), state)
        x = optax.apply_updates(x, updates)
    assert xs == wrong


def test_trap_a_stale_gradient_doubles_the_first_step():
    """A .grad left by an earlier backward() at the start counts twice; jax.grad has nowhere to leave one."""
    x = torch.tensor(5.0, requires_grad=True)
    torch_side.quadratic(x).backward()
    torch_side.quadratic(x).backward()
    assert x.grad is not None
    assert x.grad.item() == 12.0
    slope = jax.grad(jax_side.quadratic)
    assert [float(slope(5.0)), float(slope(5.0))] == [6.0, 6.0]


def test_trap_stale_loss_logging_shifts_the_curve_by_one_step(parity):
    """Logging f after the update beside x from before it: x and the slope are right, y is a quarter of its value."""

    def late(start):
        run = jax_side.descend(start)
        after = jnp.append(run.x[1:], run.final_x)
        return run._replace(y=jax_side.quadratic(after))

    report = parity.compare(torch_side.descend, late, {"start": np.array(5.0)}, gradients=False, record=False)
    assert not report.ok
    assert {leaf.path for leaf in report.failures} == {"output/y"}
    assert float(late(jnp.array(5.0)).y[0]) == 9 / 4


def test_trap_jit_keeps_the_step_size_it_was_traced_with():
    """A global that a compiled step reads is a constant of the program; torch reads it at every call."""
    settings = {"step_size": 0.25}

    @jax.jit
    def frozen(x):
        return x - settings["step_size"] * jax.grad(jax_side.quadratic)(x)

    def live(x):
        return x - settings["step_size"] * 2 * (x - 2)

    assert float(frozen(5.0)) == float(live(torch.tensor(5.0))) == 3.5
    settings["step_size"] = 0.5
    assert float(live(torch.tensor(5.0))) == 2.0
    assert float(frozen(5.0)) == 3.5
    # The step size of descend is an argument of the program, so a new one counts.
    assert float(jax_side.descend(jnp.array(5.0), 0.5, 1).final_x) == 2.0
