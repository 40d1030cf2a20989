"""The report on a whole model names the first layer whose output differs, given equal inputs."""

import re
from typing import Any

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
