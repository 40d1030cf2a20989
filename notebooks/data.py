# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Examples in batches
#
# Two training runs are the same only if they see the same examples in the same order. How does one order become the
# same batches in PyTorch and in JAX, and what happens to the last one, which is short?
#
# The code under study is imported: [`torch_impl/data.py`](../torch_impl/data.py) and
# [`jax_impl/data.py`](../jax_impl/data.py).

# %%
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch

from jax_impl import data as jax_side
from parity.digits import load_digits
from torch_impl import data as torch_side

(pixels, labels), _ = load_digits()
images = (16 * pixels).astype(np.uint8).reshape(-1, 8, 8)
print(images.shape, images.dtype, "labels", labels.dtype)

# %% [markdown]
# ## One order, the same batches
#
# The order of an epoch is an array of rows. Each side could draw one of its own; handed the same one, `DataLoader` and
# grain give the same batches, bit for bit.

# %%
order = np.random.default_rng(0).permutation(len(labels))
scale = {side: partial(side.scale_pixels, top=16) for side in (torch_side, jax_side)}


def same(left, right):
    pairs = [(a, b) for one, other in zip(left, right, strict=True) for a, b in zip(one, other, strict=True)]
    return all(np.array_equal(a, b) for a, b in pairs)


def batches(side, order, **options):
    dataset = side.ImageDataset(images, labels, scale[side])
    return [tuple(map(np.asarray, batch)) for batch in side.loader(dataset, side.BatchOrder(order, 64, **options))]


left, right = batches(torch_side, order), batches(jax_side, order)
print("batches:", len(left), "and", len(right), "| the last:", left[-1][0].shape, "and", right[-1][0].shape)
print("bit for bit the same:", same(left, right), "| labels:", left[0][1].dtype, "and", right[0][1].dtype)

# %%
figure, axes = plt.subplots(2, 10, figsize=(9, 2.3), layout="constrained")
for row, (name, loaded) in zip(axes, {"PyTorch": left, "JAX": right}.items(), strict=True):
    for column, axis in enumerate(row):
        axis.imshow(loaded[-1][0][column], cmap="gray_r", vmin=0, vmax=1)
        axis.set_title(loaded[-1][1][column], fontsize=8)
        axis.set_xticks([])
        axis.set_yticks([])
    row[0].set_ylabel(name)
figure.suptitle("the first ten examples of the last batch")
plt.show()

# %% [markdown]
# The labels are int64 on one side and int32 on the other. That is JAX's integer unless `jax_enable_x64` is on, and
# wide enough for any class.
#
# ## Each epoch takes each example once
#
# Sampled with replacement, more than a third of the examples never come in an epoch. A permutation takes each once, and
# the next epoch needs another one. JAX's key gives the same permutation each time, unless the epoch is folded into it.

# %%
generator, key, epochs, n = torch.Generator().manual_seed(0), jax.random.key(0), 4, len(labels)
orders = {
    "PyTorch, permutation": [torch_side.epoch_order(n, e, generator=generator).numpy() for e in range(epochs)],
    "JAX, permutation": [np.asarray(jax_side.epoch_order(key, n, e)) for e in range(epochs)],
    "JAX, key not folded": [np.asarray(jax.random.permutation(key, n)) for _ in range(epochs)],
    "PyTorch, with replacement": [
        torch_side.weighted_order(torch.ones(n), n, generator=generator).numpy() for _ in range(epochs)
    ],
}
print(f"{'order':26} examples seen in epoch 0   orders among {epochs} epochs")
for name, drawn in orders.items():
    print(f"{name:26} {len(set(drawn[0])):4} of {len(labels)}               {len({tuple(order) for order in drawn})}")

# %%
plt.figure(figsize=(7, 3.2), layout="constrained")
styles = {"PyTorch, permutation": "-", "JAX, permutation": "o", "PyTorch, with replacement": "--"}
for (name, style), color in zip(styles.items(), ("tab:red", "tab:blue", "0.5"), strict=True):
    seen = [len(set(orders[name][0][:taken])) / len(labels) for taken in range(0, len(labels) + 64, 64)]
    plt.plot(seen, style, color=color, label=name, linewidth=2)
plt.xlabel("batches of 64")
plt.ylabel("share of the examples seen")
plt.legend()
plt.show()

