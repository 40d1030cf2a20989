"""Losses of probabilities: of yes or no, and of distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Float

from jax_impl._losses_checks import reduction_of

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"]


def binary_cross_entropy(
    input: Float[Array, "*shape"],
    target: Float[Array, "*shape"],
    weight: Float[Array, "*weights"] | None = None,
    *,
    reduction: str = "mean",
) -> Float[Array, "*losses"]:
    r"""Hold probabilities against truths: $-w (y \log p + (1 - y) \log (1 - p))$.

    Neither logarithm falls below -100; the gradient is $w (p - y) / \max(p (1 - p), 10^{-12})$, never 0 for a wrong
    certainty.

    Args:
        input: probabilities $p$, from 0 to 1.
        target: truths $y$, from 0 to 1.
        weight: the elements' weights $w$, of a shape that broadcasts; 1 by default.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if there is no such reduction.

    Differs from its twin: a probability outside of 0 to 1 gives what the formula gives; torch refuses it.
    """
    losses = _clamped_cross_entropy(input, target)
    return reduction_of("binary_cross_entropy", reduction)(losses if weight is None else losses * weight)


def binary_cross_entropy_with_logits(
    input: Float[Array, "*shape"],
    target: Float[Array, "*shape"],
    weight: Float[Array, "*weights"] | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Float[Array, "*pos_weights"] | None = None,
) -> Float[Array, "*losses"]:
    r"""Hold the sigmoid of scores against truths: $-w (\rho y \log \sigma(x) + (1 - y) \log \sigma(-x))$.

    Args:
        input: scores (logits) $x$.
        target: truths $y$, from 0 to 1.
        weight: the elements' weights $w$, of a shape that broadcasts; 1 by default.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.
        pos_weight: the weights $\rho$ of a yes, of a shape that broadcasts; 1 by default.

    Returns:
        One loss an element, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    losses = optax.sigmoid_binary_cross_entropy(input, target)
    if pos_weight is not None:
        # Only a yes weighs more; optax has no such argument.
        losses = losses - (pos_weight - 1) * target * jax.nn.log_sigmoid(input)
    reduce = reduction_of("binary_cross_entropy_with_logits", reduction)
    return reduce(losses if weight is None else losses * weight)


def kl_div(
    input: Float[Array, "*shape"], target: Float[Array, "*shape"], *, reduction: str = "mean", log_target: bool = False
) -> Float[Array, "*losses"]:
    r"""Take the terms of the divergence of a distribution from the truth: $y (\log y - x)$.

    That is $\mathrm{KL}(y \,\|\, e^x)$: the truth comes second, and weighs (Kullback & Leibler 1951,
    doi:10.1214/aoms/1177729694, eq. 2.4).

    Args:
        input: *logarithms* $x$ of the probabilities.
        target: the truth $y$, a probability or its logarithm.
        reduction: ``"none"``, ``"batchmean"`` over axis 0, which is the divergence's, ``"mean"`` over all elements,
            which is smaller by their number in a row, or ``"sum"``.
        log_target: whether ``target`` holds logarithms.

    Returns:
        One term an element, or one loss in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    reduce = reduction_of("kl_div", reduction, ("none", "batchmean", "mean", "sum"))
    # Summed over no axis: optax takes the sum over the last one by default.
    losses = jnp.exp(target) * (target - input) if log_target else optax.kl_divergence(input, target, axis=())
    return reduce(losses) / input.shape[0] if reduction == "batchmean" and input.ndim else reduce(losses)


_LEAST = float(np.float32(1e-12))  # torch holds it in float32, whatever the dtype: 4e-9 less


@jax.custom_jvp
def _clamped_cross_entropy(p: Array, y: Array) -> Array:
    """Torch's clamp is of the value alone; that of jnp.maximum would end the gradient."""
    return (y - 1) * jnp.maximum(jnp.log1p(-p), -100) - y * jnp.maximum(jnp.log(p), -100)


@_clamped_cross_entropy.defjvp
def _clamped_cross_entropy_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (p, y), (p_dot, y_dot) = primals, tangents
    slope = (p - y) / jnp.maximum((1 - p) * p, _LEAST)
    return _clamped_cross_entropy(p, y), slope * p_dot + (jnp.log1p(-p) - jnp.log(p)) * y_dot
