"""Where PyTorch's embeddings and what JAX offers for them part ways, each with its size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen as nn
from torch.nn import functional

from jax_impl import embedding as jax_side

TABLE = np.random.default_rng(3).normal(size=(5, 3)).astype(np.float32)
IDS = np.array([0, 2, 0, 4])


def test_trap_padding_idx_gradient():
    """padding-idx-gradient: 0 in torch, 2 for a row that occurs twice in linen; the outputs are the same."""
    table = torch.tensor(TABLE, requires_grad=True)
    out = functional.embedding(torch.tensor(IDS), table, padding_idx=0)
    out.sum().backward()
    params = {"params": {"embedding": jnp.asarray(TABLE)}}
    plain = jax.grad(lambda params: nn.Embed(5, 3).apply(params, IDS).sum())(params)["params"]["embedding"]
    assert np.array_equal(nn.Embed(5, 3).apply(params, IDS), out.detach().numpy())
    assert (table.grad[0].tolist(), plain[0].tolist()) == ([0, 0, 0], [2, 2, 2])
    ours = jax.grad(lambda table: jax_side.embedding(IDS, table, padding_idx=0).sum())(jnp.asarray(TABLE))
    assert np.array_equal(ours, table.grad.numpy())


def test_trap_loaded_padding_row():
    """padding-idx-gradient: the padding row is 0 at birth only; a loaded table's is looked up as it is."""
    layer = torch.nn.Embedding(5, 3, padding_idx=0)
    assert not layer.weight[0].any()
    layer.load_state_dict({"weight": torch.tensor(TABLE)})
    assert np.array_equal(layer(torch.tensor([0])).detach().numpy(), TABLE[:1])


def test_trap_embedding_init():
    """embedding-init: torch draws from N(0, 1), linen from N(0, 1/width): an eighth at width 64."""
    torch.manual_seed(0)
    table = nn.Embed(1000, 64).init(jax.random.key(0), IDS)["params"]["embedding"]
    # 64000 draws: five standard errors of a deviation are 1.4 % of it.
    assert float(table.std()) == pytest.approx(1 / 8, rel=0.015)
    # The same here.
    assert torch.nn.Embedding(1000, 64).weight.std().item() == pytest.approx(1, rel=0.015)


def test_trap_ids_out_of_range():
    """torch raises; linen gives NaN past the end and the last row at -1, and so does the twin."""
    with pytest.raises(IndexError, match="out of range"):
        functional.embedding(torch.tensor([5]), torch.tensor(TABLE))
    with pytest.raises(IndexError, match="out of range"):
        functional.embedding(torch.tensor([-1]), torch.tensor(TABLE))
    params = {"params": {"embedding": jnp.asarray(TABLE)}}
    for found in (nn.Embed(5, 3).apply(params, jnp.array([5, -1])), jax_side.embedding(jnp.array([5, -1]), TABLE)):
        assert np.isnan(found[0]).all()
        assert np.array_equal(found[1], TABLE[-1])


def test_trap_plain_indexing_clamps():
    """``table[ids]`` past the end is the last row, silently; its gradient is dropped, so that no row learns."""
    out, back = jax.vjp(lambda table: table[jnp.array([9])], jnp.asarray(TABLE))
    assert np.array_equal(out[0], TABLE[-1])
    assert not np.asarray(back(jnp.ones((1, 3)))[0]).any()


def test_trap_a_cap_writes_into_the_table():
    """torch's ``max_norm`` changes the weights in the forward call, also under no_grad; JAX's table stays."""
    long = torch.tensor(10 * TABLE)
    with torch.no_grad():
        out = functional.embedding(torch.tensor([0, 0]), long, max_norm=1.0)
    assert long[0].norm().item() == pytest.approx(1)
    assert np.array_equal(long[1:].numpy(), 10 * TABLE[1:])
    assert np.asarray(jax_side.embedding(np.array([0, 0]), 10 * TABLE, max_norm=1.0)) == pytest.approx(out.numpy())


def test_trap_a_cap_has_no_gradient():
    """Scaling rows inside a differentiated function has a Jacobian; torch's cap has the identity's."""
    table, ids = jnp.asarray(10 * TABLE), np.array([0])
    inside = jax.grad(lambda t: (t[ids] / jnp.linalg.norm(t[ids])).sum())(table)[0]
    ours = jax.grad(lambda t: jax_side.embedding(ids, t, max_norm=1.0).sum())(table)[0]
    assert ours.tolist() == [1, 1, 1]
    assert abs(inside).max() < 0.2


def test_trap_a_maximum_shares_its_gradient():
    """``jax.ops.segment_max`` halves the gradient of two equal rows; torch gives it to the first."""
    table, ids = np.ones((3, 1), np.float32), np.array([2, 1])
    weight = torch.tensor(table, requires_grad=True)
    functional.embedding_bag(torch.tensor(ids), weight, torch.tensor([0]), mode="max").sum().backward()
    shared = jax.grad(lambda t: jax.ops.segment_max(t[ids], jnp.array([0, 0]), 1).sum())(jnp.asarray(table))
    assert (weight.grad[:, 0].tolist(), shared[:, 0].tolist()) == ([0, 0, 1], [0, 0.5, 0.5])


def test_trap_a_mean_counts_no_padding():
    """A bag's mean divides by the ids that are no padding; a mean over the axis divides by all."""
    ids = torch.tensor([[0, 2, 0, 4]])
    left = functional.embedding_bag(ids, torch.tensor(TABLE), mode="mean", padding_idx=0)
    plain = (TABLE[IDS] * (IDS != 0)[:, None]).mean(0)
    assert left[0].numpy() == pytest.approx(2 * plain)


def test_trap_an_empty_bag():
    """The mean of no rows is 0 in torch, NaN by division."""
    left = functional.embedding_bag(torch.tensor([1]), torch.tensor(TABLE), torch.tensor([0, 1]))
    assert left[1].tolist() == [0, 0, 0]
    assert np.isnan(jnp.asarray(TABLE[:0]).mean(0)).all()


def test_trap_a_bag_s_frequencies():
    """torch 2.13's bag divides the gradient of its k-th distinct id by the count of the k-th id in sorted order.

    ``nn.Embedding`` and the twin divide by the count of the id itself.
    """
    ids = np.array([0, 0, 0, 1, 2])
    weight = torch.tensor(TABLE, requires_grad=True)
    functional.embedding_bag(
        torch.tensor(ids), weight, torch.tensor([0]), mode="sum", scale_grad_by_freq=True
    ).sum().backward()
    bag = jax.grad(lambda t: jax_side.embedding_bag(ids, t, jnp.array([0]), mode="sum", scale_grad_by_freq=True).sum())(
        jnp.asarray(TABLE)
    )
    assert np.asarray(bag)[:, 0].tolist() == [1, 1, 1, 0, 0]
    # Sorted they are 0, 0, 0, 1, 2: the first three stand for the distinct 0, 1 and 2, and 0 occurs three times.
    assert weight.grad[:, 0].tolist() == pytest.approx([1, 1 / 3, 1 / 3, 0, 0])
