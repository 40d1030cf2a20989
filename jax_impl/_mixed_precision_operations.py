"""What autocast runs in which dtype, measured operation by operation.

An operation is called with float32 arguments, with lower ones and with both, and what it returns is read off. So the
table holds what this version does, not what a list says that it should.

Differs from its twin: JAX decides nothing; a policy casts the arguments before the call, by the two sets below.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any, NamedTuple

import jax
import optax
from jax import Array, lax
from jax import numpy as jnp

from jax_impl._mixed_precision_policy import Policy, cast

__all__ = ["OPERATIONS", "SIZES", "Measured", "under_policy", "operation_dtypes"]

SIZES = {"x": (4, 6), "y": (4, 6), "w": (6, 6), "b": (6,), "c": (6,), "s": (1,)}
SIZES |= {"batch": (2, 4, 6), "square": (2, 6, 6), "image": (2, 3, 8, 8), "kernel": (3, 3, 2, 2)}
SIZES |= {"series": (2, 3, 8), "short": (3, 3, 2), "volume": (2, 3, 4, 4, 4), "block": (3, 3, 2, 2, 2)}

# An argument's name is its size above, so that both trees call an operation with the same ones.
OPERATIONS: dict[str, Callable[..., Array]] = {
    "matmul": lambda x, w: x @ w,
    "linear": lambda x, w, b: x @ w.T + b,
    "addmm": lambda b, x, w: b + x @ w,
    "bmm": lambda batch, square: batch @ square,
    "baddbmm": lambda batch, square: batch + batch @ square,
    "einsum": lambda x, w: jnp.einsum("ij,jk->ik", x, w),
    "conv1d": lambda series, short: lax.conv(series, short, (1,), "VALID"),
    "conv2d": lambda image, kernel: lax.conv(image, kernel, (1, 1), "VALID"),
    "conv3d": lambda volume, block: lax.conv(volume, block, (1, 1, 1), "VALID"),
    "conv_transpose2d": lambda image, kernel: _transposed(image, kernel),
    "attention": lambda batch: _attention(batch),
    "prelu": lambda x, s: jnp.where(x > 0, x, s * x),
    "softmax": lambda x: jax.nn.softmax(x),
    "log_softmax": lambda x: jax.nn.log_softmax(x),
    "logsumexp": lambda x: jax.nn.logsumexp(x, axis=-1),
    "layer_norm": lambda x: jax.nn.standardize(x, epsilon=1e-5),
    "group_norm": lambda image: jax.nn.standardize(image, axis=(2, 3), epsilon=1e-5),
    "rms_norm": lambda x: x * lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + jnp.finfo(x.dtype).eps),
    "batch_norm": lambda x: jax.nn.standardize(x, axis=0, epsilon=1e-5),
    "exp": lambda x: jnp.exp(x),
    "expm1": lambda x: jnp.expm1(x),
    "log": lambda x: jnp.log(x),
    "log1p": lambda x: jnp.log1p(x),
    "log2": lambda x: jnp.log2(x),
    "pow": lambda x: x**1.5,
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: lax.rsqrt(x),
    "cosh": lambda x: jnp.cosh(x),
    "tan": lambda x: jnp.tan(x),
    "sqrt": lambda x: jnp.sqrt(x),
    "sin": lambda x: jnp.sin(x),
    "square": lambda x: jnp.square(x),
    "sum": lambda x: x.sum(-1),
    "mean": lambda x: x.mean(-1),
    "prod": lambda x: x.prod(-1),
    "cumsum": lambda x: x.cumsum(-1),
    "cumprod": lambda x: x.cumprod(-1),
    "norm": lambda x: jnp.linalg.norm(x),
    "vector_norm": lambda x: jnp.linalg.norm(x.ravel()),
    "max": lambda x: x.max(-1),
    "relu": lambda x: jax.nn.relu(x),
    "tanh": lambda x: jnp.tanh(x),
    "sigmoid": lambda x: jax.nn.sigmoid(x),
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "silu": lambda x: jax.nn.silu(x),
    "softplus": lambda x: jax.nn.softplus(x),
    "max_pool2d": lambda image: image.reshape(2, 3, 4, 2, 4, 2).max((3, 5)),
    "avg_pool2d": lambda image: image.reshape(2, 3, 4, 2, 4, 2).mean((3, 5)),
    "cross_entropy": lambda x: optax.softmax_cross_entropy_with_integer_labels(x, _labels(x)).mean(),
    "nll_loss": lambda x: -x[jnp.arange(len(x)), _labels(x)].mean(),
    "mse_loss": lambda x, y: jnp.square(x - y).mean(),
    "l1_loss": lambda x, y: jnp.abs(x - y).mean(),
    "smooth_l1_loss": lambda x, y: optax.huber_loss(x, y).mean(),
    "huber_loss": lambda x, y: optax.huber_loss(x, y).mean(),
    "kl_div": lambda x, y: (y * (jnp.log(y) - x)).sum(),
    "bce_with_logits": lambda x, y: optax.sigmoid_binary_cross_entropy(x, y).mean(),
    "cosine_similarity": lambda x, y: optax.cosine_similarity(x, y),
    "add": lambda x, y: jnp.add(x, y),
    "mul": lambda x, y: jnp.multiply(x, y),
    "div": lambda x, y: jnp.divide(x, y),
    "maximum": lambda x, y: jnp.maximum(x, y),
    "where": lambda x, y: jnp.where(jnp.ones_like(x, bool), x, y),
    "cat": lambda x, y: jnp.concatenate([x, y]),
    "stack": lambda x, y: jnp.stack([x, y]),
    "dot": lambda b, c: jnp.dot(b, c),
    "atan2": lambda x, y: jnp.arctan2(x, y),
    "addcmul": lambda x, y: x + x * y,
}


# Products and convolutions: the time goes there, and they add up in float32 inside.
_LOWER = """
    matmul linear addmm bmm baddbmm einsum conv1d conv2d conv3d conv_transpose2d attention prelu
