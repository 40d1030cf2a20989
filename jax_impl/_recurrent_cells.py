"""One step of a recurrent layer, written out, with the weights as PyTorch packs them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jax_impl._checks import check_shape

__all__ = ["CellWeights", "rnn_cell", "lstm_cell", "gru_cell", "gates"]

_GATES = {"rnn": "h", "lstm": "ifgo", "gru": "rzn"}
_NONLINEARITIES = {"tanh": jnp.tanh, "relu": jax.nn.relu}


class CellWeights(NamedTuple):
    """The weights of one direction of one layer; the gates stand one under the other.

    ``weight_ih`` meets the input and ``weight_hh`` the state, each with a bias of its own or none. ``weight_hr`` is
    the LSTM's projection: with it the state that goes around and out is narrower than the cell.
    """

    weight_ih: Float[Array, "gate_rows inputs"]
    weight_hh: Float[Array, "gate_rows states"]
    bias_ih: Float[Array, " gate_rows"] | None = None
    bias_hh: Float[Array, " gate_rows"] | None = None
    weight_hr: Float[Array, "states cell"] | None = None


def _sums(function: str, x: Array, h: Array, weights: CellWeights) -> tuple[Array, Array]:
    """What the input and what the state adds to every gate."""
    rows = weights.weight_ih.shape[0]
    check_shape(function, "weight_ih", weights.weight_ih.shape, (rows, x.shape[-1]), "the last axis of x last")
    check_shape(function, "weight_hh", weights.weight_hh.shape, (rows, h.shape[-1]), "the last axis of the state last")
    of_input, of_state = x @ weights.weight_ih.T, h @ weights.weight_hh.T
    return (
        of_input if weights.bias_ih is None else of_input + weights.bias_ih,
        of_state if weights.bias_hh is None else of_state + weights.bias_hh,
    )


def rnn_cell(
    x: Float[Array, "*batch inputs"],
    state: Float[Array, "*batch states"],
    weights: CellWeights,
    *,
    nonlinearity: str = "tanh",
) -> Float[Array, "*batch states"]:
    r"""Take one step of Elman's network: $h' = \tanh(W_{ih} x + b_{ih} + W_{hh} h + b_{hh})$.

    (Elman 1990, doi:10.1207/s15516709cog1402_1.)

    Args:
        x: the input of this step.
        state: $h$.
        weights: as many rows as states.
        nonlinearity: ``"tanh"`` or ``"relu"``.

    Returns:
        $h'$, which is also the output.

    Raises:
        ValueError: if there is no such nonlinearity, or a weight does not fit the input or the state.
    """
    if nonlinearity not in _NONLINEARITIES:
        raise ValueError(f"rnn_cell: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}.")
    of_input, of_state = _sums("rnn_cell", x, state, weights)
    return _NONLINEARITIES[nonlinearity](of_input + of_state)


def lstm_cell(
    x: Float[Array, "*batch inputs"],
    state: tuple[Float[Array, "*batch states"], Float[Array, "*batch cell"]],
    weights: CellWeights,
) -> tuple[Float[Array, "*batch states"], Float[Array, "*batch cell"]]:
    r"""Take one step of an LSTM.

    $c' = \sigma(f) \, c + \sigma(i) \tanh(g)$ and $h' = \sigma(o) \tanh(c')$, where $(i, f, g, o) = W_{ih} x + b_{ih}
    + W_{hh} h + b_{hh}$ (Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735, with Gers' forget gate). With
    a projection $h' = W_{hr} \, \sigma(o) \tanh(c')$ (Sak et al. 2014, arXiv:1402.1128, eq. 6-7).

    Args:
        x: the input of this step.
        state: $(h, c)$ in this order; a linen carry is $(c, h)$.
        weights: four times as many rows as cells, in the order i, f, g, o.

    Returns:
        $(h', c')$; the first is also the output.

    Raises:
        ValueError: if a weight does not fit the input or the state.
    """
    h, c = state
    of_input, of_state = _sums("lstm_cell", x, h, weights)
    i, f, g, o = jnp.split(of_input + of_state, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return h if weights.weight_hr is None else h @ weights.weight_hr.T, c


def gru_cell(
    x: Float[Array, "*batch inputs"], state: Float[Array, "*batch states"], weights: CellWeights
) -> Float[Array, "*batch states"]:
    r"""Take one step of a GRU whose reset gate acts after the product.

    $h' = (1 - z) \, n + z \, h$ and $n = \tanh(W_{in} x + b_{in} + r \, (W_{hn} h + b_{hn}))$, where $r$ and $z$ are
    sigmoids of their sums (Cho et al. 2014, arXiv:1406.1078, whose reset acts on $h$ before the product, and whose
    $z$ is the other way round).

    Args:
        x: the input of this step.
        state: $h$.
        weights: three times as many rows as states, in the order r, z, n. $b_{hn}$ stands inside the reset gate, so
            that the two biases of n cannot be summed.

    Returns:
        $h'$, which is also the output.

    Raises:
        ValueError: if a weight does not fit the input or the state.
    """
    of_input, of_state = (jnp.split(part, 3, axis=-1) for part in _sums("gru_cell", x, state, weights))
    r, z = (jax.nn.sigmoid(of_input[k] + of_state[k]) for k in (0, 1))
    n = jnp.tanh(of_input[2] + r * of_state[2])
    return (1 - z) * n + z * state


def gates(weights: CellWeights, kind: str) -> dict[str, CellWeights]:
    """Take the packed weights apart, gate by gate.

    Args:
        weights: of one direction of one layer.
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.

    Returns:
        Each gate's rows under its letter: h; i, f, g, o; or r, z, n. A projection belongs to no gate.

    Raises:
        ValueError: if there is no such kind.
    """
    if kind not in _GATES:
        raise ValueError(f"gates: kind must be 'rnn', 'lstm' or 'gru', got {kind!r}.")
    letters = _GATES[kind]
    parts = [None if part is None else jnp.split(part, len(letters)) for part in weights[:4]]
    return {
        letter: CellWeights(*(None if part is None else part[place] for part in parts))  # pyright: ignore[reportArgumentType]
        for place, letter in enumerate(letters)
    }
