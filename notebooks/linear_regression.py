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
# # Linear regression
#
# Can gradient descent find the coefficients that made the data, and is its gradient the one on paper?
#
# The code under study is imported: [`torch_impl/linear_regression.py`](../torch_impl/linear_regression.py) and
# [`jax_impl/linear_regression.py`](../jax_impl/linear_regression.py).

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch

import parity
from jax_impl import linear_regression as jax_side
from torch_impl import linear_regression as torch_side

# %% [markdown]
# ## The data
#
# 50 samples of two features, $y = X\beta^* + 0.1\,\varepsilon$ with $\beta^* = (-1, 2)$. `make_data` draws them with
# the framework's own generator. Two frameworks never draw the same numbers from one seed, so `example_data` draws once
# in NumPy and hands the same numbers to both.

# %%
X, y = torch_side.example_data()
X_jax, y_jax = jax_side.example_data()
X64, y64 = X.double().numpy(), y.double().numpy()
print("X shape", tuple(X.shape), tuple(X_jax.shape))
print("y shape", tuple(y.shape), tuple(y_jax.shape))
print("same numbers:", np.array_equal(X.numpy(), X_jax) and np.array_equal(y.numpy(), y_jax))

# %% [markdown]
# ## Sanity check: one gradient, four ways
#
# The loss is $\frac1n\lVert y - X\beta\rVert^2$. On paper its gradient is $-\frac2n X^\top(y - X\beta)$. Here it is at
# the course's start, $\beta = (1, 0)$: the formula, autograd of each side, and a difference quotient in NumPy.
#
# Two slips of the text. It calls the loss the residual *sum* of squares, but divides by $n$: it is the mean. And it
# writes $\nabla_w$ where there is no $w$: what it states is $\nabla_\beta$.

# %%
start = np.array([[1.0], [0.0]])

beta = torch.tensor(start, dtype=torch.float32, requires_grad=True)
torch_side.mean_squared_residual(y, torch_side.predict(X, beta)).backward()


def jax_loss(beta):
    return jax_side.mean_squared_residual(y_jax, jax_side.predict(X_jax, beta))


def numpy_loss(beta):
    return np.mean((y64 - X64 @ beta) ** 2)


directions = np.eye(2)[..., None]
ways = {
    "formula": torch_side.analytic_gradient(X, y, beta.detach()).numpy(),
    "PyTorch": beta.grad.numpy(),
    "JAX": jax.grad(jax_loss)(jnp.asarray(start, jnp.float32)),
    "difference": [(numpy_loss(start + e) - numpy_loss(start - e)) / 2 for e in directions],
}
for way, gradient in ways.items():
    print(f"{way:10}", *(f"{g:9.5f}" for g in np.ravel(gradient)))

# %% [markdown]
# The loss is quadratic, so the central difference is exact at any width, here 1.

# %% [markdown]
# ## Gradient descent
#
# 20 steps of 0.1. Each row of the table is one state: the loss *at* the $\beta$ beside it. The course prints the loss
# from before the update beside the $\beta$ from after it, so its first $\beta$ is our second.

# %%
left, right = torch_side.example(), jax_side.example()
print("      PyTorch                                        JAX")
print(" i    loss       grad              beta              loss       grad              beta")
for i in left["i"]:
    row = [f"{i:2}"]
    for side in (left, right):
        values = [side["loss"][i], *side["grad"][i], *side["beta"][i]]
        row.append("{:8.4f} {:8.4f} {:8.4f}  {:7.4f} {:7.4f}".format(*values))
    print("  ".join(row))

# %% [markdown]
# Equal to four decimals in every row. Not to the last bit: the sums over 50 samples run in another order on each side,
# which leaves gaps of about $5\cdot10^{-7}$ in float32. Which bits differ depends on the processor.
#
# Descent on a quadratic has a closed form, with no loop and no autograd:
# $\beta_k = \hat\beta + (I - \frac{2\eta}{n}X^\top X)^k(\beta_0 - \hat\beta)$, where $\hat\beta$ is the least-squares
# solution.

# %%
solution = np.linalg.lstsq(X64, y64)[0]
shrink = np.eye(2) - 2 * 0.1 / 50 * X64.T @ X64
exact = np.array([solution + np.linalg.matrix_power(shrink, k) @ (start - solution) for k in range(20)])[..., 0]
for name, table in (("PyTorch", left), ("JAX", right)):
    print(f"{name:8} equals the closed form to 6 decimals: {np.abs(table['beta'] - exact).max() < 5e-7}")

# %%
figure, (losses, path) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
losses.semilogy(left["i"], left["loss"], color="tab:red", label="PyTorch")
losses.semilogy(right["i"], right["loss"], "o", mfc="none", color="tab:blue", label="JAX")
losses.set(xlabel="step", ylabel="mean squared residual", title="Loss", xticks=range(0, 20, 5))
losses.legend()
path.plot(*left["beta"].T, color="tab:red", label="PyTorch")
path.plot(*right["beta"].T, "o", mfc="none", color="tab:blue", label="JAX")
path.plot(-1, 2, "k*", ms=12, label=r"$\beta^*$")
path.set(xlabel=r"$\beta_1$", ylabel=r"$\beta_2$", title="Path from (1, 0)")
path.legend()
plt.show()

# %% [markdown]
# ## Where the walk would end
#
# The minimum needs no walk. `normal_equations` solves $X^\top X\beta = X^\top y$; `least_squares` factorizes
# $X$ itself.

