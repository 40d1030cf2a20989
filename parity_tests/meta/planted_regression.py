"""Planted mistakes of the topics gradient_descent and linear_regression: losses, constants, loops."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import lax

from mistake import Mistake

__all__ = ["MISTAKES"]

descent = partial(Mistake, topic="gradient_descent")
regression = partial(Mistake, topic="linear_regression")

STEPS, RATE = 6, 0.25
START = np.array([5.0, -1.0])

draw = np.random.default_rng(3)
X = draw.normal(size=(7, 2))
BETA = np.array([1.0, 0.5])
Y = X @ [-1.0, 2.0] + 0.1 * draw.normal(size=7)
DATA = {"X": X, "y": Y, "beta": BETA}
GRADIENTS = ("grad/X", "grad/y", "grad/beta")


def descend(x):
    """The text's table: x and f before each step of f(x) = (x - 2)**2, and where it ends."""
    xs, ys = [], []
    for _ in range(STEPS):
        xs.append(x)
        ys.append((x - 2) ** 2)
        x = x - RATE * 2 * (x - 2)
    return {"x": torch.stack(xs), "f": torch.stack(ys), "final": x}


def scan_descent(x, *, rate=RATE, steps=STEPS, late=False, ascend=False):
    """The same by scan; each keyword is one mistake."""

    def step(x, _):
        gradient = 2 * (x - 2)
        new = x + rate * gradient if ascend else x - rate * gradient
        return new, (x, ((new if late else x) - 2) ** 2)

    final, (xs, ys) = lax.scan(step, x, length=steps)
    return {"x": xs[:STEPS], "f": ys[:STEPS], "final": final}


def accumulating_descent(x):
    """torch's loop without zero_grad, carried over faithfully."""

    def step(carry, _):
        x, gradient = carry
        gradient = gradient + 2 * (x - 2)
        return (x - RATE * gradient, gradient), (x, (x - 2) ** 2)

    (final, _), (xs, ys) = lax.scan(step, (x, jnp.zeros_like(x)), length=STEPS)
    return {"x": xs, "f": ys, "final": final}


def mean_square(X, y, beta):
    return ((y - X @ beta) ** 2).mean()


def closed_form(X, y, beta):
    return -2 / len(y) * X.T @ (y - X @ beta)


def column_loss(X, y, beta):
    """Predictions as a column, (N, 1), as nn.Linear makes them."""
    return ((X @ beta[:, None] - y[:, None]) ** 2).mean()


def standardised(X):
    centred = X - X.mean(0)
    return centred / ((centred**2).mean(0) + 1e-5) ** 0.5


def standardised_outside(X):
    centred = X - X.mean(0)
    return centred / ((centred**2).mean(0) ** 0.5 + 1e-5)


MISTAKES = (
    descent(
        name="learning rate off by 1e-5",
        torch_side=descend,
        right=scan_descent,
        wrong=partial(scan_descent, rate=RATE + 1e-5),
        inputs=(START,),
        caught=("output/x", "output/f", "output/final", "grad/x"),
        named=("0.25", "learning rate"),
    ),
    descent(
        name="one step too many",
        torch_side=descend,
        right=scan_descent,
        wrong=partial(scan_descent, steps=STEPS + 1),
        inputs=(START,),
        caught=("output/final", "grad/x"),
        named=("one step", "off by one", "jax.lax.scan(length=6"),
    ),
    descent(
        name="the loss after the update in the row before it",
        torch_side=descend,
        right=scan_descent,
        wrong=partial(scan_descent, late=True),
        inputs=(START,),
        caught=("output/f", "grad/x"),
        named=("one step", "off by one", "shift"),
    ),
    descent(
        name="gradients accumulated",
        torch_side=descend,
        right=scan_descent,
        wrong=accumulating_descent,
        inputs=(START,),
        caught=("output/x", "output/f", "output/final", "grad/x"),
        named=("accumul", "term is left out"),
    ),
    descent(
        name="a step uphill",
        torch_side=descend,
        right=scan_descent,
        wrong=partial(scan_descent, ascend=True),
        inputs=(START,),
        caught=("output/x", "output/f", "output/final", "grad/x"),
        named=("sign", "-2"),
    ),
    regression(
        name="the loss halved",
        torch_side=mean_square,
        right=mean_square,
        wrong=lambda X, y, beta: mean_square(X, y, beta) / 2,
        inputs=DATA,
        caught=("output", *GRADIENTS),
        named=("halved",),
    ),
    regression(
        name="sum for mean",
        torch_side=mean_square,
        right=mean_square,
        wrong=lambda X, y, beta: ((y - X @ beta) ** 2).sum(),
        inputs=DATA,
        caught=("output", *GRADIENTS),
        named=("a sum on one side",),
    ),
    regression(
        name="targets (N,) against outputs (N, 1)",
        torch_side=column_loss,
        right=column_loss,
        wrong=lambda X, y, beta: ((X @ beta[:, None] - y) ** 2).mean(),
        inputs=DATA,
        caught=("output", *GRADIENTS),
        named=("broadcast",),
    ),
    regression(
        name="wrong constant in the closed form",
        torch_side=closed_form,
        right=closed_form,
        wrong=lambda X, y, beta: closed_form(X, y, beta) / 2,
        inputs=DATA,
        caught=("output", *GRADIENTS),
        named=("halved or doubled", "2 x"),
    ),
    regression(
        name="the gradient's sign",
        torch_side=closed_form,
        right=lambda X, y, beta: jax.grad(mean_square, argnums=2)(X, y, beta),
        wrong=lambda X, y, beta: -jax.grad(mean_square, argnums=2)(X, y, beta),
        inputs=DATA,
        caught=("output", *GRADIENTS),
        named=("sign",),
    ),
    regression(
        name="the gradient in another argument",
        torch_side=lambda X, y, beta: (closed_form(X, y, beta) * beta).sum(),
        right=lambda X, y, beta: jax.grad(mean_square, argnums=2)(X, y, beta) @ beta,
        wrong=lambda X, y, beta: jax.grad(mean_square, argnums=1)(X, y, beta) @ y,
        inputs=DATA,
        caught=("output", *GRADIENTS),
        named=("argument",),
    ),
    regression(
        name="the epsilon moved out of the root, at small magnitude",
        torch_side=standardised,
        right=standardised,
        wrong=standardised_outside,
        inputs=(1e-3 * X,),
        caught=("output", "grad/X"),
        named=("1e-05", "eps", "root left out", "sqrt", "root of"),
    ),
)
