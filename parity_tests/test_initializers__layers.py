"""Each layer of ``torch.nn`` is born by one law on both sides, and linen by another unless it is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

from initializer_laws import DRAWS, ks, same_law, torch_draws
from jax_impl import initializers as jax_side
from torch_impl import initializers as torch_side

# Each: torch's layer, its laws, a linen layer born with ours, the shape of its input.
LAYERS = {
    "Linear": (
        lambda: nn.Linear(250, 400),
        torch_side.linear_laws(250),
        linen.Dense(400, **jax_side.linear_laws(250)),
        (1, 250),
    ),
    "Conv1d": (
        lambda: nn.Conv1d(50, 400, 5),
        torch_side.conv_laws(50, (5,)),
        linen.Conv(400, (5,), **jax_side.conv_laws(50, (5,))),
        (1, 9, 50),
    ),
    "Conv2d in groups": (
        lambda: nn.Conv2d(100, 400, (5, 2), groups=4),
        torch_side.conv_laws(100, (5, 2), 4),
        linen.Conv(400, (5, 2), feature_group_count=4, **jax_side.conv_laws(100, (5, 2), 4)),
        (1, 6, 6, 100),
    ),
    "Conv3d": (
        lambda: nn.Conv3d(20, 250, (5, 2, 2)),
        torch_side.conv_laws(20, (5, 2, 2)),
        linen.Conv(250, (5, 2, 2), **jax_side.conv_laws(20, (5, 2, 2))),
        (1, 6, 3, 3, 20),
    ),
    "ConvTranspose2d": (
        lambda: nn.ConvTranspose2d(250, 40, (5, 2)),
        torch_side.conv_transpose_laws(40, (5, 2)),
        linen.ConvTranspose(40, (5, 2), **jax_side.conv_transpose_laws(40, (5, 2))),
        (1, 2, 2, 250),
    ),
    "Embedding": (
        lambda: nn.Embedding(400, 250),
        torch_side.embedding_laws(),
        linen.Embed(400, 250, **jax_side.embedding_laws()),
        (1,),
    ),
    "LayerNorm": (
        lambda: nn.LayerNorm(7),
        torch_side.norm_laws(),
        linen.LayerNorm(**jax_side.norm_laws()),
        (1, 7),
    ),
    "BatchNorm1d": (
        lambda: nn.BatchNorm1d(7),
        torch_side.norm_laws(),
        linen.BatchNorm(use_running_average=False, **jax_side.norm_laws()),
        (2, 7),
    ),
    "PReLU": (
        nn.PReLU,
        torch_side.prelu_laws(),
        linen.PReLU(**jax_side.prelu_laws()),
        (1, 3),
    ),
}
KERNELS = {"kernel": "weight", "embedding": "weight", "scale": "weight", "negative_slope": "weight", "bias": "bias"}


def born(make):
    """torch's layer as its constructor draws it from seed 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def params_of(layer, shape):
    kind = jnp.int32 if isinstance(layer, linen.Embed) else jnp.float32
    # Compiled, since only the parameters are asked for: the layer itself is then not run.
    return jax.jit(layer.init)(jax.random.key(0), jnp.zeros(shape, kind))["params"]


@pytest.mark.parametrize("name", LAYERS)
def test_a_linen_layer_is_born_by_the_law_of_torchs(name):
    make, _, layer, shape = LAYERS[name]
    original = born(make)
    for key, value in params_of(layer, shape).items():
        ours = original.get_parameter(KERNELS[key]).detach().numpy().ravel()
        theirs = np.asarray(value).ravel()
        assert ours.size == theirs.size
        if np.ptp(ours) == 0:
            assert np.array_equal(ours, theirs)
        elif ours.size < DRAWS:  # a bias of 250 or 400
            assert ks(ours, theirs) > 1e-3
        else:
            assert same_law(ours, theirs)


BIASES = {
    "Linear": (nn.Linear(16, DRAWS), jax_side.linear_laws(16)),
    "Conv2d": (nn.Conv2d(8, DRAWS, (1, 2), groups=4), jax_side.conv_laws(8, (1, 2), 4)),
    "Bilinear": (nn.Bilinear(9, 1, DRAWS), jax_side.bilinear_laws(9)),
}


@pytest.mark.parametrize("name", BIASES)
def test_biases_have_one_law_at_1e5_draws(name):
    """Their bound comes from the weight's fan in, which no shape of a bias tells: not 1 / sqrt of their own size."""
    layer, laws = BIASES[name]
    bias = layer.bias.detach().numpy().ravel()
    assert same_law(bias, np.asarray(laws["bias_init"](jax.random.key(0), (DRAWS,), jnp.float32)).ravel())


def test_bilinear_weights_have_one_law():
    """Of the first input's width alone, whatever the second's."""
    weight = born(lambda: nn.Bilinear(40, 50, 50)).weight.detach().numpy().ravel()
    drawn = jax_side.bilinear_laws(40)["kernel_init"](jax.random.key(0), (50, 40, 50), jnp.float32)
    assert same_law(weight, np.asarray(drawn).ravel())


