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
# # Initializers
#
# By which law is a layer born in PyTorch, by which in JAX, and how does one get the other's?
#
# The code under study is imported: [`torch_impl/initializers.py`](../torch_impl/initializers.py) and
# [`jax_impl/initializers.py`](../jax_impl/initializers.py). `parity show initializers.kaiming_uniform` prints a pair.

# %%
import math

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import scipy.stats
import torch
from flax import linen
from torch import nn

from jax_impl import initializers as jax_side
from torch_impl import initializers as torch_side

# %% [markdown]
# ## Two idioms
#
# `nn.init` fills a tensor in place, in the layout (out, in, window). A JAX initializer makes an array from a key, in
# the layout (window, in, out). The fan in, the values that flow into one output, is the same number; the axes it is
# read from are not. A kernel handed over in the other's layout has its fans exchanged.

# %%
print(f"{'layer':34}{'fan in':>8}{'fan out':>9}   torch's shape      linen's shape")
for name, layer in (
    ("Linear(64, 512)", nn.Linear(64, 512)),
    ("Conv2d(16, 32, 3)", nn.Conv2d(16, 32, 3)),
    ("Conv2d(16, 32, 3, groups=4)", nn.Conv2d(16, 32, 3, groups=4)),
    ("ConvTranspose2d(16, 32, 3)", nn.ConvTranspose2d(16, 32, 3)),
    ("Embedding(512, 64)", nn.Embedding(512, 64)),
):
    shape = tuple(layer.weight.shape)
    turned = shape if name[0] == "E" else (*shape[2:], shape[1], shape[0])
    turned = (*turned[:-2], turned[-1], turned[-2]) if "Transpose" in name else turned
    print(f"{name:34}{torch_side.fans(shape)[0]:8}{torch_side.fans(shape)[1]:9}   {shape!s:18} {turned}")

# %% [markdown]
# The weight of a transposed convolution lies as that of the convolution it transposes: what torch takes for its fan in
# are its outputs.
#
# ## The gains

# %%
for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
    print(f"{name:12}{nn.init.calculate_gain(name):8.4f}{jax_side.calculate_gain(name):8.4f}")
slope = math.sqrt(5)
gains = nn.init.calculate_gain("leaky_relu", slope), jax_side.calculate_gain("leaky_relu", slope)
print(f"{'slope 5**0.5':12}{gains[0]:8.4f}{gains[1]:8.4f}")

# %% [markdown]
# The last line is how `nn.Linear` writes its law: $\sqrt5$ is the *slope* of a leaky ReLU, the gain of which is
# $1/\sqrt3$. So `kaiming_uniform_(a=sqrt(5))` is $U(-1/\sqrt{in}, 1/\sqrt{in})$.
#
# ## What is drawn
#
# 100 000 values of each law: PyTorch filled, JAX as a line.

# %%
TORCH, LINEN = (40, 10, 25, 10), (25, 10, 10, 40)
LAWS = {
    "uniform": {"a": -1.0, "b": 1.0},
    "normal": {"std": 0.5},
    "trunc_normal": {},
    "xavier_uniform": {},
    "xavier_normal": {},
    "kaiming_uniform": {"a": math.sqrt(5)},
    "kaiming_normal": {},
    "kaiming_normal, fan_out": {"mode": "fan_out"},
}
samples = {}
for key, options in LAWS.items():
    name = key.split(",")[0]
    ours = getattr(torch_side, name)(**options)(torch.empty(TORCH), generator=torch.Generator().manual_seed(0))
    theirs = getattr(jax_side, name)(**options)(jax.random.key(0), LINEN, jnp.float32)
    samples[key] = ours.numpy().ravel(), np.asarray(theirs).ravel()


def histogram(panel, left, right, labels=("PyTorch", "JAX")):
    """Both on the same bins."""
    bins = np.linspace(min(left.min(), right.min()), max(left.max(), right.max()), 61)
    panel.hist(left, bins, density=True, color="tab:red", alpha=0.4, label=labels[0])
    panel.hist(right, bins, density=True, histtype="step", color="tab:blue", label=labels[1])


