"""Where PyTorch's attention and what JAX offers for it part ways, each with its size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen as nn
from torch.nn import functional

from jax_impl import attention
from parity.jaxprs import equations

draw = np.random.default_rng(5)
Q, K, V = QKV = tuple(draw.normal(size=(3, 2, 4, 4, 6)))  # (batch, heads, time, width), as many heads as steps
X = draw.normal(size=(2, 5, 6))
CAUSAL = np.tril(np.ones((5, 5), bool))
SHAPES = {"out_proj_weight": (6, 6), "in_proj_weight": (18, 6), "in_proj_bias": (18,), "out_proj_bias": (6,)}
WEIGHTS = attention.AttentionWeights(**{name: draw.normal(size=shape) for name, shape in SHAPES.items()})


@pytest.fixture(autouse=True)
def x64():
    """Sizes are stated in float64."""
    with jax.enable_x64(True):
        yield


def torch_product(q, k, v, **options):
    return functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, v)), **options).numpy()


def linen(params, mask):
    return np.asarray(nn.MultiHeadDotProductAttention(3).apply(params, X, mask=mask[None, None]))


def torch_heads(**options):
    layer = torch.nn.MultiheadAttention(6, 3, batch_first=True, dtype=torch.float64)
    named = {name.replace("proj_", "proj."): part for name, part in WEIGHTS._asdict().items() if name.startswith("out")}
    named |= {"in_proj_weight": WEIGHTS.in_proj_weight, "in_proj_bias": WEIGHTS.in_proj_bias}
    layer.load_state_dict({name: torch.tensor(part) for name, part in named.items()})
    return layer(*[torch.tensor(X)] * 3, **options)


def test_trap_mask_polarity():
    """mask-polarity: True blocks in ``nn.MultiheadAttention``, and is where to look everywhere else."""
    params = attention.layer_weights(jax.tree.map(jnp.asarray, WEIGHTS), 3)
    ours = torch_heads(attn_mask=torch.tensor(~CAUSAL))[0].detach().numpy()
    assert abs(linen(params, CAUSAL) - ours).max() < 1e-13
    inverted = linen(params, ~CAUSAL)
    assert abs(inverted - ours)[:, :-1].max() > 0.5


def test_trap_sdpa_layout():
    """sdpa-layout: ``jax.nn`` has time before heads; silent where there are as many of each."""
    ours = torch_product(*QKV)
    moved = jax.nn.dot_product_attention(*(jnp.swapaxes(part, 1, 2) for part in QKV))
    # jax.nn takes its softmax in float32: 1.2e-7 of weights below 1.
    assert abs(np.swapaxes(moved, 1, 2) - ours).max() < 1e-5
    assert abs(np.asarray(jax.nn.dot_product_attention(*QKV)) - ours).max() > 0.5


def test_trap_softmax_of_jax_nn():
    """float64 in, float32 inside: ``jax.nn.dot_product_attention`` is no more exact than 1e-8."""
    moved = jax.nn.dot_product_attention(*(jnp.swapaxes(part, 1, 2) for part in QKV))
    error = abs(np.swapaxes(moved, 1, 2) - torch_product(*QKV)).max()
    assert 1e-9 < error < 1e-5
    assert abs(np.asarray(attention.scaled_dot_product_attention(*QKV)) - torch_product(*QKV)).max() < 1e-14


@pytest.mark.parametrize("mistake", ["heads and widths swapped", "not transposed"])
def test_trap_mha_weight_packing(mistake):
    """mha-weight-packing: rows of in_proj are head by head; every reshape fits."""
    ours = torch_heads()[0].detach().numpy()
    params = attention.layer_weights(jax.tree.map(jnp.asarray, WEIGHTS), 3)
    assert abs(linen(params, CAUSAL | True) - ours).max() < 1e-13
    rows = np.asarray(WEIGHTS.in_proj_weight)[:6]
    swapped = rows.T.reshape(6, 2, 3).swapaxes(1, 2) if mistake.startswith("heads") else rows.reshape(6, 3, 2)
    params["params"]["query"]["kernel"] = jnp.asarray(swapped)
    assert abs(linen(params, CAUSAL | True) - ours).max() > 0.1


def test_trap_fully_masked_rows():
    """fully-masked-rows: torch's product gives 0, its layer NaN, ``jax.nn`` and linen the mean of the values."""
    mask = np.array([True, False, True, True])[:, None] & np.ones((4, 4), bool)
    assert not torch_product(*QKV, attn_mask=torch.tensor(mask))[:, :, 1].any()
    moved = [jnp.swapaxes(part, 1, 2) for part in QKV]
    for function in (jax.nn.dot_product_attention, nn.dot_product_attention):
        theirs = np.asarray(function(*moved, mask=mask[None, None]))[:, 1]
        # float32 inside of jax.nn: 1e-7 of values below 4.
        assert theirs == pytest.approx(V.mean(2), abs=1e-6)
    assert not np.asarray(attention.scaled_dot_product_attention(*QKV, mask))[:, :, 1].any()
    blocked = np.zeros((5, 5), bool)
    blocked[1] = True
    assert np.isnan(torch_heads(attn_mask=torch.tensor(blocked))[0].detach().numpy()[:, 1]).all()


