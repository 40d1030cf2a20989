"""Whole sequences through stacked, two-way recurrent layers, padded ones by their lengths."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypedDict, Unpack

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

from jax_impl._recurrent_cells import CellWeights, gru_cell, lstm_cell, rnn_cell

__all__ = ["SequenceOptions", "rnn", "lstm", "gru"]


class SequenceOptions(TypedDict, total=False):
    """How sequences stand and run.

    ``batch_first``: x is (batch, time, inputs), not (time, batch, inputs) (false). ``bidirectional``: every layer runs
    both ways and puts both outputs side by side (false). ``lengths``: how many steps of each sequence count, at least
    1; outputs beyond are 0, and the backward way starts at the last step that counts (all of them).
    """

    batch_first: bool
    bidirectional: bool
    lengths: Int[Array, " batch"] | None


def rnn(
    x: Float[Array, "*batch_and_time inputs"],
    weights: Sequence[CellWeights],
    initial: Float[Array, "runs *batch states"] | None = None,
    *,
    nonlinearity: str = "tanh",
    **options: Unpack[SequenceOptions],
) -> tuple[Float[Array, "*batch_and_time outputs"], Float[Array, "runs *batch states"]]:
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

    Differs from its twin: a scan of `rnn_cell`; a length of 0, which PyTorch refuses, leaves the initial state.
    """
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"rnn: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}.")
    cell = _tanh_cell if nonlinearity == "tanh" else _relu_cell
    return _stacked("rnn", cell, x, weights, initial, options)


def lstm(
    x: Float[Array, "*batch_and_time inputs"],
    weights: Sequence[CellWeights],
    initial: tuple[Float[Array, "runs *batch states"], Float[Array, "runs *batch cell"]] | None = None,
    **options: Unpack[SequenceOptions],
) -> tuple[
    Float[Array, "*batch_and_time outputs"],
    tuple[Float[Array, "runs *batch states"], Float[Array, "runs *batch cell"]],
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

    Differs from its twin: a scan of `lstm_cell`, for linen's LSTM has one bias and no projection; a length of 0, which
    PyTorch refuses, leaves the initial state.
    """
    return _stacked("lstm", lstm_cell, x, weights, initial, options)


def gru(
    x: Float[Array, "*batch_and_time inputs"],
    weights: Sequence[CellWeights],
    initial: Float[Array, "runs *batch states"] | None = None,
    **options: Unpack[SequenceOptions],
) -> tuple[Float[Array, "*batch_and_time outputs"], Float[Array, "runs *batch states"]]:
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

    Differs from its twin: a scan of `gru_cell`; a length of 0, which PyTorch refuses, leaves the initial state.
    """
    return _stacked("gru", gru_cell, x, weights, initial, options)


# Named, so that `jax.jit` knows them again.
_tanh_cell = partial(rnn_cell, nonlinearity="tanh")
_relu_cell = partial(rnn_cell, nonlinearity="relu")


def _stacked(
    kind: str, cell: Callable, x: Array, weights: Sequence[CellWeights], initial: Any, options: SequenceOptions
) -> tuple:
    """Layer upon layer, in between as (time, batch, features)."""
    ways = 2 if options.get("bidirectional", False) else 1
    if not weights or len(weights) % ways:
        raise ValueError(f"{kind}: weights must be {ways} for each layer, got {len(weights)}.")
    lone, batch_first, lengths = x.ndim == 2, options.get("batch_first", False), options.get("lengths")
    steps = x[:, None] if lone else x.swapaxes(0, 1) if batch_first else x
    if lengths is not None:
        # Whatever the padding holds, a NaN too, no gradient meets it.
        steps = jnp.where((jnp.arange(steps.shape[0])[:, None] < lengths)[..., None], steps, 0)
    if initial is None:
        starts = [_zeros(kind, steps, run) for run in weights]
    else:
        starts = [jax.tree.map(lambda leaf: leaf[k, None] if lone else leaf[k], initial) for k in range(len(weights))]  # noqa: B023
    last = []
    for below in range(0, len(weights), ways):
        runs = [_run(cell, steps, starts[k], weights[k], lengths, k > below) for k in range(below, below + ways)]
        last += [state for state, _ in runs]
        steps = jnp.concatenate([out for _, out in runs], axis=-1)
    out = steps[:, 0] if lone else steps.swapaxes(0, 1) if batch_first else steps
    return out, jax.tree.map(lambda *leaves: jnp.stack([leaf[0] if lone else leaf for leaf in leaves]), *last)


def _zeros(kind: str, steps: Array, weights: CellWeights) -> Any:
    h = jnp.zeros((steps.shape[1], weights.weight_hh.shape[1]), steps.dtype)
    return (h, jnp.zeros((steps.shape[1], weights.weight_hh.shape[0] // 4), steps.dtype)) if kind == "lstm" else h


# Compiled here: outside of jit a scan is compiled anew at every call.
@partial(jax.jit, static_argnames=("cell", "backwards"))
def _run(
    cell: Callable, steps: Array, start: Any, weights: CellWeights, lengths: Array | None, backwards: bool
) -> tuple[Any, Array]:
    """One way of one layer: the last state and every output."""

    def step(state: Any, now: tuple[Array, Array]) -> tuple[Any, Array]:
        x, time = now
        new = cell(x, state, weights)
        out = new[0] if isinstance(new, tuple) else new
        if lengths is None:
            return new, out
        # Past the end the state stays; backwards it is the first one until the end is reached.
        counts = (time < lengths)[:, None]
        return jax.tree.map(lambda new, old: jnp.where(counts, new, old), new, state), jnp.where(counts, out, 0)

    return lax.scan(step, start, (steps, jnp.arange(steps.shape[0])), reverse=backwards)
