"""Where PyTorch's transformers and what is ported in their place part ways, each with its size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

from jax_impl import transformer

draw = np.random.default_rng(7)
WIDTH, HEADS = 6, 2
X = draw.normal(size=(2, 4, WIDTH))
LAYER = nn.TransformerEncoderLayer(WIDTH, HEADS, 5, dropout=0.0, batch_first=True, dtype=torch.float64)
WEIGHTS = {name: 0.6 * draw.normal(size=tuple(part.shape)) for name, part in LAYER.named_parameters()}
LAYER.load_state_dict({name: torch.tensor(part) for name, part in WEIGHTS.items()})
PADDED = np.array([[False, False, True, True], [False] * 4])


pytestmark = pytest.mark.filterwarnings("ignore")  # of nested tensors, which are a prototype in torch


@pytest.fixture(autouse=True)
def x64():
    """Sizes are stated in float64."""
    with jax.enable_x64(True):
        yield


def torch_layer(x=X, *, quiet=False, **masks):
    """``quiet``: evaluation without gradients, where the fast path runs."""
    given = {name: torch.tensor(mask) if isinstance(mask, np.ndarray) else mask for name, mask in masks.items()}
    with torch.set_grad_enabled(not quiet):
        return LAYER.train(not quiet)(torch.tensor(x), **given).detach().numpy()


def jax_layer(x=X, *, masks=None, **options):
    layer = transformer.encoder_layer(WIDTH, HEADS, dim_feedforward=5, dropout=0.0, **options)
    loaded = transformer.transformer_weights({name: jnp.asarray(part) for name, part in WEIGHTS.items()}, HEADS)
    return np.asarray(layer.apply(loaded, jnp.asarray(x), **(masks or {})))


def gap(left, right):
    return abs(left - right).max()


def test_trap_norm_order():
    """transformer-layer-defaults: norms come last in torch unless told; every weight fits either way."""
    assert gap(jax_layer(), torch_layer()) < 1e-13
    assert gap(jax_layer(norm_first=True), torch_layer()) > 1


def test_trap_epsilon():
    """1e-5 in torch, 1e-6 in linen: a few millionths of the output at unit scale, all of it at 1e-3."""
    assert 1e-7 < gap(jax_layer(layer_norm_eps=1e-6), torch_layer()) < 1e-4
    norms = [linen.LayerNorm(epsilon=eps, use_scale=False, use_bias=False) for eps in (1e-5, 1e-6)]
    assert gap(*(np.asarray(norm.apply({}, 1e-3 * X)) for norm in norms)) > 0.3


def test_trap_gelu():
    """gelu-tanh-default: torch's word "gelu" is the exact one, flax's and jax.nn's function the tanh form."""
    grid = np.linspace(-4, 4, 801)
    exact = nn.functional.gelu(torch.tensor(grid)).numpy()
    assert gap(np.asarray(linen.gelu(grid)), exact) == pytest.approx(4.7e-4, rel=0.02)  # measured 4.73e-4
    assert gap(np.asarray(linen.gelu(grid, approximate=False)), exact) < 1e-15


def test_trap_mask_polarity():
    """mask-polarity: true hides in every mask of torch's transformers, and shows in linen's attention."""
    causal = np.triu(np.ones((4, 4), bool), 1)
    ours = torch_layer(src_mask=causal)
    assert gap(jax_layer(masks={"src_mask": jnp.asarray(causal)}), ours) < 1e-13
    shown = np.asarray(linen.make_causal_mask(jnp.ones(4)))[0]
    assert np.array_equal(shown, ~causal)
    assert gap(jax_layer(masks={"src_mask": jnp.asarray(shown != 0)})[:, :-1], ours[:, :-1]) > 0.1


