"""The grammar of the calibration: operations that PyTorch and JAX both have, each from one shape to another."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional

__all__ = ["ALONG", "ELEMENTWISE", "MATRIX", "Maker", "Shape", "Step", "wide"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        name: of the operation.
        torch: (x, weights by name) to the result.
        jax: the same.
        shape: of the result.
        weights: shapes by name; drawn at 1 / sqrt(the length of the first axis).
    """

    name: str
    torch: Callable[[Any, Any], Any]
    jax: Callable[[Any, Any], Any]
    shape: Shape
    weights: dict[str, Shape] = field(default_factory=dict)


Maker = Callable[[np.random.Generator, Shape], Step]


def wide(x: Any) -> Any:
    """At least float32, which torch's kernels use inside for the 16-bit dtypes."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _pointwise(name: str, torch_fn: Callable, jax_fn: Callable) -> Maker:
    return lambda rng, shape: Step(name, lambda x, w: torch_fn(x), lambda x, w: jax_fn(x), shape)


def _abs(x: Any) -> Any:
    """|x| with torch's derivative of 0 at 0, where jnp.abs has 1: squares of small numbers underflow to it."""
    return x * jnp.sign(x)


_PAIRS: dict[str, tuple[Callable, Callable]] = {
    "relu": (torch.relu, jax.nn.relu),
    "gelu": (functional.gelu, lambda x: jax.nn.gelu(x, approximate=False)),
    "gelu_tanh": (lambda x: functional.gelu(x, approximate="tanh"), jax.nn.gelu),
    "silu": (functional.silu, jax.nn.silu),
    "sigmoid": (torch.sigmoid, jax.nn.sigmoid),
    "tanh": (torch.tanh, jnp.tanh),
    "softplus": (functional.softplus, jax.nn.softplus),
    "elu": (functional.elu, jax.nn.elu),
    # jax.nn.leaky_relu has the slope 1 at 0, torch the small one.
    "leaky_relu": (functional.leaky_relu, lambda x: jnp.where(x > 0, x, 0.01 * x)),
    "abs": (torch.abs, _abs),
    "square": (lambda x: torch.square(x / 8), lambda x: jnp.square(x / 8)),  # within float16's range for longer
    "sin": (torch.sin, jnp.sin),
    "arctan": (torch.arctan, jnp.arctan),
    "erf": (torch.erf, jax.scipy.special.erf),
    "log1p of the square": (lambda x: torch.log1p(x * x), lambda x: jnp.log1p(x * x)),
    "exp of minus abs": (lambda x: torch.exp(-x.abs()), lambda x: jnp.exp(-_abs(x))),
    "softsign": (functional.softsign, lambda x: x / (1 + jnp.abs(x))),
    "hypotenuse": (lambda x: (x * x + 1).sqrt(), lambda x: jnp.sqrt(x * x + 1)),
    "rsqrt": (lambda x: (x * x + 0.5).rsqrt(), lambda x: jax.lax.rsqrt(x * x + 0.5)),
    "where": (lambda x: torch.where(x > 0.3, x, x * x), lambda x: jnp.where(x > 0.3, x, x * x)),
}


def affine(rng: np.random.Generator, shape: Shape) -> Step:
    size = shape[-1:]
    return Step(
        "affine", lambda x, w: x * w["g"] + w["b"], lambda x, w: x * w["g"] + w["b"], shape, {"g": size, "b": size}
    )


def maximum(rng: np.random.Generator, shape: Shape) -> Step:
    return Step(
        "maximum",
        lambda x, w: torch.maximum(x, w["m"]),
        lambda x, w: jnp.maximum(x, w["m"]),
        shape,
        {"m": shape[-1:]},
    )


ELEMENTWISE: list[Maker] = [*(_pointwise(name, *pair) for name, pair in _PAIRS.items()), affine, maximum]


def _standardised(x: Any) -> Any:
    return jax.nn.standardize(wide(x), epsilon=1e-5).astype(x.dtype)


def _root_mean_square(x: Any) -> Any:
    return (wide(x) * jax.lax.rsqrt(jnp.mean(jnp.square(wide(x)), -1, keepdims=True) + 1e-5)).astype(x.dtype)


