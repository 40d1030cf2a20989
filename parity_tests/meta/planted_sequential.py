"""Planted mistakes of the topic sequential: layers in another order, left out, cut off or shared wrongly."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import linen
from torch import nn

from mistake import Mistake

__all__ = ["MISTAKES"]

sequential = partial(Mistake, topic="sequential")

ROWS = np.random.default_rng(13).normal(size=(4, 3))


class TorchList(nn.Module):
    """Layers of one width, in a list."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(depth))

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x


class LinenList(linen.Module):
    """The port; a mistake is a word, which the diagnosis has no others to try for."""

    depth: int
    mistake: str = ""

    def setup(self):
        self.layers = [linen.Dense(3) for _ in range(self.depth)]

    def __call__(self, x):
        order = sorted(range(self.depth), key=str if self.mistake == "sorted" else int)
        for i in order:
            after = jnp.tanh(self.layers[i](x))
            x = x if (i, self.mistake) == (1, "unused") else after
            x = jax.lax.stop_gradient(x) if (i, self.mistake) == (0, "frozen") else x
        return x


def torch_nested() -> nn.Module:
    torch.manual_seed(1)
    encoder = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    return nn.Sequential(encoder, nn.Tanh(), nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3)))


def linen_nested(between=linen.tanh, last=lambda x: x) -> linen.Module:
    encoder = linen.Sequential([linen.Dense(5), linen.tanh, linen.Dense(2)])
    return linen.Sequential([encoder, between, linen.Sequential([linen.Dense(5), linen.tanh, linen.Dense(3), last])])


class TorchHeads(nn.Module):
    """A trunk with two outputs of one width."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.trunk = nn.Linear(3, 5)
        self.heads = nn.ModuleDict({"value": nn.Linear(5, 2), "policy": nn.Linear(5, 2)})

    def forward(self, x):
        hidden = torch.tanh(self.trunk(x))
        return {name: head(hidden) for name, head in self.heads.items()}


class LinenHeads(linen.Module):
    """The port; JAX hands a dict out in the order of its keys, not in that of its definition."""

    mistake: str = ""

    def setup(self):
        self.trunk = linen.Dense(5)
        self.heads = {"value": linen.Dense(2), "policy": linen.Dense(2)}

    def __call__(self, x):
        hidden = jnp.tanh(self.trunk(x))
        hidden = jax.lax.stop_gradient(hidden) if self.mistake == "cut" else hidden
        names = sorted(self.heads) if self.mistake == "zipped" else list(self.heads)
        return dict(zip(names, [self.heads[name](hidden) for name in ("value", "policy")], strict=True))


class TorchTied(nn.Module):
    """An autoencoder that decodes by its encoder's weight."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.encoder = nn.Linear(3, 3)
        self.decoder_bias = nn.Parameter(torch.randn(3))

    def forward(self, x):
        return nn.functional.linear(torch.tanh(self.encoder(x)), self.encoder.weight.T, self.decoder_bias)


class LinenTied(linen.Module):
    """The port."""

    mistake: str = ""

    @linen.compact
    def __call__(self, x):
        encoder = linen.Dense(3, name="encoder")
        hidden = jnp.tanh(encoder(x))
        kernel = encoder.variables["params"]["kernel"]
        kernel = jax.lax.stop_gradient(kernel) if self.mistake == "detached" else kernel
        bias = self.param("decoder_bias", linen.initializers.zeros_init(), (3,))
        return hidden @ (kernel if self.mistake == "as it is" else kernel.T) + bias


TRUNK = ("grad/params/trunk/kernel", "grad/params/trunk/bias")
HEADS = tuple(f"grad/params/heads_{head}/{leaf}" for head in ("value", "policy") for leaf in ("kernel", "bias"))

MISTAKES = (
    sequential(
        name="twelve layers in the order of their names as strings",
        torch_side=TorchList(12),
        right=LinenList(12),
        wrong=LinenList(12, "sorted"),
        inputs=(ROWS,),
        named=("swap", "sorted", "order", "hold each other", "change places"),
    ),
    sequential(
        name="a layer called and its result thrown away",
        torch_side=TorchList(3),
        right=LinenList(3),
        wrong=LinenList(3, "unused"),
        inputs=(ROWS,),
        named=("layers_1", "not used", "left out", "unused"),
    ),
    sequential(
        name="a list cut off below its second layer",
        torch_side=TorchList(3),
        right=LinenList(3),
        wrong=LinenList(3, "frozen"),
        inputs=(ROWS,),
        caught=("grad/x", "grad/params/layers_0/kernel", "grad/params/layers_0/bias"),
        named=("stop_gradient",),
    ),
    sequential(
        name="two sequences joined without the activation between",
        torch_side=torch_nested(),
        right=linen_nested(),
        wrong=linen_nested(between=lambda x: x),
        inputs=(ROWS,),
        caught=(
            "output",
            "grad/input",
            *(f"grad/params/layers_0/layers_{i}/{leaf}" for i in (0, 2) for leaf in ("kernel", "bias")),
            *(f"grad/params/layers_2/layers_{i}/kernel" for i in (0, 2)),
            "grad/params/layers_2/layers_0/bias",
        ),
        named=("tanh", "activation"),
    ),
    sequential(
        name="an activation after the last layer",
        torch_side=torch_nested(),
        right=linen_nested(),
        wrong=linen_nested(last=linen.tanh),
        inputs=(ROWS,),
        named=("tanh", "activation"),
    ),
    sequential(
        name="two outputs of a dict zipped to the sorted names",
        torch_side=TorchHeads(),
        right=LinenHeads(),
        wrong=LinenHeads("zipped"),
        inputs=(ROWS,),
        caught=(
            "output/value",
            "output/policy",
            "grad/x",
            "grad/params/trunk/kernel",
            "grad/params/trunk/bias",
            *HEADS,
        ),
        named=("swap", "hold each other", "change places", "order"),
    ),
    sequential(
        name="a trunk that no output trains",
        torch_side=TorchHeads(),
        right=LinenHeads(),
        wrong=LinenHeads("cut"),
        inputs=(ROWS,),
        caught=("grad/x", *TRUNK),
        named=("stop_gradient",),
    ),
    sequential(
        name="a tied weight not transposed on the way back",
        torch_side=TorchTied(),
        right=LinenTied(),
        wrong=LinenTied("as it is"),
        inputs=(ROWS,),
        caught=("output", "grad/x", "grad/params/encoder/kernel", "grad/params/encoder/bias"),
        named=("transpose",),
    ),
    sequential(
        name="a tied weight that learns from its first use only",
        torch_side=TorchTied(),
        right=LinenTied(),
        wrong=LinenTied("detached"),
        inputs=(ROWS,),
        caught=("grad/params/encoder/kernel",),
        named=("stop_gradient",),
    ),
)
