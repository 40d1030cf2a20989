"""Planted mistakes of attention: scales, layouts, packed weights and positions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional

from mistake import of_topic

__all__ = ["MISTAKES"]

plant = of_topic("attention")

HEADS, WIDTH = 2, 3
draw = np.random.default_rng(13)
Q, K, V = draw.normal(size=(3, 2, HEADS, 4, WIDTH))  # (batch, heads, time, width)
SQUARE = tuple(draw.normal(size=(3, 2, 3, 3, WIDTH)))  # as many heads as steps
PACKED = {"x": draw.normal(size=(2, 4, 6)), "w": draw.normal(size=(18, 6)), "out": draw.normal(size=(6, 6))}
QKV = (Q, K, V)


def attend(q, k, v, *, scale=None, axis=-1):
    scores = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    return jax.nn.softmax(scores, axis=axis) @ v


def torch_packed(x, w, out):
    """nn.MultiheadAttention's own packing: q, k and v one under the other, heads in runs."""
    nothing = {"in_proj_bias": None, "bias_k": None, "bias_v": None, "add_zero_attn": False, "dropout_p": 0.0}
    x = x.transpose(0, 1)
    return functional.multi_head_attention_forward(
        x, x, x, 6, HEADS, in_proj_weight=w, out_proj_weight=out, out_proj_bias=None, need_weights=False, **nothing
    )[0].transpose(0, 1)


def packed(x, w, out, **mistake):
    """The same, unless told otherwise."""
    how = {"order": (0, 1, 2), "split": "hd", "merge": "hd", "width": WIDTH} | mistake
    parts = [part @ x.swapaxes(1, 2) for part in jnp.split(w, 3)]
    q, k, v = (heads_of(parts[place].swapaxes(1, 2), how["split"]) for place in how["order"])
    mixed = attend(q, k, v, scale=how["width"] ** -0.5)  # batch heads time width
    if how["merge"] == "hd":
        mixed = mixed.transpose(0, 2, 1, 3)
    elif how["merge"] == "dh":
        mixed = mixed.transpose(0, 2, 3, 1)
    return mixed.reshape(x.shape) @ out.T


def heads_of(x, split):
    """(batch, time, features) to (batch, heads, time, width)."""
    if split == "hd":
        return x.reshape(*x.shape[:2], HEADS, WIDTH).transpose(0, 2, 1, 3)
    return x.reshape(*x.shape[:2], WIDTH, HEADS).transpose(0, 3, 1, 2)


def grouped(q, k, v, *, tiled=False):
    """Two heads of keys for four of queries: neighbours share one."""
    q = jnp.concatenate([q, 2 * q], 1)
    k, v = (jnp.tile(a, (1, 2, 1, 1)) if tiled else jnp.repeat(a, 2, axis=1) for a in (k, v))
    return attend(q, k, v)


def torch_grouped(q, k, v):
    return functional.scaled_dot_product_attention(torch.cat([q, 2 * q], 1), k, v, enable_gqa=True)


def rotated(q, *, halves=True, sign=1.0):
    """Rotary positions (Su et al. 2021, arXiv:2104.09864) over 4 features, in halves as Llama's weights want them."""
    q = jnp.concatenate([q, q[..., :1]], -1)
    angle = sign * jnp.arange(q.shape[2], dtype=q.dtype)[:, None] * jnp.array([1.0, 0.1], q.dtype)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    a, b = (q[..., :2], q[..., 2:]) if halves else (q[..., ::2], q[..., 1::2])
    pair = a * cos - b * sin, b * cos + a * sin
    return jnp.concatenate(pair, -1) if halves else jnp.stack(pair, -1).reshape(q.shape)


