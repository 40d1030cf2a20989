"""Transformers agree with their twins and with NumPy: every kind of layer, mask and stack, and a language model."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.func import functional_call

from jax_impl import transformer as jax_side
from oracles import agrees
from torch_impl import transformer as torch_side

WIDTH, HEADS = 6, 2
SIDES = [pytest.param(torch_side, torch.tensor, id="torch"), pytest.param(jax_side, jnp.asarray, id="jax")]
HIDDEN = np.array([[False, True, False, False], [True] * 4, [False] * 4, [False, False, True, True]])
PADDED = np.array([[False, False, False, True], [False] * 4])  # True is not seen
ERF = np.vectorize(math.erf)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def build(side, kind, *counts, **options):
    given = {"dim_feedforward": 5, "dropout": 0.0, **options}
    return getattr(side, kind)(WIDTH, HEADS, *counts, **given)


def drawn(rng, module):
    """Weights for a torch module, none of them at its start: norms and biases too."""
    return {name: 0.6 * rng.normal(size=tuple(part.shape)) for name, part in module.named_parameters()}


def pair(kind, *counts, **options):
    """Both modules as functions of named weights, of sequences and of masks."""
    left, right = (build(side, kind, *counts, **options) for side in (torch_side, jax_side))
    return (
        left,
        lambda weights, sequences, masks: functional_call(left, weights, tuple(sequences), masks),
        lambda weights, sequences, masks: right.apply(
            jax_side.transformer_weights(weights, HEADS), *sequences, **masks
        ),
    )


KINDS = {
    "post-norm, relu": {},
    "pre-norm, gelu": {"norm_first": True, "activation": "gelu"},
    "post-norm, gelu, no bias": {"activation": "gelu", "bias": False},
    "pre-norm, relu, no bias, another epsilon": {"norm_first": True, "bias": False, "layer_norm_eps": 1e-2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_encoder_layers_agree(parity, rng, kind):
    """Under a boolean mask with a row that sees nothing; at 1e-3, where the epsilon decides, in one of them."""
    module, *both = pair("encoder_layer", **KINDS[kind])
    plain = kind.startswith("post-norm, relu")
    inputs = {"weights": drawn(rng, module), "sequences": [(1 if plain else 1e-3) * rng.normal(size=(2, 4, WIDTH))]}
    inputs |= {"masks": {"src_mask": HIDDEN}}
    parity.assert_equivalent(*both, inputs, name=kind, jit=plain, dtypes=("float64", "float32")[: 1 + plain])


def layer_norm(x, weights, name, eps):
    spread = np.sqrt(x.var(-1, keepdims=True) + eps)
    return (x - x.mean(-1, keepdims=True)) / spread * weights[f"{name}.weight"] + weights.get(f"{name}.bias", 0)


def attended(x, memory, weights, name, added):
    """Head by head, and row by row of what a query may see."""
    matrices, biases = (np.split(weights[f"{name}.in_proj_{part}"], 3) for part in ("weight", "bias"))
    q, k, v = (x @ w.T + b for x, w, b in zip((x, memory, memory), matrices, biases, strict=True))
    found = np.zeros_like(q)
    for head in range(HEADS):
        part = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
        scores = np.exp(q[:, part] @ k[:, part].T / math.sqrt(WIDTH / HEADS) + added)
        found[:, part] = scores / np.maximum(scores.sum(-1, keepdims=True), 1e-300) @ v[:, part]
    return found @ weights[f"{name}.out_proj.weight"].T + weights[f"{name}.out_proj.bias"]


def numpy_layer(weights, x, memory, added, norm_first, gelu):
    """A decoder's layer, or with no memory an encoder's."""
    norm = lambda x, name: layer_norm(x, weights, name, 1e-5)  # noqa: E731
    blocks = [lambda x: attended(x, x, weights, "self_attn", added)]
    blocks += [] if memory is None else [lambda x: attended(x, memory, weights, "multihead_attn", 0)]

    def perceptron(x):
        hidden = x @ weights["linear1.weight"].T + weights["linear1.bias"]
        hidden = hidden * (1 + ERF(hidden / math.sqrt(2))) / 2 if gelu else np.maximum(hidden, 0)
        return hidden @ weights["linear2.weight"].T + weights["linear2.bias"]

    for number, block in enumerate([*blocks, perceptron], start=1):
        x = x + block(norm(x, f"norm{number}")) if norm_first else norm(x + block(x), f"norm{number}")
    return x


@pytest.mark.parametrize("kind", ["encoder_layer", "decoder_layer"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_layers_are_numpy_s(kind, norm_first, rng, x64):
    """A third voice, without a batch, under a mask of numbers with a row of minus infinity."""
    options = {"norm_first": norm_first, "activation": "gelu" if norm_first else "relu"}
    module, *both = pair(kind, **options)
    weights, x, memory = drawn(rng, module), rng.normal(size=(4, WIDTH)), rng.normal(size=(3, WIDTH))
    added = np.where(HIDDEN, -np.inf, rng.normal(size=(4, 4)))
    decodes = kind == "decoder_layer"
    expected = numpy_layer(weights, x, memory if decodes else None, added, norm_first, norm_first)
    for side, native in zip(both, (torch.tensor, jnp.asarray), strict=True):
        given = jax.tree.map(native, (weights, [x, memory][: 1 + decodes]))
        found = side(*given, {"tgt_mask" if decodes else "src_mask": native(added)})
        assert agrees(np.asarray(found.detach() if native is torch.tensor else found), expected)


@pytest.mark.parametrize("norm_first", [False, True])
def test_decoder_layers_agree(parity, rng, norm_first):
    """Every mask at once, one of them another for each head of each sequence; a memory of another length."""
    module, *both = pair("decoder_layer", norm_first=norm_first)
    inputs = {
        "weights": drawn(rng, module),
        "sequences": [rng.normal(size=(2, 4, WIDTH)), rng.normal(size=(2, 3, WIDTH))],
        "masks": {
            "tgt_mask": np.where(HIDDEN, -np.inf, 0.0),
            "memory_mask": rng.normal(size=(2 * HEADS, 4, 3)),
            "tgt_key_padding_mask": np.where(PADDED, -np.inf, 0.0),
            "memory_key_padding_mask": np.where(PADDED[:, 1:], -np.inf, 0.0),
        },
    }
    options = {"jit": False, "dtypes": ("float64",), "edge_cases": True}
    parity.assert_equivalent(*both, inputs, name=f"decoder, norm first: {norm_first}", **options)


def test_stacks_agree(parity, rng):
    """Two layers and a last norm, under padding."""
    module, *both = pair("encoder", 2, norm=True, norm_first=True)
    inputs = {"weights": drawn(rng, module), "sequences": [rng.normal(size=(2, 4, WIDTH))]}
    inputs |= {"masks": {"src_key_padding_mask": PADDED}}
    parity.assert_equivalent(*both, inputs, name="encoder", jit=False, dtypes=("float64",))
    module, *both = pair("decoder", 2)
    inputs = {"weights": drawn(rng, module), "sequences": list(rng.normal(size=(2, 2, 4, WIDTH)))}
    inputs |= {"masks": {"tgt_mask": np.triu(np.ones((4, 4), bool), 1)}}
    parity.assert_equivalent(*both, inputs, name="decoder", jit=False, dtypes=("float64",))


@pytest.mark.slow
def test_transformers_agree(parity, rng):
    left, right = (
        side.transformer(WIDTH, HEADS, num_layers=(1, 2), dim_feedforward=5, dropout=0.0)
        for side in (torch_side, jax_side)
    )
    inputs = {
        "weights": drawn(rng, left),
        "src": rng.normal(size=(2, 3, WIDTH)),
        "tgt": rng.normal(size=(2, 4, WIDTH)),
        "masks": {"src_key_padding_mask": PADDED[:, 1:], "memory_key_padding_mask": PADDED[:, 1:]},
        "causal": np.asarray(jax_side.square_subsequent_mask(4)),
    }
    parity.assert_equivalent(
        lambda weights, src, tgt, masks, causal: functional_call(
            left, weights, (src, tgt), {**masks, "tgt_mask": causal, "tgt_is_causal": True}
        ),
        lambda weights, src, tgt, masks, causal: right.apply(
            jax_side.transformer_weights(weights, HEADS), src, tgt, **masks, tgt_mask=causal, tgt_is_causal=True
        ),
        inputs,
        name="transformer",
        jit=False,
        edge_cases=True,
        dtypes=("float64",),
    )


@pytest.mark.parametrize(("side", "native"), SIDES)
def test_positions_and_masks_are_numpy_s(side, native, x64):
    """Sines and cosines are the parts of exp(ip base^(-2k/width)); an odd width ends with a sine."""
    turns = np.exp(1j * np.arange(7)[:, None] * 100.0 ** (-2 * np.arange(3) / 5))
    expected = np.stack([turns.imag, turns.real], -1).reshape(7, 6)[:, :5]
    dtype = torch.float64 if side is torch_side else jnp.float64
    assert agrees(np.asarray(side.sinusoidal_positions(7, 5, base=100.0, dtype=dtype)), expected)
    mask = np.asarray(side.square_subsequent_mask(3))
    assert np.array_equal(mask, np.triu(np.full((3, 3), -np.inf), 1))


def test_masks_and_positions_are_bit_equal():
    for length, width in ((1, 1), (5, 6), (300, 7)):
        found = [np.asarray(side.sinusoidal_positions(length, width)) for side in (torch_side, jax_side)]
        assert np.array_equal(*found)
        assert found[0].dtype == found[1].dtype == np.float32


def language(side):
    model = side.LanguageModel(11, WIDTH, HEADS, 2)
    return model, (
        (lambda weights, tokens: functional_call(model, weights, (tokens,)))
        if side is torch_side
        else (lambda weights, tokens: model.apply(side.transformer_weights(weights, HEADS), tokens))
    )


def test_language_models_agree(parity, rng):
    """The embedding's gradient is that of both places where it stands."""
    (module, left), (_, right) = (language(side) for side in (torch_side, jax_side))
    inputs = {"weights": drawn(rng, module), "tokens": rng.integers(11, size=(2, 5))}
    parity.assert_equivalent(left, right, inputs, name="language model", dtypes=("float64",))


@pytest.mark.slow
def test_language_models_agree_at_float32(parity, rng):
    (module, left), (_, right) = (language(side) for side in (torch_side, jax_side))
    inputs = {"weights": drawn(rng, module), "tokens": rng.integers(11, size=(2, 5))}
    parity.assert_equivalent(left, right, inputs, name="language model", jit=False, dtypes=("float32",))


@pytest.mark.parametrize(("side", "native"), SIDES)
def test_a_language_model_sees_the_past_alone(side, native, rng):
    weights = drawn(rng, language(torch_side)[0])
    tokens = rng.integers(10, size=(1, 5))
    changed = tokens + (np.arange(5) == 3)
    given = jax.tree.map(lambda leaf: native(leaf.astype(np.float32)), weights)
    before, after = (language(side)[1](given, native(each)) for each in (tokens, changed))
    moved = abs(np.asarray((before - after).detach() if side is torch_side else before - after)).max((0, 2))
    assert moved[:3].tolist() == [0, 0, 0]
    assert (moved[3:] > 1e-3).all()
