"""Planted mistakes of loading: torch's weights, given by their names, become linen's in another order."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import torch
from flax import linen
from torch import nn
from torch.func import functional_call

from mistake import of_topic
from model_ports import Rows, RowsPort, drawn

__all__ = ["MISTAKES"]

draw = np.random.default_rng(75)
LENGTHS = np.array([4, 2, 3])


class Flattened(nn.Module):
    """A convolution, its maps flattened into a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(2, 3, 3), nn.Linear(3 * 3 * 2, 2)

    def forward(self, x):
        return self.fc(self.conv(x).relu().flatten(1))


FLATTENED = linen.Sequential(
    [linen.Conv(3, (3, 3), padding="VALID"), linen.relu, lambda x: x.reshape(len(x), -1), linen.Dense(2)]
)


def flattened(weights, x, *, window=(2, 3), rows=(2, 1, 0)):
    """Its port: the window comes first, and the linear layer's rows go through space before channels."""
    kernel = weights["fc.weight"].reshape(2, 3, 6).transpose(rows).reshape(18, 2)
    convolution = {"kernel": weights["conv.weight"].transpose(*window, 1, 0), "bias": weights["conv.bias"]}
    params = {"layers_0": convolution, "layers_3": {"kernel": kernel, "bias": weights["fc.bias"]}}
    return FLATTENED.apply({"params": params}, jnp.moveaxis(x, 1, -1))


def read(weights, x, order="ifgo"):
    """The rows' port, torch's stacked gates cut up in an order."""
    gates = [jnp.split(weights[f"lstm.{part}_l0"], 4) for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    cell = {}
    for letter, (taken, kept, first, second) in zip(order, zip(*gates, strict=True), strict=True):
        cell |= {f"i{letter}": {"kernel": taken.T}, f"h{letter}": {"kernel": kept.T, "bias": first + second}}
    head = {"kernel": weights["head.weight"].T, "bias": weights["head.bias"]}
    return RowsPort().apply({"params": {"OptimizedLSTMCell_0": cell, "head": head}}, x, jnp.asarray(LENGTHS))


def attended(weights, x, *, names=("query", "key", "value"), inner=False):
    """Attention of two heads, torch's stacked projections cut up in an order; the heads are the outer axis."""
    matrices, biases = (jnp.split(weights[f"in_proj_{part}"], 3) for part in ("weight", "bias"))
    axes = (2, 1, 0) if inner else (2, 0, 1)
    params = {
        name: {"kernel": w.reshape(2, 2, 4).transpose(axes), "bias": b.reshape(2, 2).T if inner else b.reshape(2, 2)}
        for name, w, b in zip(names, matrices, biases, strict=True)
    }
    params["out"] = {"kernel": weights["out_proj.weight"].T.reshape(2, 2, 4), "bias": weights["out_proj.bias"]}
    return linen.MultiHeadDotProductAttention(2).apply({"params": params}, x)


def given(module, *shape):
    """The inputs: its weights by torch's names, and one array."""
    weights = {name: tensor.detach().numpy() for name, tensor in module.named_parameters()}
    return {"weights": weights, "x": draw.normal(size=shape)}


IMAGES, ROWS = drawn(Flattened(), 76), drawn(Rows(), 77)
LOOKS = drawn(nn.MultiheadAttention(4, 2, batch_first=True), 78)
PIXELS, STEPS, WORDS = given(IMAGES, 2, 2, 5, 4), given(ROWS, 3, 4, 3), given(LOOKS, 2, 3, 4)


def torch_images(weights, x):
    return functional_call(IMAGES, weights, x)


def torch_rows(weights, x):
    return functional_call(ROWS, weights, (x, torch.tensor(LENGTHS)))


def torch_looks(weights, x):
    return functional_call(LOOKS, weights, (x, x, x))[0]


def all_but(inputs, *untouched):
    """Every leaf but these."""
    return ("output", "grad/x", *(f"grad/weights/{name}" for name in inputs["weights"] if name not in untouched))


MISTAKES = (
    of_topic("convolution")(
        "a flattened image's rows left in torch's order",
        torch_images,
        flattened,
        partial(flattened, rows=(1, 2, 0)),
        PIXELS,
        caught=all_but(PIXELS, "fc.bias"),
        named=("layout", "transpose", "order", "permut"),
    ),
    of_topic("convolution")(
        "a kernel whose window is turned over its diagonal",
        torch_images,
        flattened,
        partial(flattened, window=(3, 2)),
        PIXELS,
        caught=all_but(PIXELS, "fc.bias"),
        named=("layout", "transpose", "axes", "order"),
    ),
    of_topic("recurrent")(
        "an LSTM's kernels cut up with the output gate third",
        torch_rows,
        read,
        partial(read, order="ifog"),
        STEPS,
        caught=all_but(STEPS, "head.bias"),
        named=("order", "block", "change places", "swap"),
    ),
    of_topic("recurrent")(
        "an LSTM's kernels cut up with the forget gate first",
        torch_rows,
        read,
        partial(read, order="figo"),
        STEPS,
        caught=all_but(STEPS, "head.bias"),
        named=("order", "block", "change places", "swap"),
    ),
    of_topic("attention")(
        "the stacked projections cut up with values before keys",
        torch_looks,
        attended,
        partial(attended, names=("query", "value", "key")),
        WORDS,
        caught=all_but(WORDS, "out_proj.bias"),
        named=("order", "block", "change places", "swap"),
    ),
    of_topic("attention")(
        "the heads as the inner axis of a projection",
        torch_looks,
        attended,
        partial(attended, inner=True),
        WORDS,
        caught=all_but(WORDS, "out_proj.bias"),
        named=("layout", "transpose", "axes", "order"),
    ),
)
