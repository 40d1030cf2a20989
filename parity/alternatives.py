"""Functions that are mistaken for each other: by primitive, (what it becomes, the trap, the function)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["BINARY", "KINKS", "PASSED", "UNARY"]


def _gelu_root(u: Any) -> Any:
    """x / sqrt(2) where u = sqrt(2 / pi) (x + 0.044715 x^3): the one real root of the cubic."""
    goal, root = u / jnp.sqrt(2 / jnp.pi), jnp.sqrt(3 * 0.044715)
    return jnp.sqrt(2.0) / root * jnp.sinh(jnp.arcsinh(1.5 * root * goal) / 3)


def _gelu_cubic(v: Any) -> Any:
    """The tanh approximation's argument for v = x / sqrt(2)."""
    x = v * jnp.sqrt(2.0)
    return jnp.sqrt(2 / jnp.pi) * (x + 0.044715 * x**3)


UNARY: dict[str, list[tuple[str, str, Callable[[Any], Any]]]] = {
    "tanh": [
        ("the tanh approximation of gelu is the exact gelu", "gelu-tanh-default", lambda u: lax.erf(_gelu_root(u))),
        ("tanh is the logistic function", "", lambda u: jax.nn.sigmoid(u)),
    ],
    "erf": [("the exact gelu is its tanh approximation", "gelu-tanh-default", lambda v: jnp.tanh(_gelu_cubic(v)))],
    "erfc": [("the exact gelu is its tanh approximation", "gelu-tanh-default", lambda v: 1 - jnp.tanh(_gelu_cubic(v)))],
    "logistic": [
        ("the logistic function is tanh", "", jnp.tanh),
        ("the logistic function is the piecewise linear one, relu6(x + 3) / 6", "", jax.nn.hard_sigmoid),
    ],
    "log": [
        ("the natural logarithm is one to base 2", "", jnp.log2),
        ("the natural logarithm is one to base 10", "", jnp.log10),
        ("log(x) is log(1 + x)", "", jnp.log1p),
        ("the logarithm is left out", "nll-on-probabilities", lambda x: x),
    ],
    "log1p": [("log(1 + x) is log(x)", "", jnp.log)],
    "exp": [
        ("exp(x) is exp(x) - 1", "", jnp.expm1),
        ("exp(x) is 2 ** x", "", jnp.exp2),
        ("the exp is left out", "", lambda x: x),
        ("exp(x) is exp(x / 2): a variance was meant, or a deviation", "", lambda x: jnp.exp(x / 2)),
        ("exp(x) is exp(2 x): a variance was meant, or a deviation", "", lambda x: jnp.exp(2 * x)),
    ],
    "exp2": [("2 ** x is exp(x)", "", jnp.exp)],
    "sin": [("sin is cos", "", jnp.cos)],
    "cos": [("cos is sin", "", jnp.sin)],
    "sqrt": [("the square root is left out", "", lambda x: x)],
    "rsqrt": [("1 / sqrt(x) is 1 / x", "", lambda x: 1 / x), ("1 / sqrt(x) is sqrt(x)", "", jnp.sqrt)],
    "square": [("the square is an absolute value", "", jnp.abs)],
    "abs": [("the absolute value is a square", "", jnp.square), ("the absolute value is left out", "", lambda x: x)],
    "neg": [("the minus sign is left out", "", lambda x: x)],
    "floor": [
        ("floor is round", "", jnp.round),
        ("floor is a truncation towards 0", "", jnp.trunc),
        ("floor is ceil", "", jnp.ceil),
    ],
    "ceil": [("ceil is floor", "", jnp.floor), ("ceil is round", "", jnp.round)],
    "round": [
        ("round is floor", "", jnp.floor),
        ("round half to even is half away from 0", "", lambda x: jnp.trunc(x + jnp.copysign(0.5, x))),
    ],
    "stop_gradient": [],
}