# %% [markdown]
# Both permutations run up the same straight line to 1. Sampling with replacement bends down to $1 - 1/e = 0.63$.
#
# ## The short last batch
#
# It is part of the data, and three things go wrong with it. A loop over `n // batch_size` steps drops it. The mean of
# the batches' means gives its examples too much weight. And `jit` compiles the step once more for its shape.

# %%
print("examples in batches of 64:", *divmod(len(labels), 64), "left over")


def brightness(images, labels):
    return images.sum(axis=(1, 2)) * (labels == 8)


sides = {"PyTorch": (torch_side, torch.as_tensor, left), "JAX": (jax_side, np.asarray, right)}
for name, (side, make, loaded) in sides.items():
    mean = side.mean_over_examples(brightness, [tuple(map(make, batch)) for batch in loaded])
    print(f"{name:8} mean over the examples: {mean:.4f}")
print(f"{'':8} mean of the batch means: {np.mean([brightness(*batch).mean() for batch in left]):.4f}")

# %%
shapes = []


@jax.jit
def step(images):
    shapes.append(images.shape[0])  # runs while tracing only
    return images.mean()


for batch, _ in right:
    step(batch)
print("compiled for batches of", shapes)

shapes.clear()
for batch in right:
    (padded, _), valid = jax_side.pad_batch(batch, 64)
    step(padded)
print("filled up:", shapes, "more; the mask of the last has", int(valid.sum()), "of", len(valid))

# %% [markdown]
# ## On from the middle of an epoch
#
# The state of an epoch is its order and the number of batches taken. A loader that starts there goes on with the next
# batch. An iterator of grain can also tell its state.

# %%
for name, side in {"PyTorch": torch_side, "JAX": jax_side}.items():
    rest = batches(side, order, start=20)
    print(f"{name:8} {len(rest)} batches from number 20 on, the same as before: {same(left[20:], rest)}")

iterator = iter(jax_side.loader(jax_side.ImageDataset(images, labels), jax_side.BatchOrder(order, 64)))
for _ in range(20):
    next(iterator)
print("grain   ", iterator.get_state())

# %% [markdown]
# Count the batches where they arrive. A sampler that counts what it has given is ahead: with two workers PyTorch asks
# for five batches before it hands out the first.
#
# ## Data that fits goes to the device
#
# These digits are 92 KB. Put them on the device as a whole, and an epoch is a permutation and a scan: no loader, no
# process, no copy. Measured on two cores in November 2026, with all 1,797 digits: one epoch by grain takes 5 times as
# long as by indexing with the rows of a batch, 60 times with grain's threads, and 200 to 400 times record by record.
# grain is for data on a disk, and for work on each record; where that can be done, let it fetch whole batches.
#
# The step gets a mask, for in a scan all batches have one shape.


# %%
def count(state, batch, valid):
    images, labels = batch
    return state + valid.sum(), (images.sum(-1).sum(-1) * labels * valid).sum()


for name, (side, make) in {"PyTorch": (torch_side, torch.tensor), "JAX": (jax_side, jnp.asarray)}.items():
    resident = make(images.astype(np.int32)), make(labels)
    seen, kept = side.resident_epoch(count, 0, resident, make(order), 64)
    print(f"{name:8} examples {int(seen)}  steps {len(kept)}  first three sums {[int(value) for value in kept[:3]]}")

# %% [markdown]
# ## The proof
#
# Batches of every size with and without the short one, epochs covered for any n, the same with none and with two
# processes, on from each batch, and the mistakes above planted and seen:
# [`parity_tests/test_data.py`](../parity_tests/test_data.py) and the files beside it.

# %%
print("size  last   batches       bit for bit")
for size in (1, 50, 64, 1438, 2000):
    for drop_last in (False, True):
        loaded = [
            [tuple(map(np.asarray, batch)) for batch in side.loader(side.ImageDataset(images, labels), cut)]
            for side in (torch_side, jax_side)
            for cut in [side.BatchOrder(order, size, drop_last=drop_last)]
        ]
        print(
            f"{size:4}  {'drop' if drop_last else 'keep'}   {len(loaded[0]):4} and {len(loaded[1]):4}  {same(*loaded)}"
        )
