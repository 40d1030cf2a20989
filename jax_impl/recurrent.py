"""Recurrent networks: Elman's, LSTM and GRU, as cells and over sequences, stacked, two ways, by lengths.

Differs from its twin: sequences are scans of the cells, padded ones masked by their lengths. ``recurrent_layer`` builds
linen's layer, which computes the same from other weights: one bias where PyTorch has two, no projection.
"""

from jax_impl._recurrent_cells import CellWeights, gates, gru_cell, lstm_cell, rnn_cell
from jax_impl._recurrent_layers import layer_weights, recurrent_layer
from jax_impl._recurrent_sequences import SequenceOptions, gru, lstm, rnn

__all__ = [
    "CellWeights",
    "SequenceOptions",
    "rnn_cell",
    "lstm_cell",
    "gru_cell",
    "rnn",
    "lstm",
    "gru",
    "gates",
    "recurrent_layer",
    "layer_weights",
]