figure, panels = plt.subplots(2, 4, figsize=(13, 5.5), layout="constrained")
for panel, (name, (left, right)) in zip(panels.flat, samples.items(), strict=True):
    histogram(panel, left, right)
    panel.set_title(name, fontsize=10)
    panel.set_yticks([])
for panel in panels[-1]:
    panel.set_xlabel("value")
for panel in panels[:, 0]:
    panel.set_ylabel("density")
figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# The two generators differ, so the values do; the law is what can be equal. A Kolmogorov-Smirnov test of two samples
# looks at the largest distance of their distributions: for one law and 100 000 draws each it is seldom above 0.0087
# (once in a thousand times).

# %%
print(f"{'':24}{'std, PyTorch':>13}{'std, JAX':>10}{'largest, PyTorch':>18}{'JAX':>9}{'KS distance':>13}")
for name, (left, right) in samples.items():
    spreads = f"{left.std():13.5f}{right.std():10.5f}{np.abs(left).max():18.4f}{np.abs(right).max():9.4f}"
    print(f"{name:24}{spreads}{scipy.stats.ks_2samp(left, right).statistic:13.4f}")

# %% [markdown]
# ## What JAX has under the same name
#
# `he_normal`, `xavier_normal` and `lecun_normal` are cut at two standard deviations and rescaled to the variance that
# is asked for: their standard deviation is right and their tails are missing. `truncated_normal` is cut and *not*
# rescaled, and cuts at standard deviations where `trunc_normal_` cuts at values: with `std=0.02` torch cuts nothing.

# %%
plain = linen.initializers
RIVALS = {
    "kaiming_normal\nand he_normal": ("kaiming_normal", {}, plain.he_normal()),
    "trunc_normal(std=0.02)\nand truncated_normal(0.02)": ("trunc_normal", {"std": 0.02}, plain.truncated_normal(0.02)),
    "Linear's weight\nand lecun_normal": ("kaiming_uniform", {"a": math.sqrt(5)}, plain.lecun_normal()),
    "uniform(-1, 1)\nand uniform(1)": ("uniform", {"a": -1.0, "b": 1.0}, plain.uniform(1.0)),
}
figure, panels = plt.subplots(1, 4, figsize=(13, 3.3), layout="constrained")
print(f"{'':50}{'std, PyTorch':>13}{'std, JAX':>10}{'KS distance':>13}")
for panel, (title, (name, options, rival)) in zip(panels, RIVALS.items(), strict=True):
    left = getattr(torch_side, name)(**options)(torch.empty(TORCH), generator=torch.Generator().manual_seed(0))
    left, right = left.numpy().ravel(), np.asarray(rival(jax.random.key(0), LINEN, jnp.float32)).ravel()
    histogram(panel, left, right, ("PyTorch", "jax.nn.initializers"))
    panel.set_title(title, fontsize=9)
    panel.set(xlabel="value", yticks=[])
    distance = scipy.stats.ks_2samp(left, right).statistic
    print(f"{' '.join(title.split()):50}{left.std():13.5f}{right.std():10.5f}{distance:13.4f}")
panels[0].set_ylabel("density")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# ## What is placed
#
# Exact on both sides: constants, identities, Dirac kernels, and the orthonormal rows or columns of an orthogonal
# matrix.

# %%
weight = torch_side.dirac(2)(torch.empty(4, 3, 3, 3))
kernel = jax_side.dirac(2)(jax.random.key(0), (3, 3, 3, 4), jnp.float32)
print("dirac in two groups, equal:", np.array_equal(np.asarray(kernel).transpose(3, 2, 0, 1), weight))
weight = torch_side.orthogonal()(torch.empty(3, 5), generator=torch.Generator().manual_seed(0)).numpy()
kernel = np.asarray(jax_side.orthogonal()(jax.random.key(0), (5, 3), jnp.float32))
for name, matrix in (("PyTorch, (out, in): W W'", weight @ weight.T), ("JAX, (in, out): K' K", kernel.T @ kernel)):
    print(f"{name:26}", np.array2string(np.abs(matrix).round(4), separator=" ").replace("\n", ""))

