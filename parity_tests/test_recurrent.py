"""Recurrent networks agree with their twins and with a loop in NumPy: outputs, last states, every gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.func import functional_call

from jax_impl import recurrent as jax_side
from oracles import agrees
from torch_impl import recurrent as torch_side

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
SIDES = [pytest.param(torch_side, torch.tensor, id="torch"), pytest.param(jax_side, jnp.asarray, id="jax")]
SLOW_STACK = pytest.param("lstm", 3, marks=pytest.mark.slow)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def run(rng, kind, inputs, hidden, projected=0):
    """The weights of one run as a tree of arrays, by the fields' names."""
    rows, states = GATES[kind] * hidden, projected or hidden
    shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, states), "bias_ih": (rows,), "bias_hh": (rows,)}
    shapes |= {"weight_hr": (projected, hidden)} if projected else {}
    return {name: 0.7 * rng.normal(size=shape) for name, shape in shapes.items()}


def state(rng, kind, shape, projected=0):
    h = rng.normal(size=(*shape[:-1], projected or shape[-1]))
    return (h, rng.normal(size=shape)) if kind == "lstm" else h


def weights_of(side, trees):
    return [side.CellWeights(**tree) for tree in trees]


def sequences(side, kind, **options):
    """The function of one side on trees of weights."""

    def called(x, weights, initial, lengths):
        out, last = getattr(side, kind)(x, weights_of(side, weights), initial, lengths=lengths, **options)
        return {"out": out, "last": last}

    return called


