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
# # Convolution
#
# A convolution of PyTorch reads images channel by channel, one of Flax pixel by pixel. Where does each number stand,
# and what else differs when a network moves?
#
# The code under study is imported: [`torch_impl/convolution.py`](../torch_impl/convolution.py) and
# [`jax_impl/convolution.py`](../jax_impl/convolution.py).

# %%
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch
from flax import linen
from torch import nn

import parity
from jax_impl import convolution as jax_side
from torch_impl import convolution as torch_side

# %% [markdown]
# ## An image, blurred
#
# A disc with a notch. The blur is a convolution: each pixel becomes the mean of the nine around it.

# %%
row, column = np.mgrid[:24, :32]
image = (((row - 11) ** 2 + (column - 14) ** 2 < 81) & ~((row > 9) & (row < 14) & (column > 14))).astype(np.float32)
blurred = {
    "PyTorch": torch_side.blur(torch.from_numpy(image)[None, None], 5)[0, 0].numpy(),
    "JAX": np.asarray(jax_side.blur(jnp.asarray(image)[None, ..., None], 5))[0, ..., 0],
}
figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
for axis, (name, picture) in zip(axes, {"the image": image, **blurred}.items(), strict=True):
    axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
    axis.set(title=name, xticks=[], yticks=[])
plt.show()
print("largest difference below 1e-6:", bool(np.abs(blurred["PyTorch"] - blurred["JAX"]).max() < 1e-6))

# %% [markdown]
# ## Feature maps
#
# Four kernels: two edges, a corner and a ring. PyTorch takes them as (out, in, rows, columns), Flax as
# (rows, columns, in, out).

# %%
kernels = np.array(
    [
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
        [[0, 1, 0], [1, 0, -1], [0, -1, 0]],
        [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    ],
    np.float32,
)[:, None]
maps = {
    "PyTorch": torch_side.conv(torch.from_numpy(image)[None, None], torch.from_numpy(kernels), padding=1)[0].numpy(),
    "JAX": np.asarray(jax_side.conv(image[None, ..., None], kernels.transpose(2, 3, 1, 0), padding=1))[0],
}
print({name: found.shape for name, found in maps.items()})
figure, axes = plt.subplots(2, 4, figsize=(10, 4), layout="constrained")
for across, (name, found) in zip(axes, maps.items(), strict=True):
    for place, axis in enumerate(across):
        axis.imshow(found[place] if name == "PyTorch" else found[..., place], cmap="coolwarm", vmin=-4, vmax=4)
        axis.set(xticks=[], yticks=[], ylabel=name if place == 0 else "", title=f"kernel {place}")
plt.show()

# %% [markdown]
# ## Where each number stands
#
# The order in memory of an image of 2 channels, 2 rows and 3 columns; the colour is the channel. This is what `flatten`
# hands to the first dense layer: the same twelve numbers, in another order.

# %%
numbers = np.arange(12).reshape(2, 2, 3)
figure, axes = plt.subplots(2, 1, figsize=(8, 2.4), layout="constrained")
for axis, (name, order) in zip(axes, {"NCHW": numbers, "NHWC": numbers.transpose(1, 2, 0)}.items(), strict=True):
    flat = order.ravel()
    axis.imshow((flat >= 6)[None], cmap="Pastel1", vmin=0, vmax=8)
    for place, number in enumerate(flat):
        axis.text(place, 0, f"{'ab'[number // 6]}{number % 6 // 3}{number % 3}", ha="center", va="center")
    axis.set(yticks=[0], yticklabels=[name], xticks=[])
plt.show()

# %% [markdown]
# So a dense layer behind a flatten needs more than a transpose. Either the model flattens in PyTorch's order, or the
# kernel's rows are permuted once:

# %%
rng = np.random.default_rng(0)
features, weight = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(6, 60))
truth = features.reshape(2, -1) @ weight.T
pixels = features.transpose(0, 2, 3, 1).reshape(2, -1)
permuted = weight.reshape(6, 3, 4, 5).transpose(2, 3, 1, 0).reshape(60, 6)
print("kernel transposed alone:    largest gap", np.abs(pixels @ weight.T - truth).max().round(2))
print("kernel's rows permuted too: largest gap", np.abs(pixels @ permuted - truth).max().round(10))

