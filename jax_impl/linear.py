r"""The linear layer: $y = x W^\top + b$, and the law of its first weights.

Differs from its twin: ``nn.Dense`` owns nothing; its kernel has shape (in, out) and comes from ``init``, by another law
than PyTorch's unless it is told. ``nn.Linear`` owns its weight, of shape (out, in), and is born with drawn values.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.nn.initializers import Initializer
from jaxtyping import Float

from jax_impl._checks import check_shape

__all__ = ["linear_transform", "bilinear_transform", "weight_law", "bias_law", "linear_layer"]


def linear_transform(
    x: Float[Array, "*batch in_features"],
    weight: Float[Array, "out_features in_features"],
    bias: Float[Array, " out_features"] | None = None,
) -> Float[Array, "*batch out_features"]:
    r"""Apply an affine map to the last axis.

    $y = x W^\top + b$

    Args:
        x: activations.
        weight: $W$ in torch's layout, one row an output; a Flax kernel is its transpose.
        bias: $b$; None leaves it out.

    Returns:
        $y$.

    Raises:
        ValueError: if ``weight`` does not match the last axis of ``x``, or ``bias`` the rows of ``weight``.
    """
    check_shape("linear_transform", "weight", weight.shape, (weight.shape[0], x.shape[-1]), "the last axis of x last")
    if bias is not None:
        check_shape("linear_transform", "bias", bias.shape, weight.shape[:1], "one value a row of weight")
    y = x @ weight.T
    return y if bias is None else y + bias


def bilinear_transform(
    x1: Float[Array, "*batch in1_features"],
    x2: Float[Array, "*batch in2_features"],
    weight: Float[Array, "out_features in1_features in2_features"],
    bias: Float[Array, " out_features"] | None = None,
) -> Float[Array, "*batch out_features"]:
    r"""Apply a map that is linear in each of two inputs.

    $y_k = x_1^\top W_k \, x_2 + b_k$

    Args:
        x1: activations.
        x2: activations.
        weight: $W$, one matrix an output.
        bias: $b$; None leaves it out.

    Returns:
        $y$.

    Raises:
        ValueError: if ``weight`` does not match the last axes of ``x1`` and ``x2``, or ``bias`` those of ``weight``.
    """
    expected = (weight.shape[0], x1.shape[-1], x2.shape[-1])
    check_shape("bilinear_transform", "weight", weight.shape, expected, "the last axes of x1 and x2 last")
    if bias is not None:
        check_shape("bilinear_transform", "bias", bias.shape, weight.shape[:1], "one value a matrix of weight")
    y = jnp.einsum("...i,kij,...j->...k", x1, weight, x2)
    return y if bias is None else y + bias


def weight_law() -> Initializer:
    r"""Return the initializer of ``nn.Linear``'s weight: $U(-1/\sqrt{in}, 1/\sqrt{in})$.

    PyTorch writes it as He's uniform law (arXiv:1502.01852) with the gain of a leaky ReLU of slope $\sqrt5$. The
    variance is $1/(3\,in)$.

    Returns:
        An initializer in the framework's own form.

    Differs from its twin: it makes a kernel of shape (in, out): ``law(key, shape, dtype)``.
    """
    # fan_in is the axis before the last: of a matrix in torch's layout it would be the outputs.
    return nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def bias_law(in_features: int) -> Initializer:
    r"""Return the initializer of ``nn.Linear``'s bias: $U(-1/\sqrt{in}, 1/\sqrt{in})$.

    Args:
        in_features: $in$, which the shape of a bias does not tell; at least 1.

    Returns:
        An initializer in the framework's own form.

    Raises:
        ValueError: if ``in_features`` is below 1.

    Differs from its twin: it makes an array: ``law(key, shape, dtype)``. (``nn.initializers.uniform`` starts at 0.)
    """
    if in_features < 1:
        raise ValueError(f"bias_law: in_features must be at least 1, got {in_features}.")
    bound = 1 / math.sqrt(in_features)

    def law(key, shape, dtype=jnp.float32, out_sharding=None):
        return jax.random.uniform(key, shape, dtype, -bound, bound, out_sharding=out_sharding)

    return law


def linear_layer(in_features: int, out_features: int, *, bias: bool = True) -> nn.Dense:
    """Build a linear layer that starts by PyTorch's law in either framework.

    Args:
        in_features: size of the last axis of the input.
        out_features: size of the last axis of the output.
        bias: whether to add one.

    Returns:
        The framework's own layer.

    Differs from its twin: no generator; ``layer.init(key, x)`` draws the weights. ``in_features`` only sets the bias's
    law: ``nn.Dense`` reads the input's size from ``x``.
    """
    return nn.Dense(out_features, use_bias=bias, kernel_init=weight_law(), bias_init=bias_law(in_features))
