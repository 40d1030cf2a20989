"""Attention agrees with its twin and with NumPy under every mask: outputs, weights, every gradient."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.func import functional_call

from jax_impl import attention as jax_side
from oracles import agrees
from torch_impl import attention as torch_side

ALLOWED = np.array([[True, False, True, True, False], [False] * 5, [True] * 5])  # the second may look nowhere
SIDES = [pytest.param(torch_side, torch.tensor, id="torch"), pytest.param(jax_side, jnp.asarray, id="jax")]


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def qkv(rng, heads=2, key_heads=2, scale=1.0):
    shapes = {"query": (2, heads, 3, 4), "key": (2, key_heads, 5, 4), "value": (2, key_heads, 5, 6)}
    return {name: scale * rng.normal(size=shape) for name, shape in shapes.items()}


def products(side):
    def called(query, key, value, allowed, added):
        attend = side.scaled_dot_product_attention
        return {
            "plain": attend(query, key, value),
            "allowed": attend(query, key, value, allowed),
            "each head's": attend(query, key, value, allowed[None, None]),
            "added": attend(query, key, value, added),
            "causal": attend(query, key, value, is_causal=True, scale=0.3),
        }

    return called


@pytest.mark.parametrize("scale", [1.0, 1e-3], ids=["unit", "small"])
def test_every_mask_agrees(parity, rng, scale):
    inputs = qkv(rng, scale=scale) | {"allowed": ALLOWED, "added": rng.normal(size=(2, 1, 3, 5))}
    dtypes = ("float64", "float32") if scale == 1 else ("float64",)
    parity.assert_equivalent(products(torch_side), products(jax_side), inputs, jit=scale == 1, dtypes=dtypes)


def test_rows_of_minus_infinity_agree(parity, rng):
    """A query that may look nowhere is 0, and so are its gradients, whichever kind of mask says so."""
    inputs = qkv(rng) | {"added": np.where(ALLOWED, 0.0, -np.inf)}
    both = [
        lambda query, key, value, added, side=side: side.scaled_dot_product_attention(query, key, value, added)
        for side in (torch_side, jax_side)
    ]
    report = parity.compare(*both, inputs, jit=False, dtypes=("float64",), edge_cases=True)
    assert report.leaf("output", "float64").ok
    assert report.leaf("grad/query", "float64").ok
    assert report.ok


def test_shared_keys_agree(parity, rng):
    """enable_gqa: six query heads, neighbours in threes share one of two key heads; with every other option too."""

    def called(side):
        attend = partial(side.scaled_dot_product_attention, enable_gqa=True)
        return lambda query, key, value, allowed: {
            "plain": attend(query, key, value),
            "causal": attend(query, key, value, is_causal=True, scale=0.3),
            "masked": attend(query, key, value, allowed, scale=-0.7),
            "added": attend(query, key, value, query[..., :1], scale=0.0),
        }

    inputs = qkv(rng, heads=6) | {"allowed": ALLOWED}
    parity.assert_equivalent(called(torch_side), called(jax_side), inputs, jit=False, dtypes=("float64",))


@pytest.mark.parametrize(("side", "native"), SIDES)
def test_no_keys_give_zeros_and_fewer_keys_than_queries_are_seen_from_the_first(side, native, rng, x64):
    query, key, value = qkv(rng).values()
    empty = side.scaled_dot_product_attention(native(query), native(key[..., :0, :]), native(value[..., :0, :]))
    assert np.array_equal(empty, np.zeros((*query.shape[:-1], value.shape[-1])))
    two = native(query), native(key[..., :2, :]), native(value[..., :2, :])
    causal = np.asarray(side.scaled_dot_product_attention(*two, is_causal=True))
    assert np.array_equal(causal[..., 0, :], value[..., 0, :])
    assert agrees(causal[..., 2, :], np.asarray(side.scaled_dot_product_attention(*two))[..., 2, :])


@pytest.mark.parametrize(("side", "native"), SIDES)
def test_products_are_numpy_s(side, native, rng, x64):
    """A third voice: the formula, row by row."""
    given = qkv(rng)
    scores = given["query"] @ given["key"].swapaxes(-1, -2) / 2
    weights = np.where(ALLOWED, np.exp(scores), 0)
    weights = weights / np.maximum(weights.sum(-1, keepdims=True), 1e-300)
    found = side.scaled_dot_product_attention(*map(native, given.values()), native(ALLOWED))
    assert agrees(np.asarray(found), weights @ given["value"])
    assert not np.asarray(found)[:, :, 1].any()


def turns(side):
    def called(x, positions):
        return [
            side.rotary_positions(x, positions, interleaved=way, base=base)
            for way, base in ((False, 1e4), (True, 100.0))
        ]

    return called


def test_rotary_positions_agree(parity, rng):
    inputs = {"x": rng.normal(size=(2, 5, 6)), "positions": np.array([0, 1, 2, 7, 300])}
    parity.assert_equivalent(turns(torch_side), turns(jax_side), inputs, name="rotary", jit=False)


@pytest.mark.parametrize(("side", "native"), SIDES)
@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_scores_depend_on_distance_alone(side, native, interleaved, rng, x64):
    """As complex numbers: turning by p is multiplying by exp(ip); lengths stay, scores see differences."""
    x, places = rng.normal(size=(1, 4)), np.array([3.0])
    found = np.asarray(side.rotary_positions(native(x), native(places), interleaved=interleaved))
    pairs = (x[0, ::2], x[0, 1::2]) if interleaved else (x[0, :2], x[0, 2:])
    turned = (pairs[0] + 1j * pairs[1]) * np.exp(3j * np.array([1, 0.01]))
    parts = [turned.real, turned.imag]
    assert agrees(found[0], np.stack(parts, -1).reshape(-1) if interleaved else np.concatenate(parts))
    rows, steps = rng.normal(size=(2, 4)), [np.array([p, p + 4.0]) for p in (0, 9)]
    near, far = (np.asarray(side.rotary_positions(native(rows), native(p), interleaved=interleaved)) for p in steps)
    assert near[0] @ near[1] == pytest.approx(far[0] @ far[1])


def heads(rng, embed=6, apart=None):
    """Weights of a layer as a tree by the fields' names; with ``apart`` keys and values of other widths."""
    shapes = {"out_proj_weight": (embed, embed), "in_proj_bias": (3 * embed,), "out_proj_bias": (embed,)}
    if apart:
        shapes |= {"q_proj_weight": (embed, embed), "k_proj_weight": (embed, apart[0])}
        shapes |= {"v_proj_weight": (embed, apart[1]), "bias_k": (1, 1, embed), "bias_v": (1, 1, embed)}
    else:
        shapes |= {"in_proj_weight": (3 * embed, embed)}
    return {name: 0.5 * rng.normal(size=shape) for name, shape in shapes.items()}


