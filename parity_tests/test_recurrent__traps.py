"""Where PyTorch's recurrent layers and what JAX offers for them part ways, each with its size."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import linen as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from jax_impl import recurrent

KINDS = {"lstm": 4, "gru": 3}
draw = np.random.default_rng(7)
X = draw.normal(size=(3, 5, 2))


@pytest.fixture(autouse=True)
def x64():
    """Sizes are stated in float64."""
    with jax.enable_x64(True):
        yield


def weights(kind):
    rows, rng = KINDS[kind] * 4, np.random.default_rng(8)
    return recurrent.CellWeights(*(jnp.asarray(rng.normal(size=shape)) for shape in ((rows, 2), (rows, 4), rows, rows)))


def outputs(kind, given, x=X, **options):
    return np.asarray(getattr(recurrent, kind)(jnp.asarray(x), [given], batch_first=True, **options)[0])


def gap(kind, other, **options):
    """How far other weights or options move an output, at most; outputs are below 1."""
    return abs(outputs(kind, other, **options) - outputs(kind, weights(kind))).max()


def reordered(kind, order):
    given = weights(kind)
    return recurrent.CellWeights(
        *(jnp.concatenate([jnp.split(part, len(order))[k] for k in order]) for part in given[:4])
    )


def torch_layer(kind):
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](2, 4, batch_first=True, dtype=torch.float64)
    for tensor, value in zip(layer.parameters(), weights(kind), strict=False):
        tensor.data = torch.tensor(np.asarray(value))
    return layer


def linen(kind, x=X, **options):
    zeros = jnp.zeros((len(x), 4))
    start = (zeros, zeros) if kind == "lstm" else zeros
    layer = recurrent.recurrent_layer(kind, 2, 4)
    return layer.apply(recurrent.layer_weights(weights(kind), kind), jnp.asarray(x), initial_carry=start, **options)


@pytest.mark.parametrize("order", [(0, 1, 3, 2), (0, 2, 1, 3)], ids=["i, f, o, g", "i, g, f, o"])
def test_trap_lstm_gate_order(order):
    """lstm-gate-order: other libraries pack the gates otherwise; every shape fits."""
    assert gap("lstm", reordered("lstm", order)) > 0.3


def test_trap_lstm_two_biases():
    """lstm-two-biases: linen's one bias is the sum; with either alone the outputs differ."""
    given = weights("lstm")
    assert gap("lstm", given._replace(bias_ih=0 * given.bias_ih)) > 0.1
    assert gap("lstm", given._replace(bias_hh=0 * given.bias_hh)) > 0.1
    summed = given._replace(bias_ih=given.bias_ih + given.bias_hh, bias_hh=None)
    assert gap("lstm", summed) < 1e-14


def test_trap_two_biases_learn_twice_as_fast():
    """lstm-two-biases: Adam moves each of torch's biases by the rate, so that their sum goes twice as far."""
    rule, gradient = optax.adam(1e-2), jnp.ones(3)
    one = rule.update(gradient, rule.init(gradient))[0]
    pair = (gradient, gradient)
    two = sum(rule.update(pair, rule.init(pair))[0])
    assert np.asarray(two / one) == pytest.approx([2, 2, 2])


def test_trap_gru_bias_split():
    """gru-bias-split: the candidate's biases do not sum; those of r and z do."""
    given = weights("gru")
    total, rows = given.bias_ih + given.bias_hh, np.arange(12)
    both = [jnp.where(rows < 8, part, 0 * part) for part in (total, total)]
    right = given._replace(
        bias_ih=jnp.where(rows < 8, both[0], given.bias_ih), bias_hh=jnp.where(rows < 8, 0, given.bias_hh)
    )
    wrong = given._replace(bias_ih=total, bias_hh=0 * total)
    assert gap("gru", right) < 1e-14
    assert gap("gru", wrong) > 0.05


