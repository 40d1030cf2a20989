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
# # Tensors
#
# Is a tensor just an array? The text says so: "PyTorch is just NumPy on GPU". JAX says it too. Here the cells of the
# text run three times, in NumPy, PyTorch and JAX. Most lines agree; where one does not, the size of the gap is shown.
#
# The functions come from `torch_impl.tensors` and `jax_impl.tensors`, which have the same names and arguments.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch

import jax_impl.tensors as in_jax
import parity
import torch_impl.tensors as in_torch

# %% [markdown]
# ## Create

# %%
x_numpy = np.array([0.1, 0.2, 0.3])
x_torch = in_torch.from_list([0.1, 0.2, 0.3])
x_jax = in_jax.from_list([0.1, 0.2, 0.3])
for x in (x_numpy, x_torch, x_jax):
    print(type(x).__name__, x.dtype, x)

# %% [markdown]
# NumPy makes float64 of a list, the two frameworks float32. From a NumPy array PyTorch keeps float64. JAX makes
# float32 of it, without a word, unless its 64-bit switch is on.

# %%
print("torch          ", in_torch.from_numpy(x_numpy).dtype)
print("jax            ", in_jax.from_numpy(x_numpy).dtype)
with jax.enable_x64(True):
    print("jax, 64 bits on", in_jax.from_numpy(x_numpy).dtype)

# %% [markdown]
# For integers the cut is worse than a rounding: large ones wrap.

# %%
for number in (2**31 + 5, 2**40):
    array = np.array([number])
    print(f"{number:>14}  torch {in_torch.from_numpy(array).item():>14}  jax {in_jax.from_numpy(array).item():>12}")

# %% [markdown]
# PyTorch shares the memory of the NumPy array, JAX copies it. On the way back PyTorch shares again, and JAX hands out a
# view that cannot be written.

# %%
array = np.zeros(3, np.float32)
shared, copied = in_torch.from_numpy(array), in_jax.from_numpy(array)
array[0] = 7
print("torch", shared)
print("jax  ", copied)
print("writeable:", in_torch.to_numpy(shared).flags.writeable, in_jax.to_numpy(copied).flags.writeable)

# %% [markdown]
# ## Norm
#
# The text prints 5.477225575051661 here, under x = [0.1, 0.2, 0.3]. That is √30, the norm of the matrix of the *next*
# cell, which had run before (In [12], then In [13]). Both values:

# %%
matrix = np.array([[1, 2], [3, 4.0]])
print(f"{'norm of':<14}{'numpy':>10}{'torch':>10}{'jax':>10}")
for name, array in (("the list", x_numpy), ("the matrix", matrix)):
    norms = np.linalg.norm(array), in_torch.norm(torch.tensor(array)), in_jax.norm(jnp.array(array))
    print(f"{name:<14}" + "".join(f"{float(norm):>10.6f}" for norm in norms))

# %% [markdown]
# A matrix has more than one norm. `torch.norm(A, 2)` flattens it, `jnp.linalg.norm(A, 2)` is its largest singular
# value.

# %%
grid = np.arange(6, dtype=np.float32).reshape(2, 3)
for order in (1, 2):
    flat = torch.norm(torch.from_numpy(grid), order).item()
    operator = jnp.linalg.norm(jnp.array(grid), order).item()
    print(f"order {order}: torch {flat:.3f}, jax {operator:.3f}")

# %% [markdown]
# ## Mean
#
# Same function, another keyword: NumPy and JAX say `axis`, PyTorch says `dim`.

# %%
print("numpy", np.mean(matrix, axis=0))
print("torch", in_torch.column_means(torch.tensor(matrix)))
print("jax  ", in_jax.column_means(jnp.array(matrix)))

# %% [markdown]
# A mean of integers is an error in PyTorch and a float in JAX.

# %%
try:
    torch.tensor([1, 2]).mean()
except RuntimeError as error:
    print("torch:", str(error).split(". ")[0])
print("jax:  ", jnp.array([1, 2]).mean())