def headed(side, **options):
    def called(query, key, value, weights, **masks):
        given = side.AttentionWeights(**weights)
        return side.multi_head_attention(query, key, value, given, 3, **masks, **options)

    return called


PADDED = np.array([[False, False, False, True, True], [False] * 5])  # True is not seen


@pytest.mark.parametrize("shown", [True, False])
def test_heads_agree(parity, rng, shown):
    """Self-made weights of three heads, both masks, each of its own kind for every head of every sequence."""
    inputs = {
        "query": rng.normal(size=(2, 3, 6)),
        "key": rng.normal(size=(2, 5, 6)),
        "value": rng.normal(size=(2, 5, 6)),
    }
    added = np.where(rng.random((6, 3, 5)) < 0.2, -1e9, rng.normal(size=(6, 3, 5)))
    inputs |= {"weights": heads(rng), "key_padding_mask": np.where(PADDED, -np.inf, 0.0), "attn_mask": added}
    both = (headed(side, batch_first=True, need_weights=shown) for side in (torch_side, jax_side))
    options = {"jit": shown, "edge_cases": True, "dtypes": ("float64", "float32") if shown else ("float64",)}
    parity.assert_equivalent(*both, inputs, name=f"heads, weights {shown}", **options)


def test_heads_of_other_widths_agree(parity, rng):
    """kdim, vdim, add_bias_kv, add_zero_attn, (time, batch) and the weights of every head."""
    inputs = {
        "query": rng.normal(size=(3, 2, 6)),
        "key": rng.normal(size=(5, 2, 4)),
        "value": rng.normal(size=(5, 2, 2)),
    }
    inputs |= {"weights": heads(rng, apart=(4, 2)), "key_padding_mask": PADDED, "attn_mask": ~ALLOWED}
    both = (headed(side, add_zero_attn=True, average_attn_weights=False) for side in (torch_side, jax_side))
    parity.assert_equivalent(*both, inputs, name="other widths", jit=False, dtypes=("float64",))


