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
# # The linear layer
#
# `nn.Linear(2, 3)` and `nn.Dense(3)` compute the same function. Which of their numbers stand where, and do they start
# from the same law?
#
# The code under study is imported: [`torch_impl/linear.py`](../torch_impl/linear.py) and
# [`jax_impl/linear.py`](../jax_impl/linear.py).

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch
from flax import linen
from torch import nn

import parity
from jax_impl import linear as jax_side
from torch_impl import linear as torch_side

# %% [markdown]
# ## A module owns its weights, or is told them
#
# The PyTorch layer is born with weights drawn from a generator. The Flax layer is a description: `init` draws the
# weights from a key and hands them to you, and `apply` takes them back.

# %%
x = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)

torch_layer = torch_side.linear_layer(2, 3, generator=torch.Generator().manual_seed(0))
print("PyTorch", {name: tuple(p.shape) for name, p in torch_layer.named_parameters()})
print("        out", tuple(torch_layer(torch.from_numpy(x)).shape))

flax_layer = jax_side.linear_layer(2, 3)
variables = flax_layer.init(jax.random.key(0), x)
print("Flax   ", jax.tree.map(jnp.shape, variables["params"]))
print("        out", flax_layer.apply(variables, x).shape)

# %% [markdown]
# The weight is stored as (out, in) on one side and the kernel as (in, out) on the other: $y = xW^\top + b$ against
# $y = xK + b$, so $K = W^\top$.
#
# The course's cell prints `in` as a (2, 3) tensor. That is not what it transformed: this layer takes rows of 2.

# %%
printed = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
try:
    torch_layer(printed)
except RuntimeError as error:
    print("PyTorch:", error)
try:
    flax_layer.apply(variables, jnp.asarray(printed))
except Exception as error:
    print("Flax:   ", type(error).__name__)

# %% [markdown]
# ## The same weights on both sides
#
# `parity.to_linen` carries the weights across, and `parity.to_torch` brings them back. Then the two layers can be held
# against each other, and against NumPy.

# %%
carried = parity.to_linen(torch_layer, flax_layer, (x,))
weight, bias = (p.detach().numpy() for p in torch_layer.parameters())
print(" row   PyTorch                   Flax                      NumPy")
outputs = torch_layer(torch.from_numpy(x)).detach().numpy(), flax_layer.apply(carried, x), x @ weight.T + bias
for row, values in enumerate(zip(*outputs, strict=True)):
    print(f"{row:4} ", "   ".join(" ".join(f"{v:7.4f}" for v in value) for value in values))

back = parity.to_torch(carried, torch_layer)
print("there and back, bit for bit:", all(torch.equal(back[k], v) for k, v in torch_layer.state_dict().items()))

# %% [markdown]
# ## A square layer hides a missing transpose
#
# Between (2, 3) and (3, 2) a forgotten transpose is a shape error. Between (3, 3) and (3, 3) it is silence: rows are
# summed where columns should be.

# %%
square = np.arange(9.0, dtype=np.float32).reshape(3, 3)
ones = np.ones(3, np.float32)
dense = linen.Dense(3, use_bias=False)
print("PyTorch               ", torch_side.linear_transform(torch.from_numpy(ones), torch.from_numpy(square)).numpy())
print("Flax, transposed      ", dense.apply({"params": {"kernel": square.T}}, ones))
print("Flax, copied as it is ", dense.apply({"params": {"kernel": square}}, ones))

# %% [markdown]
# So the proofs use layers that are not square. Where one is, a comparison of values still tells:

# %%
rng = np.random.default_rng(1)
inputs = {"x": rng.normal(size=(9, 3)), "weight": rng.normal(size=(3, 3)), "bias": rng.normal(size=3)}
report = parity.compare(
    torch_side.linear_transform, lambda x, weight, bias: x @ weight + bias, inputs, dtypes=("float64",), name="mistaken"
)
for leaf in report.leaves:
    print(f"{leaf.quantity:8}  {leaf.path:11}  {'agrees' if leaf.ok else 'DIFFERS'}")

