"""Planted mistakes of ported attention layers: packed projections, further keys, masks and what is returned."""

import jax.numpy as jnp
import numpy as np

from jax_impl import attention
from mistake import of_topic
from torch_impl import attention as torch_side

__all__ = ["MISTAKES"]

plant = of_topic("attention")

draw = np.random.default_rng(41)
EMBED, HEADS = 4, 2
W = {
    name: draw.normal(size=shape)
    for name, shape in {
        "in_proj_weight": (3 * EMBED, EMBED),
        "in_proj_bias": (3 * EMBED,),
        "out_proj_weight": (EMBED, EMBED),
        "out_proj_bias": (EMBED,),
    }.items()
}
MORE = W | {"bias_k": draw.normal(size=(1, 1, EMBED)), "bias_v": draw.normal(size=(1, 1, EMBED))}
X = draw.normal(size=(2, 3, EMBED))
PADDED = np.array([[False, False, True], [False, True, False]])
PLAIN, LEARNED, MASKED = {"x": X, "w": W}, {"x": X, "w": MORE, "mask": PADDED}, {"x": X, "w": W, "mask": PADDED}


def layer(side, *, shown=False, **options):
    def called(x, w, mask=None):
        given = side.AttentionWeights(**w)
        masks = {"key_padding_mask": mask, "batch_first": True}
        out, weights = side.multi_head_attention(x, x, x, given, HEADS, **masks, **options)
        return {"out": out, "weights": weights} if shown else out

    return called


RIGHT, TORCH = layer(attention), layer(torch_side)


def cut(w, order):
    """The packed projections in another order of rows."""
    return w | {name: w[name][np.array(order)] for name in ("in_proj_weight", "in_proj_bias")}


def by_heads(w):
    """Each head's query, key and value side by side, as GPT-NeoX packs them."""
    return cut(w, np.arange(3 * EMBED).reshape(HEADS, 3, EMBED // HEADS).swapaxes(0, 1).reshape(-1))


def summed(x, w):
    right = layer(attention, shown=True)(x, w)
    return {"out": right["out"], "weights": HEADS * right["weights"]}


def learned_key_hidden(x, w, mask):
    """The mask grows by a true for the learned key, so that nobody sees it."""
    return layer(attention)(x, {name: part for name, part in w.items() if name in W}, mask) + 0 * (
        w["bias_k"].sum() + w["bias_v"].sum()
    )


def learned_in_place(x, w, mask):
    """Key and value of the last step replaced, where torch adds one more."""
    q, k, v = jnp.split(x @ w["in_proj_weight"].T + w["in_proj_bias"], 3, axis=-1)
    k, v = (part.at[:, -1].set(w[name][0, 0]) for part, name in ((k, "bias_k"), (v, "bias_v")))
    q, k, v = (part.reshape(2, 3, HEADS, -1).swapaxes(1, 2) for part in (q, k, v))
    out = attention.scaled_dot_product_attention(q, k, v, ~mask[:, None, None])
    return out.swapaxes(1, 2).reshape(x.shape) @ w["out_proj_weight"].T + w["out_proj_bias"]


# The output's bias is added after everything: its gradient sees none of these.
BEFORE_OUT = (
    "output",
    "grad/x",
    "grad/w/in_proj_weight",
    "grad/w/in_proj_bias",
    "grad/w/out_proj_weight",
)
BEFORE_OUT_AND_LEARNED = (*BEFORE_OUT, "grad/w/bias_k", "grad/w/bias_v")

MISTAKES = (
    plant(
        "the packed projections as key, query, value",
        TORCH,
        RIGHT,
        lambda x, w: RIGHT(x, cut(w, [*range(4, 8), *range(4), *range(8, 12)])),
        PLAIN,
        caught=BEFORE_OUT,
        named=("block", "order", "change places", "taken in the order"),
    ),
    plant(
        "the packed projections head by head",
        TORCH,
        RIGHT,
        lambda x, w: RIGHT(x, by_heads(w)),
        PLAIN,
        caught=BEFORE_OUT,
        named=("block", "order", "interleav", "reshape", "heads", "permut", "axes", "the gather is left out"),
    ),
    plant(
        "the output's matrix transposed",
        TORCH,
        RIGHT,
        lambda x, w: RIGHT(x, w | {"out_proj_weight": w["out_proj_weight"].T}),
        PLAIN,
        caught=BEFORE_OUT,
        named=("transpose", "axes"),
    ),
    plant(
        "the output's bias left out",
        TORCH,
        RIGHT,
        lambda x, w: RIGHT(x, w | {"out_proj_bias": 0 * w["out_proj_bias"]}),
        PLAIN,
        caught=("output", "grad/w/out_proj_bias"),
        named=("not used", "bias", "zero", "missing"),
    ),
    plant(
        "the values' bias left out",
        TORCH,
        RIGHT,
        lambda x, w: RIGHT(x, w | {"in_proj_bias": w["in_proj_bias"].at[8:].set(0)}),
        PLAIN,
        caught=("output", "grad/w/in_proj_bias", "grad/w/out_proj_weight"),
        named=("not used", "bias", "zero", "differ only", "the scatter is left out"),
    ),
    plant(
        "weights of the heads added up, not averaged",
        layer(torch_side, shown=True),
        layer(attention, shown=True),
        summed,
        PLAIN,
        caught=("output/weights", "grad/x", "grad/w/in_proj_weight", "grad/w/in_proj_bias"),
        named=("sum on one side", "a mean taken", "2", "1/2"),
    ),
    plant(
        "a key and value of zeros forgotten",
        layer(torch_side, add_zero_attn=True),
        layer(attention, add_zero_attn=True),
        RIGHT,
        PLAIN,
        caught=BEFORE_OUT,
        named=("zero", "softmax", "one more", "key"),
    ),
    plant(
        "the learned key hidden by the mask",
        TORCH,
        RIGHT,
        learned_key_hidden,
        LEARNED,
        caught=BEFORE_OUT_AND_LEARNED,
        named=("mask", "not used", "bias_k", "bias_v"),
    ),
    plant(
        "the learned key in the last one's place",
        TORCH,
        RIGHT,
        learned_in_place,
        LEARNED,
        caught=BEFORE_OUT_AND_LEARNED,
        named=("mask", "differ only", "last", "key"),
    ),
    plant(
        "padding true where to look",
        TORCH,
        RIGHT,
        lambda x, w, mask: RIGHT(x, w, ~mask),
        MASKED,
        caught=BEFORE_OUT,
        named=("mask", "invert", "polarity", "negat"),
    ),
)
