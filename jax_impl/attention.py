"""Attention: scaled dot products under every mask, several heads, and rotary positions.

Differs from its twin: written out; ``attention_layer`` builds linen's layer, whose masks and kernels are other ones.
"""

from jax_impl._attention_heads import AttentionWeights, MultiheadOptions, multi_head_attention
from jax_impl._attention_layers import attention_layer, layer_weights
from jax_impl._attention_products import AttentionOptions, rotary_positions, scaled_dot_product_attention

__all__ = [
    "AttentionOptions",
    "scaled_dot_product_attention",
    "rotary_positions",
    "AttentionWeights",
    "MultiheadOptions",
    "multi_head_attention",
    "attention_layer",
    "layer_weights",
]
