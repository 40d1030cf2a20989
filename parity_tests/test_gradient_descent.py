"""Gradient descent on (x - 2)^2: every row on both sides, the course's printed rows, the closed form, stopping."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_impl import gradient_descent as jax_side
from torch_impl import gradient_descent as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])

# "pytorch and gradient descent": the 15 rows as the course prints them.
PRINTED = """\
0, 5.000, 9.000, 6.000
1, 3.500, 2.250, 3.000
2, 2.750, 0.562, 1.500
3, 2.375, 0.141, 0.750
4, 2.188, 0.035, 0.375
5, 2.094, 0.009, 0.188
6, 2.047, 0.002, 0.094
7, 2.023, 0.001, 0.047
8, 2.012, 0.000, 0.023
9, 2.006, 0.000, 0.012
10, 2.003, 0.000, 0.006
11, 2.001, 0.000, 0.003
12, 2.001, 0.000, 0.001
13, 2.000, 0.000, 0.001
14, 2.000, 0.000, 0.000
"""


def number(side, value):
    """One number in the framework of ``side``."""
    return torch.tensor(value) if side is torch_side else jnp.asarray(value)


def torch_walks(starts, step_size, steps):
    """``descend`` from every start: row k of each column is one walk."""
    walks = [torch_side.descend(start, step_size, steps) for start in starts]
    return torch_side.Trajectory(*(torch.stack(column) for column in zip(*walks, strict=True)))


def jax_walks(starts, step_size, steps):
    return jax.vmap(lambda start: jax_side.descend(start, step_size, steps))(starts)


# --- the cells of the course ---------------------------------------------------------------------------------------


@SIDES
def test_cell_descent_prints_the_rows_of_the_course(side):
    table = side.example()
    rows = zip(table["i"], table["x"], table["f(x)"], table["f'(x)"], strict=True)
    assert "".join(f"{i}, {x:.3f}, {y:.3f}, {slope:.3f}\n" for i, x, y, slope in rows) == PRINTED


@SIDES
def test_cell_second_descent_prints_this_x_and_this_y(side):
    run = side.descend(number(side, 5.0))
    assert f"{float(run.final_x):.4f}" == "2.0001"
    assert f"{float(run.y[-1]):.4e}" == "3.3528e-08"


# --- every row, both sides -----------------------------------------------------------------------------------------


def test_cell_descent_rows_are_bit_equal():
    left, right = torch_side.example(), jax_side.example()
    for column, values in left.items():
        assert values.dtype == right[column].dtype
        assert np.array_equal(values, right[column]), column
    assert left["x"].dtype == np.float32


def test_step_of_a_quarter_is_bit_equal_from_any_start(rng):
    """A product with 0.25 is exact, so both sides round at the same places whatever the start."""
    starts = np.concatenate([rng.normal(size=60), 1e-3 * rng.normal(size=60), [0.0, 2.0, -1e4, 1e4]]).astype(np.float32)
    left = torch_walks(torch.from_numpy(starts), 0.25, 15)
    right = jax_walks(jnp.asarray(starts), 0.25, 15)
    for column in left._fields:
        assert np.array_equal(getattr(left, column).numpy(), getattr(right, column)), column


def test_other_steps_may_round_once_instead_of_twice(rng):
    """x - 0.3 slope: torch rounds the product and the difference; XLA may fuse the two and round once.

    Measured with FMA hardware: 138 of 200 walks of 40 steps then differ, each step by at most 1 ulp.
    """
    x = rng.normal(scale=5.0, size=1000).astype(np.float32)
    slope, step_size = 2 * (x - np.float32(2)), np.float32(0.3)
    twice = x - step_size * slope
    # float64 holds the product of two float32 exactly: one rounding remains.
    once = (x.astype(np.float64) - np.float64(step_size) * slope).astype(np.float32)
    left = torch_walks(torch.from_numpy(x), 0.3, 1).final_x.numpy()
    right = np.asarray(jax_walks(jnp.asarray(x), 0.3, 1).final_x)
    assert np.array_equal(left, twice)
    assert np.all((right == once) | (right == twice))


@pytest.mark.parametrize("step_size", [0.25, 0.1, 0.9, 1.0], ids=["course", "small", "overshoots", "oscillates"])
@pytest.mark.parametrize("magnitude", [1.0, 1e-3], ids=["unit", "small"])
def test_every_row_agrees(parity, rng, magnitude, step_size):
    # 0 and -0 besides the random starts, and 2, where nothing moves.
    starts = magnitude * np.concatenate([rng.normal(size=5), [0.0, -0.0, 2.0]])
    inputs = {"starts": starts, "step_size": step_size, "steps": 15}
    # The torch walk cuts the graph at each update; the derivative of the walk is proved below.
    parity.assert_equivalent(torch_walks, jax_walks, inputs, gradients=False)


def test_quadratic_agrees(parity, rng):
    x = np.concatenate([rng.normal(size=6), 1e-3 * rng.normal(size=6), [2.0, 0.0, -0.0]])
    parity.assert_equivalent(torch_side.quadratic, jax_side.quadratic, {"x": x.reshape(5, 3)})


def test_quadratic_agrees_at_infinity_and_nan(parity):
    x = np.array([np.inf, -np.inf, np.nan, 1e200])
    parity.assert_equivalent(torch_side.quadratic, jax_side.quadratic, (x,), dtypes=("float64",), edge_cases=True)


# --- the third oracle ----------------------------------------------------------------------------------------------


@SIDES
def test_rows_are_the_closed_form_exactly(side):
    """x_k = 2 + 3 / 2^k fits float32 for these k: loop, formula and integers agree to the last bit."""
    run = side.descend(number(side, 5.0))
    walked = [*np.asarray(run.x), float(run.final_x)]
    assert walked == np.asarray(side.closed_form(number(side, 5.0))).tolist() == [2 + 3 / 2**k for k in range(16)]
    assert np.asarray(run.y).tolist() == [9 / 4**k for k in range(15)]
    assert np.asarray(run.slope).tolist() == [6 / 2**k for k in range(15)]


@pytest.mark.parametrize("step_size", [0.1, 0.25, 0.5, 0.9])
def test_closed_form_agrees(parity, step_size):
    # An array, so the gradient by the step size counts too. At 0.5 the base is zero: one step lands on the minimum.
    inputs = {"start": np.array(-3.7), "step_size": np.array(step_size), "steps": 7}
    parity.assert_equivalent(torch_side.closed_form, jax_side.closed_form, inputs)


@pytest.mark.parametrize("start", [5.0, 1e-3, 2.0], ids=["course", "small", "minimum"])
def test_walk_of_one_side_meets_the_closed_form_of_the_other(parity, start):
    inputs = {"start": np.array(start), "step_size": 0.1, "steps": 15}

    def torch_walk(**arguments):
        run = torch_side.descend(**arguments)
        return torch.cat([run.x, run.final_x[None]])

    parity.assert_equivalent(torch_walk, jax_side.closed_form, inputs, gradients=False)


def test_derivative_of_the_whole_walk_is_that_of_the_closed_form(parity):
    """JAX differentiates through the scan: d x_15 / d start = (1 - 2 step)^15, and the one by the step size."""
    inputs = {"start": np.array(5.0), "step_size": np.array(0.1)}
    parity.assert_equivalent(
        lambda start, step_size: torch_side.closed_form(start, step_size, 15)[-1],
        lambda start, step_size: jax_side.descend(start, step_size, 15).final_x,
        inputs,
    )


# --- stopping by itself --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "tolerance", "max_steps", "steps"),
    [(5.0, 1e-3, 1000, 13), (5.0, 6.0, 1000, 0), (5.0, 1e-3, 4, 4), (2.0, 0.0, 1000, 0)],
    ids=["course", "close enough", "gives up", "minimum"],
)
def test_descend_until_stops_at_the_same_state(start, tolerance, max_steps, steps):
    """|f'(x_k)| = 6 / 2^k first falls to 1e-3 at k = 13."""
    left = torch_side.descend_until(torch.tensor(start), tolerance, max_steps=max_steps)
    right = jax_side.descend_until(jnp.array(start), tolerance, max_steps=max_steps)
    assert [float(value) for value in left] == [float(value) for value in right]
    assert int(left.steps) == steps
    assert float(left.x) == 2 + (start - 2) / 2**steps