# %% [markdown]
# ## How the layers are born
#
# One argument makes a linen layer start as torch's: `nn.Dense(400, **linear_laws(250))`. The size of the input must be
# told, since the law of a bias depends on it and its shape does not show it.

# %%
LAYERS = {
    "Linear": (lambda: nn.Linear(250, 400).weight, linen.Dense, (400,), jax_side.linear_laws(250), (1, 250)),
    "Conv1d": (lambda: nn.Conv1d(50, 400, 5).weight, linen.Conv, (400, (5,)), jax_side.conv_laws(50, (5,)), (1, 5, 50)),
    "ConvTranspose1d": (
        lambda: nn.ConvTranspose1d(400, 50, 5).weight,
        linen.ConvTranspose,
        (50, (5,)),
        jax_side.conv_transpose_laws(50, (5,)),
        (1, 2, 400),
    ),
    "Embedding": (lambda: nn.Embedding(400, 250).weight, linen.Embed, (400, 250), jax_side.embedding_laws(), (1,)),
    "PReLU": (lambda: nn.PReLU().weight, linen.PReLU, (), jax_side.prelu_laws(), (1, 3)),
}


def first_weights(layer, shape):
    """The first parameter that is no bias, flat."""
    kind = jnp.int32 if isinstance(layer, linen.Embed) else jnp.float32
    params = jax.jit(layer.init)(jax.random.key(0), jnp.zeros(shape, kind))["params"]
    return np.asarray(next(value for name, value in params.items() if name != "bias")).ravel()


print(f"{'root mean square of':22}{'PyTorch':>9}{'linen, told':>13}{'linen by itself':>17}{'times':>8}")
born = {}
for name, (make, kind, sizes, laws, shape) in LAYERS.items():
    torch.manual_seed(0)
    original = make().detach().numpy().ravel()
    born[name] = original, first_weights(kind(*sizes, **laws), shape), first_weights(kind(*sizes), shape)
    sizes = [float(np.sqrt(np.square(values).mean())) for values in born[name]]
    print(f"{name:22}{sizes[0]:9.4f}{sizes[1]:13.4f}{sizes[2]:17.4f}{sizes[2] / sizes[0]:8.2f}")

# %%
figure, panels = plt.subplots(1, 4, figsize=(13, 3.2), layout="constrained")
for panel, (name, (original, told, alone)) in zip(panels, born.items(), strict=False):
    bins = np.linspace(-np.abs(alone).max(), np.abs(alone).max(), 61) if name != "Embedding" else np.linspace(-4, 4, 61)
    panel.hist(original, bins, density=True, color="tab:red", alpha=0.4, label="PyTorch")
    panel.hist(told, bins, density=True, histtype="step", color="tab:blue", label="linen, told")
    panel.hist(alone, bins, density=True, histtype="step", color="tab:orange", ls=":", label="linen by itself")
    panel.set_title(name)
    panel.set(xlabel="weight", yticks=[])
panels[0].set_ylabel("density")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# ## The proof
#
# For each law: bounds, four moments and a KS test on 100 000 draws of each side; torch's own constructors bit for bit;
# and fourteen laws ported wrongly that the same check refuses. The whole proof is
# [`parity_tests/test_initializers.py`](../parity_tests/test_initializers.py), with the layers', the traps' and the
# mistakes' beside it. Here, the same seed through torch's own layer and through the law of the twin:

# %%
for name, make, laws in (
    ("Linear", lambda: nn.Linear(3, 5), torch_side.linear_laws(3)),
    ("Conv2d in groups", lambda: nn.Conv2d(4, 6, 3, groups=2), torch_side.conv_laws(4, (3, 3), 2)),
    ("LSTM", lambda: nn.LSTM(3, 5), torch_side.recurrent_laws(5)),
):
    torch.manual_seed(0)
    layer, drawn, generator = make(), make(), torch.Generator().manual_seed(0)
    equal = []
    for key, parameter in drawn.named_parameters():
        law = next(law for prefix, law in laws.items() if key.startswith(prefix))
        law(parameter.data, generator=generator)
        equal.append(torch.equal(parameter, layer.get_parameter(key)))
    print(f"{name:18} {sum(equal)} of {len(equal)} parameters equal bit for bit")
