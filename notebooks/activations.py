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
# # Activations
#
# Are PyTorch's activations and JAX's the same functions, derivatives and corners included?
#
# The code under study is imported: [`torch_impl/activations.py`](../torch_impl/activations.py) and
# [`jax_impl/activations.py`](../jax_impl/activations.py). `parity show activations.gelu` prints a pair side by side.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import parity
from jax_impl import activations as jax_side
from torch_impl import activations as torch_side

# %% [markdown]
# ## The course's cell
#
# "Since they are modules, they need to be instantiated." The text stops after `nn.Sigmoid()`; ReLU and Tanh, which it
# names, are applied here too. In JAX an activation is a plain function.
#
# The course's tensor holds *integers*. PyTorch makes them float32 where the result needs it, and keeps them for ReLU.

# %%
ex_tensor = torch.tensor([-1, 1, 0])
for module, name in ((nn.Sigmoid(), "sigmoid"), (nn.ReLU(), "relu"), (nn.Tanh(), "tanh")):
    activated = module(ex_tensor)
    twin = getattr(jax_side, name)(jnp.array([-1, 1, 0]))
    for framework, values in (("PyTorch", activated), ("JAX", twin)):
        print(
            f"{name:8} {framework:8} {str(values.dtype).removeprefix('torch.'):8}",
            *(f"{v:7.4f}" for v in values.tolist()),
        )

# %% [markdown]
# ReLU gives PyTorch's int64 and JAX's int32, each the default integer of its framework. The functions of `jax.nn`
# themselves follow no single rule:

# %%
for function in (jax.nn.sigmoid, jax.nn.relu, jax.nn.relu6):
    try:
        print(f"jax.nn.{function.__name__:8}", function(jnp.array([-1, 1, 0])).dtype)
    except TypeError as error:
        print(f"jax.nn.{function.__name__:8}", str(error).split(". ")[0])

# %% [markdown]
# ## All of them
#
# Value and derivative of each function of one variable: PyTorch as a line, JAX as points.

# %%
SETTINGS = {"threshold": (1.0, -1.0)}
names = [
    name for name in torch_side.__all__ if name not in ("prelu", "glu") and "max" not in name and "min" not in name
]
grid = np.linspace(-7, 7, 281, dtype=np.float32)
curves = {}
for name in names:
    settings = SETTINGS.get(name, ())
    leaf = torch.tensor(grid, requires_grad=True)
    y = getattr(torch_side, name)(leaf, *settings)
    y.sum().backward()
    point = jnp.asarray(grid)
    twin = jax.jvp(lambda x: getattr(jax_side, name)(x, *settings), (point,), (jnp.ones_like(point),))  # noqa: B023
    curves[name] = (y.detach().numpy(), leaf.grad.numpy()), tuple(map(np.asarray, twin))

figure, panels = plt.subplots(6, 4, figsize=(12, 14), layout="constrained", sharex=True)
for panel in panels.flat[len(names) :]:
    panel.axis("off")
for panel, name in zip(panels.flat, names, strict=False):
    for order, color in enumerate(("tab:red", "tab:green")):
        left, right = (side[order] for side in curves[name])
        label = ("value", "derivative")[order]
        panel.plot(grid, left, color=color, lw=1, label=f"{label}, PyTorch")
        panel.plot(grid[::10], right[::10], ".", color=color, label=f"{label}, JAX")
    panel.set_title(name)
    panel.set_ylim(-3, 4)
handles, labels = panels.flat[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=4)
plt.show()

# %% [markdown]
# At this scale nothing differs. In numbers, over the grid, corners included:

# %%
print(f"{'':12} largest gap in value, in derivative")
for name, (left, right) in curves.items():
    gaps = [np.abs(one - other).max() for one, other in zip(left, right, strict=True)]
    print(f"{name:12}", "  ".join("below 1e-5" if gap < 1e-5 else f"{gap:10.1e}" for gap in gaps))

# %% [markdown]
# ## What `jax.nn` does by itself
#
# The JAX twins write a form of their own where `jax.nn` has another default or another derivative at a corner.

