"""Attention: scaled dot products under every mask, several heads, and rotary positions.

Differs from its twin: ``functional.scaled_dot_product_attention`` and ``nn.MultiheadAttention``'s own function.
"""

from torch_impl._attention_heads import AttentionWeights, MultiheadOptions, multi_head_attention
from torch_impl._attention_layers import attention_layer, layer_weights
from torch_impl._attention_products import AttentionOptions, rotary_positions, scaled_dot_product_attention

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
