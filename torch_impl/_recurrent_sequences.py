"""Whole sequences through stacked, two-way recurrent layers, padded ones by their lengths."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torch_impl._recurrent_cells import CellWeights

__all__ = ["SequenceOptions", "rnn", "lstm", "gru"]


class SequenceOptions(TypedDict, total=False):
    """How sequences stand and run.

    ``batch_first``: x is (batch, time, inputs), not (time, batch, inputs) (false). ``bidirectional``: every layer runs
    both ways and puts both outputs side by side (false). ``lengths``: how many steps of each sequence count, at least
    1; outputs beyond are 0, and the backward way starts at the last step that counts (all of them).
    """

    batch_first: bool
    bidirectional: bool
    lengths: Int[Tensor, " batch"] | None


def rnn(
    x: Float[Tensor, "*batch_and_time inputs"],
    weights: Sequence[CellWeights],
    initial: Float[Tensor, "runs *batch states"] | None = None,
    *,
    nonlinearity: str = "tanh",
    **options: Unpack[SequenceOptions],
) -> tuple[Float[Tensor, "*batch_and_time outputs"], Float[Tensor, "runs *batch states"]]:
    """Run Elman's network over sequences.

    Args:
        x: sequences; without a batch, one of them.
        weights: layer by layer, of both ways one after the other; each layer's inputs are the outputs below.
        initial: the first state of each of them; None for zeros.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        **options: see `SequenceOptions`.

    Returns:
        The last layer's outputs, and the last state of each run: that of its last step that counts.

    Raises:
        ValueError: if there is no such nonlinearity, or a layer lacks one of its ways.

    Differs from its twin: ``nn.RNN`` on packed sequences; a length of 0 is refused.
    """
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"rnn: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}.")
    with torch.device("meta"):  # where it holds nothing: its weights are handed in
        layer = nn.RNN(nonlinearity=nonlinearity, **_sizes("rnn", weights, options))
    return _called(layer, x, weights, initial, options)


def lstm(
    x: Float[Tensor, "*batch_and_time inputs"],
    weights: Sequence[CellWeights],
    initial: tuple[Float[Tensor, "runs *batch states"], Float[Tensor, "runs *batch cell"]] | None = None,
    **options: Unpack[SequenceOptions],
) -> tuple[
    Float[Tensor, "*batch_and_time outputs"],
    tuple[Float[Tensor, "runs *batch states"], Float[Tensor, "runs *batch cell"]],
]:
    """Run an LSTM over sequences, with a projection where the weights have one.

    Args:
        x: sequences; without a batch, one of them.
        weights: layer by layer, of both ways one after the other; each layer's inputs are the outputs below.
        initial: the first $(h, c)$ of each of them; None for zeros.
        **options: see `SequenceOptions`.

    Returns:
        The last layer's outputs, and the last $(h, c)$ of each run: that of its last step that counts.

    Raises:
        ValueError: if a layer lacks one of its ways.

    Differs from its twin: ``nn.LSTM`` on packed sequences; a length of 0 is refused.
    """
    with torch.device("meta"):
        hr = weights[0].weight_hr if weights else None
        layer = nn.LSTM(proj_size=0 if hr is None else hr.shape[0], **_sizes("lstm", weights, options))
    return _called(layer, x, weights, initial, options)


def gru(
    x: Float[Tensor, "*batch_and_time inputs"],
    weights: Sequence[CellWeights],
    initial: Float[Tensor, "runs *batch states"] | None = None,
    **options: Unpack[SequenceOptions],
) -> tuple[Float[Tensor, "*batch_and_time outputs"], Float[Tensor, "runs *batch states"]]:
    """Run a GRU over sequences.

    Args:
        x: sequences; without a batch, one of them.
        weights: layer by layer, of both ways one after the other; each layer's inputs are the outputs below.
        initial: the first state of each of them; None for zeros.
        **options: see `SequenceOptions`.

    Returns:
        The last layer's outputs, and the last state of each run: that of its last step that counts.

    Raises:
        ValueError: if a layer lacks one of its ways.

    Differs from its twin: ``nn.GRU`` on packed sequences; a length of 0 is refused.
    """
    with torch.device("meta"):
        layer = nn.GRU(**_sizes("gru", weights, options))
    return _called(layer, x, weights, initial, options)


def _sizes(function: str, weights: Sequence[CellWeights], options: SequenceOptions) -> dict:
    """The arguments of a layer that holds such weights."""
    ways = 2 if options.get("bidirectional", False) else 1
    if not weights or len(weights) % ways:
        raise ValueError(f"{function}: weights must be {ways} for each layer, got {len(weights)}.")
    first = weights[0]
    return {
        "input_size": first.weight_ih.shape[1],
        "hidden_size": (first.weight_hh if first.weight_hr is None else first.weight_hr).shape[1],
        "num_layers": len(weights) // ways,
        "bias": first.bias_ih is not None,
        "batch_first": options.get("batch_first", False),
        "bidirectional": ways == 2,
    }


def _called(layer: nn.RNNBase, x: Tensor, weights: Sequence[CellWeights], initial, options: SequenceOptions) -> tuple:
    """The layer's outputs and last state with these weights, padded as the input is."""
    tensors = [tensor for run in weights for tensor in run if tensor is not None]
    named = dict(zip(dict(layer.named_parameters()), tensors, strict=True))
    if (lengths := options.get("lengths")) is None:
        return functional_call(layer, named, (x, initial))
    packed = pack_padded_sequence(x, lengths.cpu(), batch_first=layer.batch_first, enforce_sorted=False)
    out, state = functional_call(layer, named, (packed, initial))
    steps = x.shape[1 if layer.batch_first else 0]
    return pad_packed_sequence(out, batch_first=layer.batch_first, total_length=steps)[0], state
