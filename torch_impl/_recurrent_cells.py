"""One step of a recurrent layer, written out, with the weights as PyTorch packs them."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from torch_impl._checks import check_shape

__all__ = ["CellWeights", "rnn_cell", "lstm_cell", "gru_cell", "gates"]

_GATES = {"rnn": "h", "lstm": "ifgo", "gru": "rzn"}
_NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu}


class CellWeights(NamedTuple):
    """The weights of one direction of one layer; the gates stand one under the other.

    ``weight_ih`` meets the input and ``weight_hh`` the state, each with a bias of its own or none. ``weight_hr`` is
    the LSTM's projection: with it the state that goes around and out is narrower than the cell.
    """

    weight_ih: Float[Tensor, "gate_rows inputs"]
    weight_hh: Float[Tensor, "gate_rows states"]
    bias_ih: Float[Tensor, " gate_rows"] | None = None
    bias_hh: Float[Tensor, " gate_rows"] | None = None
    weight_hr: Float[Tensor, "states cell"] | None = None


def _sums(function: str, x: Tensor, h: Tensor, weights: CellWeights) -> tuple[Tensor, Tensor]:
    """What the input and what the state adds to every gate."""
    rows = weights.weight_ih.shape[0]
    check_shape(function, "weight_ih", weights.weight_ih.shape, (rows, x.shape[-1]), "the last axis of x last")
    check_shape(function, "weight_hh", weights.weight_hh.shape, (rows, h.shape[-1]), "the last axis of the state last")
    return (
        functional.linear(x, weights.weight_ih, weights.bias_ih),
        functional.linear(h, weights.weight_hh, weights.bias_hh),
    )


def rnn_cell(
    x: Float[Tensor, "*batch inputs"],
    state: Float[Tensor, "*batch states"],
    weights: CellWeights,
    *,
    nonlinearity: str = "tanh",
) -> Float[Tensor, "*batch states"]:
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
    x: Float[Tensor, "*batch inputs"],
    state: tuple[Float[Tensor, "*batch states"], Float[Tensor, "*batch cell"]],
    weights: CellWeights,
) -> tuple[Float[Tensor, "*batch states"], Float[Tensor, "*batch cell"]]:
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
    i, f, g, o = (of_input + of_state).chunk(4, dim=-1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return h if weights.weight_hr is None else functional.linear(h, weights.weight_hr), c


def gru_cell(
    x: Float[Tensor, "*batch inputs"], state: Float[Tensor, "*batch states"], weights: CellWeights
) -> Float[Tensor, "*batch states"]:
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
    of_input, of_state = (part.chunk(3, dim=-1) for part in _sums("gru_cell", x, state, weights))
    r, z = ((of_input[k] + of_state[k]).sigmoid() for k in (0, 1))
    n = (of_input[2] + r * of_state[2]).tanh()
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
    parts = [None if part is None else part.chunk(len(letters)) for part in weights[:4]]
    return {
        letter: CellWeights(*(None if part is None else part[place] for part in parts))  # pyright: ignore[reportArgumentType]
        for place, letter in enumerate(letters)
    }
