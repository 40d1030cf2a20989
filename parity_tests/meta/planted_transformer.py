"""Planted mistakes of ported transformers: norms, residuals, masks and memories."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("transformer")

WIDTH, HEADS, HIDDEN, TIME = 4, 2, 5, 3
draw = np.random.default_rng(51)
SIZES = {"dim_feedforward": HIDDEN, "dropout": 0.0, "dtype": torch.float64, "batch_first": True}
ENCODER, DECODER = nn.TransformerEncoderLayer(WIDTH, HEADS, **SIZES), nn.TransformerDecoderLayer(WIDTH, HEADS, **SIZES)
SMOOTH = nn.TransformerEncoderLayer(WIDTH, HEADS, activation="gelu", norm_first=True, **SIZES)
X, MEMORY = draw.normal(size=(2, 2, TIME, WIDTH))
CAUSAL = np.triu(np.ones((TIME, TIME), bool), 1)
PADDED = np.array([[False, False, True], [False, True, False]])


def drawn(module):
    """Weights by torch's names, a tree where those have dots."""
    return {name: 0.7 * draw.normal(size=tuple(part.shape)) for name, part in module.named_parameters()}


def all_but(module, *untouched, given=("x",)):
    """Every leaf but these: what is added last has the cotangent alone for its gradient."""
    names = [name for name, _ in module.named_parameters() if name not in untouched]
    return ("output", *(f"grad/{name}" for name in given), *(f"grad/weights/{name}" for name in names))


def torch_module(module, *names):
    """The module as a function of weights, sequences, and masks by these names."""
    return lambda weights, *given: functional_call(
        module,
        weights,
        given[: len(given) - len(names)],
        dict(zip(names, given[len(given) - len(names) :], strict=True)),
    )


