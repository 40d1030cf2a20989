"""Recurrent networks: Elman's, LSTM and GRU, as cells and over sequences, stacked, two ways, by lengths.

Differs from its twin: sequences run through ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU``, padded ones packed.
"""

from torch_impl._recurrent_cells import CellWeights, gates, gru_cell, lstm_cell, rnn_cell
from torch_impl._recurrent_layers import layer_weights, recurrent_layer
from torch_impl._recurrent_sequences import SequenceOptions, gru, lstm, rnn

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
