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
# # Automatic differentiation
#
# Do PyTorch and JAX find the same derivatives, and where can they not?
#
# The code under study is imported: [`torch_impl/autograd.py`](../torch_impl/autograd.py) and
# [`jax_impl/autograd.py`](../jax_impl/autograd.py). `parity show autograd` prints the two side by side.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch

import parity
from jax_impl import autograd as jax_side
from torch_impl import autograd as torch_side

# %% [markdown]
# ## $f(x) = (x-2)^2$: what is $f'(1)$?
#
# PyTorch records what is done to a tensor that requires a gradient. `backward()` walks the record and *adds* the result
# into `x.grad`. JAX has no such tensors: `jax.grad` takes a function and returns another function. NumPy has neither,
# so there the slope $2(x-2)$ is written by hand.

# %%
x = torch.tensor([1.0], requires_grad=True)
y = torch_side.quadratic(x)
y.backward()
print("PyTorch", x.grad)

slope = jax.grad(jax_side.quadratic)
print("JAX     ", slope(1.0))
print("NumPy   ", 2 * (np.float32(1.0) - 2))

# %% [markdown]
# The course's `x` has one element and the shape `(1,)`. PyTorch accepts that as a scalar; `jax.grad` insists on the
# shape `()`. For many points at once JAX maps the slope; in PyTorch one sums first, for the gradient of a sum is every
# slope.

# %%
try:
    slope(jnp.array([1.0]))
except TypeError as error:
    print("jax.grad:", str(error).split(". ")[0])

points = np.linspace(-1, 5, 7, dtype=np.float32)
leaf = torch.tensor(points, requires_grad=True)
torch_side.quadratic(leaf).sum().backward()
slopes = {"PyTorch": leaf.grad.numpy(), "JAX": np.asarray(jax.vmap(slope)(points)), "NumPy": 2 * (points - 2)}
print("x       ", *(f"{point:5.1f}" for point in points))
for name, values in slopes.items():
    print(f"{name:8}", *(f"{value:5.1f}" for value in values))

# %% [markdown]
# ## $g(w) = 2 w_1 w_2 + w_2 \cos w_1$: an erratum
#
# The text asks to verify $\nabla g([\pi, 1]) = [2, \pi - 1]^T$. Its own next cell prints something else. By hand,
# $\nabla g = [2 w_2 - w_2 \sin w_1,\; 2 w_1 + \cos w_1]$, which is $[2, 2\pi - 1]$ there.

# %%
w = np.array([np.pi, 1], np.float32)
gradients = {
    "PyTorch": torch_side.gradient(torch_side.tilted_cosine, torch.tensor(w)).numpy(),
    "JAX": np.asarray(jax_side.gradient(jax_side.tilted_cosine, jnp.array(w))),
    "NumPy, by hand": np.array([2 * w[1] - w[1] * np.sin(w[0]), 2 * w[0] + np.cos(w[0])]),
    "the text's claim": np.array([2, np.pi - 1]),
}
for name, values in gradients.items():
    print(f"{name:17}", *(f"{value:.4f}" for value in values))

# %%
heights = np.linspace(0, 2, 41)
figure, (curve, line) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
curve.plot(grid := np.linspace(-1, 5, 200), (grid - 2) ** 2, color="0.8", label="$f$")
curve.plot(points, slopes["PyTorch"], color="tab:red", label="$f'$, PyTorch")
curve.plot(points, slopes["JAX"], "o", mfc="none", color="tab:blue", label="$f'$, JAX")
curve.set(xlabel="$x$", title="$f$ and its slope")
line.plot(heights, heights * (2 * np.pi - 1), color="0.8", lw=5, label=r"$g(\pi, w_2)$")
for (name, values), style in zip(gradients.items(), ("r-", "bo", None, "k--"), strict=True):
    if style:
        where = heights[::5] if style == "bo" else heights
        line.plot(where, (2 * np.pi - 1) + values[1] * (where - 1), style, mfc="none", label=f"tangent, {name}")
line.set(xlabel="$w_2$", title=r"$g$ along its second axis, at $w_1 = \pi$")
curve.legend()
line.legend()
plt.show()

# %% [markdown]
# Both tangents lie on the function. The text's claim, short by exactly $\pi$, does not even point along it.

# %% [markdown]
# ## Two views of one graph
#
# $e = (a + b)(b + 1)$ at $a = 2$, $b = 1$: the value is 6. $b$ reaches $e$ along two paths, and its slope is the sum of
# both: $\partial e/\partial b = (b + 1) + (a + b) = 5$.

