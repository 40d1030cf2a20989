"""The report on a whole model names the first layer whose output differs, given equal inputs."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

import parity
import planted_models
from jax_impl.normalization import batch_norm_layer

X = (np.random.default_rng(1).normal(size=(2, 4, 3)),)


class Reader(nn.Module):
    """A convolution over time, a norm, a GRU and a head."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 2)
        self.norm = nn.BatchNorm1d(4)
        self.gru = nn.GRU(4, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x.mT))).mT
        return self.head(self.gru(x)[0][:, -1])


class Cell(linen.GRUCell):
    """The state and its candidate exchanged."""

    @linen.compact
    def __call__(self, carry, inputs):
        def dense(name, use_bias):
            return linen.Dense(self.features, use_bias, name=name)

        r, z = (linen.sigmoid(dense(f"i{k}", True)(inputs) + dense(f"h{k}", False)(carry)) for k in "rz")
        n = linen.tanh(dense("in", True)(inputs) + r * dense("hn", True)(carry))
        state = (1 - z) * carry + z * n
        return state, state


class Port(linen.Module):
    cell: type = linen.GRUCell
    momentum: float = 0.1

    @linen.compact
    def __call__(self, x, train: bool = False):
        x = linen.Conv(4, (2,), padding="VALID")(x)
        x = linen.relu(batch_norm_layer(4, 1, momentum=self.momentum)(x, use_running_average=not train))
        states: Any = linen.RNN(self.cell(5, param_dtype=x.dtype))(x)
        return linen.Dense(2)(states[:, -1])


MISTAKES = {
    "a gate": (
        Port(Cell),
        False,
        r"agree up to \S+ \(torch: norm\); Cell_0 \(torch: gru\) is the first layer whose output",
    ),
    "a momentum": (
        Port(momentum=0.9),
        True,
        r"BatchNorm_0 \(torch: norm\) is the first layer whose running statistics",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MISTAKES)
def test_the_layer_with_the_mistake_is_named(kind):
    port, train, sentence = MISTAKES[kind]
    torch.manual_seed(0)
    report = parity.compare_modules(Reader(), port, X, train=train, dtypes=("float64",), jit=False)
    assert re.search(sentence, " ".join(report.explanation.notes))


FIRST = {
    "a stem of stride 2 padded as linen pads": "conv1 (torch: conv1) is the first layer whose output differs",
    "a block added behind its activation": "agree up to BatchNorm_1 (torch: bn2); what enters fc (torch: fc) differs",
    "one norm of two with another epsilon": "BatchNorm_1 (torch: bn2) is the first layer whose output differs",
    "one norm of two in evaluation mode while the model trains": "BatchNorm_1 (torch: bn2) is the first layer whose",
    "one norm of two with torch's momentum turned round": "BatchNorm_1 (torch: bn2) is the first layer whose running",
    "a head that reads the last step, not the last that counts": "what enters head (torch: head) differs already",
    "every letter's place one too far": "agree up to wte (torch: wte); what enters wpe (torch: wpe) differs already",
    "a language model that may look ahead": "agree up to ln_1 (torch: ln_1); attn (torch: attn) is the first layer",
    "linen's own gelu in a model of torch's": "agree up to up (torch: up); what enters down (torch: down) differs",
    "the last norm of three with another epsilon": "ln_f (torch: ln_f) is the first layer whose output differs",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRST)
def test_the_first_layer_that_differs_is_named_in_whole_models(name):
    mistake = next(mistake for mistake in planted_models.MISTAKES if mistake.name == name)
    options: dict[str, Any] = {"dtypes": ("float64",), "jit": False, **mistake.options}
    report = parity.case(mistake.torch_side, mistake.wrong, mistake.inputs, **options).run()
    assert FIRST[name] in " ".join(report.explanation.notes)


class Joined(nn.Module):
    """A convolution over an image beside what a convolution made of it."""

    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Conv1d(4, 4, 1), nn.Conv1d(8, 2, 1)

    def forward(self, x):
        return self.outer(torch.cat([x, self.inner(x)], 1))


class JoinedPort(linen.Module):
    turned: bool = False

    @linen.compact
    def __call__(self, x):
        parts = [x, linen.Conv(4, (1,), name="inner")(x)]
        return linen.Conv(2, (1,), name="outer")(jnp.concatenate(parts[::-1] if self.turned else parts, -1))


def test_what_is_joined_in_the_other_order_is_told_from_another_layout():
    """Channels last holds the same image: only the order of its channels is wrong."""
    options: dict[str, Any] = {"channels_last": True, "dtypes": ("float64",), "jit": False, "gradients": False}
    assert parity.compare_modules(Joined(), JoinedPort(), X, **options).ok
    report = parity.compare_modules(Joined(), JoinedPort(turned=True), X, **options)
    sentence = "what enters it has the same numbers, but the first 4 along torch's axis 1 stand last in JAX"
    assert sentence in " ".join(report.explanation.notes)


class Normed(linen.Module):
    @linen.compact
    def __call__(self, x, train: bool = False):
        return linen.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)(x)


def test_linens_own_variance_is_told():
    options: dict[str, Any] = {"channels_last": True, "dtypes": ("float64",), "jit": False, "train": True}
    report = parity.compare_modules(nn.BatchNorm1d(4), Normed(), X, **options)
    assert "linen's BatchNorm keeps the variance of the batch, torch n / (n - 1) times it" in str(report)
