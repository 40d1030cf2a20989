"""Layers of transformers when they are born, when they drop, and when they are asked for what there is not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn
from torch.func import functional_call

from jax_impl import transformer as jax_side
from jax_impl._transformer_layers import _masked_attention
from torch_impl import transformer as torch_side

WIDTH, HEADS = 6, 2


def drawn(rng, module):
    return {name: 0.6 * rng.normal(size=tuple(part.shape)) for name, part in module.named_parameters()}


class Kept(nn.Module):
    """Dropout on a mask that is given."""

    def __init__(self, kept, p):
        super().__init__()
        self.kept, self.p = kept, p

    def forward(self, x):
        return x * self.kept[: x.shape[-1]].to(x.device) / (1 - self.p)


def test_dropout_stands_in_the_same_places(parity, rng):
    """On given masks: after attention, in the perceptron, and behind it; each place has another."""
    kept = {"dropout1": [1, 0, 1, 1, 0, 1], "dropout": [0, 1, 1, 0, 1], "dropout2": [1, 1, 0, 1, 0, 0]}
    left, right = (
        side.decoder_layer(WIDTH, HEADS, dim_feedforward=5, dropout=0.0, norm_first=True)
        for side in (torch_side, jax_side)
    )
    places = ("dropout1", "dropout1", "dropout", "dropout2")
    for name, mask in kept.items():
        setattr(left, name, Kept(torch.tensor(mask), 0.25))
    left.dropout2, left.dropout3 = left.dropout1, left.dropout2

    def jax_layer(weights, x):
        order = iter(places)

        def dropped(call, args, kwargs, context):
            if not isinstance(context.module, linen.Dropout):
                return call(*args, **kwargs)
            return args[0] * jnp.array(kept[next(order)]) / 0.75

        with linen.intercept_methods(dropped):
            return right.apply(jax_side.transformer_weights(weights, HEADS), x, x)

    inputs = {"weights": drawn(rng, left), "x": rng.normal(size=(4, WIDTH))}
    torch_layer = lambda weights, x: functional_call(left, weights, (x, x))  # noqa: E731
    parity.assert_equivalent(torch_layer, jax_layer, inputs, name="dropout", jit=False, dtypes=("float64",))


def test_attention_drops_what_torch_would_on_that_mask(rng):
    """Each weight of each head by itself; with the key's own mask the product is the twin's."""
    q, k, v = rng.normal(size=(3, 2, 4, HEADS, 3)).astype(np.float32)
    kept = jax.random.bernoulli(jax.random.key(1), 0.75, (2, HEADS, 4, 4))
    found = _masked_attention(*map(jnp.asarray, (q, k, v)), dropout_rng=jax.random.key(1), dropout_rate=0.25)
    queries, keys, values = (torch.tensor(part).transpose(1, 2) for part in (q, k, v))
    weights = torch.softmax(queries @ keys.mT / 3**0.5, -1) * torch.tensor(np.asarray(kept)) / 0.75
    assert np.asarray(found) == pytest.approx((weights @ values).transpose(1, 2).numpy(), rel=1e-5)  # measured 4e-7


@pytest.mark.parametrize("p", [pytest.param(0.5, marks=pytest.mark.slow), 1.0])
def test_training_drops_and_evaluation_does_not(p, rng):
    """With everything dropped a post-norm layer is its norms alone, in both."""
    left, right = (side.encoder_layer(WIDTH, HEADS, dim_feedforward=5, dropout=p) for side in (torch_side, jax_side))
    weights, x = drawn(rng, left), rng.normal(size=(4, WIDTH)).astype(np.float32)
    left.load_state_dict({name: torch.tensor(part) for name, part in weights.items()})
    loaded = jax_side.transformer_weights({k: jnp.asarray(v, jnp.float32) for k, v in weights.items()}, HEADS)
    called = [
        np.asarray(right.apply(loaded, x, deterministic=quiet, rngs={"dropout": jax.random.key(0)}))
        for quiet in (True, False)
    ]
    ours = [part.detach().numpy() for part in (left.eval()(torch.tensor(x)), left.train()(torch.tensor(x)))]
    assert called[0] == pytest.approx(ours[0], abs=1e-5)  # measured 1e-6, on values below 10
    assert abs(called[0] - called[1]).max() > 0.1
    if p == 1:
        assert called[1] == pytest.approx(ours[1], abs=1e-5)  # measured 1e-6, on values below 10


BUILT = {
    "encoder_layer": lambda side: side.encoder_layer(WIDTH, HEADS),
    "decoder_layer": lambda side: side.decoder_layer(WIDTH, HEADS, bias=False),
    "encoder": lambda side: side.encoder(WIDTH, HEADS, 2, norm=True),
    "decoder": lambda side: side.decoder(WIDTH, HEADS, 2),
    "transformer": lambda side: side.transformer(WIDTH, HEADS, num_layers=(1, 1)),
    "LanguageModel": lambda side: side.LanguageModel(11, WIDTH, HEADS, 1),
}


SLOW = {"decoder_layer", "encoder", "decoder"}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in SLOW)) for kind in BUILT])
def test_a_fresh_module_holds_what_it_is_loaded_with(kind):
    """The same leaves, and their extremes within a fifth: the laws of birth are torch's."""
    torch.manual_seed(0)
    left, right = (BUILT[kind](side) for side in (torch_side, jax_side))
    given = [jnp.zeros((2, 3), int)] if kind == "LanguageModel" else list(jnp.zeros((2, 2, 3, WIDTH)))
    given = given[:1] if "encoder" in kind else given
    born = jax.jit(right.init)(jax.random.key(0), *given)
    named = {name: jnp.asarray(part.detach().numpy()) for name, part in left.named_parameters()}
    loaded = jax_side.transformer_weights(named, HEADS)
    assert jax.tree.map(jnp.shape, born) == jax.tree.map(jnp.shape, loaded)
    for path, leaf in jax.tree.leaves_with_path(born):
        other = np.asarray(_at(loaded, path))
        if leaf.size >= 1000:
            # Uniform laws: of a thousand draws the largest is within a hundredth of the bound.
            assert abs(leaf).max() == pytest.approx(abs(other).max(), rel=0.02)
        if leaf.ndim == 1 and "linear" not in jax.tree_util.keystr(path):
            assert np.array_equal(leaf, other)


