"""Planted mistakes of masks: what may look where, and what the others get."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from torch.nn import functional

from mistake import of_topic

__all__ = ["MISTAKES"]

masks = of_topic("masks")

draw = np.random.default_rng(15)
Q, K, V = QKV = tuple(draw.normal(size=(3, 2, 2, 4, 3)))  # (batch, heads, time, width)
ALLOWED = np.array([[True, False, True, True], [True] * 4, [False, True, True, False], [False, False, True, True]])
MASKED = (*QKV, ALLOWED)
SHORT_Q = (Q[:, :, :2], K, V)
NONE = np.concatenate([ALLOWED[:3], np.zeros((1, 4), bool)])
PADDED = (*QKV, np.array([[True, True, True, False], [True, True, False, False]]))


def attend(q, k, v, mask=True, *, blocked=-jnp.inf):
    scores = q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5
    return jax.nn.softmax(jnp.where(mask, scores, blocked)) @ v


def masked_afterwards(q, k, v, mask):
    return (jax.nn.softmax(q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5) * mask) @ v


def causal(q, k, v, *, offset=0):
    """torch's is_causal counts from the top left, also where queries are fewer than keys."""
    return attend(q, k, v, jnp.tril(jnp.ones((q.shape[2], k.shape[2]), bool), offset))


def torch_causal(q, k, v):
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def torch_masked(q, k, v, mask):
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def torch_key_padding(q, k, v, kept):
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=kept[:, None, None])


def without_rows(q, k, v, mask, *, blocked=-1e30):
    """Rows that may look nowhere are zero, as torch's are."""
    out = attend(q, k, v, mask, blocked=blocked)
    return jnp.where(mask.any(-1)[:, None], out, 0.0)


MISTAKES = (
    masks(
        "True for blocked",
        torch_masked,
        attend,
        lambda q, k, v, mask: attend(q, k, v, ~mask),
        MASKED,
        named=("mask", "invert", "polarity", "negat"),
    ),
    masks(
        "the mask transposed",
        torch_masked,
        attend,
        lambda q, k, v, mask: attend(q, k, v, mask.T),
        MASKED,
        named=("transpose", "axes"),
    ),
    masks(
        "-10 for minus infinity",
        torch_masked,
        attend,
        partial(attend, blocked=-10.0),
        MASKED,
        named=("-10", "-inf", "infinit", "mask"),
    ),
    masks(
        "masked after the softmax",
        torch_masked,
        attend,
        masked_afterwards,
        MASKED,
        named=("softmax", "mask", "normalis", "normaliz"),
    ),
    masks(
        "a causal mask aligned at the last key",
        torch_causal,
        causal,
        partial(causal, offset=2),
        SHORT_Q,
        named=("causal", "offset", "shift", "2 is 0", "jax.numpy.tril(k=0"),
    ),
    masks(
        "a causal mask that lets the next one in",
        torch_causal,
        causal,
        partial(causal, offset=1),
        QKV,
        named=("causal", "off by one", "offset", "shift", "1 is 0", "jax.numpy.tril(k=0"),
    ),
    masks(
        "rows without a key averaged",
        torch_masked,
        without_rows,
        partial(attend, blocked=-1e30),
        (*QKV, NONE),
        caught=("output", "grad/v"),
        named=("masked", "differ only"),
    ),
    masks(
        "padded keys masked as queries",
        torch_key_padding,
        lambda q, k, v, kept: attend(q, k, v, kept[:, None, None]),
        lambda q, k, v, kept: attend(q, k, v, kept[:, None, :, None], blocked=-1e30),
        PADDED,
        named=("mask", "instead of axis", "transpose", "broadcast"),
    ),
    masks(
        "no mask at all",
        torch_causal,
        causal,
        attend,
        QKV,
        named=("mask", "differ only", "causal"),
    ),
)
