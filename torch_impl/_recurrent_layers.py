"""Recurrent layers of the framework's own, and their weights as they hold them."""

from torch import nn

from torch_impl._recurrent_cells import CellWeights

__all__ = ["recurrent_layer", "layer_weights"]

_LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def recurrent_layer(kind: str, input_size: int, hidden_size: int) -> nn.RNNBase:
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

    Differs from its twin: it returns the last state too, as (h, c); lengths come in as a packed sequence.
    """
    if kind not in _LAYERS:
        raise ValueError(f"recurrent_layer: kind must be 'rnn', 'lstm' or 'gru', got {kind!r}.")
    return _LAYERS[kind](input_size, hidden_size, batch_first=True)


def layer_weights(weights: CellWeights, kind: str) -> dict:
    """Name the weights as the layer of `recurrent_layer` holds them.

    Args:
        weights: of one direction of one layer, with both biases and no projection.
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.

    Returns:
        What the layer is loaded with.

    Raises:
        ValueError: if there is no such kind, a bias is missing, or there is a projection.

    Differs from its twin: a state dict of the packed weights as they are.
    """
    if weights.weight_hr is not None or weights.bias_ih is None or weights.bias_hh is None:
        raise ValueError("layer_weights: weights must be with both biases and without a projection, got others.")
    if kind not in _LAYERS:
        raise ValueError(f"gates: kind must be 'rnn', 'lstm' or 'gru', got {kind!r}.")
    return {f"{name}_l0": tensor for name, tensor in weights._asdict().items() if tensor is not None}