@pytest.mark.parametrize(("side", "native"), SIDES)
def test_a_query_that_may_look_nowhere(side, native, rng, x64):
    """NaN with weights; the projection's bias without."""
    x, weights = native(rng.normal(size=(3, 6))), jax.tree.map(native, heads(rng))
    mask = native(~ALLOWED[:, [0, 1, 4]])
    out, shown = headed(side)(x, x, x, weights, attn_mask=mask)
    assert np.isnan(np.asarray(out))[1].all()
    assert np.isnan(np.asarray(shown)).any(-1).tolist() == [False, True, False]
    out, shown = headed(side, need_weights=False)(x, x, x, weights, attn_mask=mask)
    assert np.asarray(out)[1] == pytest.approx(np.asarray(weights["out_proj_bias"]))
    assert shown is None


def framework_layer(side):
    layer = side.attention_layer(6, 3)

    def called(x, weights, allowed):
        named = side.layer_weights(side.AttentionWeights(**weights), 3)
        if side is torch_side:
            return functional_call(layer, named, (x, x, x), {"attn_mask": ~allowed})[0]
        return layer.apply(named, x, mask=allowed[None, None])

    return called


def test_linen_is_exact_once_its_kernels_are_cut(parity, rng):
    allowed = np.tril(np.ones((4, 4), bool))
    inputs = {"x": rng.normal(size=(2, 4, 6)), "weights": heads(rng), "allowed": allowed}
    both = (framework_layer(side) for side in (torch_side, jax_side))
    parity.assert_equivalent(*both, inputs, name="layer", dtypes=("float64",), jit=False)


def test_a_fresh_layer_holds_what_it_is_loaded_with(rng):
    weights = heads(rng)
    born = jax_side.attention_layer(6, 3).init(jax.random.key(0), jnp.zeros((2, 4, 6)))
    loaded = jax_side.layer_weights(jax_side.AttentionWeights(**jax.tree.map(jnp.asarray, weights)), 3)
    assert jax.tree.map(jnp.shape, born) == jax.tree.map(jnp.shape, loaded)
    layer = torch_side.attention_layer(6, 3)
    named = torch_side.layer_weights(torch_side.AttentionWeights(**weights), 3)
    assert {name: tuple(leaf.shape) for name, leaf in layer.state_dict().items()} == {
        name: leaf.shape for name, leaf in named.items()
    }
    assert abs(np.asarray(born["params"]["query"]["kernel"])).max() <= 0.5  # sqrt(6 / 24)
    assert abs(layer.in_proj_weight.detach().numpy()).max() <= 0.5
    assert abs(np.asarray(born["params"]["out"]["kernel"])).max() <= 6**-0.5


ERRORS = {
    "attn_mask must be None": lambda side, x: side.scaled_dot_product_attention(x, x, x, x, is_causal=True),
    "key must have heads that divide the query's 3": lambda side, x: side.scaled_dot_product_attention(
        x[:, None], x[:2, None], x[:2, None], enable_gqa=True
    ),
    "even width": lambda side, x: side.rotary_positions(x, x[:, 0]),
    "num_heads must divide the width": lambda side, x: side.multi_head_attention(x, x, x, side.AttentionWeights(x), 2),
    "num_heads must divide embed": lambda side, x: side.attention_layer(3, 2),
    "layer_weights: weights": lambda side, x: side.layer_weights(side.AttentionWeights(x), 3),
}


@pytest.mark.parametrize("words", ERRORS)
def test_errors_are_the_same(words):
    said = []
    for side, native in ((torch_side, torch.tensor), (jax_side, jnp.asarray)):
        with pytest.raises(ValueError, match=words) as error:
            ERRORS[words](side, native(np.ones((3, 3))))
        said.append(str(error.value))
    assert said[0] == said[1]
