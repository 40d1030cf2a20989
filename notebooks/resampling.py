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
# # Resampling
#
# Where do the pixels of a resized image lie, and which of PyTorch's ways has `jax.image` too?
#
# The code under study is imported: [`torch_impl/resampling.py`](../torch_impl/resampling.py) and
# [`jax_impl/resampling.py`](../jax_impl/resampling.py). `parity show resampling.interpolate` prints a pair side by
# side.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch

import parity
from jax_impl import resampling as jax_side
from torch_impl import resampling as torch_side

rng = np.random.default_rng(0)

# %% [markdown]
# ## One row of pixels, six ways
#
# Six pixels become 25. `"nearest"` takes the pixel below, `"nearest-exact"` the nearest centre; `align_corners`
# stretches the curve until both ends are pixels; the cubic kernel overshoots.

# %%
row = np.array([0.0, 1.0, 0.2, 0.8, 0.7, 0.1], np.float32)
ways = {
    "nearest": {"mode": "nearest"},
    "nearest-exact": {"mode": "nearest-exact"},
    "linear": {"mode": "bilinear"},
    "linear, corners": {"mode": "bilinear", "align_corners": True},
    "cubic": {"mode": "bicubic"},
    "cubic, antialias": {"mode": "bicubic", "antialias": True},
}
figure, axes = plt.subplots(2, 3, figsize=(10, 5), sharex=True, sharey=True)
for axis, (name, how) in zip(axes.flat, ways.items(), strict=True):
    ours = torch_side.interpolate(torch.tensor(row[None, None, None]), (1, 25), **how).numpy().ravel()
    theirs = np.asarray(jax_side.interpolate(jnp.asarray(row[None, None, :, None]), (1, 25), **how)).ravel()
    axis.plot(ours, label="PyTorch")
    axis.plot(theirs, ".", label="JAX")
    axis.set_title(name, fontsize=9)
    print(f"{name:16} {' '.join(f'{value:.3f}' for value in theirs[:6])}  agree: {np.allclose(ours, theirs)}")
axes[0, 0].legend()
for axis in axes[1]:
    axis.set_xlabel("new pixel")
plt.tight_layout()
plt.show()

# %% [markdown]
# ## What `jax.image.resize` does instead
#
# The largest difference from PyTorch, over an image of random numbers. It agrees where its kernel is the same (there is
# one named after PyTorch), its antialiasing is switched as PyTorch's is, and no corner or scale is asked for.

# %%
image = rng.normal(size=(8, 8)).astype(np.float32)
cases = {
    "smaller, bilinear": ((4, 4), "bilinear", {}, {}),
    "smaller, bilinear, antialias off": ((4, 4), "bilinear", {}, {"antialias": False}),
    "larger, bilinear": ((13, 13), "bilinear", {}, {}),
    "larger, bilinear, corners": ((13, 13), "bilinear", {"align_corners": True}, {}),
    "larger, bicubic": ((13, 13), "bicubic", {}, {}),
    "larger, bicubic-pytorch": ((13, 13), "bicubic", {}, {"method": "bicubic-pytorch", "antialias": False}),
    "larger, bicubic, antialias": ((13, 13), "bicubic", {"antialias": True}, {}),
    "smaller, nearest": ((5, 5), "nearest", {}, {}),
    "smaller, nearest-exact": ((5, 5), "nearest-exact", {}, {}),
}
print(f"{'':34} jax.image  jax_impl")
for name, (size, mode, how, option) in cases.items():
    ours = torch_side.interpolate(torch.tensor(image[None, None]), size, mode=mode, **how).numpy()[0, 0]
    theirs = np.asarray(jax.image.resize(image, size, **{"method": mode.removesuffix("-exact")} | option))
    twin = np.asarray(jax_side.interpolate(jnp.asarray(image[None, :, :, None]), size, mode=mode, **how))[0, :, :, 0]
    print(f"{name:34} {abs(ours - theirs).max():9.4f} {abs(ours - twin).max():9.4f}")

# %% [markdown]
# ## Reading an image at any place
#
# An affine map turns a picture by 30 degrees. What lies outside is 0, the outer pixel, or the picture reflected.

# %%
rows, columns = np.mgrid[:32, :32]
picture = (np.sin(rows / 3) + columns / 16).astype(np.float32)
angle = np.pi / 6
theta = np.array([[[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]]], np.float32)
figure, axes = plt.subplots(2, 3, figsize=(8, 5.4), sharex=True, sharey=True)
for column, edge in zip(axes.T, ("zeros", "border", "reflection"), strict=True):
    grid = torch_side.affine_grid(torch.tensor(theta), (32, 32))
    ours = torch_side.grid_sample(torch.tensor(picture[None, None]), grid, padding_mode=edge).numpy()[0, 0]
    places = jax_side.affine_grid(jnp.asarray(theta), (32, 32))
    theirs = np.asarray(jax_side.grid_sample(jnp.asarray(picture[None, :, :, None]), places, padding_mode=edge))
    for axis, shown, side in zip(column, (ours, theirs[0, :, :, 0]), ("PyTorch", "JAX"), strict=True):
        axis.imshow(shown, vmin=-1, vmax=3)
        axis.set_title(f"{side}: {edge}", fontsize=9)
    print(f"{edge:10} largest difference {abs(ours - theirs[0, :, :, 0]).max():.4f}")
for axis in axes[1]:
    axis.set_xlabel("column")
plt.tight_layout()
plt.show()

# %% [markdown]
# ## The proof
#
# The whole proof is [`parity_tests/test_resampling.py`](../parity_tests/test_resampling.py), its traps
# [`parity_tests/test_resampling__traps.py`](../parity_tests/test_resampling__traps.py).


# %%
def jax_sampled(x, grid):
    return jax_side.grid_sample(x.transpose(0, 2, 3, 1), grid).transpose(0, 3, 1, 2)


inputs = (rng.normal(size=(1, 2, 3, 5)), 1.5 * rng.normal(size=(1, 4, 4, 2)))
report = parity.compare(torch_side.grid_sample, jax_sampled, inputs, name="grid_sample", dtypes=("float64",))
for leaf in report.leaves:
    print(f"{leaf.quantity:9} {leaf.path:12} {leaf.dtype:8} {'agrees' if leaf.ok else 'differs'}")