def _at(tree, path):
    for key in path:
        tree = tree[key.key]
    return tree


def test_torch_s_layers_start_equal():
    """A stack is copied from one layer; linen draws for each."""
    first, second = (dict(layer.named_parameters()) for layer in torch_side.encoder(WIDTH, HEADS, 2).layers)
    assert all(torch.equal(part, second[name]) for name, part in first.items())
    stack = jax_side.encoder(WIDTH, HEADS, 2)
    params = jax.jit(stack.init)(jax.random.key(0), jnp.zeros((3, WIDTH)))["params"]
    kernels = [params[f"layers_{number}"]["linear1"]["kernel"] for number in (0, 1)]
    assert abs(kernels[0] - kernels[1]).max() > 0.1


ERRORS = {
    "length and width must be at least 1": lambda side: side.sinusoidal_positions(0, 4),
    "encoder_layer: nhead must divide d_model": lambda side: side.encoder_layer(6, 4),
    "decoder_layer: activation must be": lambda side: side.decoder_layer(6, 2, activation="tanh"),
    "encoder: num_layers must be at least 1": lambda side: side.encoder(6, 2, 0),
    "decoder: num_layers must be at least 1": lambda side: side.transformer(6, 2, num_layers=(1, 0)),
}


@pytest.mark.parametrize("words", ERRORS)
def test_errors_are_the_same(words):
    said = []
    for side in (torch_side, jax_side):
        with pytest.raises(ValueError, match=words) as error:
            ERRORS[words](side)
        said.append(str(error.value))
    assert said[0] == said[1]


def test_a_mask_that_is_said_to_be_causal_must_be_there():
    x = np.zeros((3, WIDTH), np.float32)
    layers = [side.encoder_layer(WIDTH, HEADS, dropout=0.0) for side in (torch_side, jax_side)]
    with pytest.raises(RuntimeError, match="Need attn_mask if specifying the is_causal hint"):
        layers[0](torch.tensor(x), is_causal=True)
    with pytest.raises(ValueError, match="the mask must be given where it is said to be causal"):
        layers[1].init(jax.random.key(0), x, is_causal=True)
