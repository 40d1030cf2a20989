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
# # Normalisation
#
# A batch norm learns two numbers a channel by gradient and remembers two more. What is remembered decides every
# evaluation. Do both frameworks remember the same?
#
# The code under study is imported: [`torch_impl/normalization.py`](../torch_impl/normalization.py) and
# [`jax_impl/normalization.py`](../jax_impl/normalization.py).

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch
from flax import linen

import parity
from jax_impl import normalization as jax_side
from torch_impl import normalization as torch_side

# %% [markdown]
# ## Sixty batches of four rows
#
# One channel, drawn from a normal law of mean 3 and variance 4. Three layers see the same batches: PyTorch's, ours in
# JAX, and linen's own with its momentum translated (0.1 on one side is 0.9 on the other).

# %%
batches = np.random.default_rng(0).normal(3.0, 2.0, size=(60, 4, 1)).astype(np.float32)


def torch_statistics(momentum):
    layer = torch_side.batch_norm_layer(1, 1, momentum=momentum)
    for batch in torch.from_numpy(batches):
        layer(batch)
        yield layer.running_mean.item(), layer.running_var.item()


def jax_statistics(layer):
    variables = layer.init(jax.random.key(0), batches[0], use_running_average=False)

    def step(variables, batch):
        _, new = layer.apply(variables, batch, use_running_average=False, mutable=["batch_stats"])
        stats = new["batch_stats"]
        return variables | new, jnp.stack([stats["mean"][0], stats["var"][0]])

    return jax.lax.scan(step, variables, jnp.asarray(batches))[1]


runs = {
    "PyTorch": np.array(list(torch_statistics(0.1))),
    "JAX twin": np.asarray(jax_statistics(jax_side.batch_norm_layer(1, 1, momentum=0.1))),
    "linen.BatchNorm(momentum=0.9)": np.asarray(jax_statistics(linen.BatchNorm(momentum=0.9, epsilon=1e-5))),
    "linen.BatchNorm()": np.asarray(jax_statistics(linen.BatchNorm())),
}
print(f"{'after 60 batches':32}{'mean':>9}{'variance':>10}")
for name, run in runs.items():
    print(f"{name:32}{run[-1, 0]:9.4f}{run[-1, 1]:10.4f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
styles = {"PyTorch": "-", "JAX twin": ".", "linen.BatchNorm(momentum=0.9)": "--", "linen.BatchNorm()": ":"}
for place, (axis, what, truth) in enumerate(zip(axes, ("mean", "variance"), (3, 4), strict=True)):
    for name, run in runs.items():
        axis.plot(run[:, place], styles[name], label=name)
    axis.axhline(truth, color="0.7", linewidth=1)
    axis.set(xlabel="batch", ylabel=f"running {what}")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
plt.show()

# %% [markdown]
# The points lie on the line. The dashed curve has the right mean and three quarters of the variance: PyTorch remembers
# the variance of a *sample*, $n / (n - 1)$ of the batch's own, and linen the batch's own. With 4 rows that is 4/3, with
# 32 it is 1.03. The dotted one keeps linen's default momentum of 0.99 and has come half of the way.
#
# Training does not show it: there both normalise by the batch's own variance. Evaluation does.

# %%
rows = batches[0]
layer = torch_side.batch_norm_layer(1, 1)
other = jax_side.batch_norm_layer(1, 1)
params = other.init(jax.random.key(0), rows, use_running_average=False)["params"]
print("training   PyTorch", layer(torch.from_numpy(rows)).detach().numpy().ravel().round(4))
trained, _ = other.apply({"params": params}, rows, use_running_average=False, mutable=["batch_stats"])
print("           JAX    ", np.asarray(trained).ravel().round(4))
for name, run in list(runs.items())[:3]:
    mean, var = run[-1]
    print(f"evaluated  {name:30}", ((rows - mean) / np.sqrt(var + 1e-5)).ravel().round(4))

# %% [markdown]
# ## Epsilon
#
# Every norm of PyTorch adds 1e-5 to the variance, linen 1e-6. At inputs of size 1 nobody sees it.

# %%
x = np.random.default_rng(1).normal(size=(6, 8)).astype(np.float32)
print(f"{'size of x':>10}  largest difference of the two epsilons in a layer norm")
for size in (1.0, 0.1, 0.01, 0.001):
    left = torch_side.layer_norm_layer((8,))(torch.from_numpy(size * x)).detach().numpy()
    right = linen.LayerNorm(use_scale=False, use_bias=False).apply({}, size * x)
    print(f"{size:10}  {np.abs(left - right).max():.1g}")

# %% [markdown]
# ## A large mean
#
# linen takes the variance as $\overline{x^2} - \bar x^2$, in one pass. In float32 the two terms agree in all their
# digits when the mean is large, and the difference is noise. `use_fast_variance=False` takes two passes.

# %%
print(f"{'mean of x':>10}{'one pass':>12}{'two passes':>12}    layer norm of float32: within 0.01 of float64?")
for mean in (0, 10, 100, 1000, 10000):
    shifted = (mean + x).astype(np.float32)
    wide = shifted.astype(float)
    truth = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    words = []
    for fast in (True, False):
        norm = linen.LayerNorm(epsilon=1e-5, use_scale=False, use_bias=False, use_fast_variance=fast)
        words.append("yes" if np.abs(np.asarray(norm.apply({}, shifted)) - truth).max() < 0.01 else "LOST")
    print(f"{mean:10}{words[0]:>12}{words[1]:>12}")

# %% [markdown]
# ## Dropout on one mask
#
# The frameworks' generators share nothing, so a mask is drawn once and given to both.

# %%
values = np.arange(1.0, 9.0, dtype=np.float32)
keep = torch_side.keep_mask((8,), p=0.25, generator=torch.Generator().manual_seed(3))
for name in ("dropout", "alpha_dropout"):
    print(f"{name:14} PyTorch", getattr(torch_side, name)(torch.from_numpy(values), keep, p=0.25).numpy().round(4))
    print(f"{'':14} JAX    ", np.asarray(getattr(jax_side, name)(values, keep.numpy(), p=0.25)).round(4))

# %% [markdown]
# ## The proof
#
# PyTorch's own samples of these layers, all 106, with buffers and gradients, are in
# [`parity_tests/test_normalization__samples.py`](../parity_tests/test_normalization__samples.py); running statistics
# after ten batches, and dropout, in [`test_normalization.py`](../parity_tests/test_normalization.py). Two of them here:

# %%
for name, sizes in (("layer_norm_layer", ((4, 8),)), ("rms_norm_layer", ((8,),))):
    pair = [getattr(side, name)(*sizes) for side in (torch_side, jax_side)]
    report = parity.compare_modules(*pair, (np.random.default_rng(2).normal(size=(3, 4, 8)),))
    print(name)
    for leaf in report.leaves:
        print(f"  {leaf.quantity:8}  {leaf.path:18}  {leaf.dtype:7}  {'agrees' if leaf.ok else 'DIFFERS'}")