def test_trap_causal_alignment():
    """causal-alignment: with fewer queries than keys torch and jax.nn count from the first; a cache needs the last."""
    short = Q[:, :, :2]
    ours = torch_product(short, K, V, is_causal=True)
    assert np.allclose(ours[:, :, 0], V[:, :, 0])  # the first query sees the first key alone
    last = np.tril(np.ones((2, 4), bool), k=2)
    aligned = np.asarray(attention.scaled_dot_product_attention(short, K, V, last))
    assert abs(aligned - ours).max() > 0.3
    moved = jax.nn.dot_product_attention(*(jnp.swapaxes(part, 1, 2) for part in (short, K, V)), is_causal=True)
    # float32 inside of jax.nn.
    assert abs(np.swapaxes(moved, 1, 2) - ours).max() < 1e-5


def test_trap_mask_value_half():
    """mask-value-half: -1e9 is minus infinity in float16; torch refuses it, and a row of it is NaN in JAX."""
    scores = jnp.full(3, -1e9).astype(jnp.float16)
    assert np.isnan(jax.nn.softmax(scores)).all()
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.zeros(3, dtype=torch.float16).masked_fill(torch.ones(3, dtype=torch.bool), -1e9)


def test_trap_key_bias_zero_gradient():
    """key-bias-zero-gradient: what is added to every key shifts all scores of a query alike."""
    loss = lambda bias: jnp.sin(  # noqa: E731
        attention.multi_head_attention(X, X, X, WEIGHTS._replace(in_proj_bias=bias), 3, batch_first=True)[0]
    ).sum()
    query, key, value = np.split(np.asarray(jax.grad(loss)(jnp.asarray(WEIGHTS.in_proj_bias))), 3)
    assert abs(key).max() < 1e-13 * abs(value).max()
    assert abs(query).max() > 1e-3 * abs(value).max()


def test_trap_bf16_positions():
    """bf16-positions: bfloat16 counts to 256; rotary angles are taken in float32 whatever the input is."""
    assert [float(jnp.asarray(p, jnp.bfloat16)) for p in (256, 257, 258)] == [256, 256, 258]
    ones, places = jnp.ones((2, 2), jnp.bfloat16), jnp.array([256, 257])
    turned = np.asarray(attention.rotary_positions(ones, places), np.float32)
    exact = np.stack([np.cos([256, 257]) - np.sin([256, 257]), np.cos([256, 257]) + np.sin([256, 257])], -1)
    # bfloat16 keeps 8 bits: cosine, sine and their sum are each rounded by up to 2^-8.
    assert turned == pytest.approx(exact, abs=2**-6)
    assert abs(turned[0] - turned[1]).max() > 0.5


def test_trap_the_mask_and_is_causal():
    """torch 2.13's CPU kernel for four axes joins mask and ``is_causal``, the one for fewer refuses them; so do we."""
    mask = np.array([True, False, True, True]) & np.ones((4, 4), bool)
    options = {"attn_mask": torch.tensor(mask), "is_causal": True}
    joined = torch_product(*QKV, attn_mask=torch.tensor(mask & CAUSAL[:4, :4]))
    assert abs(torch_product(*QKV, **options) - joined).max() < 1e-14
    with pytest.raises(RuntimeError, match="Explicit attn_mask should not be set when is_causal=True"):
        torch_product(Q[0, 0], K[0, 0], V[0, 0], **options)
    with pytest.raises(ValueError, match="attn_mask must be None where is_causal is true"):
        attention.scaled_dot_product_attention(*QKV, mask, is_causal=True)


@pytest.mark.parametrize("low", ["bfloat16", "float16"])
def test_weights_are_taken_in_float32_and_stored_low(low):
    """The numbers hardly tell: the program does. As in torch's kernel, and of the dtype of the query at the end."""
    inputs = [jax.ShapeDtypeStruct(part.shape, low) for part in QKV]
    program = jax.make_jaxpr(attention.scaled_dot_product_attention)(*inputs)
    steps = {eqn.primitive.name: eqn.outvars[0].aval for eqn, _ in equations(program)}
    assert str(steps["exp"].dtype) == "float32"
    assert [str(out.dtype) for out in program.out_avals] == [low]