# %%
x = np.linspace(-6, 6, 20001, dtype=np.float32)
exact, tanh_form = torch_side.gelu(torch.tensor(x)).numpy(), np.asarray(jax.nn.gelu(x))
print(f"nn.GELU() - jax.nn.gelu          up to {np.abs(exact - tanh_form).max():.1e}: the latter is the tanh form")
softplus = torch_side.softplus(torch.tensor(0.0), beta=2.0).item()
print(f"softplus(0) with beta=2          {softplus:.4f}, and jax.nn.softplus has no beta: {jax.nn.softplus(0.0):.4f}")
CORNERS = {
    "leaky_relu at 0": (nn.LeakyReLU(), jax.nn.leaky_relu, jax_side.leaky_relu, 0.0),
    "hardtanh at 1": (nn.Hardtanh(), jax.nn.hard_tanh, jax_side.hardtanh, 1.0),
    "relu at 0": (nn.ReLU(), lambda x: jnp.maximum(x, 0), jax_side.relu, 0.0),
}
print(f"\n{'derivative of':18}{'torch.nn':>9}{'jax.nn':>9}{'twin':>9}")
for name, (module, plain, twin, corner) in CORNERS.items():
    leaf = torch.tensor(corner, dtype=torch.float32, requires_grad=True)
    module(leaf).backward()
    print(f"{name:18}{leaf.grad.item():9.2f}{jax.grad(plain)(corner):9.2f}{jax.grad(twin)(corner):9.2f}")

# %% [markdown]
# (The third row's plain form is `jnp.maximum(x, 0)`; `jax.nn.relu` itself has 0 at 0, as PyTorch.)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
left.plot(x, exact - tanh_form, color="tab:red", label="PyTorch - jax.nn.gelu")
left.plot(x[::800], exact[::800] - np.asarray(jax_side.gelu(x[::800])), ".", color="tab:blue", label="PyTorch - twin")
left.set(xlabel="$x$", title="GELU: exact and tanh form")
left.legend(loc="lower center")
scores = np.array([[[2.0, 0.0, -1.0]], [[0.0, 1.0, 3.0]]], np.float32)
for framework, style, shares in (
    ("PyTorch, dim=-1", "s", torch_side.softmax(torch.tensor(scores)).numpy()),
    ("JAX, axis=-1", ".", np.asarray(jax_side.softmax(scores))),
    ("PyTorch, dim=0", "x", torch_side.softmax(torch.tensor(scores), 0).numpy()),
):
    right.plot(shares.ravel(), style, mfc="none", ms=9, label=framework)
right.set(xlabel="entry", ylabel="share", title="softmax of shape (2, 1, 3)")
right.legend()
plt.show()

# %% [markdown]
# `nn.Softmax()` without `dim` guesses: axis 0 of one or three, axis 1 of two or four. On the right that is the crosses,
# shares over the *batch*. JAX always takes the last axis. The twins ask for it by name.

# %% [markdown]
# ## Where PyTorch disagrees with itself
#
# Three findings from the edges of the grid; the twin follows what most elements see, or what is right.

# %%
nan = torch.full((64,), torch.nan, requires_grad=True)
torch_side.hardtanh(nan).sum().backward()
alone = torch.tensor([torch.nan], requires_grad=True)
torch_side.hardtanh(alone).sum().backward()
print("hardtanh' at NaN: alone", alone.grad.item(), " among 64", nan.grad[0].item())

half = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
torch_side.hardsigmoid(half).backward()
print(f"hardsigmoid' in float64: {half.grad.item():.12f}, and 1/6 is {1 / 6:.12f}")

# %% [markdown]
# A vectorised kernel and the loop over what is left at the end of an array treat NaN differently, for seven functions.
# The backward kernel of `hardsigmoid` holds 1/6 in float32 whatever the dtype. And the float32 `gelu` of $+\infty$ is
# NaN where oneDNN computes it, $+\infty$ elsewhere.

# %% [markdown]
# ## The proof
#
# One comparison on corners, infinities and NaN: function and module against the twin. The whole proof is
# [`parity_tests/test_activations.py`](../parity_tests/test_activations.py), its traps
# [`parity_tests/test_activations_traps.py`](../parity_tests/test_activations_traps.py).

# %%
edges = np.concatenate([[np.nan, -np.inf, -6, -3, -1, -0.5, 0, 0.5, 1, 3, 6, np.inf], np.linspace(-9, 9, 52)])


def compared(name, module):
    function, twin = getattr(torch_side, name), getattr(jax_side, name)
    return parity.compare(lambda x: (function(x), module(x)), lambda x: (twin(x), twin(x)), (edges,), edge_cases=True)


for name, module in (
    ("relu6", nn.ReLU6()),
    ("hardswish", nn.Hardswish()),
    ("elu", nn.ELU()),
    ("softplus", nn.Softplus()),
):
    leaves = compared(name, module).leaves
    agreed = sum(leaf.ok for leaf in leaves)
    print(f"{name:10} {agreed} of {len(leaves)} leaves agree, in", *dict.fromkeys(leaf.dtype for leaf in leaves))