# %%
a, b = torch.tensor(2.0), torch.tensor(1.0)
print("PyTorch, from the result back: ", *torch_side.operations(torch_side.small_graph, a, b))
print("JAX, from the arguments on:    ", *jax_side.operations(jax_side.small_graph, 2.0, 1.0))
print("de/da, PyTorch and JAX:", torch_side.gradient(lambda a: torch_side.small_graph(a, b), a).item(), end=" ")
print(jax.grad(jax_side.small_graph, argnums=0)(2.0, 1.0))
print("de/db, PyTorch and JAX:", torch_side.gradient(lambda b: torch_side.small_graph(a, b), b).item(), end=" ")
print(jax.grad(jax_side.small_graph, argnums=1)(2.0, 1.0))

# %% [markdown]
# PyTorch's graph is made anew by every run and hangs on the result; `AccumulateGrad` is where `.grad` is filled. JAX's
# is a program, traced once from the function.

# %% [markdown]
# ## Second order, and products with the Jacobian
#
# `torch.func` has the same vocabulary as JAX. The Hessian of $g$ by hand is
# $\begin{pmatrix} -w_2 \cos w_1 & 2 - \sin w_1 \\ 2 - \sin w_1 & 0 \end{pmatrix}$.

# %%
direction = np.array([0.3, -0.7], np.float32)
rows = {}
for name, side, array in (("PyTorch", torch_side, torch.tensor), ("JAX", jax_side, jnp.array)):
    at, along = array(w), array(direction)
    rows[name] = {
        "Hessian": side.hessian(side.tilted_cosine, at),
        "Jacobian · v": side.jacobian_vector_product(side.tilted_cosine, at, along)[1],
        "Hessian · v": side.hessian_vector_product(side.tilted_cosine, at, along),
    }
matrix = np.array([[-w[1] * np.cos(w[0]), 2 - np.sin(w[0])], [2 - np.sin(w[0]), 0]])
rows["NumPy, by hand"] = {
    "Hessian": matrix,
    "Jacobian · v": gradients["NumPy, by hand"] @ direction,
    "Hessian · v": matrix @ direction,
}
for name, row in rows.items():
    texts = [" ".join(f"{value:7.4f}" for value in np.ravel(values)) for values in row.values()]
    print(f"{name:15}", "  |  ".join(texts))

# %% [markdown]
# Columns: the Hessian row by row, $Jv$, $Hv$.

# %% [markdown]
# ## Gradients that add up, stop, or are made up
#
# Four idioms and their twins:
#
# | | PyTorch | JAX |
# | --- | --- | --- |
# | one gradient per example | `torch.func.vmap(torch.func.grad(loss))` | `jax.vmap(jax.grad(loss))` |
# | several batches as one | `backward()` again and again | add them, here in a `lax.scan` |
# | hold a target still | `target.detach()` | `lax.stop_gradient(target)` |
# | a derivative of one's own | `torch.autograd.Function` | `jax.custom_vjp` |


# %%
def squared_error(weights, x, y):
    return ((x * weights).sum() - y) ** 2


inputs = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
targets = np.array([1, 2, 3], np.float32)
for name, side, array in (("PyTorch", torch_side, torch.tensor), ("JAX", jax_side, jnp.array)):
    data = array([0.5, -0.5]), array(inputs), array(targets)
    print(name)
    print("  one per example", np.asarray(side.per_example_gradients(squared_error, *data)).tolist())
    print("  added up       ", np.asarray(side.accumulated_gradient(squared_error, *data)).tolist())
    print(
        "  (2w - sg(3w))² ", side.gradient(side.stopped_target_loss, array(1.0)).item(), "at w = 1; +2 without the stop"
    )
    value, passed = side.vector_jacobian_product(side.straight_through_round, array([0.5, 1.5]), array([1.0, 10.0]))
    print("  round [0.5 1.5]", value.tolist(), "and the cotangent [1, 10] comes back as", passed.tolist())

# %% [markdown]
# ## Kinks: where the two disagree
#
# At a corner there is no derivative, and each library picks a value. Random inputs never hit a corner. Real ones do:
# padding, zero biases, clipped pixels, ties between one-hot rows.

# %%
KINKS = {
    "|x| at 0": (torch.abs, jnp.abs, 0.0),
    "relu at 0": (torch.relu, jax.nn.relu, 0.0),
    "relu, maximum at 0": (torch.relu, lambda x: jnp.maximum(x, 0), 0.0),
    "clip to ±1 at 1": (lambda x: x.clamp(-1, 1), lambda x: jnp.clip(x, -1, 1), 1.0),
}
print(f"{'':20}{'PyTorch':>9}{'JAX':>9}")
marks = {}
for name, (left, right, kink) in KINKS.items():
    marks[name] = (
        torch_side.gradient(left, torch.tensor(kink)).item(),
        float(jax_side.gradient(right, jnp.array(kink))),
    )
    print(f"{name:20}{marks[name][0]:9}{marks[name][1]:9}")
