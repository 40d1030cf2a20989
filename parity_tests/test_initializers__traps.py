"""What linen's layers and torch's own functions do by themselves: traps of first values, with their measured sizes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

from initializer_laws import DRAWS, torch_draws
from jax_impl import initializers as jax_side
from torch_impl import initializers as torch_side


def born(make):
    """torch's layer as its constructor draws it from seed 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def params_of(layer, shape):
    kind = jnp.int32 if isinstance(layer, linen.Embed) else jnp.float32
    return jax.jit(layer.init)(jax.random.key(0), jnp.zeros(shape, kind))["params"]


def spread(layer, shape, name="kernel"):
    return float(np.std(np.asarray(params_of(layer, shape)[name])))


def test_trap_linear_default_init():
    """1.73 times as wide, and a bias of zeros."""
    layer = linen.Dense(400)
    assert spread(layer, (1, 250)) / born(lambda: nn.Linear(250, 400)).weight.std().item() == pytest.approx(
        math.sqrt(3),
        rel=0.01,  # 1e5 draws: 0.3 % measured
    )
    assert (params_of(layer, (1, 250))["bias"] == 0).all()


def test_trap_embedding_init():
    """1 against 1 / sqrt(64)."""
    assert round(spread(linen.Embed(1000, 64), (1,), "embedding"), 2) == 0.13
    assert born(lambda: nn.Embedding(1000, 64)).weight.std().item() == pytest.approx(1, rel=0.01)  # 64 000 draws: 0.3 %


def test_trap_prelu_slope():
    """0.25 against 0.01."""
    assert nn.PReLU().weight.item() == 0.25
    assert params_of(linen.PReLU(), (1, 3))["negative_slope"] == np.float32(0.01)


def test_trap_mha_and_rnn_init():
    """E=64: 0.088 against 0.125. An LSTM of 32 and 64: 0.072 everywhere against 0.178 and 0.125, biases zero."""
    fused = born(lambda: nn.MultiheadAttention(64, 4)).in_proj_weight
    assert fused.std().item() == pytest.approx(math.sqrt(2 / (4 * 64)), rel=0.01)  # 12 288 draws: 0.3 % measured
    layer = linen.MultiHeadDotProductAttention(4)
    params = jax.jit(layer.init)(jax.random.key(0), jnp.zeros((1, 2, 64)))["params"]
    assert np.std(np.asarray(params["query"]["kernel"])) == pytest.approx(1 / 8, rel=0.03)  # 4096 draws: 1 % measured
    assert round(born(lambda: nn.LSTM(32, 64)).weight_ih_l0.std().item(), 3) == 0.072
    cell = linen.OptimizedLSTMCell(64)
    carry = cell.initialize_carry(jax.random.key(0), (1, 32))
    params = jax.jit(cell.init)(jax.random.key(0), carry, jnp.zeros((1, 32)))["params"]
    spreads = [np.std(np.concatenate([params[side + gate]["kernel"] for gate in "ifgo"])) for side in "ih"]
    assert [round(float(value), 2) for value in spreads] == [0.18, 0.12]


def test_a_transposed_convolution_counts_its_outputs():
    """nn.ConvTranspose2d(100, 4, 3): the bound is 1 / sqrt(4 * 9), where a convolution's would be 1 / sqrt(100 * 9)."""
    weight = born(lambda: nn.ConvTranspose2d(100, 4, 3)).weight
    assert weight.abs().max().item() == pytest.approx(1 / 6, rel=1e-2)  # 3600 draws come within 0.1 %
    assert torch_side.fans(weight.shape) == (36, 900)
    assert jax_side.fans((3, 3, 100, 4)) == (900, 36)


def test_a_gru_from_one_bias_law_is_too_wide_in_two_of_its_biases():
    """Known divergence: linen's ``in`` and ``hn`` get the law of a sum where torch keeps both; sqrt(2) too wide."""
    laws = jax_side.recurrent_laws(64)
    cell = linen.GRUCell(64, **laws)
    carry = cell.initialize_carry(jax.random.key(0), (256, 32))
    params = jax.jit(cell.init)(jax.random.key(0), carry, jnp.zeros((256, 32)))["params"]
    assert [name for name in sorted(params) if "bias" in params[name]] == ["hn", "in", "ir", "iz"]
    many = laws["bias_init"](jax.random.key(0), (DRAWS,), jnp.float32)
    alone = torch_draws(torch_side.recurrent_laws(64)["bias_ih"], (DRAWS,))
    assert float(many.std()) / alone.std() == pytest.approx(math.sqrt(2), rel=0.01)  # 1e5 draws: 0.2 % measured


def test_sparse_ignores_its_generator():
    """nn.init.sparse_ takes its places from the global generator: the same generator, other zeros."""
    draws = []
    with torch.random.fork_rng():
        for seed in (0, 1):
            torch.manual_seed(seed)
            draws.append(nn.init.sparse_(torch.empty(40, 5), 0.5, generator=torch.Generator().manual_seed(0)))
    assert not torch.equal(draws[0] == 0, draws[1] == 0)
    both = (draws[0] != 0) & (draws[1] != 0)
    assert torch.equal(draws[0][both], draws[1][both])
