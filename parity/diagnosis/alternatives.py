"""Functions that are mistaken for each other: by primitive, (what it becomes, the trap, the function).

Those of values take NumPy, or jax.numpy, first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy import special

__all__ = ["BINARY", "KINKS", "PASSED", "UNARY"]


def _named(name: str) -> Callable[..., Any]:
    return lambda xp, *inputs: getattr(xp, name)(*inputs)


def _logistic(xp: Any, x: Any) -> Any:
    return 1 / (1 + xp.exp(-x))


def _erf(xp: Any, x: Any) -> Any:
    return special.erf(x) if xp is np else lax.erf(x)


def _gelu_root(xp: Any, u: Any) -> Any:
    """x / sqrt(2) where u = sqrt(2 / pi) (x + 0.044715 x^3): the one real root of the cubic."""
    goal, root = u / xp.sqrt(2 / xp.pi), xp.sqrt(3 * 0.044715)
    return xp.sqrt(2.0) / root * xp.sinh(xp.arcsinh(1.5 * root * goal) / 3)


def _gelu_cubic(xp: Any, v: Any) -> Any:
    """The tanh approximation's argument for v = x / sqrt(2)."""
    x = v * xp.sqrt(2.0)
    return xp.sqrt(2 / xp.pi) * (x + 0.044715 * x**3)


