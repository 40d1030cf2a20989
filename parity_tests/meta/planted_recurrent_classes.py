"""Planted mistakes of whole recurrent networks: layers, ways, lengths and states."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_impl import recurrent
from mistake import of_topic
from torch_impl import recurrent as torch_side

__all__ = ["MISTAKES"]

plant = of_topic("recurrent")

draw = np.random.default_rng(31)
LENGTHS = np.array([3, 1])


def runs(kind_rows, count, inputs=2):
    """Weights whose matrices are square, so that no shape tells."""
    shapes = {"weight_ih": (kind_rows, inputs), "weight_hh": (kind_rows, 2), "bias_ih": (kind_rows,)}
    shapes |= {"bias_hh": (kind_rows,)}
    return [{name: draw.normal(size=shape) for name, shape in shapes.items()} for _ in range(count)]


X = draw.normal(size=(3, 2, 2))
STATE = draw.normal(size=(2, 2, 2))
STACK, PAIR, LSTM = {"x": X, "w": runs(2, 2)}, {"x": X, "w": runs(2, 2)}, {"x": X, "w": runs(8, 1)}
STARTED = STACK | {"start": STATE}
ALONE = {"x": X, "w": runs(2, 1)}


def given(side, w):
    return [side.CellWeights(**tree) for tree in w]


def outputs(side, kind="rnn", **options):
    return lambda x, w, start=None: getattr(side, kind)(x, given(side, w), start, **options)[0]


def padded(side, **options):
    def called(x, w):
        lengths = torch_lengths() if side is torch_side else jnp.asarray(LENGTHS)
        out, last = side.rnn(x, given(side, w), lengths=lengths, **options)
        return {"out": out, "last": last}

    return called


def torch_lengths():
    import torch

    return torch.tensor(LENGTHS)


def on_the_first(side, called):
    return lambda x, w: called(side)(x, w[:1])


def past_the_end(x, w):
    """linen's outputs: they go on where torch's are 0."""
    _, last = recurrent.rnn(x, given(recurrent, w[:1]), lengths=jnp.asarray(LENGTHS))
    return {"out": recurrent.rnn(x, given(recurrent, w[:1]))[0], "last": last}


def last_step(x, w):
    right = padded(recurrent)(x, w[:1])
    return {"out": right["out"], "last": right["out"][-1][None]}


def turned_with_padding(x, w):
    """The backward way as a forward one over steps turned round, padding first."""
    fore, back = given(recurrent, w)
    (ahead, h), (behind, g) = (
        recurrent.rnn(x, [fore], lengths=jnp.asarray(LENGTHS)),
        recurrent.rnn(x[::-1], [back]),
    )
    counts = (jnp.arange(3)[:, None] < LENGTHS)[..., None]
    out = jnp.concatenate([ahead, jnp.where(counts, behind[::-1], 0)], -1)
    return {"out": out, "last": jnp.concatenate([h, g])}


def two_ways(w, x, *, order=(0, 1), turned=False):
    out = recurrent.rnn(x, [given(recurrent, w)[k] for k in order], bidirectional=True)[0]
    return jnp.roll(out, 2, axis=-1) if turned else out


def swapped_gates(x, w):
    """Input and forget gate in each other's place."""
    w = [jax.tree.map(lambda part: part.at[:4].set(jnp.roll(part[:4], 2, axis=0)), w[0])]
    return outputs(recurrent, "lstm")(x, w)


def transposed(x, w):
    return outputs(recurrent)(x, [tree | {"weight_hh": tree["weight_hh"].T} for tree in w])


STACKED = outputs(torch_side)
TWO_WAYS = outputs(torch_side, bidirectional=True)

MISTAKES = (
    plant(
        "the recurrent matrix transposed",
        STACKED,
        outputs(recurrent),
        transposed,
        STACK,
        named=("transpose", "axes"),
    ),
    plant(
        "the layers in each other's place",
        STACKED,
        outputs(recurrent),
        lambda x, w: outputs(recurrent)(x, w[::-1]),
        STACK,
        named=("change places", "swap", "order", "hold each other", "w/0", "w/1"),
    ),
    plant(
        "forward and backward weights in each other's place",
        TWO_WAYS,
        outputs(recurrent, bidirectional=True),
        lambda x, w: two_ways(w, x, order=(1, 0)),
        PAIR,
        named=("change places", "swap", "order", "hold each other", "w/0", "w/1"),
    ),
    plant(
        "the backward way's outputs before the forward's",
        TWO_WAYS,
        outputs(recurrent, bidirectional=True),
        lambda x, w: two_ways(w, x, turned=True),
        PAIR,
        named=("change places", "swap", "roll", "order", "block", "halves"),
    ),
    plant(
        "the LSTM's input and forget gates in each other's place",
        outputs(torch_side, "lstm"),
        outputs(recurrent, "lstm"),
        swapped_gates,
        LSTM,
        named=("gate", "block", "taken in the order", "change places"),
    ),
    plant(
        "an initial state that is not used",
        STACKED,
        outputs(recurrent),
        lambda x, w, start: outputs(recurrent)(x, w, 0 * start),
        STARTED,
        named=("not used", "start", "state", "0 is 1"),
    ),
    plant(
        "the initial states of two layers in each other's place",
        STACKED,
        outputs(recurrent),
        lambda x, w, start: outputs(recurrent)(x, w, start[::-1]),
        STARTED,
        named=("flip", "revers", "order", "change places", "start"),
    ),
    plant(
        "padding that is run through",
        on_the_first(torch_side, padded),
        on_the_first(recurrent, padded),
        past_the_end,
        ALONE,
        caught=(
            "output/out",
            "grad/x",
            "grad/w/0/weight_ih",
            "grad/w/0/weight_hh",
            "grad/w/0/bias_ih",
            "grad/w/0/bias_hh",
        ),
        named=("padding", "masked", "length", "differ only"),
    ),
    plant(
        "the last step for the last that counts",
        on_the_first(torch_side, padded),
        on_the_first(recurrent, padded),
        last_step,
        ALONE,
        caught=(
            "output/last",
            "grad/x",
            "grad/w/0/weight_ih",
            "grad/w/0/bias_ih",
            "grad/w/0/bias_hh",
        ),
        named=("padding", "length", "differ only", "last"),
    ),
    plant(
        "padding that comes first on the way back",
        padded(torch_side, bidirectional=True),
        padded(recurrent, bidirectional=True),
        turned_with_padding,
        PAIR,
        caught=(
            "output/out",
            "output/last",
            "grad/x",
            "grad/w/1/weight_ih",
            "grad/w/1/weight_hh",
            "grad/w/1/bias_ih",
            "grad/w/1/bias_hh",
        ),
        named=("padding", "length", "differ only", "revers", "flip"),
    ),
)