def test_trap_a_sequence_of_padding_alone():
    """fully-masked-rows: attention adds its bias alone, and NaN in the fast path; linen's adds the mean of values."""
    padding = np.array([[True] * 4, [False] * 4])
    masks = {"src_key_padding_mask": padding}
    ours = torch_layer(**masks)
    assert np.isfinite(ours).all()
    assert gap(jax_layer(masks=jax.tree.map(jnp.asarray, masks)), ours) < 1e-13
    plain = linen.MultiHeadDotProductAttention(HEADS)
    params = transformer.transformer_weights(jax.tree.map(jnp.asarray, WEIGHTS), HEADS)["params"]["self_attn"]
    nowhere = np.asarray(plain.apply({"params": params}, X[:1], mask=jnp.zeros((1, 1, 4, 4), bool)))
    assert gap(nowhere, WEIGHTS["self_attn.out_proj.bias"]) > 0.1
    fast = torch_layer(quiet=True, **masks)
    assert np.isnan(fast[0]).all()
    assert gap(fast[1], ours[1]) < 1e-13


def test_trap_the_fast_path_and_nested_tensors():
    """In evaluation without gradients padded steps of a stack are 0, and numbers elsewhere; the others agree."""
    stack = nn.TransformerEncoder(LAYER.eval(), 1)
    with torch.no_grad():
        nested = stack(torch.tensor(X), src_key_padding_mask=torch.tensor(PADDED)).numpy()
    plain = jax_layer(masks={"src_key_padding_mask": jnp.asarray(PADDED)})
    assert gap(plain, torch_layer(src_key_padding_mask=PADDED)) < 1e-13
    assert gap(nested[~PADDED], plain[~PADDED]) < 1e-13
    assert not nested[PADDED].any()
    assert abs(plain[PADDED]).max() > 0.5


def test_trap_a_wrong_hint():
    """With ``is_causal`` the mask is not read where gradients flow, and read in the fast path, and under padding."""
    nothing = np.zeros((4, 4), bool)
    free, causal = torch_layer(src_mask=nothing), torch_layer(src_mask=np.triu(~nothing, 1))
    hinted = {"src_mask": nothing, "is_causal": True}
    assert np.array_equal(torch_layer(**hinted), causal)
    assert gap(torch_layer(quiet=True, **hinted), free) < 1e-13
    assert gap(causal, free) > 0.1
    assert gap(jax_layer(masks=jax.tree.map(jnp.asarray, {"src_mask": nothing}) | {"is_causal": True}), causal) < 1e-13
    padding = {"src_key_padding_mask": np.zeros((2, 4), bool)}
    assert gap(torch_layer(**hinted, **padding), free) < 1e-13


def test_trap_batch_first():
    """torch has time first unless told: silent, for every shape fits, and attention runs over the batch."""
    late = nn.TransformerEncoderLayer(WIDTH, HEADS, 5, dropout=0.0, dtype=torch.float64)
    late.load_state_dict(LAYER.state_dict())
    found = late(torch.tensor(X)).detach().numpy()
    assert found.shape == X.shape
    assert gap(found, torch_layer()) > 0.1
    assert gap(found, jax_layer(X.swapaxes(0, 1)).swapaxes(0, 1)) < 1e-13


def test_trap_no_last_norm():
    """A pre-norm stack of torch's ends without a norm unless it is given one; ``nn.Transformer`` gives one."""
    assert nn.TransformerEncoder(LAYER, 1).norm is None
    assert isinstance(nn.Transformer(WIDTH, HEADS, 1, 1, 5, norm_first=True).decoder.norm, nn.LayerNorm)
    assert transformer.encoder(WIDTH, HEADS, 1).norm is None


def test_trap_positions_in_float32():
    """bf16-positions: angles of float32 lose 2e-4 at position 5,000; bfloat16 counts to 256."""
    exact = np.asarray(transformer.sinusoidal_positions(5001, 8, dtype=jnp.float64))
    rates = np.float32(10000.0) ** (-np.arange(0, 8, 2, dtype=np.float32) / np.float32(8))
    angles = np.arange(5001, dtype=np.float32)[:, None] * rates
    assert 1e-5 < gap(np.sin(angles), exact[:, ::2]) < 1e-3
    assert gap(np.asarray(transformer.sinusoidal_positions(5001, 8, dtype=jnp.float32)), exact) < 1e-7


def test_trap_halves_for_neighbours():
    """Many ports put all sines before all cosines; the paper takes turns."""
    paper = np.asarray(transformer.sinusoidal_positions(9, 6))
    halves = np.concatenate([paper[:, ::2], paper[:, 1::2]], -1)
    assert gap(paper, halves) > 0.9