def oracle(kind, x, weights, start, lengths, backwards=False):
    """One run by hand over (time, batch, inputs), sequence by sequence; the last state is h."""
    sigmoid, w = (lambda a: 1 / (1 + np.exp(-a))), weights
    steps, batch, _ = x.shape
    out, last = np.zeros((steps, batch, w["weight_hh"].shape[1])), []
    for b in range(batch):
        h, c = (start[0][b], start[1][b]) if kind == "lstm" else (start[b], None)
        times = range(lengths[b])
        for t in reversed(times) if backwards else times:
            mine = w["weight_ih"] @ x[t, b] + w["bias_ih"]
            theirs = w["weight_hh"] @ h + w["bias_hh"]
            if kind == "lstm":
                i, f, g, o = np.split(mine + theirs, 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
                h = w["weight_hr"] @ h if "weight_hr" in w else h
            elif kind == "gru":
                (r, z, n), (hr, hz, hn) = np.split(mine, 3), np.split(theirs, 3)
                z = sigmoid(z + hz)
                h = (1 - z) * np.tanh(n + sigmoid(r + hr) * hn) + z * h
            else:
                h = np.tanh(mine + theirs)
            out[t, b] = h
        last.append(h)
    return out, np.stack(last)


def cells(side):
    def called(x, weights, states):
        w = {kind: side.CellWeights(**tree) for kind, tree in weights.items()}
        return {
            "tanh": side.rnn_cell(x, states["rnn"], w["rnn"]),
            "relu": side.rnn_cell(x, states["rnn"], w["rnn"], nonlinearity="relu"),
            "lstm": side.lstm_cell(x, states["lstm"], w["lstm"]),
            "gru": side.gru_cell(x, states["gru"], w["gru"]),
        }

    return called


@pytest.mark.parametrize("scale", [1.0, 1e-3], ids=["unit", "small"])
def test_cells_agree(parity, rng, scale):
    inputs = {
        "x": scale * rng.normal(size=(3, 2)),
        "weights": {kind: run(rng, kind, 2, 4) for kind in GATES},
        "states": {kind: state(rng, kind, (3, 4)) for kind in GATES},
    }
    parity.assert_equivalent(cells(torch_side), cells(jax_side), inputs, name="cells", jit=False, dtypes=("float64",))


def test_a_kink_agrees(parity):
    """relu at a sum of exactly 0 has no gradient on either side."""
    weights = {"weight_ih": np.ones((2, 1)), "weight_hh": np.zeros((2, 2))}

    def called(side):
        return lambda x, weights: side.rnn_cell(x, x @ x.T, side.CellWeights(**weights), nonlinearity="relu")

    parity.assert_equivalent(
        called(torch_side), called(jax_side), {"x": np.zeros((2, 1)), "weights": weights}, jit=False
    )


@pytest.mark.parametrize(("kind", "projected"), [("rnn", 0), ("gru", 0), SLOW_STACK])
def test_stacked_two_way_padded_sequences_agree(parity, rng, kind, projected):
    hidden, wide = 4, 2 * (projected or 4)
    trees = [run(rng, kind, size, hidden, projected) for size in (2, 2, wide, wide)]
    inputs = {
        "x": rng.normal(size=(3, 5, 2)),
        "weights": trees,
        "initial": state(rng, kind, (4, 3, hidden), projected),
        "lengths": np.array([4, 1, 5]),
    }
    options = {"bidirectional": True, "batch_first": True}
    both = (sequences(side, kind, **options) for side in (torch_side, jax_side))
    # One of them at float32 too: its programs take longest to compile.
    parity.assert_equivalent(*both, inputs, name=kind, dtypes=("float64", "float32") if projected else ("float64",))


@pytest.mark.parametrize("kind", GATES)
def test_sequences_are_the_loop_by_hand(rng, kind, x64):
    """A third voice: NumPy, step by step, both ways, for sequences of 5, 2 and 4 steps."""
    x, lengths, projected = rng.normal(size=(5, 3, 2)), np.array([5, 2, 4]), 3 if kind == "lstm" else 0
    trees = [run(rng, kind, 2, 4, projected) for _ in range(2)]
    start = state(rng, kind, (2, 3, 4), projected)
    ways = []
    for way in (0, 1):
        first = tuple(part[way] for part in start) if kind == "lstm" else start[way]
        ways.append(oracle(kind, x, trees[way], first, lengths, backwards=bool(way)))
    for side, native in ((torch_side, torch.tensor), (jax_side, jnp.asarray)):
        given = jax.tree.map(native, (x, trees, start, lengths))
        found = sequences(side, kind, bidirectional=True)(*given)
        assert agrees(found["out"], np.concatenate([out for out, _ in ways], -1))
        last = found["last"][0] if kind == "lstm" else found["last"]
        assert agrees(last, np.stack([h for _, h in ways]))


def test_a_gradient_is_a_finite_difference(rng, x64):
    trees, x = [run(rng, "lstm", 2, 4)], rng.normal(size=(3, 2, 2))
    move = jax.tree.map(lambda leaf: 1e-6 * rng.normal(size=leaf.shape), trees)
    jax_fn = jax.jit(lambda trees: jnp.sin(sequences(jax_side, "lstm")(x, trees, None, None)["out"]).sum())
    moved = [float(jax_fn(jax.tree.map(lambda a, b: a + s * b, trees, move))) for s in (1, -1)]  # noqa: B023
    slope = sum((g * m).sum() for g, m in zip(*map(jax.tree.leaves, (jax.grad(jax_fn)(trees), move)), strict=True))
    # Two values of size 1 that differ by 1e-6: rounding leaves 1e-10 of the difference, the curve 1e-12.
    assert (moved[0] - moved[1]) / 2 == pytest.approx(float(slope), rel=1e-7)


@pytest.mark.parametrize(("side", "native"), SIDES)
def test_what_stands_in_the_padding_is_never_read(side, native, rng, x64):
    """NaN beyond a sequence's end reaches no output and no gradient."""
    x, trees = rng.normal(size=(4, 2, 3)), [run(rng, "gru", 3, 2)]
    x[2:, 1] = np.nan
    weights, lengths = jax.tree.map(native, trees), native(np.array([4, 2]))
    if side is torch_side:
        leaf = weights[0]["weight_ih"].requires_grad_()
        out = sequences(side, "gru")(native(x), weights, None, lengths)["out"]
        out.sum().backward()
        gradient = leaf.grad
    else:
        loss = lambda w: sequences(side, "gru")(jnp.asarray(x), w, None, lengths)["out"].sum()  # noqa: E731
        out, gradient = sequences(side, "gru")(native(x), weights, None, lengths)["out"], jax.grad(loss)(weights)
        gradient = gradient[0]["weight_ih"]
    assert np.isfinite(np.asarray(gradient)).all()
    assert np.array_equal(np.asarray(out.detach() if side is torch_side else out)[2:, 1], np.zeros((2, 2)))


@pytest.mark.parametrize(("side", "native"), SIDES)
def test_one_sequence_alone_is_a_batch_of_one(side, native, rng, x64):
    x, trees = rng.normal(size=(1, 3)), jax.tree.map(native, [run(rng, "lstm", 3, 2)])
    alone = sequences(side, "lstm")(native(x), trees, None, None)
    batch = sequences(side, "lstm")(native(x[:, None]), trees, None, None)
    assert agrees(alone["out"], np.asarray(batch["out"])[:, 0])
    assert agrees(alone["last"][1], np.asarray(batch["last"][1])[:, 0])


def framework_layer(side, kind):
    """The framework's own layer with these weights; linen's carry is told, for it is float32 otherwise."""
    layer = side.recurrent_layer(kind, 2, 4)

    def called(x, weights):
        named = side.layer_weights(side.CellWeights(**weights), kind)
        if side is torch_side:
            return functional_call(layer, named, (x,))[0]
        zeros = jnp.zeros((x.shape[0], 4), x.dtype)
        return layer.apply(named, x, initial_carry=(zeros, zeros) if kind == "lstm" else zeros)

    return called


@pytest.mark.parametrize("kind", GATES)
def test_linen_is_exact_once_its_biases_are_summed(parity, rng, kind):
    """Also the gradients of both biases, which are that of their sum, but for the GRU's candidate."""
    inputs = {"x": rng.normal(size=(3, 5, 2)), "weights": run(rng, kind, 2, 4)}
    both = (framework_layer(side, kind) for side in (torch_side, jax_side))
    parity.assert_equivalent(*both, inputs, name=f"{kind} layer", dtypes=("float64",))


@pytest.mark.parametrize("kind", GATES)
def test_a_fresh_layer_holds_what_it_is_loaded_with(rng, kind):
    weights = jax_side.CellWeights(**jax.tree.map(jnp.asarray, run(rng, kind, 2, 4)))
    born = jax_side.recurrent_layer(kind, 2, 4).init(jax.random.key(0), jnp.zeros((3, 5, 2)))
    loaded = jax_side.layer_weights(weights, kind)
    assert jax.tree.map(jnp.shape, born) == jax.tree.map(jnp.shape, loaded)
    assert all(float(abs(leaf).max()) <= 0.5 for leaf in jax.tree.leaves(born))  # 1 / sqrt(4)
    state_dict = torch_side.recurrent_layer(kind, 2, 4).state_dict()
    assert {name: tuple(leaf.shape) for name, leaf in state_dict.items()} == {
        f"{name}_l0": leaf.shape for name, leaf in weights._asdict().items() if leaf is not None
    }


@pytest.mark.parametrize(("side", "native"), SIDES)
def test_gates_stand_one_under_the_other(side, native):
    rows = np.arange(8.0)
    weights = side.CellWeights(native(rows[:, None]), native(rows[:, None] + 10), native(rows))
    parts = side.gates(weights, "lstm")
    found = {letter: np.asarray(part.bias_ih).tolist() for letter, part in parts.items()}
    assert found == {"i": [0, 1], "f": [2, 3], "g": [4, 5], "o": [6, 7]}
    assert np.asarray(parts["o"].weight_hh).tolist() == [[16], [17]]
    assert parts["o"].bias_hh is None


ERRORS = {
    "nonlinearity": lambda side, x, w: side.rnn_cell(x, x, w, nonlinearity="gelu"),
    "weight_hh": lambda side, x, w: side.gru_cell(x, x[:, :1], w),
    "weights must be 2": lambda side, x, w: side.rnn(x, [w], bidirectional=True),
    "kind": lambda side, x, w: side.gates(w, "elman"),
    "layer_weights: weights": lambda side, x, w: side.layer_weights(w, "rnn"),
    "recurrent_layer: kind": lambda side, x, w: side.recurrent_layer("elman", 2, 2),
}


@pytest.mark.parametrize("words", ERRORS)
def test_errors_are_the_same(words):
    said = []
    for side, native in ((torch_side, torch.tensor), (jax_side, jnp.asarray)):
        weights = side.CellWeights(native(np.ones((3, 2))), native(np.ones((3, 2))))
        with pytest.raises(ValueError, match=words) as error:
            ERRORS[words](side, native(np.ones((5, 2))), weights)
        said.append(str(error.value))
    assert said[0] == said[1]