# %% [markdown]
# ## Reshape
#
# The text reshapes with `N` and `C` before it defines them. `flatten_pixels` reads both from the array. The shapes of
# the text need no memory: PyTorch has a device without any, JAX evaluates shapes alone.

# %%
images = torch.empty((10000, 3, 28, 28), device="meta")
print("torch", tuple(images.shape), "->", tuple(in_torch.flatten_pixels(images).shape))
images = jax.ShapeDtypeStruct((10000, 3, 28, 28), jnp.float32)
print("jax  ", images.shape, "->", jax.eval_shape(in_jax.flatten_pixels, images).shape)

# %% [markdown]
# X itself keeps its shape. In PyTorch the view shares the memory of X: who writes to it writes to X. In JAX nobody can
# write; `.at[].set()` makes a new array.

# %%
X = torch.zeros(2, 3, 4, 5)
view = in_torch.flatten_pixels(X)
view[0, 0, 0] = 9
print("torch", tuple(X.shape), X[0, 0, 0, 0].item())
X = jnp.zeros((2, 3, 4, 5))
changed = in_jax.flatten_pixels(X).at[0, 0, 0].set(9)
print("jax  ", X.shape, X[0, 0, 0, 0].item(), "and the new array", changed[0, 0, 0].item())

# %% [markdown]
# `transpose` is a false friend: PyTorch exchanges two axes, JAX and NumPy reverse all of them.

# %%
print("torch.transpose(0, 1) ", tuple(torch.zeros(2, 3, 4).transpose(0, 1).shape))
print("jnp.transpose         ", jnp.transpose(jnp.zeros((2, 3, 4))).shape)
print("swap_axes, both sides ", tuple(in_torch.swap_axes(torch.zeros(2, 3, 4), 0, 1).shape), end=" ")
print(in_jax.swap_axes(jnp.zeros((2, 3, 4)), 0, 1).shape)

# %% [markdown]
# ## Broadcasting
#
# Counted from the last axis, sizes must be equal, or one of them is 1, or one of them does not exist.

# %%
print("torch", tuple(in_torch.broadcast_add(torch.zeros(5, 1, 4, 1), torch.zeros(3, 1, 2)).shape))
print("jax  ", in_jax.broadcast_add(jnp.zeros((5, 1, 4, 1)), jnp.zeros((3, 1, 2))).shape)

# %% [markdown]
# The gradient goes the other way: it is summed over the axes that were stretched. Each element of x enters 3 x 2 sums.

# %%
x = torch.zeros(5, 1, 4, 1, requires_grad=True)
in_torch.broadcast_add(x, torch.zeros(3, 1, 2)).sum().backward()
total = jax.grad(lambda x: in_jax.broadcast_add(x, jnp.zeros((3, 1, 2))).sum())(jnp.zeros((5, 1, 4, 1)))
print("torch", x.grad.unique(), "jax", jnp.unique(total))

# %% [markdown]
# ## Beyond the text: indices
#
# An index that is not there raises in PyTorch. Compiled JAX cannot raise: it reads the last element, and a gradient
# flows to it. `take_rows` gives NaN instead, which a loss shows.

# %%
rows = np.array([[0.0, 0], [1, 1], [2, 2]], np.float32)
try:
    in_torch.take_rows(torch.from_numpy(rows), torch.tensor([7]))
except IndexError as error:
    print("torch:        ", error)
print("jax, plain:   ", jnp.array(rows)[jnp.array([7])])
print("jax, take_rows:", in_jax.take_rows(jnp.array(rows), jnp.array([7])))

# %% [markdown]
# A row that is named twice: `x[indices] += 1` counts it once in PyTorch, `.at[].add()` counts it twice. `add_rows` is
# the second on both sides.

# %%
once = torch.zeros(3)
once[torch.tensor([0, 0, 1])] += 1
twice = in_torch.add_rows(torch.zeros(3, 1), torch.tensor([0, 0, 1]), torch.ones(3, 1))
print("torch, +=      ", once)
print("torch, add_rows", twice.flatten())
print("jax, add_rows  ", in_jax.add_rows(jnp.zeros((3, 1)), jnp.array([0, 0, 1]), jnp.ones((3, 1))).ravel())

