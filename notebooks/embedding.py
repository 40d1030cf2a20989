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
# # Embeddings
#
# Which rows of a table does a batch of ids move, and are they the same rows in JAX: padding, caps, bags?
#
# The code under study is imported: [`torch_impl/embedding.py`](../torch_impl/embedding.py) and
# [`jax_impl/embedding.py`](../jax_impl/embedding.py). `parity show embedding.embedding` prints a pair side by side.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch
from flax import linen as nn

import parity
from jax_impl import embedding as jax_side
from torch_impl import embedding as torch_side

rng = np.random.default_rng(0)
table = rng.normal(size=(6, 4)).astype(np.float32)
ids = np.array([[0, 2, 4, 0], [2, 2, 5, 0]])  # 0 is padding

# %% [markdown]
# ## The padding row's gradient
#
# The gradient of the sum of all rows is how often each id occurs; with `padding_idx=0` row 0 stays put. linen's `Embed`
# knows no padding row: outputs agree, and the row learns.

# %%
found = {}
leaf = torch.tensor(table, requires_grad=True)
torch_side.embedding(torch.tensor(ids), leaf, padding_idx=0).sum().backward()
found["PyTorch"] = leaf.grad.numpy()
found["JAX twin"] = jax.grad(lambda w: jax_side.embedding(ids, w, padding_idx=0).sum())(jnp.asarray(table))
found["linen's Embed"] = jax.grad(lambda w: nn.Embed(6, 4).apply({"params": {"embedding": w}}, ids).sum())(table)
figure, axes = plt.subplots(1, 3, figsize=(8, 3), sharey=True)
for axis, (name, gradient) in zip(axes, found.items(), strict=True):
    axis.imshow(gradient, vmin=0, vmax=3)
    axis.set_title(name)
    axis.set_xlabel("feature")
axes[0].set_ylabel("row of the table")
plt.tight_layout()
plt.show()
for name, gradient in found.items():
    print(f"{name:14}", np.asarray(gradient)[:, 0].tolist())

# %% [markdown]
# ## A cap on a row's length
#
# `max_norm` shortens the rows that are asked for. PyTorch writes into the table, in the forward call; the twin leaves
# the table as it is, and `renormalized` returns the new one.

# %%
given = torch.tensor(2 * table)
torch_side.embedding(torch.tensor([0, 2, 4]), given, max_norm=1.0)
after = {"before": 2 * table, "PyTorch": given.numpy()}
after["JAX twin"] = jax_side.renormalized(jnp.asarray(2 * table), jnp.array([0, 2, 4]), max_norm=1.0)
width = 0.25
for k, (name, values) in enumerate(after.items()):
    plt.bar(np.arange(6) + (k - 1) * width, np.linalg.norm(values, axis=-1), width, label=name)
plt.axhline(1, color="black", linewidth=0.8)
plt.xlabel("row")
plt.ylabel("length")
plt.legend()
plt.show()

# %% [markdown]
# ## Bags
#
# Ids in a row, cut at offsets; the second bag is empty. A mean counts no padding, an empty bag is 0, and a maximum's
# gradient goes to the first row that has it.

# %%
row, offsets = ids.reshape(-1), np.array([0, 4, 4])
for mode in ("sum", "mean", "max"):
    left = torch_side.embedding_bag(*map(torch.tensor, (row, table, offsets)), mode=mode, padding_idx=0)
    right = jax_side.embedding_bag(*map(jnp.asarray, (row, table, offsets)), mode=mode, padding_idx=0)
    print(f"{mode:5}PyTorch {np.round(left[:, 0].numpy(), 4).tolist()}  JAX {np.round(right[:, 0], 4).tolist()}")

# %% [markdown]
# ## Ids that are no rows
#
# PyTorch raises an IndexError. In JAX nothing can raise inside a compiled program: an id past the end is NaN, one below
# 0 counts from the end. Plain indexing gives the last row for any id past the end.

# %%
try:
    torch_side.embedding(torch.tensor([6]), torch.tensor(table))
except IndexError as error:
    print("PyTorch      ", error)
print("JAX twin     ", jax_side.embedding(jnp.array([6]), jnp.asarray(table))[0].tolist())
print("plain index  ", bool((jnp.asarray(table)[jnp.array([6])][0] == table[-1]).all()), "for the last row")

# %% [markdown]
# ## The proof
#
# The whole proof is [`parity_tests/test_embedding.py`](../parity_tests/test_embedding.py), its traps
# [`parity_tests/test_embedding__traps.py`](../parity_tests/test_embedding__traps.py).


# %%
def compared(side):
    return lambda ids, weight: (
        side.embedding(ids, weight, padding_idx=0),
        side.embedding_bag(ids, weight, mode="max", padding_idx=0),
    )


report = parity.compare(compared(torch_side), compared(jax_side), (ids, table), name="embedding")
for leaf in report.leaves:
    print(f"{leaf.quantity:9} {leaf.path:12} {leaf.dtype:8} {'agrees' if leaf.ok else 'differs'}")
