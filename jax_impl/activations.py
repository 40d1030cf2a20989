"""Activations: every one of ``torch.nn``, value and derivative alike, also at the kinks and at infinity.

The text: "PyTorch implements a number of activation functions including but not limited to
`ReLU`, `Tanh`, and `Sigmoid`."

Differs from its twin: an activation is a plain function, passed around as it is. ``jax.nn`` has most of them, not
always with torch's default, edge or derivative; where it differs the exact form is written out.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jax_impl._activations_piecewise import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    prelu,
    relu,
    relu6,
    rrelu,
    softshrink,
    threshold,
)
from jax_impl._activations_smooth import (
    celu,
    elu,
    gelu,
    log_sigmoid,
    mish,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanh,
    tanhshrink,
)

__all__ = [
    "relu",
    "relu6",
    "leaky_relu",
    "prelu",
    "rrelu",
    "hardtanh",
    "hardshrink",
    "softshrink",
    "hardsigmoid",
    "hardswish",
    "threshold",
    "sigmoid",
    "tanh",
    "tanhshrink",
    "softsign",
    "log_sigmoid",
    "softplus",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "softmax",
    "softmin",
    "softmax2d",
    "log_softmax",
    "glu",
]


def softmax(x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "*shape"]:
    r"""Turn scores into shares that sum to 1 along one axis: $e^{x_i} / \sum_j e^{x_j}$.

    Differs from its twin: the axis is named ``axis``.
    """
    return jax.nn.softmax(jnp.atleast_1d(x), axis).reshape(x.shape)  # jax.nn has no axis of a scalar, torch has


def softmin(x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "*shape"]:
    r"""Give the largest share along one axis to the smallest score: $e^{-x_i} / \sum_j e^{-x_j}$.

    Differs from its twin: the axis is named ``axis``.
    """
    return softmax(-x, axis)


def softmax2d(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Turn the channels of every pixel into shares that sum to 1.

    Args:
        x: scores as (channels, height, width), with or without a batch in front.

    Returns:
        The softmax over the channels.

    Raises:
        ValueError: if ``x`` does not have 3 or 4 axes.
    """
    if x.ndim not in (3, 4):
        raise ValueError(f"softmax2d: x must have 3 or 4 axes, got {x.ndim}.")
    return jax.nn.softmax(x, -3)


def log_softmax(x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "*shape"]:
    r"""Take the logarithm of the softmax along one axis, $x_i - \log \sum_j e^{x_j}$, without overflow.

    Differs from its twin: the axis is named ``axis``.
    """
    return jax.nn.log_softmax(jnp.atleast_1d(x), axis).reshape(x.shape)


def glu(x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "*half"]:
    r"""Gate one half of ``x`` with the other, split along one axis.

    $a\,\sigma(b)$ with $x = [a, b]$ (Dauphin et al. 2016, arXiv:1612.08083, eq. 1).

    Returns:
        Values half as long as ``x`` along the split axis.

    Raises:
        ValueError: if the length of that axis is odd.

    Differs from its twin: the axis is named ``axis``.
    """
    if x.shape[axis] % 2:
        raise ValueError(f"glu: x must have an even length along the split axis, got {x.shape[axis]}.")
    return jax.nn.glu(x, axis)
