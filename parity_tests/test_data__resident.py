"""Examples in batches: records of several lengths, filled up, and data that lies on the device as a whole."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jax_impl import data as jax_side
from loading import EXAMPLES, examples
from torch_impl import data as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])
COMMON = settings(derandomize=True, deadline=None, max_examples=50)


# --- records of several lengths ------------------------------------------------------------------------------------


@COMMON
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    extra=st.sampled_from([None, 0, 3]),
)
def test_padded_records_agree(lengths, extra):
    value = -1.0
    records = [np.arange(1, n + 1, dtype=np.int32) for n in lengths]
    length = None if extra is None else max(lengths) + extra
    padded, mask = jax_side.pad_records(records, length=length, value=value)
    left = torch_side.pad_records([torch.from_numpy(r) for r in records], length=length, value=value)
    assert np.array_equal(left[0].numpy(), padded)
    assert np.array_equal(left[1].numpy(), mask)
    assert padded.shape == mask.shape == (len(lengths), max(lengths) if length is None else length)
    assert mask.sum(axis=1).tolist() == lengths
    assert all(np.array_equal(row[valid], record) for row, valid, record in zip(padded, mask, records, strict=True))
    assert (padded[~mask] == value).all()


@SIDES
def test_a_collate_of_its_own_makes_the_batch(side):
    records = [np.arange(n + 1) for n in range(5)]
    dataset = [torch.from_numpy(r) for r in records] if side is torch_side else records
    order = side.BatchOrder(np.array([4, 0, 2]), 2)
    (first, mask), (second, _) = side.loader(dataset, order, collate=partial(side.pad_records, length=5))
    assert np.asarray(first).tolist() == [[0, 1, 2, 3, 4], [0, 0, 0, 0, 0]]
    assert np.asarray(mask).sum(axis=1).tolist() == [5, 1]
    assert np.asarray(second).tolist() == [[0, 1, 2, 0, 0]]


def test_a_short_batch_is_filled_up_alike():
    images, labels = examples(3)
    left, left_mask = torch_side.pad_batch((torch.from_numpy(images), torch.from_numpy(labels)), 5)
    right, mask = jax_side.pad_batch((images, labels), 5)
    assert [part.shape for part in right] == [(5, 2, 3), (5,)]
    assert all(np.array_equal(ours.numpy(), theirs) for ours, theirs in zip(left, right, strict=True))
    assert left_mask.tolist() == mask.tolist() == [True] * 3 + [False] * 2
    assert not right[0][3:].any()


# --- data that lies on the device ----------------------------------------------------------------------------------


def weigh(state, batch, valid):
    """A step whose state depends on every batch and on their order; it runs on both sides."""
    images, labels = batch
    total = (images.sum(-1).sum(-1) * labels * valid).sum()
    return state * 3 + total, total


def walk(side, order, batch_size, start=0, state=0.0):
    data = [part.astype(np.float64) for part in examples()]
    make = torch.tensor if side is torch_side else jnp.asarray
    with jax.enable_x64(True):
        state, kept = side.resident_epoch(
            weigh, make(state), tuple(map(make, data)), make(order), batch_size, start=start
        )
    return np.asarray(state), np.asarray(kept)


@pytest.mark.parametrize("batch_size", [4, 5, 10, 16])
def test_resident_epochs_agree(batch_size, rng):
    """A scan over filled up batches and a loop over short ones: whole numbers in float64, so bit for bit."""
    order, (images, labels) = rng.permutation(EXAMPLES), examples()
    (left, left_kept), (right, right_kept) = (walk(side, order, batch_size) for side in (torch_side, jax_side))
    sums = (images.sum((1, 2), dtype=np.int64) * labels)[order]
    truth = [part.sum() for part in np.split(sums, range(batch_size, EXAMPLES, batch_size))]
    assert left_kept.tolist() == right_kept.tolist() == truth
    assert left == right


@SIDES
def test_a_resident_epoch_goes_on_with_the_next_batch(side, rng):
    order = rng.permutation(EXAMPLES)
    state, kept = walk(side, order, 4)
    before, _ = walk(side, order[:4], 4)
    after, rest = walk(side, order, 4, start=1, state=before)
    assert after == state
    assert rest.tolist() == kept[1:].tolist()


@SIDES
def test_a_start_past_the_end_raises_one_sentence(side):
    make = torch.tensor if side is torch_side else jnp.asarray
    with pytest.raises(ValueError, match=r"^resident_epoch: start must be from 0 to 1, got 2\.$"):
        side.resident_epoch(weigh, 0.0, (make([1.0, 2, 3]),), make([0, 1, 2]), 2, start=2)
