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
# # Gradient descent
#
# Which $x$ minimizes $f(x) = (x-2)^2$, and do PyTorch and JAX walk there through the same points?
#
# The code under study is imported: [`torch_impl/gradient_descent.py`](../torch_impl/gradient_descent.py) and
# [`jax_impl/gradient_descent.py`](../jax_impl/gradient_descent.py). `parity show gradient_descent` prints the two side
# by side.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch

import parity
from jax_impl import gradient_descent as jax_side
from torch_impl import gradient_descent as torch_side

# %% [markdown]
# ## One loop, two idioms
#
# PyTorch keeps the slope *in* `x`: `backward()` adds to `x.grad`. The update must be hidden from autograd, and the
# slope dropped before the next step.
#
# ```python
# for _ in range(steps):
#     y = quadratic(x)
#     y.backward()
#     with torch.no_grad():
#         x -= step_size * x.grad
#     x.grad = None
# ```
#
# In JAX the slope is a returned value. There is nothing to hide and nothing to reset, and the loop is one compiled
# program.
#
# ```python
# def step(x, _):
#     y, slope = jax.value_and_grad(quadratic)(x)
#     return x - step_size * slope, (x, y, slope)
#
# final_x, rows = lax.scan(step, start, length=steps)
# ```
#
# NumPy has no gradients: there the slope $2(x-2)$ is written by hand.


# %%
def numpy_descend(x, step_size=0.25, steps=15):
    rows = []
    for _ in range(steps):
        slope = 2 * (x - 2)
        rows.append((x, (x - 2) ** 2, slope))
        x = x - step_size * slope
    return np.array(rows).T


# %% [markdown]
# ## The course's run
#
# Start at 5, step size 0.25, 15 steps. A row is one state: $x$ before the update, its value, its slope.

# %%
left, right = torch_side.example(), jax_side.example()
by_hand = numpy_descend(5.0)

print("          PyTorch                  JAX                      NumPy")
print(" i     x    f(x)   f'(x)       x    f(x)   f'(x)       x    f(x)   f'(x)")
for i in left["i"]:
    numbers = [[side[name][i] for name in ("x", "f(x)", "f'(x)")] for side in (left, right)] + [by_hand[:, i]]
    print(f"{i:2}  " + "    ".join(" ".join(f"{number:6.3f}" for number in row) for row in numbers))

for name in ("x", "f(x)", "f'(x)"):
    print(f"{name:5} bit-equal in float32: {np.array_equal(left[name], right[name])}")

# %% [markdown]
# Three decimals are the course's own table, to the digit. The two frameworks agree to the last bit: a product with 0.25
# is exact, so there is one rounding a step and it falls in the same place.
#
# The third oracle needs no loop. Each step shrinks the distance from 2 by the factor $1 - 2\eta$:
# $x_k = 2 + (x_0 - 2)(1 - 2\eta)^k$, here $2 + 3/2^k$.

# %%
exact = np.array([2 + 3 / 2**k for k in range(15)])
print("PyTorch is 2 + 3/2^k:", np.array_equal(left["x"], exact))
print("JAX     is 2 + 3/2^k:", np.array_equal(right["x"], exact))

# %%
figure, (path, distance) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
grid = np.linspace(-1.2, 5.2, 200)
path.plot(grid, (grid - 2) ** 2, color="0.8", label="$f$")
path.plot(left["x"], left["f(x)"], color="tab:red", label="PyTorch")
path.plot(right["x"], right["f(x)"], "o", mfc="none", color="tab:blue", label="JAX")
path.set(xlabel="$x$", ylabel="$f(x)$", title="The course's walk")
path.legend()
for step_size, color in zip((0.05, 0.25, 0.7, 0.9), ("tab:green", "tab:red", "tab:purple", "tab:orange"), strict=True):
    walks = torch_side.descend(torch.tensor(5.0), step_size).x, jax_side.descend(jnp.array(5.0), step_size).x
    distance.semilogy(np.abs(walks[0].numpy() - 2), color=color, label=f"step size {step_size}")
    distance.semilogy(np.abs(np.asarray(walks[1]) - 2), "o", mfc="none", color=color)
distance.set(xlabel="step", ylabel="$|x - 2|$", title="Lines: PyTorch, circles: JAX")
distance.legend()
plt.show()

# %% [markdown]
# Every step size gives a straight line on the log axis, with the factor $|1-2\eta|$ a step. 0.7 and 0.9 overshoot and
# come back. At 1 the walk would swing between two points for ever.