"""
# Losses, which end in one number for the whole batch, and the product, which leaves float16 soonest.
_WIDE = """
    prod cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss huber_loss kl_div bce_with_logits
"""
# On CUDA also whatever adds up many terms, or grows faster than its argument.
_WIDE_ON_CUDA = """
    softmax log_softmax logsumexp layer_norm group_norm rms_norm exp expm1 log log1p log2 pow square reciprocal rsqrt
    cosh tan sum cumsum cumprod norm vector_norm softplus cosine_similarity
"""


class Measured(NamedTuple):
    """The dtypes of what an operation returns, by the dtypes of its floating arguments.

    Attributes:
        wide: all float32.
        low: all of the lower dtype.
        mixed: the first float32, the others lower; "-" where there is one argument, "error" where it is refused.
    """

    wide: str
    low: str
    mixed: str

    def rule(self) -> str:
        """What the three dtypes come to: "lower", "float32", or "follows" its arguments."""
        if self.low == "float32":
            return "float32"
        return "lower" if self.wide == self.low else "follows"


def under_policy(name: str, policy: Policy, device: str = "cpu") -> Callable[..., Array]:
    """One of ``OPERATIONS`` as a policy runs it.

    Args:
        name: of the operation.
        policy: its compute dtype is the lower one.
        device: the kind of device whose rules apply, "cpu" or "cuda". They differ: on a CPU, softmax, norms, sums and
            powers follow their arguments.

    Returns:
        A function of the same arguments.

    Raises:
        ValueError: if ``device`` is no such kind.

    Differs from its twin: casts the arguments; either device's rules can be had on any device.
    """
    if device not in ("cpu", "cuda"):
        raise ValueError(f"under_policy: device must be one of cpu, cuda, got {device!r}.")
    wide = _WIDE + _WIDE_ON_CUDA if device == "cuda" else _WIDE
    dtype = policy.compute if name in _LOWER.split() else jnp.float32 if name in wide.split() else None

    def run(*arguments: Array) -> Array:
        return OPERATIONS[name](*[x if dtype is None else cast(x, dtype) for x in arguments])

    return run


def operation_dtypes(policy: Policy, device: str = "cpu") -> dict[str, Measured]:
    """Call every operation under a policy and read off the dtype of its result.

    Args:
        policy: its compute dtype is the lower one.
        device: as in ``under_policy``.

    Returns:
        What was measured, by the name of the operation.

    Raises:
        ValueError: if ``device`` is no such kind.

    Differs from its twin: nothing runs; ``eval_shape`` follows shapes and dtypes.
    """
    return {name: _measured(name, policy, device) for name in OPERATIONS}


def _measured(name: str, policy: Policy, device: str) -> Measured:
    run, arguments = under_policy(name, policy, device), list(signature(OPERATIONS[name]).parameters)

    def returned(first: Any, others: Any) -> str:
        dtypes = [first, *[others] * (len(arguments) - 1)]
        structs = [jax.ShapeDtypeStruct(SIZES[size], dtype) for size, dtype in zip(arguments, dtypes, strict=True)]
        return str(jax.eval_shape(run, *structs).dtype)

    wide, low = jnp.float32, policy.compute
    return Measured(returned(wide, wide), returned(low, low), returned(wide, low) if len(arguments) > 1 else "-")


def _labels(x: Array) -> Array:
    return jnp.zeros(len(x), int)


def _attention(batch: Array) -> Array:
    # Written out: jax.nn.dot_product_attention asks for sums in float32, which XLA refuses to float16 on a CPU.
    scores = batch @ batch.swapaxes(1, 2) / jnp.sqrt(batch.shape[-1]).astype(batch.dtype)
    return jax.nn.softmax(scores) @ batch


def _transposed(image: Array, kernel: Array) -> Array:
    # The transpose of a convolution is one with the flipped kernel, its channels swapped, over a padded image.
    flipped = jnp.flip(kernel, (2, 3)).swapaxes(0, 1)
    return lax.conv_general_dilated(image, flipped, (1, 1), [(1, 1), (1, 1)])
