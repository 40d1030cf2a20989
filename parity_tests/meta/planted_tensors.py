"""Planted mistakes of the topics tensors and devices: shapes, reductions, indexing, precision."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import torch

from mistake import Mistake

__all__ = ["MISTAKES"]

tensors = partial(Mistake, topic="tensors")
devices = partial(Mistake, topic="devices")

draw = np.random.default_rng(1)
VECTOR = draw.normal(size=4)
MATRIX = draw.normal(size=(3, 4))
SQUARE = draw.normal(size=(4, 4))
COUNTS = np.arange(6, dtype=np.int32).reshape(2, 3)
LOUD = np.linspace(120.0, 180.0, 8)  # squares stay below float16's 65504, their sum does not
EVERYWHERE = ("output", "grad/x")


def set_first(x):
    x = x.clone()
    x[0] = 7.0
    return x


def set_first_and_discard(x):
    x.at[0].set(7.0)
    return x


def product_in_bfloat16(x, y):
    """What an accelerator's fast mode does to float32, and to float32 only."""
    narrow = jnp.bfloat16 if x.dtype == jnp.float32 else x.dtype
    return (x.astype(narrow) @ y.astype(narrow)).astype(x.dtype)


MISTAKES = (
    tensors(
        name="reshape for permute",
        torch_side=lambda x: x.permute(1, 0),
        right=lambda x: jnp.transpose(x, (1, 0)),
        wrong=lambda x: x.reshape(4, 3),
        inputs=(MATRIX,),
        caught=EVERYWHERE,
        named=("transpose", "axes in the order", "layout"),
    ),
    tensors(
        name="flatten in column order",
        torch_side=lambda x: torch.flatten(x, 1),
        right=lambda x: x.reshape(x.shape[0], -1),
        wrong=lambda x: x.transpose(0, 2, 1).reshape(x.shape[0], -1),
        inputs=(draw.normal(size=(2, 3, 4)),),
        caught=EVERYWHERE,
        named=("flatten", "layout"),
    ),
    tensors(
        name="mean over the other axis of a square",
        torch_side=lambda x: x.mean(dim=0),
        right=lambda x: x.mean(axis=0),
        wrong=lambda x: x.mean(axis=1),
        inputs=(SQUARE,),
        caught=EVERYWHERE,
        named=("instead of axis", "transpose"),
    ),
    tensors(
        name="N for N-1",
        torch_side=lambda x: x.std(dim=1),
        right=lambda x: x.std(axis=1, ddof=1),
        wrong=lambda x: x.std(axis=1),
        inputs=(MATRIX,),
        caught=EVERYWHERE,
        named=("n - 1", "n-1", "ddof"),
    ),
    tensors(
        name="repeat for tile",
        torch_side=lambda x: x.repeat(2),
        right=lambda x: jnp.tile(x, 2),
        wrong=lambda x: jnp.repeat(x, 2),
        inputs=(VECTOR,),
        caught=EVERYWHERE,
        named=("repeat", "tile"),
    ),
    tensors(
        name="the result of at[].set discarded",
        torch_side=set_first,
        right=lambda x: x.at[0].set(7.0),
        wrong=set_first_and_discard,
        inputs=(VECTOR,),
        caught=EVERYWHERE,
        named=("discard", "one element", " set", "differ only"),
    ),
    tensors(
        name="matrix norm of the wrong ord",
        torch_side=torch.linalg.norm,
        right=jnp.linalg.norm,
        wrong=lambda x: jnp.linalg.norm(x, ord=2),
        inputs=(MATRIX,),
        caught=EVERYWHERE,
        named=("ord ", "frobenius", "norm"),
    ),
    tensors(
        name="median of an even count",
        torch_side=lambda x: x.median(),
        right=lambda x: jnp.quantile(x, 0.5, method="lower"),
        wrong=jnp.median,
        inputs=(VECTOR,),
        caught=("output", "grad/a"),
        named=("median", "middle", "quantile", "ceil"),
    ),
    tensors(
        name="sum of int32 left in int32",
        torch_side=lambda x: x.sum(dim=0),
        right=lambda x: x.sum(axis=0, dtype=int),
        wrong=lambda x: x.sum(axis=0, dtype=x.dtype),
        inputs=(COUNTS,),
        caught=("output",),
        named=("int32",),
    ),
    tensors(
        name="remainder with the sign of the dividend",
        torch_side=lambda x: torch.remainder(x, 0.75),
        right=lambda x: jnp.remainder(x, 0.75),
        wrong=lambda x: jnp.fmod(x, 0.75),
        inputs=(np.array([-2.0, -0.5, 0.5, 2.0]),),
        caught=("output",),
        named=("remainder", "fmod", "negative", "lax-rem-div-sign"),
    ),
    tensors(
        name="a keepdims forgotten, broadcast along the other axis",
        torch_side=lambda x: x - x.mean(dim=1, keepdim=True),
        right=lambda x: x - x.mean(axis=1, keepdims=True),
        wrong=lambda x: x - x.mean(axis=1),
        inputs=(SQUARE,),
        caught=EVERYWHERE,
        named=("keepdims", "broadcast", "instead of axis"),
    ),
    devices(
        name="float32 inside a float64 run",
        torch_side=torch.exp,
        right=jnp.exp,
        wrong=lambda x: jnp.exp(x.astype(jnp.float32)).astype(x.dtype),
        inputs=(MATRIX,),
        caught=EVERYWHERE,
        named=("float32",),
    ),
    devices(
        name="a constant rounded to float32",
        torch_side=lambda x: 0.1 * x,
        right=lambda x: 0.1 * x,
        wrong=lambda x: float(np.float32(0.1)) * x,
        inputs=(MATRIX,),
        caught=EVERYWHERE,
        named=("float32",),
    ),
    devices(
        name="a float32 result from a float64 input",
        torch_side=lambda x: 2.0 * x,
        right=lambda x: 2.0 * x,
        wrong=lambda x: (2.0 * x).astype(jnp.float32),
        inputs=(np.array([0.5, 1.0, -3.0]),),  # exact in float32: only the dtype tells
        caught=("output",),
        named=("float32", "dtype"),
    ),
    devices(
        name="a bfloat16 product inside float32",
        torch_side=torch.matmul,
        right=jnp.matmul,
        wrong=product_in_bfloat16,
        inputs=(MATRIX, SQUARE),
        caught=("output", "grad/x", "grad/y"),
        dtype="float32",
        named=("bfloat16", "tf32"),
    ),
    devices(
        name="a float16 mean whose sum overflows",
        torch_side=lambda x: x.square().mean(),
        right=lambda x: jnp.square(x).mean(),
        wrong=lambda x: jnp.square(x).sum() / x.size,
        inputs=(LOUD,),
        caught=("output",),
        dtype="float16",
        named=("overflow", "finite", "float16"),
    ),
)
