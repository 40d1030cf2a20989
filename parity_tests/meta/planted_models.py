"""Planted mistakes of whole models: one in the port, the rest as it should be."""

from typing import Any

import numpy as np

from mistake import of_topic
from model_ports import Images, ImagesPort, Rows, RowsPort, Text, TextPort, drawn

__all__ = ["MISTAKES"]

draw = np.random.default_rng(71)
PIXELS = (draw.normal(size=(3, 2, 8, 7)),)
TEXT = (draw.integers(5, size=(2, 3)),)
ROWS = {"x": draw.normal(size=(3, 4, 3)), "lengths": np.array([4, 2, 3])}
KINDS = {
    "convolution": (drawn(Images(), 72), ImagesPort, PIXELS),
    "normalization": (drawn(Images(), 72), ImagesPort, PIXELS),
    "recurrent": (drawn(Rows(), 73), RowsPort, ROWS),
    "transformer": (drawn(Text(), 74), TextPort, TEXT),
}
IMAGES: dict[str, Any] = {"options": {"channels_last": True}}
TRAINED: dict[str, Any] = {"options": {"channels_last": True, "train": True}}


def ported(topic, mistake, name, **rest):
    """A mistake of a port, told by its word."""
    module, port, inputs = KINDS[topic]
    return of_topic(topic)(name, module, port(), port(mistake), inputs, **rest)


def gradients(*layers, norms=()):
    """The gradients of layers and norms in linen's names."""
    leaves = [f"{layer}/{leaf}" for layer in layers for leaf in ("kernel", "bias")]
    return tuple(f"grad/params/{leaf}" for leaf in (*leaves, *(f"{norm}/{leaf}" for norm in norms for leaf in NORM)))


NORM = ("scale", "bias")
CHANGED = tuple(f"output/batch_stats/BatchNorm_1/{part}" for part in ("mean", "var"))
# What is added last has the cotangent alone for its gradient, and the larger epsilon moves no maximum.
SECOND = ("grad/x", *(f"grad/params/{layer}/kernel" for layer in ("conv1", "conv2", "fc")))
SECOND += ("grad/params/BatchNorm_1/scale", *gradients(norms=("BatchNorm_0",)))
BLOCK = (*SECOND, "grad/params/BatchNorm_1/bias")
STEPS = [f"OptimizedLSTMCell_0/{side}{gate}/kernel" for side in "ih" for gate in "ifgo"]
STEPS += [f"OptimizedLSTMCell_0/h{gate}/bias" for gate in "ifgo"]
# No key's bias moves a softmax.
LOOKS = [f"attn/{name}/kernel" for name in ("query", "key", "value", "out")]
LOOKS += [f"attn/{name}/bias" for name in ("query", "value", "out")]
TABLES = ("grad/params/wte/embedding", "grad/params/wpe/embedding")
BELOW = (*TABLES, *(f"grad/params/{leaf}" for leaf in LOOKS), *gradients("up", "down", norms=("ln_1", "ln_2")))
BELOW += ("output", "grad/params/ln_f/scale")

MISTAKES = (
    ported(
        "convolution",
        "stem",
        "a stem of stride 2 padded as linen pads",
        caught=("output", *BLOCK),
        named=("padding",),
        **IMAGES,
    ),
    ported(
        "convolution",
        "activated",
        "a block added behind its activation",
        caught=("output", *BLOCK),
        named=("in the other order", "activation", "after the sum"),
        **IMAGES,
    ),
    of_topic("normalization")(
        "a dropout left on in evaluation",
        drawn(Images(dropout=0.5), 72),
        ImagesPort(),
        ImagesPort("dropped"),
        PIXELS,
        caught=("output", *BLOCK),
        named=("dropout", "mode"),
        **IMAGES,
    ),
    ported(
        "normalization",
        "eps",
        "one norm of two with another epsilon",
        caught=("output", *SECOND),
        named=("eps", "1e-05"),
        **IMAGES,
    ),
    ported(
        "normalization",
        "frozen",
        "one norm of two in evaluation mode while the model trains",
        caught=("output/result", *CHANGED, *BLOCK),
        named=("mode", "unchanged", "statistics"),
        **TRAINED,
    ),
    ported(
        "normalization",
        "momentum",
        "one norm of two with torch's momentum turned round",
        caught=CHANGED,
        named=("momentum",),
        **TRAINED,
    ),
    ported(
        "recurrent",
        "padded",
        "a head that reads the last step, not the last that counts",
        caught=("output", "grad/x", "grad/params/head/kernel", *(f"grad/params/{leaf}" for leaf in STEPS)),
        named=("padding", "length", "last"),
    ),
    ported(
        "transformer",
        "shift",
        "every letter's place one too far",
        caught=BELOW,
        named=("shift", "off by one"),
    ),
    ported(
        "transformer",
        "ahead",
        "a language model that may look ahead",
        caught=BELOW,
        named=("mask", "causal", "triangle", "lower"),
    ),
    ported(
        "transformer",
        "tangent",
        "linen's own gelu in a model of torch's",
        caught=BELOW,
        named=("gelu", "approximate", "tanh"),
    ),
    ported(
        "transformer",
        "last",
        "a layer's norms behind the sums",
        caught=BELOW,
        named=("order", "after the sum", "before", "ln_1"),
    ),
    ported(
        "transformer",
        "eps",
        "the last norm of three with another epsilon",
        caught=BELOW,
        named=("eps", "1e-05"),
    ),
    ported(
        "transformer",
        "untied",
        "a tied table that does not learn from the head",
        caught=TABLES[:1],
        named=("stop_gradient",),
    ),
)
