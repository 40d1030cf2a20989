"""Examples in batches: the same batches from one order, every example once an epoch, and on from the middle."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import RandomSampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler

from jax_impl import data as jax_side
from loading import EXAMPLES, assert_same, batches_of, examples, indexed, numpy_batches, stopped, stream
from oracles import agrees
from torch_impl import data as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])
COMMON = settings(derandomize=True, deadline=None, max_examples=50)


# --- one order, the same batches -----------------------------------------------------------------------------------


@pytest.mark.parametrize("drop_last", [False, True], ids=["short last", "drop last"])
@pytest.mark.parametrize("batch_size", [1, 4, 5, 10, 11])
def test_batches_agree(batch_size, drop_last, rng):
    data, order = examples(), rng.permutation(EXAMPLES)
    left, right = (
        batches_of(side, order, batch_size, data=data, drop_last=drop_last) for side in (torch_side, jax_side)
    )
    assert_same(left, right)
    assert_same(left, indexed(order, batch_size, data, drop_last))


@SIDES
def test_every_kind_of_order_is_an_array(side, rng):
    """All in turn, a permutation, a subset and a draw with repeats: the loader takes them as they are."""
    data = examples()
    for order in (np.arange(10), rng.permutation(10), np.array([7, 2, 5]), np.array([3, 3, 3, 0])):
        assert_same(batches_of(side, order, 3, data=data), indexed(order, 3, data))


def test_orders_of_torchs_own_samplers_load_on_both_sides():
    """What any torch sampler yields is an order too, so a run of either framework can be replayed in the other."""
    data, generator = examples(), torch.Generator().manual_seed(0)
    samplers = [
        SequentialSampler(range(10)),
        RandomSampler(range(10), generator=generator),
        SubsetRandomSampler([8, 1, 4], generator=generator),
        WeightedRandomSampler([0.0, *[1.0] * 9], 12, generator=generator),
    ]
    for sampler in samplers:
        order = np.array(list(sampler))
        assert_same(batches_of(torch_side, order, 4, data=data), batches_of(jax_side, order, 4, data=data))


@COMMON
@given(n=st.integers(0, 30), batch_size=st.integers(1, 12), drop_last=st.booleans(), seed=st.integers(0, 99))
def test_an_epoch_covers_every_example_once(n, batch_size, drop_last, seed):
    order = np.random.default_rng(seed).permutation(n)
    rows = []
    for side in (torch_side, jax_side):
        batches = side.BatchOrder(order, batch_size, drop_last=drop_last)
        taken = list(batches) if side is torch_side else [batches[i].tolist() for i in range(len(batches))]
        assert len(taken) == len(batches) == (n // batch_size if drop_last else -(-n // batch_size))
        rows.append(taken)
    assert rows[0] == rows[1]
    seen = [row for batch in rows[0] for row in batch]
    assert seen == order[: n - n % batch_size if drop_last else n].tolist()
    assert len(set(seen)) == len(seen)


@SIDES
def test_transforms_see_every_image(side, rng):
    """uint8 to float32 from 0 to 1: one division, the same bits on both sides, on one image or a batch of them."""
    data, order = examples(), rng.permutation(EXAMPLES)
    loaded = batches_of(side, order, 4, partial(side.scale_pixels, top=59.0), data=data)
    truth = [(images.astype(np.float32) / np.float32(59), labels) for images, labels in indexed(order, 4, data)]
    assert_same(loaded, truth)
    assert max(images.max() for images, _ in loaded) == 1


def test_labels_are_int64_on_one_side_and_int32_on_the_other():
    dtypes = [batches_of(side, np.arange(3), 2)[0][1].dtype for side in (torch_side, jax_side)]
    assert dtypes == [np.int64, np.int32]
    # Without x64 JAX would make int32 of them anyhow.
    assert jnp.asarray(np.arange(3)).dtype == jnp.int32


# --- on from the middle --------------------------------------------------------------------------------------------


@SIDES
@pytest.mark.parametrize("taken", [0, 1, 2, 3])
def test_an_epoch_goes_on_with_the_next_batch(side, taken, rng):
    order, data = rng.permutation(EXAMPLES), examples()
    whole = batches_of(side, order, 4, data=data)
    rest = batches_of(side, order, 4, data=data, start=taken)
    assert_same(whole[taken:], rest)


def test_an_iterator_of_grain_has_a_state():
    dataset = jax_side.ImageDataset(*examples())
    loaded = jax_side.loader(dataset, jax_side.BatchOrder(np.arange(10), 4))
    iterator = iter(loaded)
    next(iterator)
    state = iterator.get_state()
    rest = list(iterator)
    again = iter(loaded)
    again.set_state(state)
    assert_same(list(again), rest)
    assert len(rest) == 2


# --- evaluation ----------------------------------------------------------------------------------------------------


@SIDES
def test_a_mean_counts_every_example_once(side, rng):
    """Over 10 examples in batches of 4, 4 and 2; the mean of the three means would give the last two too much."""
    values = rng.normal(size=EXAMPLES)
    make = torch.tensor if side is torch_side else np.asarray
    batches = [(make(part),) for part in np.split(values, [4, 8])]
    with jax.enable_x64(True):
        mean = side.mean_over_examples(lambda v: v, batches)
    assert agrees(np.array(mean), np.array(values.mean()))
    of_means = np.mean([np.mean(np.asarray(v)) for (v,) in batches])
    # Each example of the last batch counts 1/6 and not 1/10; the others 1/12.
    weights = np.repeat([1 / 12, 1 / 6], [8, 2])
    assert agrees(np.array(of_means), np.array(weights @ values))
    assert abs(of_means - mean) > 1e-3
    assert agrees(np.array(of_means - mean), np.array((values[8:].mean() - values[:8].mean()) * (1 / 3 - 1 / 5)))


# --- streams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drop_last", [False, True], ids=["short last", "drop last"])
def test_streams_agree(drop_last):
    left, right = (
        numpy_batches(loaded)
        for loaded in (
            torch_side.stream_loader(partial(stream, "torch"), 4, drop_last=drop_last),
            jax_side.stream_loader(partial(stream, "jax"), 4, drop_last=drop_last),
        )
    )
    assert_same(left, right)
    assert_same(left, indexed(np.arange(EXAMPLES), 4, examples(), drop_last))


@SIDES
@pytest.mark.parametrize("taken", [0, 1, 2, 3])
def test_a_stream_goes_on_with_the_next_batch(side, taken):
    """What is kept is a number, so a loader of another process goes on as well as the one that stopped."""
    first, rest = stopped(side, taken)
    assert len(first) == taken
    assert_same([*first, *rest], indexed(np.arange(EXAMPLES), 4, examples()))


def test_a_stream_of_torch_starts_anew_after_a_resumed_epoch():
    loaded = torch_side.stream_loader(partial(stream, "torch"), 4)
    loaded.load_state_dict({"taken": 2})
    assert loaded.state_dict() == {"taken": 2}
    assert [len(list(loaded)) for _ in range(2)] == [1, 3]
    with pytest.raises(ValueError, match=r"^load_state_dict: taken must be at least 0, got -1\.$"):
        loaded.load_state_dict({"taken": -1})


# --- arguments -----------------------------------------------------------------------------------------------------


@SIDES
def test_arguments_that_make_no_batches_raise_one_sentence(side):
    make = torch.tensor if side is torch_side else jnp.asarray
    with pytest.raises(ValueError, match=r"^BatchOrder: batch_size must be at least 1, got 0\.$"):
        side.BatchOrder(np.arange(3), 0)
    with pytest.raises(ValueError, match=r"^BatchOrder: start must be from 0 to 2, got 3\.$"):
        side.BatchOrder(np.arange(3), 2, start=3)
    with pytest.raises(ValueError, match=r"^worker_options: workers must be at least 0, got -1\.$"):
        side.loader([], side.BatchOrder(np.arange(3), 2), workers=-1)
    with pytest.raises(ValueError, match=r"^stream_loader: batch_size must be at least 1, got 0\.$"):
        side.stream_loader(list, 0)
    with pytest.raises(ValueError, match=r"^pad_records: length must be at least 3, got 2\.$"):
        side.pad_records([make([1, 2, 3])], length=2)
    with pytest.raises(ValueError, match=r"^pad_batch: batch_size must be at least 3, got 2\.$"):
        side.pad_batch((make([1, 2, 3]),), 2)
    with pytest.raises(ValueError, match=r"^mean_over_examples: batches must be at least 1, got 0\.$"):
        side.mean_over_examples(lambda v: v, [])


@pytest.mark.parametrize("worker", [0, 1])
def test_each_of_two_workers_makes_every_other_batch(worker, monkeypatch):
    """Told apart without processes, so that every run of the quick tests sees it."""
    left = torch_side.stream_loader(partial(stream, "torch"), 3).dataset
    monkeypatch.setattr("torch_impl._data_stream.get_worker_info", lambda: SimpleNamespace(id=worker, num_workers=2))
    right = jax_side.stream_loader(partial(stream, "jax"), 3)
    right.set_slice(slice(worker, None, 2))
    whole = indexed(np.arange(EXAMPLES), 3, examples())
    assert_same(numpy_batches(left), whole[worker::2])
    assert_same(numpy_batches(right), whole[worker::2])