def norm(x, weights, name, eps=1e-5):
    spread = jnp.sqrt(x.var(-1, keepdims=True) + eps)
    return (x - x.mean(-1, keepdims=True)) / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attend(x, memory, weights, name="self_attn", hidden=False, width=WIDTH // HEADS):
    matrices, biases = (jnp.split(weights[f"{name}.in_proj_{part}"], 3) for part in ("weight", "bias"))
    parts = (y @ w.T + b for y, w, b in zip((x, memory, memory), matrices, biases, strict=True))
    q, k, v = (part.reshape(*part.shape[:2], HEADS, -1).swapaxes(1, 2) for part in parts)
    scores = jnp.where(hidden, -jnp.inf, q @ k.mT / math.sqrt(width))
    found = (jax.nn.softmax(scores) @ v).swapaxes(1, 2).reshape(x.shape)
    return found @ weights[f"{name}.out_proj.weight"].T + weights[f"{name}.out_proj.bias"]


def perceptron(x, weights, activation=jax.nn.relu):
    hidden = activation(x @ weights["linear1.weight"].T + weights["linear1.bias"])
    return hidden @ weights["linear2.weight"].T + weights["linear2.bias"]


def encoder(weights, x, hidden=False, *, eps=1e-5, first=False, width=WIDTH // HEADS):
    """A post-norm layer, or pre-norm with ``first``."""
    if first:
        x = x + attend(y := norm(x, weights, "norm1", eps), y, weights, hidden=hidden, width=width)
        return x + perceptron(norm(x, weights, "norm2", eps), weights)
    x = norm(x + attend(x, x, weights, hidden=hidden, width=width), weights, "norm1", eps)
    return norm(x + perceptron(x, weights), weights, "norm2", eps)


def smooth(weights, x, *, approximate=False, residual="sum", outside=False):
    """A pre-norm layer with gelu."""
    normed = norm(x, weights, "norm1")
    y = (normed if outside else x) + attend(normed, normed, weights)
    z = perceptron(norm(y, weights, "norm2"), weights, partial(jax.nn.gelu, approximate=approximate))
    return (y if residual == "sum" else x) + z


def padded(weights, x, mask, *, queries=False):
    return encoder(weights, x, mask[:, None, :, None] if queries else mask[:, None, None])


def decoder(weights, x, memory, **mistake):
    how = {"own": False, "other": "multihead_attn", "order": ("norm2", "norm3"), "hidden": False} | mistake
    x = norm(x + attend(x, x, weights, hidden=CAUSAL), weights, "norm1")
    seen = x if how["own"] else memory
    x = norm(x + attend(x, seen, weights, how["other"], hidden=how["hidden"]), weights, how["order"][0])
    return norm(x + perceptron(x, weights), weights, how["order"][1])


def torch_decoder(weights, x, memory):
    return functional_call(DECODER, weights, (x, memory), {"tgt_mask": torch.tensor(CAUSAL)})


LAYER, SMOOTHED = (drawn(ENCODER), X), (drawn(SMOOTH), X)
MASKED, PADDING = (*LAYER, CAUSAL), (*LAYER, PADDED)
PAIR = drawn(DECODER), X, MEMORY
TORCH, PLAIN = torch_module(ENCODER), encoder
TORCH_MASKED, TORCH_PADDED = (torch_module(ENCODER, name) for name in ("src_mask", "src_key_padding_mask"))
TORCH_SMOOTH = torch_module(SMOOTH)
BUT_LAST = {"caught": all_but(ENCODER, "norm2.bias")}
BUT_SMOOTH = {"caught": all_but(SMOOTH, "linear2.bias")}
BUT_PAIR = {"caught": all_but(DECODER, "norm3.bias", given=("x", "memory"))}
ATTENTION_ALONE = {
    "caught": all_but(
        SMOOTH, *(f"{name}.{part}" for name in ("linear1", "linear2", "norm2") for part in ("weight", "bias"))
    )
}
NORMS = ("norm", "order", "before", "after", "standardi", "mean and")
MASKS = ("mask", "invert", "polarity", "negat", "not of")

MISTAKES = (
    plant("norms in front where torch has them behind", TORCH, PLAIN, partial(encoder, first=True), LAYER, named=NORMS),
    plant(
        "linen's epsilon in the norms",
        TORCH,
        PLAIN,
        partial(encoder, eps=1e-6),
        LAYER,
        **BUT_LAST,
        named=("eps", "1e-05", "1e-5"),
    ),
    plant(
        "scores scaled by the model's width, not a head's",
        TORCH,
        PLAIN,
        partial(encoder, width=WIDTH),
        LAYER,
        **BUT_LAST,
        named=("1/sqrt", "sqrt", "0.707", "1.41", "root of", "scale", "0.5", "2"),
    ),
    plant(
        "the tanh form of gelu",
        TORCH_SMOOTH,
        smooth,
        partial(smooth, approximate=True),
        SMOOTHED,
        **BUT_SMOOTH,
        named=("gelu", "tanh"),
    ),
    plant(
        "the residual taken behind the norm",
        TORCH_SMOOTH,
        smooth,
        partial(smooth, outside=True),
        SMOOTHED,
        **BUT_SMOOTH,
        named=(*NORMS, "residual"),
    ),
    plant(
        "the second residual from the layer's input",
        TORCH_SMOOTH,
        smooth,
        partial(smooth, residual="input"),
        SMOOTHED,
        **ATTENTION_ALONE,
        named=("residual", "added", "missing", "not used"),
    ),
    plant(
        "true where to look in a layer's mask",
        TORCH_MASKED,
        encoder,
        lambda weights, x, mask: encoder(weights, x, ~mask),
        MASKED,
        **BUT_LAST,
        named=MASKS,
    ),
    plant(
        "a step that may see the next one too",
        TORCH_MASKED,
        encoder,
        lambda weights, x, mask: encoder(weights, x, jnp.triu(mask, 2)),
        MASKED,
        **BUT_LAST,
        named=(*MASKS, "triangular", "diagonal", "shift", "jax.numpy.triu(k=0"),
    ),
    plant(
        "padding that hides queries, not keys",
        TORCH_PADDED,
        padded,
        partial(padded, queries=True),
        PADDING,
        **BUT_LAST,
        named=(*MASKS, "axes", "transpose", "nan", "softmax"),
    ),
    plant(
        "the memory's keys and values from the target",
        torch_decoder,
        decoder,
        partial(decoder, own=True),
        PAIR,
        **BUT_PAIR,
        named=("not used", "memory", "positional", "zero", "ignored", "never reads"),
    ),
    plant(
        "the memory read with the weights of self attention",
        torch_decoder,
        decoder,
        partial(decoder, other="self_attn"),
        PAIR,
        **BUT_PAIR,
        named=("not used", "multihead_attn", "zero", "ignored", "never reads"),
    ),
    plant(
        "a decoder's second and third norm swapped",
        torch_decoder,
        decoder,
        partial(decoder, order=("norm3", "norm2")),
        PAIR,
        named=("swap", "hold each other", "change places", "norm2", "norm3", "positional"),
    ),
    plant(
        "the causal mask on the memory too",
        torch_decoder,
        decoder,
        partial(decoder, hidden=CAUSAL),
        PAIR,
        **BUT_PAIR,
        named=(*MASKS, "triangular", "causal"),
    ),
)
