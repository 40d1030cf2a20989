"""Recurrent layers of the framework's own, and their weights as they hold them."""

from flax import linen as nn

from jax_impl._recurrent_cells import CellWeights, gates
from jax_impl.linear import bias_law

__all__ = ["recurrent_layer", "layer_weights"]

_CELLS = {"rnn": nn.SimpleCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


def recurrent_layer(kind: str, input_size: int, hidden_size: int) -> nn.RNN:
    r"""Build one layer that runs one way over (batch, time, inputs), its weights born by PyTorch's law.

    Every weight and bias is drawn from $U(-1/\sqrt{hidden}, 1/\sqrt{hidden})$.

    Args:
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        input_size: size of the last axis of the input.
        hidden_size: size of the last axis of the output; at least 1.

    Returns:
        The framework's own layer.

    Raises:
        ValueError: if there is no such kind.

    Differs from its twin: linen's cells are exact, but hold one bias where PyTorch holds two (the GRU's candidate has
    both), return the carry only when asked, as (c, h), and need ``param_dtype`` for float64. ``input_size`` is unused:
    ``nn.RNN`` reads it from the input. Outputs past ``seq_lengths`` are not 0.
    """
    if kind not in _CELLS:
        raise ValueError(f"recurrent_layer: kind must be 'rnn', 'lstm' or 'gru', got {kind!r}.")
    law = bias_law(hidden_size)
    return nn.RNN(_CELLS[kind](hidden_size, kernel_init=law, recurrent_kernel_init=law, bias_init=law))


def layer_weights(weights: CellWeights, kind: str) -> dict:
    """Name the weights as the layer of `recurrent_layer` holds them.

    Args:
        weights: of one direction of one layer, with both biases and no projection.
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.

    Returns:
        What the layer is loaded with.

    Raises:
        ValueError: if there is no such kind, a bias is missing, or there is a projection.

    Differs from its twin: linen's tree, ``{"params": {"cell": ...}}``: a pair of matrices a gate, transposed, and the
    sum of both biases, at the state's matrix in an LSTM, at the input's elsewhere.
    """
    if weights.weight_hr is not None or weights.bias_ih is None or weights.bias_hh is None:
        raise ValueError("layer_weights: weights must be with both biases and without a projection, got others.")
    parts = gates(weights, kind)
    if kind == "rnn":
        (h,) = parts.values()
        return {"params": {"cell": {"i": _dense(h.weight_ih, h.bias_ih, h.bias_hh), "h": _dense(h.weight_hh)}}}
    cell = {}
    for letter, part in parts.items():
        if kind == "lstm":
            biases = (), (part.bias_ih, part.bias_hh)
        else:  # the reset gate multiplies n's second bias, so that it has to stay where it is
            biases = ((part.bias_ih,), (part.bias_hh,)) if letter == "n" else ((part.bias_ih, part.bias_hh), ())
        cell[f"i{letter}"] = _dense(part.weight_ih, *biases[0])
        cell[f"h{letter}"] = _dense(part.weight_hh, *biases[1])
    return {"params": {"cell": cell}}


def _dense(weight, *biases) -> dict:
    return {"kernel": weight.T} | ({"bias": sum(biases)} if biases else {})
