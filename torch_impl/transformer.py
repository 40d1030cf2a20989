"""Transformers: layers of encoders and decoders, stacks of them, both in one, and a small language model.

Differs from its twin: ``nn.TransformerEncoderLayer`` and its kin, (batch, time, width) throughout.
"""

from torch_impl._transformer_language import LanguageModel
from torch_impl._transformer_layers import LayerOptions, decoder_layer, encoder_layer
from torch_impl._transformer_positions import sinusoidal_positions, square_subsequent_mask
from torch_impl._transformer_stacks import decoder, encoder, transformer, transformer_weights

__all__ = [
    "sinusoidal_positions",
    "square_subsequent_mask",
    "LayerOptions",
    "encoder_layer",
    "decoder_layer",
    "encoder",
    "decoder",
    "transformer",
    "transformer_weights",
    "LanguageModel",
]