# %% [markdown]
# ## One table
#
# The same words, asked of both frameworks. The last column is the twin in `jax_impl`, which gives PyTorch's answer.

# %%
values = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
t, j, column = torch.from_numpy(values), jnp.array(values), values[:, None]
table = {
    "std": (t.std(), j.std(), in_jax.sample_std(jnp.array(column))[0]),
    "median": (t.median(), jnp.median(j), in_jax.lower_median(j)),
    "norm(grid, 2)": (
        torch.norm(torch.from_numpy(grid), 2),
        jnp.linalg.norm(jnp.array(grid), 2),
        in_jax.norm(jnp.array(grid)),
    ),
}
print(f"{'of 1, 2, 3, 4':<15}{'torch':>10}{'jax':>10}{'twin':>10}")
for name, row in table.items():
    print(f"{name:<15}" + "".join(f"{value.item():>10.4f}" for value in row))

# %% [markdown]
# ## One figure
#
# The standard deviation: PyTorch divides by n - 1, JAX and NumPy by n. The ratio is √(n/(n-1)): 12 percent for five
# values, and still half a percent for a hundred.

# %%
draws = np.random.default_rng(0).normal(size=100).astype(np.float32)
sizes = np.unique(np.geomspace(2, 100, 25).astype(int))
plain_torch = [torch.from_numpy(draws[:n]).std().item() for n in sizes]
plain_jax = [jnp.array(draws[:n]).std().item() for n in sizes]
twin_torch = [in_torch.sample_std(torch.from_numpy(draws[:n, None])).item() for n in sizes]
twin_jax = [in_jax.sample_std(jnp.array(draws[:n, None])).item() for n in sizes]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), constrained_layout=True)
left.plot(sizes, plain_torch, label="torch: x.std()")
left.plot(sizes, plain_jax, "--", label="jax: x.std()")
left.plot(sizes, twin_torch, "o", markerfacecolor="none", label="torch: sample_std")
left.plot(sizes, twin_jax, "x", label="jax: sample_std")
left.set(xscale="log", xlabel="values in the sample", ylabel="standard deviation")
left.legend()
right.plot(sizes, np.divide(plain_torch, plain_jax), label="measured")
right.plot(sizes, np.sqrt(sizes / (sizes - 1)), "x", label="√(n/(n-1))")
right.set(xscale="log", xlabel="values in the sample", ylabel="torch x.std() / jax x.std()")
right.legend()
plt.show()

# %% [markdown]
# On the left the two plain calls part and the two twins lie on one another. On the right the measured ratio is the
# closed form.
#
# ## The proof
#
# Outputs, and the gradient of every input under a random cotangent: both sides against each other in float64, each
# against the truth in float32, and the compiled JAX program against the eager one. The whole proof is
# [`parity_tests/test_tensors.py`](../parity_tests/test_tensors.py) and its three neighbours.

# %%
rng = np.random.default_rng(0)
cases = {
    "norm": (rng.normal(size=(2, 3)),),
    "column_means": (rng.normal(size=(5, 3)),),
    "sample_std": (rng.normal(size=(5, 3)),),
    "lower_median": (np.array([3.0, 1, 3, 3]),),
    "flatten_pixels": (rng.normal(size=(2, 3, 4, 5)),),
    "broadcast_add": (rng.normal(size=(4, 1)), rng.normal(size=(3, 1, 2))),
    "take_rows": (rng.normal(size=(4, 3)), np.array([3, 0, 3])),
}
for name, inputs in cases.items():
    report = parity.compare(getattr(in_torch, name), getattr(in_jax, name), inputs)
    checked = sorted({f"{leaf.path} {leaf.dtype}" for leaf in report.leaves})
    print(f"{name:<15}{'agrees' if report.ok else 'DIFFERS':<8}{', '.join(checked)}")