# %%
print(f"{'':26}PyTorch             JAX")
rows = {
    "after 20 steps": (
        torch_side.descend(X, y, torch.tensor([[1.0], [0.0]])).final_beta,
        jax_side.descend(X_jax, y_jax, jnp.array([[1.0], [0.0]])).final_beta,
    ),
    "after 400 steps": (
        torch_side.descend(X, y, torch.tensor([[1.0], [0.0]]), steps=400).final_beta,
        jax_side.descend(X_jax, y_jax, jnp.array([[1.0], [0.0]]), steps=400).final_beta,
    ),
    "normal equations": (torch_side.normal_equations(X, y), jax_side.normal_equations(X_jax, y_jax)),
    "least squares": (torch_side.least_squares(X, y), jax_side.least_squares(X_jax, y_jax)),
}
for name, sides in rows.items():
    print(f"{name:20}", "   ".join("{:8.4f} {:8.4f}".format(*np.ravel(side)) for side in sides))

# %% [markdown]
# Close to $(-1, 2)$; the rest is the noise in the data, which no solver removes.

# %% [markdown]
# ## What goes wrong
#
# **Flat targets.** With `y` of shape `(n,)` against predictions of shape `(n, 1)`, the difference broadcasts to
# `(n, n)`. Nothing fails. Both frameworks do it, so two ports of the mistake agree with each other.

# %%
y_hat = torch_side.predict(X, torch_side.least_squares(X, y))
print(f"(n, 1) against (n, 1): {((y - y_hat) ** 2).mean():.4f}")
print(f"(n,)   against (n, 1): {((y[:, 0] - y_hat) ** 2).mean():.4f}")
try:
    jax_side.mean_squared_residual(y_jax[:, 0], jnp.asarray(y_hat))
except ValueError as error:
    print(error)

# %% [markdown]
# **The norm, squared again.** The course writes the loss as `torch.norm(y - y_hat)**2 / n`. At an exact fit the root
# has no derivative. PyTorch takes 0; plain `jnp.linalg.norm` gives NaN, and after one step everything is NaN.
# `norm_loss` gives 0 on both sides.

# %%
fit = jnp.array([[0.5], [-2.0]])
print("jnp.linalg.norm:", np.ravel(jax.grad(lambda y_hat: jnp.linalg.norm(fit - y_hat) ** 2 / 2)(fit)))
print("JAX norm_loss, all zero:", bool((jax.grad(jax_side.norm_loss, 1)(fit, fit) == 0).all()))
torch_fit = torch.tensor([[0.5], [-2.0]], requires_grad=True)
torch_side.norm_loss(torch_fit.detach(), torch_fit).backward()
print("PyTorch norm_loss, all zero:", bool((torch_fit.grad == 0).all()))

# %% [markdown]
# **Columns far from zero.** The normal equations square the condition number. One feature around 1000 and an intercept
# are too much for float32; subtract the mean first.

# %%
rng = np.random.default_rng(0)
feature = 1000 + rng.normal(size=(50, 1))
target = 3 * feature + 2 + 0.1 * rng.normal(size=(50, 1))
far = torch.tensor(np.hstack([feature, np.ones_like(feature)])), torch.tensor(target)
truth = torch_side.normal_equations(*far)[0].item()
single = torch_side.normal_equations(far[0].float(), far[1].float())[0].item()
centered = torch_side.normal_equations((far[0][:, :1] - far[0][:, :1].mean()).float(), (far[1] - far[1].mean()).float())
print(f"slope in float64: {truth:.3f}")
print("slope in float32, as it is, right to 0.1:", abs(single - truth) < 0.1)
print(f"slope in float32, centered: {centered.item():.3f}")

# %% [markdown]
# **`beta.grad.detach()`** in the course's loop does nothing: it returns a new tensor that nobody keeps. `detach_()` was
# meant. **`beta.data = ...`** hides the update from autograd; a graph that still needs the old value then gives a wrong
# gradient in silence. Under `torch.no_grad()` the same mistake raises.

# %%
beta = torch.tensor([3.0], requires_grad=True)
loss = (beta * beta).sum()
beta.data.mul_(10)
loss.backward()
print("changed through .data: gradient", beta.grad.item(), "of a loss whose gradient was 6")

beta = torch.tensor([3.0], requires_grad=True)
loss = (beta * beta).sum()
with torch.no_grad():
    beta.mul_(10)
try:
    loss.backward()
except RuntimeError as error:
    print("changed under no_grad:", str(error).split(":")[0])

# %% [markdown]
# ## The proof
#
# The 20 rows, all columns, in float64 and float32; and the losses with their gradients. The whole proof is
# [`parity_tests/test_linear_regression.py`](../parity_tests/test_linear_regression.py).

# %%
inputs = {"X": X64, "y": y64, "start": start}
reports = [
    parity.compare(torch_side.descend, jax_side.descend, inputs, gradients=False),
    parity.compare(torch_side.norm_loss, jax_side.norm_loss, {"y": y64, "y_hat": X64 @ start}),
]
for report in reports:
    print(report.name)
    for leaf in report.leaves:
        print(f"  {leaf.quantity:8}  {leaf.path:17}  {leaf.dtype:7}  {'agrees' if leaf.ok else 'DIFFERS'}")
print("all within their allowances:", all(report.ok for report in reports))
