"""Activations made of exponentials: sigmoids, softplus and the gated and bent units."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Real

__all__ = [
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
]


def _floating(x: Real[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Promote integers as torch does: to float32, whatever their width; ``jax.nn.sigmoid`` refuses them."""
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.float32)


def sigmoid(x: Real[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Squash into (0, 1): $1 / (1 + e^{-x})$. Integers become float32."""
    return jax.nn.sigmoid(_floating(x))


def tanh(x: Real[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Squash into (-1, 1): $(e^x - e^{-x}) / (e^x + e^{-x})$. Integers become float32."""
    return jnp.tanh(_floating(x))


def tanhshrink(x: Real[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Take the squashed part away: $x - \tanh x$. Integers become float32."""
    return _floating(x) - tanh(x)


def softsign(x: Real[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Squash with a slow tail: $x / (1 + |x|)$. Integers become float32."""
    return jax.nn.soft_sign(_floating(x))


def log_sigmoid(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Take the logarithm of the sigmoid, $-\log(1 + e^{-x})$, without overflow."""
    return jax.nn.log_sigmoid(x)


def softplus(x: Float[Array, "*shape"], beta: float = 1.0, threshold: float = 20.0) -> Float[Array, "*shape"]:
    r"""Smooth the ReLU: $\log(1 + e^{\beta x}) / \beta$, and $x$ itself where $\beta x$ exceeds a threshold.

    Args:
        x: any values.
        beta: the sharpness $\beta$, not 0.
        threshold: where the line begins, in units of $\beta x$.

    Returns:
        Values of the shape of ``x``.

    Raises:
        ValueError: if ``beta`` is 0.
    """
    if beta == 0:
        raise ValueError(f"softplus: beta must be nonzero, got {beta}.")
    # jax.nn.softplus has neither beta nor threshold.
    linear = beta * x > threshold
    curve = jnp.log1p(jnp.exp(jnp.where(linear, 0, beta * x))) / beta
    return jnp.where(linear, x, curve)


def elu(x: Float[Array, "*shape"], alpha: float = 1.0) -> Float[Array, "*shape"]:
    r"""Bend the negative side to a floor.

    $y = x$ where $x > 0$, else $\alpha (e^x - 1)$ (Clevert et al. 2015, arXiv:1511.07289, eq. 15).

    Args:
        x: any values.
        alpha: the depth $\alpha$ of the floor; also the derivative at 0.
    """
    return jax.nn.elu(x, alpha)


def selu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Scale an ELU so that means and variances settle at 0 and 1.

    $\lambda\,\mathrm{elu}(x, \alpha)$ with $\lambda = 1.0507\ldots$ and $\alpha = 1.6732\ldots$
    (Klambauer et al. 2017, arXiv:1706.02515, eq. 2).
    """
    return jax.nn.selu(x)


def celu(x: Float[Array, "*shape"], alpha: float = 1.0) -> Float[Array, "*shape"]:
    r"""Bend the negative side to a floor, with slope 1 at 0.

    $y = x$ where $x > 0$, else $\alpha (e^{x/\alpha} - 1)$ (Barron 2017, arXiv:1704.07483).

    Args:
        x: any values.
        alpha: the depth $\alpha$ of the floor, not 0.

    Returns:
        Values of the shape of ``x``.

    Raises:
        ValueError: if ``alpha`` is 0.
    """
    if alpha == 0:
        raise ValueError(f"celu: alpha must be nonzero, got {alpha}.")
    return jax.nn.celu(x, alpha)


def gelu(x: Float[Array, "*shape"], approximate: str = "none") -> Float[Array, "*shape"]:
    r"""Gate ``x`` with the normal distribution function.

    $x\,\Phi(x)$ (Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2).

    Args:
        x: any values.
        approximate: ``"none"`` for the exact $\Phi$, ``"tanh"`` for
            $\tfrac12 (1 + \tanh(\sqrt{2/\pi}\,(x + 0.044715 x^3)))$ in its place.

    Returns:
        Values of the shape of ``x``.

    Raises:
        ValueError: if ``approximate`` is another word.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}.")
    # jax.nn.gelu itself defaults to the tanh form.
    return jax.nn.gelu(x, approximate=approximate == "tanh")


def silu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Gate ``x`` with its sigmoid: $x\,\sigma(x)$ (Elfwing et al. 2017, arXiv:1702.03118)."""
    return jax.nn.silu(x)


def mish(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Gate ``x`` with the tanh of its softplus: $x \tanh(\log(1 + e^x))$ (Misra 2019, arXiv:1908.08681)."""
    return jax.nn.mish(x)