def test_descend_until_does_not_take_an_overflow_for_the_minimum():
    """With step size 2 the distance triples each step: float32 overflows to NaN and neither side stops early."""
    for stop in (
        torch_side.descend_until(torch.tensor(5.0), 1e-3, 2.0, 200),
        jax_side.descend_until(jnp.array(5.0), 1e-3, 2.0, 200),
    ):
        assert np.isnan(float(stop.x))
        assert int(stop.steps) == 200


# --- arguments -----------------------------------------------------------------------------------------------------


@SIDES
def test_float64_stays_float64(side):
    with jax.enable_x64(True):
        start = number(side, np.float64(5.0))
        run = side.descend(start, 0.1)
        values = [*run, side.closed_form(start, 0.1), *side.descend_until(start, 1e-3)[:2]]
        assert {np.asarray(value).dtype for value in values} == {np.dtype("float64")}


@SIDES
@pytest.mark.parametrize("function", ["descend", "closed_form"])
def test_start_must_be_one_floating_point_number(side, function):
    with pytest.raises(ValueError, match=rf"^{function}: start must have shape \(\), one number, got \(1,\)\.$"):
        getattr(side, function)(number(side, [5.0]))
    with pytest.raises(TypeError, match=rf"^{function}: start must be floating point, got (torch\.int64|int32)\.$"):
        getattr(side, function)(number(side, 5))


@SIDES
def test_steps_must_be_at_least_one(side):
    with pytest.raises(ValueError, match=r"^descend: steps must be at least 1, got 0\.$"):
        side.descend(number(side, 5.0), steps=0)
