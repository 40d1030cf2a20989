"""Planted mistakes of recurrent layers: gates, biases, states and directions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import lax
from torch import nn

from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("recurrent")

HIDDEN = 3
draw = np.random.default_rng(12)


def weights(gates):
    """As torch packs them: the gates one under the other, two biases."""
    rows = gates * HIDDEN
    shapes = {"w": (rows, HIDDEN), "u": (rows, HIDDEN), "b": (rows,), "c": (rows,)}
    return {name: draw.normal(size=shape) for name, shape in shapes.items()}


X = draw.normal(size=(3, 3, HIDDEN))  # as many steps as sequences, and as many features as hidden units
LSTM, GRU, PLAIN = ({"x": X, **weights(gates)} for gates in (4, 3, 1))


def torch_rnn(kind, *, both=False):
    """A torch layer of one kind called with given weights; ``both`` returns its last state too."""

    def run(x, w, u, b, c):
        layer = kind(HIDDEN, HIDDEN, batch_first=True).to(x.dtype)
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        out, state = torch.func.functional_call(layer, dict(zip(names, (w, u, b, c), strict=True)), (x,))
        return {"out": out, "state": state} if both else out

    return run


def unrolled(step, x, *, states=1, time=1):
    """The outputs of every step, and the states after the last; written out, which traces faster than a scan."""
    carry, outs = tuple(jnp.zeros((x.shape[1 - time], HIDDEN), x.dtype) for _ in range(states)), []
    for now in range(x.shape[time]):
        carry = step(carry, lax.index_in_dim(x, now, time, keepdims=False))
        outs.append(carry[0])
    return jnp.stack(outs, axis=time), carry


def lstm(x, w, u, b, c, **mistake):
    """torch's LSTM, unless told otherwise."""
    how = {"order": "ifgo", "biases": 2, "state": "hc", "outer": True, "forget": 0.0, "time": 1} | mistake

    def step(carry, now):
        total = now @ w.T + carry[0] @ u.T + (b + c if how["biases"] == 2 else b)
        gate = dict(zip(how["order"], jnp.split(total, 4, axis=-1), strict=True))
        kept = jax.nn.sigmoid(gate["f"] + how["forget"]) * carry[1]
        cell = kept + jax.nn.sigmoid(gate["i"]) * jnp.tanh(gate["g"])
        return jax.nn.sigmoid(gate["o"]) * (jnp.tanh(cell) if how["outer"] else cell), cell

    out, last = unrolled(step, x, states=2, time=how["time"])
    last = {name: value[None] for name, value in zip("hc", last, strict=True)}
    return {"out": out, "state": (last[how["state"][0]], last[how["state"][1]])}


def gru(x, w, u, b, c, **mistake):
    """torch's GRU, whose candidate has a bias of its own inside the reset gate, unless told otherwise."""
    how = {"before": False, "swapped": False, "summed": False, "order": (0, 1, 2)} | mistake

    def step(carry, now):
        h = carry[0]
        mine, theirs = (jnp.split(part, 3, axis=-1) for part in (now @ w.T + b, h @ u.T + c))
        (r, z, n), (hr, hz, hn) = ([part[k] for k in how["order"]] for part in (mine, theirs))
        r, z = jax.nn.sigmoid(r + hr), jax.nn.sigmoid(z + hz)
        inner = c[2 * HIDDEN :]
        if how["before"]:
            hn = (r * h) @ u[2 * HIDDEN :].T + inner
            candidate = jnp.tanh(n + hn)
        else:
            candidate = jnp.tanh(n + inner + r * (hn - inner)) if how["summed"] else jnp.tanh(n + r * hn)
        z = 1 - z if how["swapped"] else z
        return ((1 - z) * candidate + z * h,)

    return unrolled(step, x)[0]


def plain(x, w, u, b, c, **mistake):
    how = {"activation": jnp.tanh, "late": False} | mistake

    def step(carry, now):
        return (how["activation"](now @ w.T + b + carry[0] @ u.T + c),)

    out = unrolled(step, x)[0]
    return jnp.pad(out, ((0, 0), (1, 0), (0, 0)))[:, :-1] if how["late"] else out


def backwards(x, w, u, b, c, *, turned=True):
    out = plain(x[:, ::-1], w, u, b, c)
    return out[:, ::-1] if turned else out


def torch_backwards(x, w, u, b, c):
    return torch_rnn(nn.RNN)(x.flip(1), w, u, b, c).flip(1)


BOTH = torch_rnn(nn.LSTM, both=True)
WEIGHTS = ("grad/x", "grad/w", "grad/u", "grad/b", "grad/c")

MISTAKES = (
    plant(
        "the LSTM's gates in Keras's order of cell and output",
        BOTH,
        lstm,
        partial(lstm, order="ifog"),
        LSTM,
        named=("gate", "block", "taken in the order"),
    ),
    plant(
        "one of the LSTM's two biases",
        BOTH,
        lstm,
        partial(lstm, biases=1),
        LSTM,
        named=("bias", "not used"),
    ),
    plant(
        "the LSTM's state as (c, h)",
        BOTH,
        lstm,
        partial(lstm, state="ch"),
        LSTM,
        caught=("output/state/0", "output/state/1", *WEIGHTS),
        named=("swap", "hold each other", "change places", "other order", "state/1"),
    ),
    plant(
        "no tanh around the cell",
        BOTH,
        lstm,
        partial(lstm, outer=False),
        LSTM,
        named=("tanh",),
    ),
    plant(
        "a forget bias of 1",
        BOTH,
        lstm,
        partial(lstm, forget=1.0),
        LSTM,
        named=("1 is 0", "1.0 is 0", "forget", "bias"),
    ),
    plant(
        "time for batch",
        BOTH,
        lstm,
        partial(lstm, time=0),
        LSTM,
        named=("transpose", "axes", "instead of axis"),
    ),
    plant(
        "the GRU's reset before the product",
        torch_rnn(nn.GRU),
        gru,
        partial(gru, before=True),
        GRU,
        named=("reset", "is done after the sum"),
    ),
    plant(
        "the GRU's update gate the other way",
        torch_rnn(nn.GRU),
        gru,
        partial(gru, swapped=True),
        GRU,
        named=(
            "1 - z",
            "swap",
            "hold each other",
            "change places",
            "update gate",
            "sign",
            "the difference is left out",
        ),
    ),
    plant(
        "the GRU's candidate biases summed",
        torch_rnn(nn.GRU),
        gru,
        partial(gru, summed=True),
        GRU,
        named=("bias", "is done after the product"),
    ),
    plant(
        "the GRU's gates in Keras's order",
        torch_rnn(nn.GRU),
        gru,
        partial(gru, order=(1, 0, 2)),
        GRU,
        named=("gate", "block", "taken in the order"),
    ),
    plant(
        "relu for tanh",
        torch_rnn(nn.RNN),
        plain,
        partial(plain, activation=jax.nn.relu),
        PLAIN,
        named=("tanh",),
    ),
    plant(
        "outputs one step late",
        torch_rnn(nn.RNN),
        plain,
        partial(plain, late=True),
        PLAIN,
        named=("off by one", "one step", "shift", "rolled"),
    ),
    plant(
        "a backward layer's outputs not turned back",
        torch_backwards,
        backwards,
        partial(backwards, turned=False),
        PLAIN,
        named=("reversed",),
    ),
)
