"""Examples in batches: what a port gets wrong, planted and seen, each with its size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_impl import data as jax_side
from loading import EXAMPLES, batches_of, examples, gap
from torch_impl import data as torch_side

ORDER = np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])


def rows_of(batches):
    """Which examples came: an image tells its row."""
    return [int(image[0, 0]) // 6 for images, _ in batches for image in images]


# --- planted -------------------------------------------------------------------------------------------------------


def test_planted_last_batch_dropped():
    """n // batch_size steps, as JAX loops have it, against torch's default: 2 steps for 3, and two examples unseen."""
    right, wrong = batches_of(torch_side, ORDER, 4), batches_of(jax_side, ORDER, 4, drop_last=True)
    assert gap(right, wrong) == "3 batches against 2"
    assert set(rows_of(right)) - set(rows_of(wrong)) == {8, 7}


def test_planted_labels_shuffled_apart_from_images():
    """Each array by a permutation of its own: every image comes, every label comes, and hardly a pair is right."""
    images, labels = examples()
    wrong = batches_of(jax_side, ORDER, 4, data=(images, labels[np.random.default_rng(0).permutation(EXAMPLES)]))
    assert gap(batches_of(torch_side, ORDER, 4), wrong) == "batch 0: other labels"
    assert sorted(rows_of(wrong)) == [*range(EXAMPLES)]


def test_planted_order_of_an_epoch_repeated():
    """The key alone, not folded with the epoch, gives every epoch one order; torch's generator would have gone on."""
    key, generator = jax.random.key(0), torch.Generator().manual_seed(0)
    wrong = [jax.random.permutation(key, EXAMPLES) for _ in range(2)]
    right = [jax_side.epoch_order(key, EXAMPLES, epoch) for epoch in range(2)]
    assert gap(*(batches_of(jax_side, order, 4) for order in wrong)) == ""
    assert gap(*(batches_of(jax_side, order, 4) for order in right)) != ""
    assert not torch.equal(*(torch.randperm(EXAMPLES, generator=generator) for _ in range(2)))


def test_planted_epoch_resumed_one_batch_early_or_late():
    rest = batches_of(torch_side, ORDER, 4, start=1)
    assert gap(rest, batches_of(jax_side, ORDER, 4, start=0)) == "2 batches against 3"
    assert gap(rest, batches_of(jax_side, ORDER, 4, start=2)) == "2 batches against 1"
    # Resumed in a new order, the count is right and the examples are not.
    assert gap(rest, batches_of(jax_side, ORDER[::-1], 4, start=1)) == "batch 0: other images"


def test_planted_pixels_not_scaled():
    scaled = batches_of(torch_side, ORDER, 4, torch_side.scale_pixels)
    raw = batches_of(jax_side, ORDER, 4, lambda images: images.astype(np.float32))
    assert gap(scaled, raw) == "batch 0: other images"
    assert raw[0][0].max() == 255 * scaled[0][0].max()
    assert gap(raw, batches_of(jax_side, ORDER, 4)) == "batch 0: images of float32 against uint8"


def test_planted_axes_moved():
    """Rows and columns of an image exchanged, as between channels first and channels last."""
    wrong = batches_of(jax_side, ORDER, 4, lambda images: images.swapaxes(-1, -2))
    assert gap(batches_of(torch_side, ORDER, 4), wrong) == "batch 0: images of shape (4, 2, 3) against (4, 3, 2)"


def test_planted_mean_of_batch_means():
    """TRAPS' own numbers have this form: 10 examples by 4, and the last two weigh twice as much as they should."""
    values = np.array([0.0] * 8 + [1.0] * 2)
    batches = [(part,) for part in np.split(values, [4, 8])]
    of_means = np.mean([part.mean() for (part,) in batches])
    for side, make in ((torch_side, torch.tensor), (jax_side, np.asarray)):
        assert side.mean_over_examples(lambda v: v, [(make(part),) for (part,) in batches]) == 0.2
    assert of_means == pytest.approx(1 / 3)