# %% [markdown]
# ## Padding is not the default, and SAME is not symmetric
#
# `nn.Conv2d` pads nothing, `linen.Conv` pads SAME. With a stride SAME depends on the size: what is odd goes behind.

# %%
signal = np.zeros((1, 8, 8, 1), np.float32)
signal[0, 3, 3, 0] = 1
ones = np.ones((3, 3, 1, 1), np.float32)
rows = {
    "PyTorch, padding=1": torch_side.conv(
        torch.from_numpy(signal).permute(0, 3, 1, 2), torch.from_numpy(ones).permute(3, 2, 0, 1), stride=2, padding=1
    )[0, 0].numpy(),
    "JAX twin, padding=1": np.asarray(jax_side.conv(signal, ones, stride=2, padding=1))[0, ..., 0],
    "linen.Conv, SAME": np.asarray(
        linen.Conv(1, (3, 3), strides=2, use_bias=False).apply({"params": {"kernel": ones}}, signal)
    )[0, ..., 0],
}
for name, found in rows.items():
    print(f"{name:20}", " / ".join("".join(str(int(value)) for value in line) for line in found))

# %% [markdown]
# ## A transposed convolution mirrors its kernel
#
# PyTorch's is the gradient of a convolution. `linen.ConvTranspose` is not, unless it is told `transpose_kernel=True`:

# %%
one, kernel = np.ones((1, 1, 1)), np.array([1.0, 2.0, 3.0])
torch_out = torch_side.conv_transpose(torch.from_numpy(one), torch.from_numpy(kernel)[None, None])
plain = linen.ConvTranspose(1, (3,), padding="VALID", use_bias=False)
told = linen.ConvTranspose(1, (3,), padding="VALID", use_bias=False, transpose_kernel=True)
variables = {"params": {"kernel": kernel[:, None, None].astype(np.float32)}}
print("PyTorch              ", torch_out.ravel().numpy())
print("JAX twin             ", np.asarray(jax_side.conv_transpose(one, kernel[:, None, None])).ravel())
print("linen                ", np.asarray(plain.apply(variables, one)).ravel())
print("linen, transpose=True", np.asarray(told.apply(variables, one)).ravel())

# %% [markdown]
# ## What a mean counts at the border
#
# Ones, pooled by 3 with a stride of 2 and a padding of 1. PyTorch counts the padding unless told not to, and never
# what `ceil_mode` adds beyond it.

# %%
ones = torch.ones(1, 1, 6, dtype=torch.float64)
for options in ({}, {"ceil_mode": True}, {"ceil_mode": True, "count_include_pad": False}):
    options = {"stride": 2, "padding": 1, **options}
    left = torch_side.avg_pool(ones, (3,), **options).numpy().ravel().round(4)
    right = np.asarray(jax_side.avg_pool(jnp.ones((1, 6, 1)), (3,), **options)).ravel().round(4)
    print(f"PyTorch {left}  JAX {right}  {options}")

# %% [markdown]
# ## The proof
#
# A small network, its weights carried across; every padding, pool and option is in
# [`parity_tests/test_convolution.py`](../parity_tests/test_convolution.py), and PyTorch's own 153 samples in
# [`test_convolution__samples.py`](../parity_tests/test_convolution__samples.py).


# %%
class Network(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.relu(linen.Conv(3, (3, 3), padding="VALID")(jnp.moveaxis(x, 1, -1)))
        x = linen.max_pool(x, (2, 2), (2, 2))
        return linen.Dense(4)(jnp.moveaxis(x, -1, 1).reshape(x.shape[0], -1))


original = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4))
report = parity.compare_modules(original, Network(), (rng.normal(size=(2, 2, 6, 8)),))
for leaf in report.leaves:
    print(f"{leaf.quantity:8}  {leaf.path:26}  {leaf.dtype:7}  {'agrees' if leaf.ok else 'DIFFERS'}")