UNARY: dict[str, list[tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "tanh": [
        (
            "the tanh approximation of gelu is the exact gelu",
            "gelu-tanh-default",
            lambda xp, u: _erf(xp, _gelu_root(xp, u)),
        ),
        ("tanh is the logistic function", "", _logistic),
        ("tanh is relu", "", lambda xp, x: xp.maximum(x, 0)),
        ("tanh is arctan", "", lambda xp, x: xp.arctan(x)),
    ],
    "erf": [
        ("the exact gelu is its tanh approximation", "gelu-tanh-default", lambda xp, v: xp.tanh(_gelu_cubic(xp, v)))
    ],
    "erfc": [
        ("the exact gelu is its tanh approximation", "gelu-tanh-default", lambda xp, v: 1 - xp.tanh(_gelu_cubic(xp, v)))
    ],
    "logistic": [
        ("the logistic function is tanh", "", _named("tanh")),
        ("the logistic function is relu", "", lambda xp, x: xp.maximum(x, 0)),
        (
            "the logistic function is the piecewise linear one, relu6(x + 3) / 6",
            "",
            lambda xp, x: xp.clip(x + 3, 0, 6) / 6,
        ),
    ],
    "log": [
        ("the natural logarithm is one to base 2", "", _named("log2")),
        ("the natural logarithm is one to base 10", "", _named("log10")),
        ("log(x) is log(1 + x)", "", _named("log1p")),
        ("the logarithm is left out", "nll-on-probabilities", lambda xp, x: x),
    ],
    "log1p": [("log(1 + x) is log(x)", "", _named("log"))],
    "exp": [
        ("exp(x) is exp(x) - 1", "", _named("expm1")),
        ("exp(x) is 2 ** x", "", _named("exp2")),
        ("the exp is left out", "", lambda xp, x: x),
        ("exp(x) is exp(x / 2): a variance was meant, or a deviation", "", lambda xp, x: xp.exp(x / 2)),
        ("exp(x) is exp(2 x): a variance was meant, or a deviation", "", lambda xp, x: xp.exp(2 * x)),
    ],
    "exp2": [("2 ** x is exp(x)", "", _named("exp"))],
    "sin": [("sin is cos", "", _named("cos"))],
    "cos": [("cos is sin", "", _named("sin"))],
    "sqrt": [("the square root is left out", "", lambda xp, x: x)],
    "rsqrt": [("1 / sqrt(x) is 1 / x", "", lambda xp, x: 1 / x), ("1 / sqrt(x) is sqrt(x)", "", _named("sqrt"))],
    "square": [("the square is an absolute value", "", _named("abs"))],
    "abs": [
        ("the absolute value is a square", "", _named("square")),
        ("the absolute value is left out", "", lambda xp, x: x),
    ],
    "neg": [("the minus sign is left out", "", lambda xp, x: x)],
    "floor": [
        ("floor is round", "", _named("round")),
        ("floor is a truncation towards 0", "", _named("trunc")),
        ("floor is ceil", "", _named("ceil")),
    ],
    "ceil": [("ceil is floor", "", _named("floor")), ("ceil is round", "", _named("round"))],
    "round": [
        ("round is floor", "", _named("floor")),
        ("round half to even is half away from 0", "", lambda xp, x: xp.trunc(x + xp.copysign(0.5, x))),
    ],
    "stop_gradient": [],
}

BINARY: dict[str, list[tuple[str, str, Callable[[Any, Any, Any], Any]]]] = {
    "sub": [
        ("the difference is the other way round", "", lambda xp, a, b: b - a),
        ("the minus is a plus", "", lambda xp, a, b: a + b),
    ],
    "add": [
        ("the plus is a minus", "", lambda xp, a, b: a - b),
        ("the second term is left out", "", lambda xp, a, b: a + 0 * b),
        ("the first term is left out", "", lambda xp, a, b: 0 * a + b),
    ],
    "mul": [
        ("the product is a quotient", "", lambda xp, a, b: a / b),
        ("the second factor goes through tanh", "", lambda xp, a, b: a * xp.tanh(b)),
        ("the first factor goes through tanh", "", lambda xp, a, b: xp.tanh(a) * b),
        ("the second factor is left out", "", lambda xp, a, b: a + 0 * b),
        ("the first factor is left out", "", lambda xp, a, b: 0 * a + b),
    ],
    "div": [
        ("the quotient is a product", "", lambda xp, a, b: a * b),
        ("the quotient is the other way up", "", lambda xp, a, b: b / a),
        ("the division is left out", "", lambda xp, a, b: a + 0 * b),
    ],
    "max": [
        ("the maximum is a minimum", "", _named("minimum")),
        ("the maximum is tanh", "", lambda xp, a, b: xp.tanh(a + b)),
        ("the maximum is the logistic function", "", lambda xp, a, b: _logistic(xp, a + b)),
        ("the maximum is softplus, log(1 + exp(x))", "", lambda xp, a, b: xp.logaddexp(a, b)),
        ("the maximum is silu, x times the logistic function", "", lambda xp, a, b: (a + b) * _logistic(xp, a + b)),
        ("the maximum is the exact gelu", "", lambda xp, a, b: (a + b) * (1 + _erf(xp, (a + b) / xp.sqrt(2.0))) / 2),
        ("the maximum is left out", "", lambda xp, a, b: a + 0 * b),
        ("the maximum is left out", "", lambda xp, a, b: b + 0 * a),
    ],
    "min": [
        ("the minimum is a maximum", "", _named("maximum")),
        ("the minimum is left out", "", lambda xp, a, b: a + 0 * b),
        ("the minimum is left out", "", lambda xp, a, b: b + 0 * a),
    ],
    "gt": [("> is >=", "", _named("greater_equal")), ("> is <", "mask-polarity", _named("less"))],
    "ge": [(">= is >", "", _named("greater")), (">= is <", "mask-polarity", _named("less"))],
    "lt": [("< is <=", "", _named("less_equal")), ("< is >", "mask-polarity", _named("greater"))],
    "le": [("<= is <", "", _named("less")), ("<= is >", "mask-polarity", _named("greater"))],
    "eq": [("== is !=", "mask-polarity", _named("not_equal"))],
    "ne": [("!= is ==", "mask-polarity", _named("equal"))],
    "rem": [("the remainder takes the divisor's sign", "lax-rem-div-sign", _named("mod"))],
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
            "the derivative of the root at zero is 0, and not infinite (nan)",
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

PASSED: dict[str, Callable[[Any, Any], Any]] = {
    "relu": lambda xp, x: xp.maximum(x, 0),
    "tanh": _named("tanh"),
    "the logistic function": _logistic,
    "the exact gelu": lambda xp, x: x * (1 + _erf(xp, x / xp.sqrt(2.0))) / 2,
    "silu": lambda xp, x: x * _logistic(xp, x),
    "exp": _named("exp"),
    "log": _named("log"),
    "a square root": _named("sqrt"),
    "a square": _named("square"),
    "an absolute value": _named("abs"),
    "2 x - 1, signs for 0 and 1,": lambda _, x: 2 * x - 1,
    "1 - x, the complement,": lambda _, x: 1 - x,
    "a minus sign": lambda _, x: -x,
    "1 / x": lambda _, x: 1 / x,
    "a clip to at most 1": lambda xp, x: xp.minimum(x, 1),
    "a clip to at least 1": lambda xp, x: xp.maximum(x, 1),
    "half a cosine, (1 - cos(pi x)) / 2,": lambda xp, x: (1 - xp.cos(xp.pi * x)) / 2,
    "a division by its sum over the last axis (what is masked before a softmax still adds up to 1)": lambda _, x: (
        x / x.sum(-1, keepdims=True)
    ),
    "a causal mask (what is right of the diagonal is minus infinity before the softmax)": lambda xp, x: xp.where(
        xp.tril(xp.ones(x.shape[-2:], bool)), x, -xp.inf
    ),
    "a softmax over the last axis": lambda xp, x: _softmax(xp, x),
    "a log_softmax over the last axis": lambda xp, x: xp.log(_softmax(xp, x)),
}
"""Functions that may have been left out behind a value."""


def _softmax(xp: Any, x: Any) -> Any:
    top = xp.exp(x - x.max(-1, keepdims=True))
    return top / top.sum(-1, keepdims=True)
