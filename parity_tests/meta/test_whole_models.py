"""Whole models, as people write them: outputs, every gradient, running statistics, and steps of an optimizer."""

import copy
import importlib.metadata
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import linen
from torch import nn

import parity
from oracles import agrees
from parity.digits import load_digits
from whole_models import (
    LanguageModel,
    LanguageModelPort,
    LeNet,
    LeNetPort,
    ResNet,
    ResNetPort,
    RowReader,
    RowReaderPort,
)

SIZE = 4  # examples a batch
ADAM = partial(torch.optim.AdamW, lr=0.01)


@dataclass(frozen=True)
class Model:
    """A torch model, its port, and batches of (inputs, targets)."""

    torch: nn.Module
    port: linen.Module
    batches: list[tuple[np.ndarray, np.ndarray]]
    layout: dict[str, Any] = field(default_factory=dict)
    train: bool = False
    optimizer: Any = ADAM


def digits(count, shape):
    (images, labels), _ = load_digits()
    images = images.reshape(-1, *shape)
    return [(images[SIZE * k : SIZE * (k + 1)], labels[SIZE * k : SIZE * (k + 1)]) for k in range(count)]


def licence(count, length=8):
    """A licence text, letters as numbers, and each piece's next letters; how many letters there are."""
    files = importlib.metadata.files("flax") or []
    text = next(file.read_text() for file in files if str(file).endswith("licenses/LICENSE")).strip()
    letters = sorted(set(text))
    ids = np.array([letters.index(letter) for letter in text])
    starts = np.arange(count * SIZE).reshape(count, SIZE, 1) * length + np.arange(length)
    return [(ids[start], ids[start + 1]) for start in starts], len(letters)


TEXT, LETTERS = licence(3)
IMAGES: dict[str, Any] = {"channels_last": True}


def models():
    torch.manual_seed(3)
    language = LanguageModel(LETTERS)
    # Attention is blind to the keys' bias: its gradient is rounding alone, which Adam would blow up to whole steps.
    momentum = partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    for layer in language.h.children():
        nn.init.normal_(layer.get_parameter("attn.in_proj_bias"))
    return {
        "LeNet": Model(LeNet(), LeNetPort(), digits(3, (1, 8, 8)), IMAGES),
        "ResNet": Model(ResNet(), ResNetPort(), digits(10, (1, 8, 8)), IMAGES, train=True),
        "LSTM over rows": Model(RowReader(), RowReaderPort(), digits(3, (8, 8))),
        "language model": Model(language, LanguageModelPort(LETTERS), TEXT, optimizer=momentum),
    }


MODELS = models()


@pytest.fixture(params=MODELS)
def model(request):
    chosen = MODELS[request.param]
    return replace(chosen, torch=copy.deepcopy(chosen.torch).double())


LONG = [pytest.param(name, marks=pytest.mark.slow if name in ("ResNet", "language model") else ()) for name in MODELS]


@pytest.mark.parametrize("model", LONG, indirect=True)
def test_outputs_and_every_gradient_agree(model):
    options: dict[str, Any] = model.layout | {"train": model.train, "dtypes": ("float64",)}
    parity.assert_equivalent(model.torch, model.port, model.batches[0][:1], **options)


@pytest.mark.slow
def test_they_agree_in_float32_too(model):
    options: dict[str, Any] = model.layout | {"train": model.train, "dtypes": ("float32",)}
    parity.assert_equivalent(model.torch, model.port, model.batches[0][:1], **options)


def torch_steps(model, optimizer):
    for inputs, targets in model.batches:
        optimizer.zero_grad()
        logits = model.torch.train(model.train)(torch.tensor(inputs))
        nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), torch.tensor(targets).reshape(-1)).backward()
        optimizer.step()


def linen_steps(model, rule, state, variables):
    """The same steps; linen's images have their channels last."""
    flags = {"train": True} if model.train else {}

    @jax.jit
    def step(variables, state, inputs, targets):
        def loss(params):
            logits, moved = model.port.apply(
                variables | {"params": params}, inputs, **flags, mutable=["batch_stats"] if model.train else []
            )
            return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean(), moved

        gradients, moved = jax.grad(loss, has_aux=True)(variables["params"])
        updates, state = rule.update(gradients, state, variables["params"])
        return variables | {"params": optax.apply_updates(variables["params"], updates)} | moved, state

    for inputs, targets in model.batches:
        moved = np.moveaxis(inputs, 1, -1) if model.layout else inputs
        variables, state = step(variables, state, jnp.asarray(moved), jnp.asarray(targets))
    return variables, state


def test_steps_of_an_optimizer_agree_weight_by_weight_and_the_running_statistics(model):
    """Three steps, ten of the network with running statistics; the LSTM's two biases move as linen's one."""
    optimizer = model.optimizer(model.torch.parameters())
    sides = model.torch, model.port, model.batches[0][:1]
    rule, params, state = parity.optimizer_from_torch(
        optimizer, model.torch, linen_module=model.port, inputs=sides[2], **model.layout
    )
    with jax.enable_x64(True):
        started = jax.tree.map(jnp.asarray, parity.to_linen(*sides, **model.layout))
        assert jax.tree.all(jax.tree.map(np.array_equal, params, started["params"]))
        variables, state = linen_steps(model, rule, state, started)
        got = jax.tree.map(np.asarray, variables)
    torch_steps(model, optimizer)
    expected = parity.to_linen(*sides, **model.layout)
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    assert jax.tree.all(jax.tree.map(agrees, got, expected))


def test_an_optimizer_goes_on_in_torch_from_linens_state():
    model = MODELS["LSTM over rows"]
    module = copy.deepcopy(model.torch).double()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    rule, params, state = parity.optimizer_from_torch(
        optimizer, module, linen_module=model.port, inputs=model.batches[0][:1]
    )
    moved = Model(module, model.port, model.batches)
    with jax.enable_x64(True):
        _, state = linen_steps(moved, rule, state, {"params": jax.tree.map(jnp.asarray, params)})
        state = jax.tree.map(np.asarray, state)
    parity.optimizer_to_torch(state, optimizer, module)
    other = copy.deepcopy(module)
    reference = torch.optim.AdamW(other.parameters(), lr=0.01)
    torch_steps(Model(other, model.port, model.batches), reference)
    for mine, theirs in zip(module.parameters(), other.parameters(), strict=True):
        assert agrees(optimizer.state[mine]["exp_avg"].numpy(), reference.state[theirs]["exp_avg"].numpy())