def torch_rotated(q):
    q = torch.cat([q, q[..., :1]], -1)
    angle = torch.arange(q.shape[2], dtype=q.dtype)[:, None] * torch.tensor([1.0, 0.1], dtype=q.dtype)
    cos, sin = (f(angle).repeat(1, 2) for f in (torch.cos, torch.sin))
    return q * cos + torch.cat([-q[..., 2:], q[..., :2]], -1) * sin


def biased(q, k, v, *, sign=-1.0):
    """Linear biases (Press et al. 2021, arXiv:2108.12409): far keys score less."""
    place = jnp.arange(q.shape[2])
    distance = jnp.abs(place[:, None] - place).astype(q.dtype)
    return jax.nn.softmax(q @ k.swapaxes(-1, -2) * WIDTH**-0.5 + sign * 0.25 * distance) @ v


def torch_biased(q, k, v):
    place = torch.arange(q.shape[2])
    bias = -0.25 * (place[:, None] - place).abs().to(q.dtype)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)


PLAIN = functional.scaled_dot_product_attention
SCALE = ("1/sqrt", "0.577", "0.333", "sqrt", "root of")

MISTAKES = (
    plant("scores not scaled", PLAIN, attend, partial(attend, scale=1.0), QKV, named=SCALE),
    plant("scores divided by the width, not its root", PLAIN, attend, partial(attend, scale=1 / 3), QKV, named=SCALE),
    plant(
        "scores scaled by the model's width, not a head's",
        torch_packed,
        packed,
        partial(packed, width=6),
        PACKED,
        named=SCALE,
    ),
    plant(
        "softmax over the queries of a square",
        PLAIN,
        attend,
        partial(attend, axis=-2),
        QKV,
        named=("instead of axis", "transpose", "jax.nn.softmax(axis=3"),
    ),
    plant(
        "queries and keys swapped",
        torch_packed,
        packed,
        partial(packed, order=(1, 0, 2)),
        PACKED,
        named=("block", "swap", "hold each other", "change places", "taken in the order"),
    ),
    plant(
        "keys and values swapped",
        torch_packed,
        packed,
        partial(packed, order=(0, 2, 1)),
        PACKED,
        named=("block", "swap", "hold each other", "change places", "taken in the order"),
    ),
    plant(
        "heads split from the wrong end",
        torch_packed,
        packed,
        partial(packed, split="dh", merge="dh"),
        PACKED,
        named=("head", "block", "layout", "permut"),
    ),
    plant(
        "heads merged without moving them back",
        torch_packed,
        packed,
        partial(packed, merge=""),
        PACKED,
        named=("head", "layout", "transpose"),
    ),
    plant(
        "(batch, time, heads) for (batch, heads, time), as many of each",
        PLAIN,
        attend,
        lambda q, k, v: attend(*(a.swapaxes(1, 2) for a in (q, k, v))).swapaxes(1, 2),
        SQUARE,
        named=("axes", "transpose", "layout"),
    ),
    plant(
        "jax.nn's attention, whose softmax is float32 at every dtype",
        PLAIN,
        attend,
        lambda q, k, v: jax.nn.dot_product_attention(*(a.swapaxes(1, 2) for a in (q, k, v))).swapaxes(1, 2),
        QKV,
        named=("float32",),
    ),
    plant(
        "shared keys tiled for repeated",
        torch_grouped,
        grouped,
        partial(grouped, tiled=True),
        QKV,
        named=("repeat", "tile", "permut", "head"),
    ),
    plant(
        "rotary positions on neighbours, not halves",
        torch_rotated,
        rotated,
        partial(rotated, halves=False),
        (Q,),
        named=("layout", "interleav", "permut", "half"),
    ),
    plant(
        "rotary positions turned the other way",
        torch_rotated,
        rotated,
        partial(rotated, sign=-1.0),
        (Q,),
        named=("sign", "-1"),
    ),
    plant(
        "linear biases that favour far keys",
        torch_biased,
        biased,
        partial(biased, sign=1.0),
        QKV,
        named=("sign", "-1", "-0.25"),
    ),
)