# %% [markdown]
# ## The first weights
#
# PyTorch draws weight *and* bias from $U(-1/\sqrt{in}, 1/\sqrt{in})$. `nn.Dense` left alone draws the kernel from a
# normal law with its tails cut off, $\sqrt3$ times as wide, and starts the bias at 0. `jax_impl.linear` says
# PyTorch's law in Flax:
#
# ```python
# nn.Dense(
#     out_features,
#     kernel_init=nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
#     bias_init=bias_law(in_features),  # uniform on +-1/sqrt(in)
# )
# ```

# %%
inputs_of_100 = jnp.zeros((1, 100))
draws = {
    "nn.Linear": torch_side.linear_layer(100, 1000, generator=torch.Generator().manual_seed(0)).weight.detach(),
    "jax_impl.linear": jax_side.linear_layer(100, 1000).init(jax.random.key(0), inputs_of_100)["params"]["kernel"],
    "nn.Dense": linen.Dense(1000).init(jax.random.key(0), inputs_of_100)["params"]["kernel"],
}
draws = {name: np.ravel(draw) for name, draw in draws.items()}
print("100 inputs          std  largest")
for name, draw in draws.items():
    print(f"{name:16} {draw.std():6.3f}  {np.abs(draw).max():7.3f}")

# %%
plt.figure(figsize=(7, 3.5), layout="constrained")
edges = np.linspace(-0.25, 0.25, 101)
middles = (edges[:-1] + edges[1:]) / 2
styles = {"nn.Linear": ("-", "tab:red"), "jax_impl.linear": (".", "tab:blue"), "nn.Dense": ("--", "0.5")}
for name, (style, color) in styles.items():
    density, _ = np.histogram(draws[name], edges, density=True)
    plt.plot(middles, density, style, color=color, label=name)
plt.xlabel("first weight, 100 inputs")
plt.ylabel("density")
plt.legend()
plt.show()

# %% [markdown]
# The red line and the blue points are one law: a Kolmogorov-Smirnov test of $10^5$ draws each does not tell them apart.
# The dashed one is what a port gets that keeps Flax's default.
#
# An initializer of JAX reads `fan_in` from the axis before the last. Handed a matrix in PyTorch's layout, it reads the
# outputs:

# %%
shape = (512, 64)  # (out, in)
wrong = linen.initializers.lecun_normal()(jax.random.key(0), shape)
right = linen.initializers.lecun_normal(in_axis=1, out_axis=0)(jax.random.key(0), shape)
print(f"std {wrong.std():.3f}, where 1/sqrt(64) = 0.125 was meant; with the axes named {right.std():.3f}")

# %% [markdown]
# ## float64 data meets a float32 layer
#
# NumPy's data is float64 unless someone says otherwise. PyTorch refuses it; JAX rounds it to float32 without a word.

# %%
wide = np.random.default_rng(2).normal(size=(9, 2))
try:
    torch_layer(torch.from_numpy(wide))
except RuntimeError as error:
    print("PyTorch:", error)
print("Flax:    computes in", flax_layer.apply(variables, wide).dtype)

# %% [markdown]
# ## The proof
#
# The layer, and a small network, with their weights carried across: outputs, and the gradient of every weight and of
# the input, under a random cotangent. The whole proof is
# [`parity_tests/test_linear.py`](../parity_tests/test_linear.py).


# %%
class Perceptron(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = jnp.tanh(linen.Dense(5)(x))
        return linen.Dense(3)(x)


pairs = {
    "nn.Linear(2, 3) and nn.Dense(3)": (nn.Linear(2, 3), linen.Dense(3)),
    "2-5-3 network": (nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3)), Perceptron()),
}
for name, (torch_module, linen_module) in pairs.items():
    report = parity.compare_modules(torch_module, linen_module, (x,))
    print(name)
    for leaf in report.leaves:
        print(f"  {leaf.quantity:8}  {leaf.path:27}  {leaf.dtype:7}  {'agrees' if leaf.ok else 'DIFFERS'}")
    print("  all within their allowances:", report.ok)
