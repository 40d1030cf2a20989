"""Remedies of the program that change several steps, or its wires: axes, layouts, gates, operands, optimizers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import lax
from torch.nn import functional

import parity
from parity.diagnosis.flat import flattened
from parity.diagnosis.machines import NUMPY_MACHINE, run

draw = np.random.default_rng(47)
SQUARE, CELL = draw.normal(size=(4, 4)), {"x": draw.normal(size=(3, 2, 3)), "w": draw.normal(size=(12, 3))}


def diagnosis(torch_side, jax_side, inputs, **options):
    """What the report says of its cause, "" for nothing."""
    return parity.compare(torch_side, jax_side, inputs, dtypes=("float64",), jit=False, **options).diagnosis or ""


def test_another_axis_of_a_normalisation_is_named():
    found = diagnosis(lambda x: x.softmax(1) ** 2 * x, lambda x: jax.nn.softmax(x, axis=0) ** 2 * x, (SQUARE,))
    assert "jax.nn.softmax(axis=1) instead of 0 at " in found


def test_heads_split_and_merged_by_the_other_factor_are_named():
    def torch_side(x, w):
        y = torch.tanh(x.reshape(2, 5, 2, 3).permute(0, 2, 1, 3).cumsum(3))
        return y.permute(0, 2, 1, 3).reshape(2, 5, 6) @ w

    def wrong(x, w):
        y = jnp.tanh(jnp.cumsum(x.reshape(2, 5, 3, 2).transpose(0, 3, 1, 2), 3))
        return y.transpose(0, 2, 3, 1).reshape(2, 5, 6) @ w

    found = diagnosis(torch_side, wrong, (draw.normal(size=(2, 5, 6)), draw.normal(size=(6, 4))))
    assert "the two axes that a reshape splits or merges change places: heads in another layout" in found


def test_an_activation_left_out_behind_one_layer_of_a_stack_is_named_with_its_scope():
    weights = [draw.normal(size=(4, 4)) for _ in range(3)]

    def torch_side(x):
        for number, weight in enumerate(weights):
            x = x @ torch.from_numpy(weight).to(x)
            x = functional.silu(x) if number == 1 else torch.tanh(x)
        return x

    def layer(number, x):
        with jax.named_scope(f"layer_{number}"):
            return x @ weights[number].astype(x.dtype)

    def wrong(x):
        for number in range(3):
            x = layer(number, x)
            x = x if number == 1 else jnp.tanh(x)
        return x

    assert "in layer_1 the matrix product goes through silu" in diagnosis(torch_side, wrong, (SQUARE,))


def test_a_causal_mask_left_out_is_named():
    def attend(scores):
        return jax.nn.softmax(0.5 * scores) @ scores

    def torch_side(q):
        scores = q @ q.mT
        return torch.softmax((0.5 * scores).masked_fill(~torch.ones(4, 4).tril().bool(), -torch.inf), -1) @ scores

    found = diagnosis(torch_side, lambda q: attend(q @ q.T), (SQUARE,))
    assert "goes through a causal mask" in found


def test_an_array_read_in_column_order_is_named():
    def read(x, order):
        return jnp.sin(x.reshape(8, 2, order=order)).T @ x.reshape(8, 2)

    def torch_side(x):
        return x.reshape(8, 2).sin().mT @ x.reshape(8, 2)

    found = diagnosis(torch_side, lambda x: read(x, "F"), (SQUARE,))
    assert "another layout" in found


TURNS = np.outer(np.arange(5), [1.0, 0.1, 0.01, 0.001])


def of_halves(x):
    first, second = jnp.split(x, 2, -1)
    turned = jnp.concatenate([-second, first], -1)
    cos, sin = (jnp.concatenate([f(jnp.asarray(TURNS))] * 2, -1) for f in (jnp.cos, jnp.sin))
    return x * cos + turned * sin


def of_neighbours(x):
    first, second, cos, sin = x[:, ::2], x[:, 1::2], jnp.cos(jnp.asarray(TURNS)), jnp.sin(jnp.asarray(TURNS))
    return jnp.stack([first * cos - second * sin, first * sin + second * cos], -1).reshape(x.shape)


def torch_of_halves(x):
    first, second = x.chunk(2, -1)
    cos, sin = (torch.from_numpy(f(TURNS)).to(x) for f in (np.cos, np.sin))
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


def torch_of_neighbours(x):
    turns = torch.from_numpy(TURNS).to(x)
    turned = torch.view_as_complex(x.unflatten(-1, (-1, 2))) * torch.polar(torch.ones_like(turns), turns)
    return torch.view_as_real(turned).flatten(-2)


@pytest.mark.parametrize(
    ("rotated", "wrong", "said"),
    [
        (
            torch_of_neighbours,
            of_halves,
            "the pairs along every axis of 8 are neighbours, 0 and 1, not 0 and 4: rotary",
        ),
        (torch_of_halves, of_neighbours, "the pairs along every axis of 8 are 0 and 4, not neighbours: rotary"),
    ],
    ids=["neighbours", "halves"],
)
def test_rotary_positions_in_another_layout_are_named(rotated, wrong, said):
    inputs = draw.normal(size=(2, 5, 8))
    found = diagnosis(lambda q, k: rotated(q) @ rotated(k).mT, lambda q, k: wrong(q) @ wrong(k).T, tuple(inputs))
    assert said in found


def torch_cell(x, w):
    state = torch.zeros(2, 3, dtype=x.dtype)
    for now in x:
        i, f, g, _ = ((now + state) @ w.T).chunk(4, -1)
        state = torch.sigmoid(f) * state + torch.sigmoid(i) * torch.tanh(g)
    return state


def cell(mistake):
    def step(w, state, now):
        total = (now + state) @ w.T
        i, f, g, _ = (total[:, 3 * k : 3 * k + 3] for k in ((0, 2, 1, 3) if mistake == "gates" else range(4)))
        kept = jax.nn.sigmoid(i if mistake == "operand" else f) * state
        return kept + jax.nn.sigmoid(i) * jnp.tanh(g), None

    def run_cell(x, w):
        return lax.scan(partial(step, w), jnp.zeros((2, 3), x.dtype), x)[0]

    return run_cell


def test_gates_taken_by_slices_inside_a_loop_are_named():
    found = diagnosis(torch_cell, cell("gates"), CELL)
    assert "are taken in the order (0, 2, 1, 3)" in found  # of the slices, or of the weight's blocks


def test_a_wrong_operand_inside_a_loop_is_named():
    found = diagnosis(torch_cell, cell("operand"), CELL)
    assert "operand 0 of the logistic is the slice [(0, 2), (3, 6)] at" in found


def adam(p, g, b2=0.999, correct=True):
    m = v = jnp.zeros_like(p)
    rows = []
    for step, gradient in enumerate(g, 1):
        m = 0.9 * m + 0.1 * gradient
        v = b2 * v + (1 - b2) * gradient**2
        one, two = (1 - 0.9**step, 1 - b2**step) if correct else (1.0, 1.0)
        p = p - 0.1 * (m / one) / (jnp.sqrt(v / two) + 1e-8)
        rows.append(p)
    return jnp.stack(rows)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [({"b2": 0.99}, "0.99 everywhere is 0.999, and 0.01 is 0.001 with it"), ({"correct": False}, "bias correction")],
)
def test_the_decay_and_the_correction_of_a_moving_average_are_named(mistake, said):
    def torch_side(p, g):
        m = v = torch.zeros_like(p)
        rows = []
        for step, gradient in enumerate(g, 1):
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            p = p - 0.1 * (m / (1 - 0.9**step)) / (torch.sqrt(v / (1 - 0.999**step)) + 1e-8)
            rows.append(p)
        return torch.stack(rows)

    inputs = {"p": draw.normal(size=4), "g": draw.normal(size=(4, 4))}
    assert said in diagnosis(torch_side, lambda p, g: adam(p, g, **mistake), inputs, gradients=False)


def test_a_wrong_custom_derivative_is_named_and_not_a_narrow_dtype():
    @jax.custom_vjp
    def cubed(x):
        return x**3

    cubed.defvjp(lambda x: (cubed(x), x), lambda x, g: (3 * x * g,))
    found = diagnosis(lambda x: torch.sin(x**3), lambda x: jnp.sin(cubed(x)), (SQUARE,))
    assert "custom derivative" in found
    assert "float64: it narrows" not in found


def windows(x, k):
    strided = lax.conv_general_dilated(x, k, (2, 1), ((1, 2), (-1, 0)), rhs_dilation=(2, 1), feature_group_count=2)
    spread = lax.conv_general_dilated(x, k[:2, :, :2].repeat(2, 1), (1, 1), ((2, 2), (1, 0)), lhs_dilation=(2, 2))
    sizes, steps, border = (1, 1, 3, 2), (1, 1, 2, 2), ((0, 0), (0, 0), (1, 1), (0, 1))
    pooled = lax.reduce_window(x, -jnp.inf, lax.max, sizes, steps, border)
    return strided, spread, pooled, lax.reduce_window(x, 0.0, lax.add, sizes, steps, border)


def several(x, k):
    y = lax.cumsum(x, 1, reverse=True), jnp.var(x, 1), jax.nn.softmax(x), jnp.einsum("bchw,bcxw->bhxw", x, x)
    z = lax.scan(lambda c, t: (0.9 * c + t, jnp.tanh(c)), jnp.zeros_like(x[0]), x, reverse=True)
    cut = lax.pad(x, 0.5, ((0, 0, 0), (1, 2, 1), (0, 0, 0), (-1, 1, 0)))
    return y, z, cut, jnp.round(k), k[..., ::-1], jnp.sort(x, 1), jnp.argmax(x, 2), jax.nn.gelu(x)


@pytest.mark.parametrize("program", [windows, several])
def test_numpy_runs_a_program_as_jax_does(program):
    x, k = draw.normal(size=(2, 4, 7, 6)), draw.normal(size=(6, 2, 3, 2))
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(program)(x, k)
        found, wanted = run(flattened(closed), [x, k], NUMPY_MACHINE, {}), jax.tree.leaves(program(x, k))
        for one, other in zip(found, wanted, strict=True):
            assert np.shape(one) == other.shape
            # Sums in another order: at most 1e-14 of values of order 10, measured 2e-15.
            assert np.abs(np.asarray(one) - np.asarray(other)).max() <= 1e-14 * max(1.0, float(jnp.abs(other).max()))
