"""A policy of three dtypes, and the digits classifier under it.

Differs from its twin: autocast casts below the calls; here each layer is handed its dtype and the parameters' own.
"""

from typing import Any, NamedTuple

from flax import linen as nn
from jax import Array, lax
from jax import numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Float

__all__ = ["Policy", "choose_policy", "cast", "MixedClassifier"]


class Policy(NamedTuple):
    """What is stored, computed and handed on in which dtype.

    Attributes:
        param: of the parameters, and so of their gradients, of the moments and of the updates.
        compute: of products and convolutions; what needs more range or more digits stays in float32.
        output: of the scores, and so of the loss.
    """

    param: DTypeLike = jnp.float32
    compute: DTypeLike = jnp.float32
    output: DTypeLike = jnp.float32


def choose_policy(name: str) -> Policy:
    """Find the usual policy for a compute dtype: parameters, scores and loss stay in float32.

    Args:
        name: "float32", "bfloat16" or "float16".

    Returns:
        The policy.

    Raises:
        ValueError: if there is none of that name.
    """
    names = ("float32", "bfloat16", "float16")
    if name not in names:
        raise ValueError(f"choose_policy: name must be one of {', '.join(names)}, got {name!r}.")
    return Policy(compute=getattr(jnp, name))


def cast(x: Float[Array, "*shape"], dtype: DTypeLike) -> Float[Array, "*shape"]:
    """Cast an array, unless it is float64: autocast leaves float64 alone, and so does a policy.

    Args:
        x: any shape.
        dtype: to which.

    Returns:
        The array in that dtype, or in float64.
    """
    return x if x.dtype == jnp.float64 else x.astype(dtype)


class MixedClassifier(nn.Module):
    """The digits classifier of the topic training, its three products in the compute dtype of a policy.

    Args:
        policy: the dtypes of the parameters, of the products and of the scores.

    Differs from its twin: ``dtype`` is what a layer computes in, ``param_dtype`` what it stores; a layer casts its
    kernel at every call, where autocast casts it once a region.
    """

    policy: Policy

    @nn.compact
    def __call__(self, images: Float[Array, "*batch 64"]) -> Float[Array, "*batch 10"]:
        hidden = cast(images, self.policy.compute)
        for features, name in ((128, "first"), (128, "second")):
            hidden = nn.relu(self._dense(features, name, hidden))
        return cast(self._dense(10, "output", hidden), self.policy.output)

    def _dense(self, features: int, name: str, x: Array) -> Array:
        options = {"dtype": x.dtype, "param_dtype": self.policy.param, "dot_general": _widened_product}
        return nn.Dense(features, name=name, **options)(x).astype(x.dtype)


def _widened_product(*operands: Any, **options: Any) -> Array:
    # The bias is added in float32, so its gradient is summed in float32 over the batch. In float16 that sum overflows
    # before its result does, and torch sums wide.
    product = lax.dot_general(*operands, **options)
    return product.astype(jnp.promote_types(product.dtype, jnp.float32))