def test_planted_filling_counted():
    """The loss of two examples, filled up to four and not masked: log 10 of each blank image moves the mean."""
    images, labels = np.ones((2, 3), np.float32), np.array([0, 0])
    filled, valid = jax_side.pad_batch((images, labels), 4)

    def per_example(images, labels):
        logits = 4 * jax.nn.one_hot(0, 10) * images.mean(axis=-1, keepdims=True)
        return -jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels]

    losses = per_example(*map(jnp.asarray, filled))
    right, wrong = float(losses[valid].mean()), float(losses.mean())
    assert f"{right:.3f} {wrong:.3f} {np.log(10):.3f}" == "0.153 1.228 2.303"
    assert jax_side.mean_over_examples(per_example, [(images, labels)]) == pytest.approx(right)


# --- compilations --------------------------------------------------------------------------------------------------


def test_trap_a_short_batch_compiles_again():
    """Two programs for three batches; one where the last is filled up."""
    traced = []

    def per_example(images, labels):
        traced.append(images.shape)
        return images.sum((1, 2)) * labels

    batches = batches_of(jax_side, ORDER, 4)
    compiled = jax.jit(lambda *batch: per_example(*batch))
    for batch in batches:
        compiled(*batch)
    assert traced == [(4, 2, 3), (2, 2, 3)]

    traced.clear()
    for _ in range(2):  # a second evaluation compiles nothing
        jax_side.mean_over_examples(per_example, batches)
    assert traced == [(4, 2, 3)]


def test_a_resident_epoch_traces_its_step_once():
    traced = []

    def step(state, batch, valid):
        traced.append(batch[0].shape)
        return state + (batch[0] * valid).sum(), valid.sum()

    epoch = jax.jit(lambda data, order: jax_side.resident_epoch(step, 0.0, (data,), order, 4))
    for order in (np.arange(10), np.arange(10)[::-1]):
        total, kept = epoch(jnp.arange(10.0), jnp.asarray(order))
    assert (float(total), kept.tolist(), traced) == (45.0, [4, 4, 2], [(4,)])


# --- divergences ---------------------------------------------------------------------------------------------------


def test_divergence_rows_out_of_range_are_refused_by_torch_and_clamped_by_jax():
    """Row 10 of 10: torch raises; JAX takes the last example once more and says nothing. The loaders raise both."""

    def step(state, batch, valid):
        return state, batch[0][0]

    with pytest.raises(IndexError, match="index 10 is out of bounds"):
        torch_side.resident_epoch(step, 0, (torch.arange(10),), torch.tensor([10]), 1)
    _, kept = jax_side.resident_epoch(step, 0, (jnp.arange(10),), jnp.array([10]), 1)
    assert kept.tolist() == [9]
    for side in (torch_side, jax_side):
        with pytest.raises(IndexError, match="index 10 is out of bounds"):
            batches_of(side, [10], 1)


def test_divergence_neighbouring_seeds_share_epochs_in_torch_only():
    """Seed plus epoch, as DistributedSampler has it: seed 1 starts where seed 0 goes in its epoch 1."""
    zero, one = (torch.Generator().manual_seed(seed) for seed in (0, 1))
    assert torch.equal(torch_side.epoch_order(50, 1, generator=zero), torch_side.epoch_order(50, 0, generator=one))
    zero, one = (jax.random.key(seed) for seed in (0, 1))
    assert not np.array_equal(jax_side.epoch_order(zero, 50, 1), jax_side.epoch_order(one, 50, 0))


def test_divergence_a_loader_of_torch_draws_from_the_global_generator():
    """DataLoader takes one number for its workers' seeds each epoch, even without workers; grain draws nothing."""
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    batches_of(torch_side, ORDER, 4)
    assert not torch.equal(torch.random.get_rng_state(), before)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    batches_of(jax_side, ORDER, 4)
    assert np.array_equal(np.random.get_state()[1], before[1])
