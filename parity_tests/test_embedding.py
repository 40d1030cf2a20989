"""Embeddings agree with their twins and with NumPy: rows, bags, caps, and every gradient of the table."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_impl import embedding as jax_side
from oracles import agrees
from torch_impl import embedding as torch_side

IDS = np.array([[0, 2, 4, 2], [1, 1, 0, 5], [2, 2, 5, 3]])
ROW = IDS.reshape(-1)
OFFSETS = np.array([0, 3, 3, 7])  # the second bag is empty
SIDES = [pytest.param(torch_side, torch.tensor, id="torch"), pytest.param(jax_side, jnp.asarray, id="jax")]


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def rows(side):
    def called(ids, weight):
        return {
            "plain": side.embedding(ids, weight),
            "padding": side.embedding(ids, weight, padding_idx=2),
            "from the end": side.embedding(ids, weight, padding_idx=-1),
            "by frequency": side.embedding(ids, weight, padding_idx=0, scale_grad_by_freq=True),
        }

    return called


@pytest.mark.parametrize("scale", [1.0, 1e-3], ids=["unit", "small"])
def test_rows_agree(parity, rng, scale):
    inputs = {"ids": IDS, "weight": scale * rng.normal(size=(6, 3))}
    parity.assert_equivalent(rows(torch_side), rows(jax_side), inputs, name="embedding", jit=scale == 1)


def test_no_ids_agree(parity, rng):
    inputs = {"ids": np.zeros((2, 0), int), "weight": rng.normal(size=(6, 3))}
    both = [lambda ids, weight, side=side: side.embedding(ids, weight) for side in (torch_side, jax_side)]
    parity.assert_equivalent(*both, inputs, name="no ids", jit=False, dtypes=("float64",), edge_cases=True)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0])
def test_capped_rows_agree(parity, rng, norm_type):
    """Rows longer than 1, rows that are not, and the gradient that does not see the cap."""

    def called(side):
        def run(ids, weight):
            table = weight * 1.0  # the side's own, for torch writes into it
            return side.embedding(ids, table, max_norm=1.0, norm_type=norm_type, padding_idx=1)

        return run

    weight = rng.normal(size=(6, 3)) * np.array([0.1, 1, 2, 0.2, 3, 1])[:, None]
    both = called(torch_side), called(jax_side)
    parity.assert_equivalent(*both, {"ids": IDS, "weight": weight}, name="max_norm", jit=False, dtypes=("float64",))


def test_capped_rows_have_the_norm_of_the_cap(rng, x64):
    """A third voice: NumPy. Rows that are not asked for stay long; torch's table is shortened itself."""
    weight, ids = 3 * rng.normal(size=(6, 4)), np.array([0, 2, 2])
    norms = np.linalg.norm(weight, axis=-1, keepdims=True)
    expected = np.where(np.isin(np.arange(6), ids)[:, None] & (norms > 1), weight / (norms + 1e-7), weight)
    assert agrees(np.asarray(jax_side.renormalized(jnp.asarray(weight), jnp.asarray(ids), max_norm=1.0)), expected)
    table = torch.tensor(weight)
    assert agrees(torch_side.renormalized(table, torch.tensor(ids), max_norm=1.0).numpy(), expected)
    assert agrees(table.numpy(), expected)
    assert agrees(np.asarray(jax_side.embedding(ids, jnp.asarray(weight), max_norm=1.0)), expected[ids])


def bags(side, mode):
    weighted = {"per_sample_weights": "w"} if mode == "sum" else {}

    def called(ids, offsets, ends, weight, w):
        row = ids.reshape(-1)
        given = {"per_sample_weights": w} if weighted else {}
        flat = {"per_sample_weights": w.reshape(-1)} if weighted else {}
        return {
            "even": side.embedding_bag(ids, weight, mode=mode),
            "weighted": side.embedding_bag(ids, weight, mode=mode, **given),
            "cut": side.embedding_bag(row, weight, offsets, mode=mode, **flat),
            "padded": side.embedding_bag(row, weight, offsets, mode=mode, padding_idx=2, **flat),
            "ended": side.embedding_bag(row, weight, ends, mode=mode, include_last_offset=True, **flat),
        }

    return called


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_agree(parity, rng, mode):
    inputs = {"ids": IDS, "offsets": OFFSETS, "ends": np.append(OFFSETS, 12)}
    inputs |= {"weight": rng.normal(size=(6, 3)), "w": rng.normal(size=IDS.shape)}
    parity.assert_equivalent(bags(torch_side, mode), bags(jax_side, mode), inputs, name=mode)


def test_ties_agree(parity):
    """The maximum's gradient goes to the first of equal rows; a bag of padding alone is 0."""
    weight = np.array([[1.0, 2.0], [1.0, 0.0], [1.0, 2.0], [0.0, 2.0]])
    both = [
        lambda ids, weight, side=side: side.embedding_bag(ids, weight, mode="max", padding_idx=3)
        for side in (torch_side, jax_side)
    ]
    inputs = {"ids": np.array([[2, 0, 1], [1, 2, 3], [3, 3, 3]]), "weight": weight}
    parity.assert_equivalent(*both, inputs, name="ties", jit=False)


