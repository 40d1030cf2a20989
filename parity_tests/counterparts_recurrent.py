"""Which function of ``jax_impl`` stands for which recurrent module of ``torch.nn``."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jax_impl import recurrent
from jax_impl.recurrent import CellWeights
from module_samples import Counterpart
from nested_samples import Packed

__all__ = ["RECURRENT", "runs_of"]


def runs_of(parameters: dict[str, Any]) -> list[CellWeights]:
    """The weights of each run, in torch's order, from its names: weight_ih_l0, weight_ih_l0_reverse, ..."""
    endings = [name.removeprefix("weight_ih") for name in parameters if name.startswith("weight_ih")]
    return [
        CellWeights(
            **{field: parameters[field + ending] for field in CellWeights._fields if field + ending in parameters}
        )
        for ending in endings
    ]


def _cell(function: Callable, **words: str) -> Counterpart:
    def counterpart(settings: dict, arrays: dict, parameters: dict, inputs: Any) -> Any:
        options = {word: settings.get(word, default) for word, default in words.items()}
        return function(inputs["input"], inputs["hx"], runs_of(parameters)[0], **options)

    return counterpart


def _layer(function: Callable, **words: str) -> Counterpart:
    def counterpart(settings: dict, arrays: dict, parameters: dict, inputs: Any) -> Any:
        options = {word: settings.get(word, default) for word, default in words.items()}
        options |= {"bidirectional": settings["bidirectional"]}
        given, weights = inputs["input"], runs_of(parameters)
        if not isinstance(given, Packed):
            return function(given, weights, inputs.get("hx"), batch_first=settings["batch_first"], **options)
        times, places = _where(given.sizes)
        padded = jnp.zeros((len(given.sizes), given.sizes[0], given.data.shape[-1]), given.data.dtype)
        lengths = jnp.asarray((np.array(given.sizes)[:, None] > np.arange(given.sizes[0])).sum(0))
        out, last = function(padded.at[times, places].set(given.data), weights, lengths=lengths, **options)
        return out[times, places], last

    return counterpart


def _where(sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The time and the sequence of each packed step."""
    times = np.repeat(np.arange(len(sizes)), sizes)
    return times, np.concatenate([np.arange(size) for size in sizes])


RECURRENT: dict[str, Counterpart] = {
    "RNNCell": _cell(recurrent.rnn_cell, nonlinearity="tanh"),
    "GRUCell": _cell(recurrent.gru_cell),
    "LSTMCell": _cell(recurrent.lstm_cell),
    "RNN": _layer(recurrent.rnn, nonlinearity="tanh"),
    "GRU": _layer(recurrent.gru),
    "LSTM": _layer(recurrent.lstm),
}