BINARY: dict[str, list[tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "sub": [
        ("the difference is the other way round", "", lambda a, b: b - a),
        ("the minus is a plus", "", lambda a, b: a + b),
    ],
    "add": [
        ("the plus is a minus", "", lambda a, b: a - b),
        ("the second term is left out", "", lambda a, b: a + 0 * b),
        ("the first term is left out", "", lambda a, b: 0 * a + b),
    ],
    "mul": [
        ("the product is a quotient", "", lambda a, b: a / b),
        ("the second factor goes through tanh", "", lambda a, b: a * jnp.tanh(b)),
        ("the first factor goes through tanh", "", lambda a, b: jnp.tanh(a) * b),
        ("the second factor is left out", "", lambda a, b: a + 0 * b),
        ("the first factor is left out", "", lambda a, b: 0 * a + b),
    ],
    "div": [
        ("the quotient is a product", "", lambda a, b: a * b),
        ("the quotient is the other way up", "", lambda a, b: b / a),
        ("the division is left out", "", lambda a, b: a + 0 * b),
    ],
    "max": [
        ("the maximum is a minimum", "", jnp.minimum),
        ("the maximum is left out", "", lambda a, b: a + 0 * b),
        ("the maximum is left out", "", lambda a, b: b + 0 * a),
    ],
    "min": [
        ("the minimum is a maximum", "", jnp.maximum),
        ("the minimum is left out", "", lambda a, b: a + 0 * b),
        ("the minimum is left out", "", lambda a, b: b + 0 * a),
    ],
    "gt": [("> is >=", "", jnp.greater_equal), ("> is <", "mask-polarity", jnp.less)],
    "ge": [(">= is >", "", jnp.greater), (">= is <", "mask-polarity", jnp.less)],
    "lt": [("< is <=", "", jnp.less_equal), ("< is >", "mask-polarity", jnp.greater)],
    "le": [("<= is <", "", jnp.less), ("<= is >", "mask-polarity", jnp.greater)],
    "eq": [("== is !=", "mask-polarity", jnp.not_equal)],
    "ne": [("!= is ==", "mask-polarity", jnp.equal)],
    "rem": [("the remainder takes the divisor's sign", "lax-rem-div-sign", jnp.mod)],
}

KINKS: dict[str, list[tuple[str, str, Callable[..., Any]]]] = {
    "max": [
        (
            "at a tie the maximum's derivative goes to the second argument",
            "relu-vs-maximum",
            lambda a, b: jnp.where(a > b, a, b),
        ),
        (
            "at a tie the maximum's derivative goes to the first argument",
            "relu-vs-maximum",
            lambda a, b: jnp.where(b > a, b, a),
        ),
    ],
    "min": [
        (
            "at a tie the minimum's derivative goes to the second argument",
            "clip-boundary-grad",
            lambda a, b: jnp.where(a < b, a, b),
        ),
        (
            "at a tie the minimum's derivative goes to the first argument",
            "clip-boundary-grad",
            lambda a, b: jnp.where(b < a, b, a),
        ),
    ],
    "abs": [
        (
            "the derivative of the absolute value at 0 is 0",
            "abs-l1-zero-grad",
            lambda x: x * lax.stop_gradient(jnp.sign(x)),
        ),
        (
            "the derivative of the absolute value at 0 is 1",
            "abs-l1-zero-grad",
            lambda x: jnp.where(x < 0, -x, x),
        ),
    ],
    "sqrt": [
        (
            "the derivative of the root at 0 is 0",
            "norm-zero-grad",
            lambda x: jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0),
        )
    ],
    "round": [
        (
            "the derivative of round is 1 (straight through)",
            "ste-straight-through",
            lambda x: x + lax.stop_gradient(jnp.round(x) - x),
        )
    ],
    "sign": [
        (
            "the derivative of sign is 1 (straight through)",
            "ste-straight-through",
            lambda x: x + lax.stop_gradient(jnp.sign(x) - x),
        )
    ],
}

PASSED: dict[str, Callable[[Any], Any]] = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "the logistic function": jax.nn.sigmoid,
    "the exact gelu": lambda x: jax.nn.gelu(x, approximate=False),
}
"""Activations that may have been left out behind a product."""