def test_trap_rnn_batch_first():
    """rnn-batch-first: torch's axes are (time, batch) unless told; linen's are (batch, time). No shape tells."""
    layer, square = torch_layer("lstm"), X[:, :3]
    layer.batch_first = False
    over_the_batch = layer(torch.tensor(square))[0].detach().numpy()
    right = np.asarray(linen("lstm", square))
    assert over_the_batch.shape == right.shape
    assert abs(over_the_batch - right).max() > 0.1
    assert abs(np.asarray(linen("lstm", square, time_major=True)) - over_the_batch).max() < 1e-14


def test_trap_gru_variants():
    """gru-reset-and-update-variants: Cho's own reset acts before the product and the update the other way round."""
    x, h = draw.normal(size=(6, 2)), draw.normal(size=(6, 4))
    parts = recurrent.gates(weights("gru"), "gru")
    r, z = (jax.nn.sigmoid(x @ p.weight_ih.T + p.bias_ih + h @ p.weight_hh.T + p.bias_hh) for p in map(parts.get, "rz"))
    n = parts["n"]
    before = jnp.tanh(x @ n.weight_ih.T + n.bias_ih + (r * h) @ n.weight_hh.T + n.bias_hh)
    after = jnp.tanh(x @ n.weight_ih.T + n.bias_ih + r * (h @ n.weight_hh.T + n.bias_hh))
    ours = recurrent.gru_cell(x, h, weights("gru"))
    assert abs((1 - z) * after + z * h - ours).max() < 1e-14
    assert abs((1 - z) * before + z * h - ours).max() > 0.1
    assert abs(z * after + (1 - z) * h - ours).max() > 0.1


def test_trap_lstm_carry_order():
    """lstm-carry-order: torch's state is (h, c), linen's carry (c, h)."""
    _, (h, c) = torch_layer("lstm")(torch.tensor(X))
    carry, _ = linen("lstm", return_carry=True)
    assert abs(np.asarray(carry[0]) - c[0].detach().numpy()).max() < 1e-14
    assert abs(np.asarray(carry[0]) - h[0].detach().numpy()).max() > 0.1


def test_trap_outputs_beyond_the_end():
    """linen goes on computing past ``seq_lengths``; torch's padded outputs, and the twin's, are 0 there."""
    lengths = np.array([5, 2, 3])
    packed = pack_padded_sequence(torch.tensor(X), torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    ours = pad_packed_sequence(torch_layer("gru")(packed)[0], batch_first=True)[0].detach().numpy()
    theirs = np.asarray(linen("gru", seq_lengths=lengths))
    beyond = np.arange(5) >= lengths[:, None]
    assert not ours[beyond].any()
    assert abs(theirs[beyond]).max() > 0.1
    assert abs(theirs - ours)[~beyond].max() < 1e-14
    assert abs(outputs("gru", weights("gru"), lengths=lengths) - ours).max() < 1e-14


def test_trap_a_float32_carry():
    """linen's first carry is float32 whatever the input is: a float64 sequence is refused."""
    layer = nn.RNN(nn.GRUCell(4))
    loaded = recurrent.layer_weights(weights("gru"), "gru")
    with pytest.raises(TypeError, match="carry"):
        layer.apply(loaded, jnp.asarray(X))
    assert nn.RNN(nn.GRUCell(4, param_dtype=jnp.float64)).apply(loaded, jnp.asarray(X)).dtype == jnp.float64


def test_trap_a_length_of_zero():
    """torch refuses an empty sequence; in JAX its last state is the first."""
    with pytest.raises(RuntimeError, match="greater than 0"):
        pack_padded_sequence(torch.tensor(X), torch.tensor([5, 0, 3]), batch_first=True, enforce_sorted=False)
    _, last = recurrent.gru(X, [weights("gru")], batch_first=True, lengths=jnp.array([5, 0, 3]))
    assert not np.asarray(last)[0, 1].any()