_KEEP: dict[str, tuple[Callable, Callable]] = {
    "softmax": (lambda x: torch.softmax(x, -1), jax.nn.softmax),
    "log_softmax": (lambda x: torch.log_softmax(x, -1), jax.nn.log_softmax),
    "layer_norm": (lambda x: functional.layer_norm(x, x.shape[-1:]), _standardised),
    "rms_norm": (lambda x: functional.rms_norm(x, x.shape[-1:], eps=1e-5), _root_mean_square),
    "cumsum": (lambda x: torch.cumsum(x, -1), lambda x: jnp.cumsum(x, -1)),
    "flip": (lambda x: torch.flip(x, (-1,)), lambda x: jnp.flip(x, -1)),
    "roll": (lambda x: torch.roll(x, 1, -1), lambda x: jnp.roll(x, 1, -1)),
    "centre": (lambda x: x - x.mean(-1, keepdim=True), lambda x: x - x.mean(-1, keepdims=True)),
}
_DROP: dict[str, tuple[Callable, Callable]] = {
    "mean": (lambda x: x.mean(-1), lambda x: x.mean(-1)),
    "sum": (lambda x: x.sum(-1), lambda x: x.sum(-1)),
    "var": (lambda x: x.var(-1), lambda x: x.var(-1, ddof=1)),
    # Not of zeros: there the gradient is 0 in torch and NaN in JAX.
    "std": (lambda x: (x.var(-1) + 1e-3).sqrt(), lambda x: jnp.sqrt(x.var(-1, ddof=1) + 1e-3)),
    "norm": (lambda x: ((x * x).mean(-1) + 1e-3).sqrt(), lambda x: jnp.sqrt((x * x).mean(-1) + 1e-3)),
    "logsumexp": (lambda x: torch.logsumexp(x, -1), lambda x: jax.nn.logsumexp(x, -1)),
    "amax": (lambda x: x.amax(-1), lambda x: x.max(-1)),
}


def _dropping(name: str, torch_fn: Callable, jax_fn: Callable) -> Maker:
    return lambda rng, shape: Step(name, lambda x, w: torch_fn(x), lambda x, w: jax_fn(x), shape[:-1])


def gather(rng: np.random.Generator, shape: Shape) -> Step:
    """Some columns, one of them twice."""
    chosen = np.append(rng.permutation(shape[-1])[:3], 0)
    return Step(
        "gather",
        lambda x, w: x[..., torch.tensor(chosen)],
        lambda x, w: x[..., jnp.asarray(chosen)],
        (*shape[:-1], len(chosen)),
    )


ALONG: list[Maker] = [*(_pointwise(name, *pair) for name, pair in _KEEP.items()), gather]
ALONG += [_dropping(name, *pair) for name, pair in _DROP.items()]


def dense(rng: np.random.Generator, shape: Shape) -> Step:
    width = int(rng.integers(2, 24))
    weights = {"w": (shape[-1], width), "b": (width,)}
    return Step(
        "dense",
        lambda x, w: x @ w["w"] + w["b"],
        lambda x, w: x @ w["w"] + w["b"],
        (*shape[:-1], width),
        weights,
    )


def bilinear(rng: np.random.Generator, shape: Shape) -> Step:
    weights = {"w": (shape[1], shape[0], 5)}
    return Step(
        "einsum",
        lambda x, w: torch.einsum("ij,jik->jk", x, w["w"]),
        lambda x, w: jnp.einsum("ij,jik->jk", x, w["w"]),
        (shape[1], 5),
        weights,
    )


def gram(rng: np.random.Generator, shape: Shape) -> Step:
    return Step("gram", lambda x, w: x @ torch.tanh(x).T / 8, lambda x, w: x @ jnp.tanh(x).T / 8, (shape[0], shape[0]))


def transpose(rng: np.random.Generator, shape: Shape) -> Step:
    return Step("transpose", lambda x, w: x.T, lambda x, w: x.T, shape[::-1])


MATRIX: list[Maker] = [dense, dense, bilinear, gram, transpose]