# %% [markdown]
# ## What the course prints, and what is true
#
# **"Print the last gradient (should be 0)"** shows `[0.]`. It shows that because `x.grad.zero_()` ran just before. The
# slope where the walk ended is small, not zero.
#
# **The second cell prints `x` and `y`** as 2.0001 and 3.3528e-08. They belong to different states: $y$ was computed
# before the last update, $x$ is from after it.

# %%
for name, run in (
    ("PyTorch", torch_side.descend(torch.tensor(5.0))),
    ("JAX", jax_side.descend(jnp.array(5.0))),
):
    print(f"{name:8} final x {float(run.final_x):.4f}, y as the course prints it {float(run.y[-1]):.4e}")
    print(f"{'':8} f(final x) {(float(run.final_x) - 2) ** 2:.4e}, slope there {2 * (float(run.final_x) - 2):.4e}")

# %% [markdown]
# The true value is a quarter of the printed one.
#
# **`x.data = ...` and `x.grad.detach_()`** are the idiom of an older PyTorch. `torch.no_grad()` does the first and
# tells autograd; `x.grad = None` makes the second needless.

# %% [markdown]
# ## Forgetting to reset
#
# Leave out the last line of the PyTorch loop and each step walks along the *sum* of all slopes so far. The first update
# is right, so a test of one step passes. `jax.grad` has no memory: this mistake exists on one side only.


# %%
def forgetful(start, step_size=0.25, steps=15):
    x = torch.tensor(start, requires_grad=True)
    xs = []
    for _ in range(steps):
        torch_side.quadratic(x).backward()
        xs.append(x.item())
        with torch.no_grad():
            x -= step_size * x.grad
    return xs


wrong = forgetful(5.0)
print("right ", *(f"{x:6.3f}" for x in left["x"][:8]))
print("forgot", *(f"{x:6.3f}" for x in wrong[:8]))

plt.figure(figsize=(6, 3), layout="constrained")
plt.plot(left["x"], "o-", mfc="none", label="reset each step")
plt.plot(wrong, "s--", mfc="none", label="never reset")
plt.axhline(2, color="0.8")
plt.xlabel("step")
plt.ylabel("$x$")
plt.legend()
plt.show()

# %% [markdown]
# The walk never settles: it is descent with momentum 1.

# %% [markdown]
# ## Stopping by itself
#
# A tolerance instead of a count. PyTorch asks after every step; JAX compiles the question into a `lax.while_loop`.

# %%
for tolerance in (1e-1, 1e-3, 1e-5):
    stops = (
        torch_side.descend_until(torch.tensor(5.0), tolerance),
        jax_side.descend_until(jnp.array(5.0), tolerance),
    )
    for name, stop in zip(("PyTorch", "JAX"), stops, strict=True):
        print(f"tolerance {tolerance:.0e}  {name:8} {int(stop.steps):2} steps to x = {float(stop.x):.6f}")

# %% [markdown]
# ## What the pure form buys
#
# The JAX walk is a function, so it can be mapped over many starts and differentiated. The derivative of the last point
# by the start is $(1-2\eta)^{15}$; by the step size it is $-30\,(x_0-2)(1-2\eta)^{14}$.

# %%
starts = jnp.array([-3.0, 0.0, 2.0, 5.0])
print("final x from", starts, "is", jnp.round(jax.vmap(jax_side.descend)(starts).final_x, 4))


def final_x(start, step_size):
    return jax_side.descend(start, step_size).final_x


by_start, by_step_size = jax.grad(final_x, argnums=(0, 1))(5.0, 0.1)
print(f"by the start     {by_start:.5f}, formula {0.8**15:.5f}")
print(f"by the step size {by_step_size:.4f}, formula {-30 * 3 * 0.8**14:.4f}")

# %% [markdown]
# ## The proof
#
# One comparison: every column of the walk at a step size that does round, in float64 and float32, and the compiled
# program against the eager one. The whole proof is
# [`parity_tests/test_gradient_descent.py`](../parity_tests/test_gradient_descent.py).

# %%
report = parity.compare(
    torch_side.descend, jax_side.descend, {"start": np.array(5.0), "step_size": 0.1}, gradients=False
)
for leaf in report.leaves:
    print(f"{leaf.quantity:6}  {leaf.path:15}  {leaf.dtype:7}  {'agrees' if leaf.ok else 'DIFFERS'}")
print("all within their allowances:", report.ok)