def test_transposed_convolutions_in_groups_have_one_law():
    """The fan is of one group's outputs."""
    weight = born(lambda: nn.ConvTranspose1d(100, 80, 5, groups=4)).weight.detach().numpy().ravel()
    law = jax_side.conv_transpose_laws(80, (5,), 4)["kernel_init"]
    assert same_law(weight, np.asarray(law(jax.random.key(0), (5, 100, 20), jnp.float32)).ravel())


TORCH_LAYERS = {name: (make, laws) for name, (make, laws, *_) in LAYERS.items()} | {
    "Bilinear": (lambda: nn.Bilinear(4, 6, 3), torch_side.bilinear_laws(4)),
    "padded Embedding": (lambda: nn.Embedding(5, 3, padding_idx=2), torch_side.embedding_laws(2)),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(5, 3), torch_side.embedding_laws()),
    "ConvTranspose1d in groups": (
        lambda: nn.ConvTranspose1d(4, 6, 3, groups=2),
        torch_side.conv_transpose_laws(6, (3,), 2),
    ),
    "RNN": (lambda: nn.RNN(3, 5), torch_side.recurrent_laws(5)),
    "LSTM": (lambda: nn.LSTM(3, 5, 2, bidirectional=True), torch_side.recurrent_laws(5)),
    "GRUCell": (lambda: nn.GRUCell(3, 5), torch_side.recurrent_laws(5)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), torch_side.norm_laws()),
    "InstanceNorm": (lambda: nn.InstanceNorm1d(4, affine=True), torch_side.norm_laws()),
}


@pytest.mark.parametrize("name", TORCH_LAYERS)
def test_torchs_laws_draw_what_its_constructors_draw(name):
    """The same seed, the parameters in the same order: the same bits."""
    make, laws = TORCH_LAYERS[name]
    original, drawn = born(make), make()
    generator = torch.Generator().manual_seed(0)
    for key, parameter in drawn.named_parameters():
        law = next(law for prefix, law in laws.items() if key.startswith(prefix))
        law(parameter.data, generator=generator)
        assert torch.equal(parameter, original.get_parameter(key)), key


# --- recurrent and attention ----------------------------------------------------------------------------------------


def test_recurrent_layers_have_one_law():
    """Kernels U(-1/sqrt(h), 1/sqrt(h)); the one bias of linen has the law of the sum of torch's two."""
    original = born(lambda: nn.LSTM(100, 160))
    cell = linen.OptimizedLSTMCell(160, **jax_side.recurrent_laws(160))
    carry = cell.initialize_carry(jax.random.key(0), (1, 100))
    params = jax.jit(cell.init)(jax.random.key(0), carry, jnp.zeros((1, 100)))["params"]
    for side, name in (("i", "weight_ih_l0"), ("h", "weight_hh_l0")):
        theirs = np.concatenate([np.asarray(params[side + gate]["kernel"]).ravel() for gate in "ifgo"])
        ours = original.get_parameter(name).detach().numpy().ravel()
        assert ours.size == theirs.size
        # 64 000 and 102 400 draws.
        assert ks(ours, theirs) > 1e-3
        assert np.abs(theirs).max() <= 160**-0.5
    laws = torch_side.recurrent_laws(16)
    two = torch_draws(laws["bias_ih"], (DRAWS,))
    second = laws["bias_hh"](torch.empty(DRAWS), generator=torch.Generator().manual_seed(7)).numpy()
    one = jax_side.recurrent_laws(16)["bias_init"](jax.random.key(0), (DRAWS,), jnp.float32)
    assert ks(two + second, np.asarray(one)) > 1e-3


@pytest.mark.parametrize("widths", [(80, 80), (100, 60)], ids=["equal", "unequal"])
def test_attention_has_one_law(widths):
    """Equal widths: Xavier's law of the fused (3E, E) matrix; unequal ones: of each by itself. Biases zero."""
    width, (kdim, vdim) = 80, widths
    original = born(lambda: nn.MultiheadAttention(width, 4, kdim=kdim, vdim=vdim))
    layer = linen.MultiHeadDotProductAttention(4, qkv_features=width, **jax_side.attention_laws(width, kdim, vdim))
    inputs = [jnp.zeros((1, 2, size)) for size in (width, kdim, vdim)]
    params = jax.jit(layer.init)(jax.random.key(0), *inputs)["params"]
    fused = original.in_proj_weight
    matrices = fused.chunk(3) if fused is not None else [original.get_parameter(f"{x}_proj_weight") for x in "qkv"]
    for ours, name in zip((*matrices, original.out_proj.weight), ("query", "key", "value", "out"), strict=True):
        theirs = np.asarray(params[name]["kernel"]).ravel()
        flat = ours.detach().numpy().ravel()
        assert flat.size == theirs.size
        assert ks(flat, theirs) > 1e-3
        assert np.abs(theirs).max() == pytest.approx(np.abs(flat).max(), rel=1e-2)  # 5000 draws come within 0.1 %
        assert (np.asarray(params[name]["bias"]) == 0).all()
    assert (original.in_proj_bias == 0).all()
    assert (original.out_proj.bias == 0).all()
    laws = torch_side.attention_laws(width, kdim, vdim)
    assert set(laws) <= {name for name, _ in original.named_parameters()}


def test_a_padded_row_is_zero():
    table = jax_side.embedding_laws(2)["embedding_init"](jax.random.key(0), (5, 3), jnp.float32)
    assert [row.any() for row in np.asarray(table)] == [True, True, False, True, True]