def test_capped_bags_agree(parity, rng):
    def called(side):
        def run(ids, weight):
            return side.embedding_bag(ids, weight * 1.0, mode="mean", max_norm=1.0, padding_idx=0)

        return run

    inputs = {"ids": IDS, "weight": 2 * rng.normal(size=(6, 3))}
    parity.assert_equivalent(called(torch_side), called(jax_side), inputs, jit=False, dtypes=("float64",))


@pytest.mark.parametrize(("side", "native"), SIDES)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_are_numpy_s(side, native, mode, rng, x64):
    weight = rng.normal(size=(6, 3))
    whole = [weight[part] for part in np.split(ROW, OFFSETS[1:])]
    expected = np.stack([getattr(part, mode)(0) if len(part) else np.zeros(3) for part in whole])
    found = side.embedding_bag(native(ROW), native(weight), native(OFFSETS), mode=mode)
    assert agrees(np.asarray(found), expected)


def test_layers_agree(parity, rng):
    """linen's table is torch's; the padding row takes no gradient from either."""
    for padding in (None, 2):
        layers = [side.embedding_layer(6, 3, padding_idx=padding) for side in (torch_side, jax_side)]
        parity.assert_equivalent(*layers, (IDS,), name=f"layer, padding {padding}", jit=False, dtypes=("float64",))


def test_a_fresh_table_is_standard_normal():
    """Mean 0 and deviation 1 within five standard errors of 4000 draws; the padding row is 0."""
    table = jax_side.embedding_layer(1000, 4, padding_idx=-1).init(jax.random.key(0), jnp.array([0]))
    table = np.asarray(table["params"]["embedding"])
    torch.manual_seed(0)
    for values in (table, torch_side.embedding_layer(1000, 4, padding_idx=-1).weight.detach().numpy()):
        assert not values[-1].any()
        assert abs(values[:-1].mean()) < 5 / np.sqrt(3996)
        assert abs(values[:-1].std() - 1) < 5 / np.sqrt(2 * 3996)


@pytest.mark.parametrize("num_classes", [-1, 7])
def test_one_hot_agrees_and_is_the_rows_of_the_identity(parity, num_classes):
    """-1 counts the classes by the largest id, which a traced array does not tell."""
    sides = [partial(side.one_hot, num_classes=num_classes) for side in (torch_side, jax_side)]
    parity.assert_equivalent(*sides, (IDS,), dtypes=("float64",), gradients=False, jit=num_classes > 0)
    found = torch_side.one_hot(torch.tensor(IDS), num_classes)
    assert found.dtype == torch.int64
    assert np.array_equal(found, np.eye(IDS.max() + 1 if num_classes < 0 else 7)[IDS])


def test_an_id_that_is_no_class_is_a_row_of_zeros_in_jax_alone():
    """The trap one-hot-out-of-range; jax.nn's own is of floats, too."""
    with pytest.raises(RuntimeError, match="Class values must be smaller than num_classes"):
        torch_side.one_hot(torch.tensor([1, 4]), 4)
    with pytest.raises(RuntimeError, match="Class values must be non-negative"):
        torch_side.one_hot(torch.tensor([1, -1]), 4)
    assert np.array_equal(jax_side.one_hot(jnp.array([1, 4, -1]), 4), [[0, 1, 0, 0], [0] * 4, [0] * 4])
    assert jax.nn.one_hot(jnp.array([1]), 4).dtype == jnp.float32
    assert jax_side.one_hot(jnp.array([1]), 4).dtype == jnp.int32


ERRORS = {
    "padding_idx must be a row": lambda side, ids, w: side.embedding(ids, w, padding_idx=9),
    "mode must be": lambda side, ids, w: side.embedding_bag(ids, w, mode="median"),
    "offsets must be": lambda side, ids, w: side.embedding_bag(ids[0], w),
    "per_sample_weights must be": lambda side, ids, w: side.embedding_bag(ids, w, per_sample_weights=w),
    "embedding_layer: padding_idx": lambda side, ids, w: side.embedding_layer(6, 3, padding_idx=-7),
    "num_classes must be above 0": lambda side, ids, w: side.one_hot(ids, 0),
    "one_hot: num_classes must be": lambda side, ids, w: side.one_hot(ids[:0]),
}


@pytest.mark.parametrize("words", ERRORS)
def test_errors_are_the_same(words):
    said = []
    for side, native in ((torch_side, torch.tensor), (jax_side, jnp.asarray)):
        with pytest.raises(ValueError, match=words) as error:
            ERRORS[words](side, native(IDS), native(np.ones((6, 3))))
        said.append(str(error.value))
    assert said[0] == said[1]
