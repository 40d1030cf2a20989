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
# # Compilation
#
# What do `torch.compile` and `jax.jit` make of a function, when do they make it again, and what escapes them?
#
# The code under study is imported: [`torch_impl/compilation.py`](../torch_impl/compilation.py) and
# [`jax_impl/compilation.py`](../jax_impl/compilation.py). `parity show compilation.breaks` prints a pair side by side.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch

import parity
from jax_impl import compilation as jax_side
from torch_impl import compilation as torch_side

rng = np.random.default_rng(446)
shapes = {"x": (4, 3), "first": (6, 3), "second": (5, 6)}
layers = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}

# %% [markdown]
# ## The program
#
# Two products with a gelu between, as each tracer sees it. The names are ATen's on one side and XLA's on
# the other; PyTorch's gelu is one operation, JAX's is written out.

# %%
print("PyTorch", *torch_side.operations(torch_side.feed_forward, *map(torch.tensor, layers.values())))
print("JAX    ", *jax_side.operations(jax_side.feed_forward, *layers.values()))

# %% [markdown]
# ## How often is it made?
#
# Once for every combination of shapes and dtypes. The last batch of an epoch, if it is short, is a program of its own.

# %%
PLANS = {
    "the same shape three times": [(4,), (4,), (4,)],
    "a short last batch": [(4,), (4,), (1,)],
    "every length from 1 to 6": [(n,) for n in range(1, 7)],
}
counts = {}
for name, plan in PLANS.items():
    torch_count = torch_side.compilations(torch.sin, [(torch.ones(shape),) for shape in plan])
    jax_count = jax_side.compilations(jnp.sin, [(jnp.ones(shape),) for shape in plan])
    counts[name] = torch_count, jax_count
    print(f"{name:28} PyTorch {torch_count}   JAX {jax_count}")

# %%
figure, axis = plt.subplots(figsize=(7, 2.4), layout="constrained")
places = np.arange(len(counts))
for shift, side, column in ((-0.18, "PyTorch", 0), (0.18, "JAX", 1)):
    axis.barh(places + shift, [pair[column] for pair in counts.values()], 0.34, label=side)
axis.set_yticks(places, counts)
axis.invert_yaxis()
axis.set(xlabel="programs compiled")
axis.legend()
plt.show()

# %% [markdown]
# PyTorch is asked for `dynamic=False` here. By default its second shape makes one program for all lengths, and after
# eight programs of one function it gives up and runs eagerly; JAX compiles for as long as shapes come.
#
# A Python number is part of PyTorch's program, and an argument of JAX's unless it is declared static:

# %%
print("PyTorch", torch_side.compilations(torch_side.power, [(torch.ones(2), n) for n in (2, 3, 2)]), "programs")
print("JAX    ", jax_side.compilations(lambda x, n: x * n, [(jnp.ones(2), n) for n in (2, 3, 2)]), "program")

# %% [markdown]
# ## Where Python has to decide
#
# An `if` on a number needs the number. PyTorch ends the program there and begins another; JAX raises. `where` needs
# none: it computes both and takes one.

# %%
for name in ("absolute_by_branch", "absolute_by_where"):
    left = torch_side.breaks(getattr(torch_side, name), torch.tensor(-2.0))
    right = jax_side.breaks(getattr(jax_side, name), jnp.asarray(-2.0))
    print(f"{name:19} PyTorch {len(left)} break{'s' * (len(left) != 1)}   JAX {len(right)}")
print(right or jax_side.breaks(jax_side.absolute_by_branch, jnp.asarray(-2.0))[0])

# %% [markdown]
# ## What happens once
#
# A jitted function runs in Python while it is traced, and never again. PyTorch replays what was done to a list.

# %%
seen = {"PyTorch": [], "JAX": []}


def noted(side):
    def double(x):
        seen[side].append(1)
        return 2 * x

    return double


torch_double, jax_double = torch.compile(noted("PyTorch"), backend="eager"), jax.jit(noted("JAX"))
for _ in range(3):
    torch_double(torch.ones(2))
    jax_double(jnp.ones(2))
print({side: sum(calls) for side, calls in seen.items()})

# %% [markdown]
# That is how a number that changes between calls is frozen into a program. `parity.compare` runs the JAX side jitted
# and eagerly for this reason:


# %%
class Rate:
    value = 1.0


def forgets_its_rate(x):
    Rate.value += 1.0
    return Rate.value * x


report = parity.compare(lambda x: 2 * x, forgets_its_rate, (np.ones(3),), dtypes=("float64",))
print(*(f"{leaf.quantity:8} {leaf.path:7} {'agrees' if leaf.ok else 'differs'}" for leaf in report.leaves), sep="\n")

# %% [markdown]
# ## Memory that is used again
#
# PyTorch writes into the tensor. JAX may use the memory of an argument that is donated, and takes it away:

# %%
buffer = torch.zeros(2, 3)
print("PyTorch: the same tensor", torch_side.scatter_into(buffer, 0, torch.ones(3)) is buffer)
donated = jnp.zeros((2, 3))
jax_side.scatter_into(donated, 0, jnp.ones(3))
print("JAX:     the argument is deleted", donated.is_deleted())

# %% [markdown]
# ## The proof's figures
#
# `torch.compile` needs a C++ compiler on a CPU, so it is not run here; `make slow` compares its outputs and gradients.

# %%
report = parity.compare(torch_side.feed_forward, jax_side.feed_forward, layers)
print("leaves:", len(report.leaves), "  all within their allowances:", report.ok)
