"""Planted mistakes of the topics linear and activations: layers with weights, and what stands between them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import linen
from torch import nn
from torch.nn import functional

from mistake import Mistake

__all__ = ["MISTAKES"]

linear = partial(Mistake, topic="linear")
activations = partial(Mistake, topic="activations")

draw = np.random.default_rng(4)
ROWS = draw.normal(size=(4, 3))
SQUARE = draw.normal(size=(4, 4))
LAYER = {"x": ROWS, "weight": draw.normal(size=(4, 3)), "bias": draw.normal(size=4)}
SQUARE_LAYER = {"x": ROWS, "weight": draw.normal(size=(3, 3)), "bias": draw.normal(size=3)}
WIDE = 3 * draw.normal(size=(2, 5))
EVERYWHERE = ("output", "grad/x")


def affine(x, weight, bias):
    return x @ weight.T + bias


def two_layers() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))


class TwoLayers(linen.Module):
    """Two layers of one width, named as torch names them; other fields are mistakes."""

    first: str = "0"
    second: str = "2"
    between: str = "tanh"

    @linen.compact
    def __call__(self, x):
        x = linen.Dense(3, name=self.first)(x)
        x = linen.tanh(x) if self.between == "tanh" else x
        return linen.Dense(3, name=self.second)(x)


class FrozenBias(linen.Module):
    """Two layers, the bias of the second taken out of the gradient."""

    @linen.compact
    def __call__(self, x):
        x = linen.tanh(linen.Dense(3, name="0")(x))
        layer = linen.Dense(3, name="2")
        out = layer(x)
        bias = layer.variables["params"]["bias"]
        return out - bias + jax.lax.stop_gradient(bias)


WEIGHTS = tuple(f"grad/params/{layer}/{leaf}" for layer in "02" for leaf in ("kernel", "bias"))

MISTAKES = (
    linear(
        name="transpose skipped on a square weight",
        torch_side=functional.linear,
        right=affine,
        wrong=lambda x, weight, bias: x @ weight + bias,
        inputs=tuple(SQUARE_LAYER.values()),
        caught=("output", "grad/x", "grad/weight"),
        named=("transpose",),
    ),
    linear(
        name="bias dropped",
        torch_side=affine,
        right=affine,
        wrong=lambda x, weight, bias: x @ weight.T,
        inputs=LAYER,
        caught=("output", "grad/bias"),
        named=("bias", "not used"),
    ),
    linear(
        name="bias added twice",
        torch_side=affine,
        right=affine,
        wrong=lambda x, weight, bias: affine(x, weight, bias) + bias,
        inputs=LAYER,
        caught=("output", "grad/bias"),
        named=("bias", "halved or doubled"),
    ),
    linear(
        name="bias along the batch of a square output",
        torch_side=affine,
        right=affine,
        wrong=lambda x, weight, bias: x @ weight.T + bias[:, None],
        inputs=LAYER,
        caught=("output", "grad/bias"),
        named=("broadcast", "instead of axis", "bias"),
    ),
    linear(
        name="two layers of one width in the other order",
        torch_side=two_layers(),
        right=TwoLayers(),
        wrong=TwoLayers(first="2", second="0"),
        inputs=(ROWS,),
        caught=("output", "grad/x", *WEIGHTS),
        named=("swap", "hold each other", "change places", "first submodule"),
    ),
    linear(
        name="the activation between two layers left out",
        torch_side=two_layers(),
        right=TwoLayers(),
        wrong=TwoLayers(between="nothing"),
        inputs=(ROWS,),
        # The last bias alone sees nothing of what comes before it.
        caught=("output", "grad/x", *(path for path in WEIGHTS if path != "grad/params/2/bias")),
        named=("tanh", "activation", "activate"),
    ),
    linear(
        name="a bias that does not train",
        torch_side=two_layers(),
        right=TwoLayers(),
        wrong=FrozenBias(),
        inputs=(ROWS,),
        caught=("grad/params/2/bias",),
        named=("stop_gradient",),
    ),
    activations(
        name="gelu by its tanh approximation",
        torch_side=lambda x: functional.gelu(x),
        right=lambda x: jax.nn.gelu(x, approximate=False),
        wrong=lambda x: jax.nn.gelu(x),
        inputs=(WIDE,),
        caught=EVERYWHERE,
        named=("tanh", "erf", "gelu"),
    ),
    activations(
        name="softplus without its beta",
        torch_side=lambda x: functional.softplus(x, beta=2.0),
        right=lambda x: jax.nn.softplus(2.0 * x) / 2.0,
        wrong=lambda x: jax.nn.softplus(x),
        inputs=(WIDE,),
        caught=EVERYWHERE,
        named=("beta", "softplus", "2.0"),
    ),
    activations(
        name="softmax over the other axis of a square",
        torch_side=lambda x: torch.softmax(x, dim=1),
        right=lambda x: jax.nn.softmax(x, axis=1),
        wrong=lambda x: jax.nn.softmax(x, axis=0),
        inputs=(SQUARE,),
        caught=EVERYWHERE,
        named=("instead of axis", "transpose", "jax.nn.softmax(axis=1"),
    ),
    activations(
        name="leaky slope 0.1 for 0.01",
        torch_side=lambda x: functional.leaky_relu(x),
        right=lambda x: jnp.where(x > 0, x, 0.01 * x),
        wrong=lambda x: jnp.where(x > 0, x, 0.1 * x),
        inputs=(WIDE,),
        caught=EVERYWHERE,
        named=("0.01", "slope"),
    ),
    activations(
        name="elu's alpha inside the exponential",
        torch_side=lambda x: functional.elu(x, alpha=0.5),
        right=lambda x: jax.nn.elu(x, alpha=0.5),
        wrong=lambda x: jnp.where(x > 0, x, jnp.expm1(0.5 * jnp.where(x > 0, 0.0, x))),
        inputs=(WIDE,),
        caught=EVERYWHERE,
        named=("alpha", "0.5"),
    ),
    activations(
        name="the other hard sigmoid",
        # Not functional.hardsigmoid: its float64 gradient has 1/6 rounded to float32, 3e-8 off.
        torch_side=lambda x: functional.relu6(x + 3) / 6,
        right=lambda x: jax.nn.hard_sigmoid(x),
        wrong=lambda x: jnp.clip(0.2 * x + 0.5, 0.0, 1.0),
        inputs=(WIDE,),
        caught=EVERYWHERE,
        named=("0.2", "1/6", "0.1666"),
    ),
    activations(
        name="the sign inside a sigmoid",
        torch_side=torch.sigmoid,
        right=lambda x: 1 / (1 + jnp.exp(-x)),
        wrong=lambda x: 1 / (1 + jnp.exp(x)),
        inputs=(WIDE,),
        caught=EVERYWHERE,
        named=("sign", "complement"),
    ),
)
