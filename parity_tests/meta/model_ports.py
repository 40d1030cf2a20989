"""Small whole models and their ports, each with the one mistake that it is told to make.

A mistake is a word and no flag or number: the diagnosis tries other flags and numbers of a module.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import linen
from torch import nn

from jax_impl.normalization import batch_norm_layer

__all__ = ["Images", "ImagesPort", "Rows", "RowsPort", "Text", "TextPort", "drawn"]


def drawn(module: nn.Module, seed: int) -> nn.Module:
    """The module in float64, every weight drawn anew and every statistic away from 0 and 1."""
    draw = np.random.default_rng(seed)
    with torch.no_grad():
        for name, tensor in module.double().state_dict().items():
            if tensor.is_floating_point():
                values = draw.normal(size=tuple(tensor.shape))
                tensor.copy_(torch.tensor(0.3 + np.abs(values) if name.endswith("var") else 0.6 * values))
    return module


class Images(nn.Module):
    """A stem of stride 2, one residual block, and a head behind a pool and a dropout."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(4 * 2 * 2, 3)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(x + self.bn2(self.conv2(x)))
        x = torch.flatten(nn.functional.max_pool2d(x, 2), 1)
        return self.fc(self.dropout(x))


class ImagesPort(linen.Module):
    """The port.

    Attributes:
        mistake: ``"stem"``, the stem's padding left to linen; ``"activated"``, the block added behind its activation;
            ``"eps"`` and ``"momentum"`` of the block's norm; ``"frozen"``, this norm at its running statistics in
            training; ``"dropped"``, the dropout on in evaluation.
    """

    mistake: str = ""

    @linen.compact
    def __call__(self, x, train: bool = False):
        padding: Any = "SAME" if self.mistake == "stem" else [(1, 1), (1, 1)]
        x = linen.Conv(4, (3, 3), (2, 2), padding, use_bias=False, name="conv1")(x)
        x = linen.relu(batch_norm_layer(4, 2)(x, use_running_average=not train))
        y = linen.Conv(4, (3, 3), use_bias=False, name="conv2")(x)
        norm = batch_norm_layer(4, 2, **{"eps": {"eps": 1e-3}, "momentum": {"momentum": 0.9}}.get(self.mistake, {}))
        y = norm(y, use_running_average=self.mistake == "frozen" or not train)
        x = x + linen.relu(y) if self.mistake == "activated" else linen.relu(x + y)
        x = linen.max_pool(x, (2, 2), (2, 2)).reshape(len(x), -1)
        x = linen.Dropout(0.5)(x, deterministic=self.mistake != "dropped", rng=jax.random.key(0))
        return linen.Dense(3, name="fc")(x)


class Rows(nn.Module):
    """An LSTM over rows of several lengths; the head reads each one's last."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x, lengths):
        states = self.lstm(x)[0]
        return self.head(states[torch.arange(len(x)), lengths - 1])


class RowsPort(linen.Module):
    """The port.

    Attributes:
        mistake: ``"padded"``, the last step is read, whether it counts or not.
    """

    mistake: str = ""

    @linen.compact
    def __call__(self, x, lengths):
        states: Any = linen.RNN(linen.OptimizedLSTMCell(4, param_dtype=x.dtype), name="lstm")(x)
        last = states[:, -1] if self.mistake == "padded" else states[jnp.arange(len(x)), lengths - 1]
        return linen.Dense(2, name="head")(last)


class Text(nn.Module):
    """A language model of one layer over 5 letters, texts up to 4 long; the head's weight is the table's."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(5, 4), nn.Embedding(4, 4)
        self.ln_1, self.ln_2, self.ln_f = nn.LayerNorm(4), nn.LayerNorm(4), nn.LayerNorm(4)
        self.attn = nn.MultiheadAttention(4, 2, batch_first=True)
        self.up, self.down = nn.Linear(4, 6), nn.Linear(6, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.wte.weight

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)  # true where not to look
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, attn_mask=hidden, need_weights=False)[0]
        x = x + self.down(nn.functional.gelu(self.up(self.ln_2(x))))
        return self.head(self.ln_f(x))


class TextPort(linen.Module):
    """The port.

    Attributes:
        mistake: ``"shift"``, letters are said to stand one place on; ``"ahead"``, a letter may look ahead;
            ``"tangent"``, the activation is linen's own; ``"last"``, the norms stand behind the sums; ``"eps"`` of the
            last norm; ``"untied"``, the table does not learn from the head.
    """

    mistake: str = ""

    @linen.compact
    def __call__(self, ids):
        eps = {"ln_f": 1e-3} if self.mistake == "eps" else {}
        norms = {name: linen.LayerNorm(epsilon=eps.get(name, 1e-5), name=name) for name in ("ln_1", "ln_2", "ln_f")}
        table, places = linen.Embed(5, 4, name="wte"), linen.Embed(4, 4, name="wpe")
        x = table(ids) + places(jnp.arange(ids.shape[1]) + (self.mistake == "shift"))
        mask = None if self.mistake == "ahead" else linen.make_causal_mask(ids)
        attend = linen.MultiHeadDotProductAttention(2, name="attn")
        up, down = linen.Dense(6, name="up"), linen.Dense(4, name="down")

        def feed(x):
            return down(linen.gelu(up(x), approximate=self.mistake == "tangent"))

        if self.mistake == "last":
            x = norms["ln_1"](x + attend(x, mask=mask))
            x = norms["ln_2"](x + feed(x))
        else:
            x = x + attend(norms["ln_1"](x), mask=mask)
            x = x + feed(norms["ln_2"](x))
        x = norms["ln_f"](x)
        return x @ jax.lax.stop_gradient(table.embedding).T if self.mistake == "untied" else table.attend(x)
