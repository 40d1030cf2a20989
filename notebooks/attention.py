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
# # Attention
#
# Where does each query look, under which mask, and is it the same place in JAX?
#
# The code under study is imported: [`torch_impl/attention.py`](../torch_impl/attention.py) and
# [`jax_impl/attention.py`](../jax_impl/attention.py). `parity show attention.scaled_dot_product_attention` prints a
# pair side by side.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch

import parity
from jax_impl import attention as jax_side
from torch_impl import attention as torch_side

rng = np.random.default_rng(0)
query, key = rng.normal(size=(2, 6, 8)).astype(np.float32)
causal, window = np.tril(np.ones((6, 6), bool)), abs(np.arange(6)[:, None] - np.arange(6)) < 2
nobody = causal & (np.arange(6) != 2)[:, None]
BOTH = (("PyTorch", torch_side, torch.tensor), ("JAX", jax_side, jnp.asarray))

# %% [markdown]
# ## Attention maps
#
# With the unit matrix for values the output is the weights themselves. True is where to look. The third query of the
# last mask may look nowhere: its row is 0, in both.

# %%
masks = {"no mask": np.ones((6, 6), bool), "causal": causal, "a window": window, "one row blocked": nobody}
figure, axes = plt.subplots(2, 4, figsize=(9, 4.8), sharex=True, sharey=True)
maps = {}
for line, (name, side, native) in zip(axes, BOTH, strict=True):
    for axis, (title, mask) in zip(line, masks.items(), strict=True):
        weights = side.scaled_dot_product_attention(*map(native, (query, key, np.eye(6, dtype=np.float32), mask)))
        maps[name, title] = np.asarray(weights)
        axis.imshow(maps[name, title], vmin=0, vmax=1)
        axis.set_title(f"{name}: {title}", fontsize=9)
    line[0].set_ylabel("query")
for axis in axes[1]:
    axis.set_xlabel("key")
plt.tight_layout()
plt.show()
for title in masks:
    rows = [np.round(maps[name, title].sum(-1), 4).tolist() for name in ("PyTorch", "JAX")]
    print(f"{title:16} sums of rows {rows[0]}  equal in JAX: {rows[0] == rows[1]}")

# %% [markdown]
# ## A query that may look nowhere, four times
#
# PyTorch's product gives 0 and its layer NaN; `jax.nn`'s gives the mean of all values.

# %%
value = rng.normal(size=(6, 8)).astype(np.float32)
product = torch_side.scaled_dot_product_attention(*map(torch.tensor, (query, key, value, nobody)))
theirs = jax.nn.dot_product_attention(*(part[:, None] for part in (query, key, value)), mask=nobody[None])
shapes = {"out_proj_weight": (8, 8), "in_proj_weight": (24, 8), "in_proj_bias": (24,), "out_proj_bias": (8,)}
packed = {name: 0.5 * rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
layer = {}
for name, side, native in BOTH:
    weights = side.AttentionWeights(**{field: native(part) for field, part in packed.items()})
    layer[name] = side.multi_head_attention(*[native(query)] * 3, weights, 2, attn_mask=native(~nobody))[0]
print("PyTorch's product   ", np.round(product[2, :3].numpy(), 4).tolist())
print("jax.nn's product    ", np.round(theirs[2, 0, :3], 4).tolist())
print("the mean of values  ", np.round(value.mean(0)[:3], 4).tolist())
print("PyTorch's layer     ", layer["PyTorch"][2, :3].tolist(), " the twin's:", layer["JAX"][2, :3].tolist())

# %% [markdown]
# ## The packed projections
#
# PyTorch holds the projections of queries, keys and values as one matrix, the heads one under the other in each. linen
# holds a kernel (embed, heads, width) for each. `layer_weights` cuts the one into the other.

# %%
plt.imshow(packed["in_proj_weight"], cmap="coolwarm")
plt.hlines([7.5, 15.5], -0.5, 7.5, colors="black")
plt.hlines([3.5, 11.5, 19.5], -0.5, 7.5, colors="black", linestyles=":")
plt.yticks(np.arange(6) * 4 + 1.5, [f"{part}, head {head}" for part in ("query", "key", "value") for head in (0, 1)])
plt.xticks([])
plt.show()
tree = jax_side.layer_weights(jax_side.AttentionWeights(**{k: jnp.asarray(v) for k, v in packed.items()}), 2)
for name, part in tree["params"].items():
    print(f"{name:6}", {leaf: list(values.shape) for leaf, values in part.items()})

# %% [markdown]
# ## Rotary positions
#
# The score of two turned vectors depends on their distance alone: moved by 20 steps the curve is the same.

# %%
fixed = np.tile(query[:1], (24, 1))
for (name, side, native), style in zip(BOTH, ("-", "."), strict=True):
    for start in (0, 20):
        turned = np.asarray(side.rotary_positions(native(fixed), native(np.arange(start, start + 24)), base=100.0))
        plt.plot(turned[0] @ turned.T, style, label=f"{name}, from {start}")
plt.xlabel("distance")
plt.ylabel("score")
plt.legend()
plt.show()

# %% [markdown]
# ## The proof
#
# The whole proof is [`parity_tests/test_attention.py`](../parity_tests/test_attention.py), its traps
# [`parity_tests/test_attention__traps.py`](../parity_tests/test_attention__traps.py), PyTorch's own 128 samples of the
# layer [`parity_tests/test_attention__samples.py`](../parity_tests/test_attention__samples.py).


# %%
def compared(side):
    return lambda query, key, value, allowed: side.scaled_dot_product_attention(query, key, value, allowed)


report = parity.compare(compared(torch_side), compared(jax_side), (query, key, value, nobody), name="attention")
for leaf in report.leaves:
    print(f"{leaf.quantity:9} {leaf.path:12} {leaf.dtype:8} {'agrees' if leaf.ok else 'differs'}")
