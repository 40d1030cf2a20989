"""Whole models as people write them: torch's with channels first, linen's with channels last and linen's names."""

from typing import Any

import jax.numpy as jnp
import torch
from flax import linen
from torch import nn
from torch.nn import functional

from jax_impl.normalization import batch_norm_layer

__all__ = [
    "LeNet",
    "LeNetPort",
    "ResNet",
    "ResNetPort",
    "RowReader",
    "RowReaderPort",
    "LanguageModel",
    "LanguageModelPort",
]


class LeNet(nn.Module):
    """Two convolutions over 8 by 8 images, their maps flattened into two linear layers."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 6, 3)
        self.fc1 = nn.Linear(6 * 2 * 2, 12)
        self.fc2 = nn.Linear(12, 10)

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.flatten(torch.relu(self.conv2(x)), 1)
        return self.fc2(torch.relu(self.fc1(x)))


class LeNetPort(linen.Module):
    """The same in linen."""

    @linen.compact
    def __call__(self, x):
        x = linen.max_pool(linen.relu(linen.Conv(4, (3, 3))(x)), (2, 2), (2, 2))
        x = linen.relu(linen.Conv(6, (3, 3), padding="VALID")(x)).reshape(len(x), -1)
        x = linen.relu(linen.Dense(12)(x))
        return linen.Dense(10)(x)


class Block(nn.Module):
    """A residual block; its shortcut is a convolution where it makes the image smaller."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + self.shortcut(x))


class ResNet(nn.Module):
    """A stem, two residual blocks and the mean over the image."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(3)
        self.layer1 = Block(3, 3, 1)
        self.layer2 = Block(3, 5, 2)
        self.fc = nn.Linear(5, 10)

    def forward(self, x):
        x = self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x)))))
        return self.fc(x.mean((2, 3)))


class BlockPort(linen.Module):
    """A block in linen: torch pads a stride of 2 on both sides, "SAME" on one; linen's own norm keeps another variance.

    Attributes:
        features: of its output.
        stride: of its first convolution.
    """

    features: int
    stride: int

    @linen.compact
    def __call__(self, x, train):
        def convolved(x, window, stride):
            padding = (window // 2, window // 2)
            x = linen.Conv(self.features, (window, window), stride, [padding, padding], use_bias=False)(x)
            return batch_norm_layer(self.features)(x, use_running_average=not train)

        out = convolved(linen.relu(convolved(x, 3, self.stride)), 3, 1)
        return linen.relu(out + (x if self.stride == 1 else convolved(x, 1, self.stride)))


class ResNetPort(linen.Module):
    """The same in linen."""

    @linen.compact
    def __call__(self, x, train: bool = False):
        x = linen.Conv(3, (3, 3), use_bias=False)(x)
        x = linen.relu(batch_norm_layer(3)(x, use_running_average=not train))
        x = BlockPort(5, 2)(BlockPort(3, 1)(x, train), train)
        return linen.Dense(10)(x.mean((1, 2)))


class RowReader(nn.Module):
    """An LSTM that reads an image row by row."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, 10)

    def forward(self, rows):
        return self.head(self.lstm(rows)[0][:, -1])


class RowReaderPort(linen.Module):
    """The same in linen; the carry is made in the dtype of the parameters."""

    @linen.compact
    def __call__(self, rows):
        states: Any = linen.RNN(linen.OptimizedLSTMCell(6, param_dtype=rows.dtype))(rows)
        return linen.Dense(10)(states[:, -1])


class Layer(nn.Module):
    """A transformer's layer, norms first."""

    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)  # true where not to look
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, attn_mask=hidden, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class LanguageModel(nn.Module):
    """Two layers over letters and their places; the output's weight is the table's."""

    def __init__(self, letters, length=8, width=8, heads=2):
        super().__init__()
        self.wte = nn.Embedding(letters, width)
        self.wpe = nn.Embedding(length, width)
        self.h = nn.ModuleList([Layer(width, heads) for _ in range(2)])
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, letters, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for layer in self.h:
            x = layer(x)
        return self.lm_head(self.ln_f(x))


class LayerPort(linen.Module):
    """A layer in linen: its mask is true where to look, its gelu the exact one, its epsilon torch's.

    Attributes:
        heads: of its attention.
    """

    heads: int

    @linen.compact
    def __call__(self, x):
        mask = linen.make_causal_mask(x[..., 0])
        x = x + linen.MultiHeadDotProductAttention(self.heads)(linen.LayerNorm(epsilon=1e-5)(x), mask=mask)
        hidden = linen.Dense(4 * x.shape[-1])(linen.LayerNorm(epsilon=1e-5)(x))
        return x + linen.Dense(x.shape[-1])(linen.gelu(hidden, approximate=False))


class LanguageModelPort(linen.Module):
    """The same in linen.

    Attributes:
        letters: how many there are.
        length: of the longest text.
        width: of a letter's vector.
        heads: of each attention.
    """

    letters: int
    length: int = 8
    width: int = 8
    heads: int = 2

    @linen.compact
    def __call__(self, ids):
        table = linen.Embed(self.letters, self.width)
        x = table(ids) + linen.Embed(self.length, self.width)(jnp.arange(ids.shape[1]))
        for _ in range(2):
            x = LayerPort(self.heads)(x)
        return table.attend(linen.LayerNorm(epsilon=1e-5)(x))