norms = (
    torch_side.gradient(torch.linalg.norm, torch.zeros(2)).tolist(),
    jax_side.gradient(jnp.linalg.norm, jnp.zeros(2)).tolist(),
    jax_side.gradient(jax_side.safe_norm, jnp.zeros(2)).tolist(),
)
print("norm at [0, 0]: PyTorch", norms[0], " JAX", norms[1], " safe_norm in JAX", norms[2])
ties = torch_side.gradient(lambda x: x.max(0).values, torch.tensor([1.0, 1, 0])).tolist()
print("max of [1, 1, 0]: PyTorch", ties, " JAX", jax_side.gradient(jnp.max, jnp.array([1.0, 1, 0])).tolist())

# %%
figure, panels = plt.subplots(1, 4, figsize=(12, 3), layout="constrained", sharey=True)
offsets = np.linspace(-1, 1, 41, dtype=np.float32)
for panel, (name, (left, right, kink)) in zip(panels, KINKS.items(), strict=True):
    beside = kink + offsets[offsets != 0]
    leaf = torch.tensor(beside, requires_grad=True)
    left(leaf).sum().backward()
    mapped = jax.vmap(jax.grad(right))(beside)
    for part in (beside < kink, beside > kink):
        panel.plot(beside[part], leaf.grad.numpy()[part], color="tab:red", lw=1)
        panel.plot(beside[part][::3], mapped[part][::3], ".", color="tab:blue")
    panel.plot(kink, marks[name][0], "s", ms=10, mfc="none", color="tab:red", label="PyTorch")
    panel.plot(kink, marks[name][1], "o", color="tab:blue", label="JAX")
    panel.set(title=name, xlabel="$x$")
panels[0].set_ylabel("derivative")
panels[0].legend(loc="lower right")
plt.show()

# %% [markdown]
# Beside the corner the blue points lie on the red line. On it PyTorch takes 0 for `abs` and `norm`, and counts the
# bound of `clamp` as inside. JAX takes the right-hand slope for `abs`, and the mean of both sides for `maximum` and
# `clip`. Neither is wrong; a port has to write the other's choice out, as `safe_norm` does.

# %% [markdown]
# ## More errata of the text
#
# **`x.data = x.data - ...`** updates behind autograd's back. Where a recorded operation still needs the old value, the
# gradient is silently wrong; under `no_grad` PyTorch notices.

# %%
x = torch.tensor([5.0], requires_grad=True)
y = (x**2).sum()
x.data.mul_(0)
y.backward()
print("after a write through .data, the slope of x² at 5 is", x.grad.item())

y = (x**2).sum()
with torch.no_grad():
    x.mul_(0)
try:
    y.backward()
except RuntimeError as error:
    print("after the same write under no_grad:", str(error).split(": ")[0])

# %% [markdown]
# **`beta.grad.detach()`** returns a new tensor and leaves `beta.grad` as it was; `detach_()` was meant. Neither is
# needed: `backward()` leaves gradients that are cut off already, and `x.grad = None` drops them.
#
# **A stale `.grad`**: in the tutorial that the text descends from, a `backward()` before the loop leaves its gradient
# behind. The first step is then twice as long.

# %%
x = torch.tensor(5.0, requires_grad=True)
torch_side.quadratic(x).backward()
fresh = x.grad.item()
torch_side.quadratic(x).backward()
print("PyTorch: first slope", fresh, " stale", x.grad.item(), " ratio", x.grad.item() / fresh)
print("JAX:     first slope", slope(5.0), " again", slope(5.0))

# %% [markdown]
# ## The proof
#
# One comparison: value and gradient of $g$. Both are outputs here, so the gradients compared are those *of the
# gradient*: second order, under a random cotangent. The whole proof is
# [`parity_tests/test_autograd.py`](../parity_tests/test_autograd.py), its traps
# [`parity_tests/test_autograd_traps.py`](../parity_tests/test_autograd_traps.py).

# %%
report = parity.compare(
    lambda w: torch_side.value_and_gradient(torch_side.tilted_cosine, w),
    lambda w: jax_side.value_and_gradient(jax_side.tilted_cosine, w),
    {"w": np.array([0.3, -1.2])},
)
for leaf in report.leaves:
    print(f"{leaf.quantity:8}  {leaf.path:9}  {leaf.dtype:7}  {'agrees' if leaf.ok else 'DIFFERS'}")
