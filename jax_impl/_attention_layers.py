"""The framework's own layer of attention, and its weights as it holds them."""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from jax_impl._attention_heads import AttentionWeights
from jax_impl.linear import weight_law

__all__ = ["attention_layer", "layer_weights"]


def attention_layer(embed: int, num_heads: int) -> nn.MultiHeadDotProductAttention:
    r"""Build a layer of attention over (batch, time, embed), its weights born by PyTorch's law.

    The three projections in from $U(-\sqrt{6/4embed}, \sqrt{6/4embed})$, for they are one matrix there; the one out by
    the law of a linear layer; biases 0.

    Args:
        embed: the width of queries, keys, values and outputs.
        num_heads: how many parts it is cut into; must divide it.

    Returns:
        The framework's own layer.

    Raises:
        ValueError: if ``num_heads`` does not divide ``embed``.

    Differs from its twin: it returns no weights, and its mask is true where to look.
    """
    if embed % num_heads:
        raise ValueError(f"attention_layer: num_heads must divide embed, {embed}, got {num_heads}.")
    bound = math.sqrt(6 / (4 * embed))

    def law(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return nn.MultiHeadDotProductAttention(num_heads, kernel_init=law, out_kernel_init=weight_law())


def layer_weights(weights: AttentionWeights, num_heads: int) -> dict:
    """Name the weights as the layer of `attention_layer` holds them.

    Args:
        weights: with one ``in_proj_weight``, both biases and nothing else.
        num_heads: of the layer.

    Returns:
        What the layer is loaded with.

    Raises:
        ValueError: if the weights are other ones.

    Differs from its twin: linen's tree: kernels (embed, heads, width) in and (heads, width, embed) out.
    """
    others = (weights.bias_k, weights.bias_v, weights.q_proj_weight, weights.k_proj_weight, weights.v_proj_weight)
    needed = (weights.in_proj_weight, weights.in_proj_bias, weights.out_proj_bias)
    if any(part is not None for part in others) or any(part is None for part in needed):
        raise ValueError("layer_weights: weights must be in_proj and out_proj, each with its bias, got others.")
    embed = weights.out_proj_weight.shape[0]
    heads = (num_heads, embed // num_heads)
    kernels, biases = (jnp.split(part, 3) for part in needed[:2])  # pyright: ignore[reportArgumentType]
    params = {
        name: {"kernel": kernel.T.reshape(embed, *heads), "bias": bias.reshape(heads)}
        for name, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True)
    }
    out = {"kernel": weights.out_proj_weight.T.reshape(*heads, embed), "bias": weights.out_proj_bias}
    return {"params": params | {"out": out}}
