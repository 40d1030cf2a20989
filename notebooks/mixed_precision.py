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
# # Mixed precision
#
# Half the bits, twice the numbers through the same wires. What is lost, what has to stay in float32, and do both
# frameworks keep the same things there?
#
# The code under study is imported: [`torch_impl/mixed_precision.py`](../torch_impl/mixed_precision.py) and
# [`jax_impl/mixed_precision.py`](../jax_impl/mixed_precision.py).

# %%
import inspect
import warnings

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn import functional

import parity
from jax_impl import mixed_precision as in_jax
from parity.digits import epoch_orders, initial_weights, load_digits
from torch_impl import mixed_precision as in_torch

torch.set_num_threads(1)
sides = {"PyTorch": in_torch, "JAX": in_jax}

# %% [markdown]
# ## The ladder
#
# bfloat16 keeps float32's range and gives up digits; float16 keeps three more bits and gives up the range.

# %%
print(f"{'':<10}{'bits':>5}{'largest':>12}{'smallest':>12}{'next to 1':>12}")
for name in ("float64", "float32", "bfloat16", "float16"):
    facts = torch.finfo(getattr(torch, name))
    smallest = facts.smallest_normal * facts.eps  # the smallest subnormal number
    print(f"{name:<10}{facts.bits:>5}{facts.max:>12.3g}{smallest:>12.3g}{facts.eps:>12.3g}")

# %%
values = {"1/3": 1 / 3, "1 + 1/500": 1.002, "70,000": 7e4, "gradient 1e-8": 1e-8, "257": 257.0}
print(f"{'':<16}{'float32':>12}{'bfloat16':>12}{'float16':>12}")
for name, value in values.items():
    row = [torch.tensor(value, dtype=getattr(torch, low)).item() for low in ("float32", "bfloat16", "float16")]
    same = all(
        jnp.array(value).astype(low).item() == got
        for low, got in zip(("float32", "bfloat16", "float16"), row, strict=True)
    )
    print(f"{name:<16}" + "".join(f"{got:>12.6g}" for got in row), "" if same else "  JAX differs")

# %% [markdown]
# Three lessons in one table. float16 ends at 65,504, so losses and norms overflow. It begins at 6e-8, so small
# gradients vanish. And 1 + 1/500 is 1 in bfloat16: a parameter stored there ignores small updates. Hence the recipe:
# products in the lower dtype, parameters and losses in float32, and for float16 a loss scale.
#
# ## What autocast does, measured
#
# PyTorch decides below each call. Every operation was run with float32 and with lower arguments, under the rules of a
# CPU and under those of CUDA: without a GPU on tensors that hold no data, which pass the same dispatcher. The JAX
# policy casts before the call. `lower`: the lower dtype whatever comes in; `float32`: widened; `follows`: the dtype
# that came in.

# %%
measured = {
    (name, device): side.operation_dtypes(side.choose_policy("bfloat16"), device)
    for name, side in sides.items()
    for device in ("cpu", "cuda")
}
print(f"{'':<20}" + "".join(f"{f'{name}, {device}':>16}" for name, device in measured))
for operation in in_torch.OPERATIONS:
    rows = [table[operation] for table in measured.values()]
    print(f"{operation:<20}" + "".join(f"{row.rule():>16}" for row in rows))

# %% [markdown]
# The rows fall into four groups, each with its reason.
#
# - **lower on both**: products and convolutions. Most of the time goes there, and they add up in float32 inside.
# - **float32 on both**: losses and `prod`. They end in one number for the batch, or leave the range first.
# - **follows on a CPU, float32 on CUDA**: softmax, norms, sums, powers and exponentials. The CPU's kernels keep float32
#   inside and round once; its autocast has no rule for them. So a parity run on a CPU proves the CPU's policy only.
# - **follows on both**: everything else. With arguments of two dtypes the wider wins, on both sides. One exception:
#   `torch.dot` refuses two dtypes on a CPU; `jnp.dot` promotes them.


# %%
def all_three(table):
    return {name: tuple(row) for name, row in table.items()}


for device in ("cpu", "cuda"):
    ours, theirs = (all_three(measured[name, device]) for name in sides)
    differ = [name for name in ours if ours[name] != theirs[name]]
    print(f"{device:<5} {len(ours)} operations, rows that differ: {differ}")

# %% [markdown]
# ## A gradient that vanishes, and a scale that saves it
#
# The gradient of 1e-8 w is below float16's smallest number. Scale the loss, take the gradient, divide.

# %%
for scale in (1.0, 2.0**10, 2.0**16):
    w = torch.nn.Parameter(torch.ones(1, 1))
    with torch.autocast("cpu", torch.float16):
        score = functional.linear(torch.ones(1, 1), w)
    (1e-8 * score.float().sum() * scale).backward()
    state = in_torch.initial_scale(scale)
    (unscaled,), overflow = in_torch.unscale(state, [w.grad])
    print(f"scale {scale:>7.0f}: gradient {unscaled.item():.3e}, overflow {overflow.item()}")

# %% [markdown]
# ## The recipe, line by line
#
# PyTorch's objects own the state; `GradScaler` looks for infinities in the scaled gradients and skips the step.

# %%
print(inspect.getsource(in_torch.mixed_step).split('"""')[2])

# %% [markdown]
# In JAX the state comes in and goes out. Both the step and its omission are computed, and one is selected: the host is
# never asked. The scale itself is three lines.

# %%
print(inspect.getsource(in_jax.mixed_step).split('"""')[2])
print(inspect.getsource(in_jax.update_scale).split('"""')[2])

# %% [markdown]
# ## One trajectory
#
# The digits in float16, from a scale far too large and with growth every 8 steps, so that the search can be
# seen. Nothing is injected: the overflows are the training's own.

# %%
data, draw = load_digits(), np.random.default_rng(0)
weights, orders = initial_weights(draw), epoch_orders(draw, 3, len(data[0][1]))
runs = {}
for name, side in sides.items():
    recipe = side.Recipe(side.choose_policy("float16"), side.ScaleRule(growth_interval=8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch remarks that the schedule went on while the first step was skipped
        runs[name] = side.train_mixed(data, weights, orders, recipe, start=side.initial_scale(2.0**24))
left, right = runs.values()
for column in ("scale", "growth_tracker", "skipped"):
    equal = np.array_equal(getattr(left, column), getattr(right, column))
    print(f"{column:<15} equal at all {len(left.loss)} steps: {equal}")
print("steps skipped:", int(left.skipped.sum()), "and", int(right.skipped.sum()))

# %%
figure, (top, bottom) = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
for (name, run), style in zip(runs.items(), ("-", "x"), strict=True):
    top.semilogy(run.scale, style, base=2, ms=4, label=name)
    bottom.plot(run.loss, style, ms=4, label=name)
    missed = np.flatnonzero(run.skipped.any(axis=1))
top.vlines(missed, *top.get_ylim(), color="0.8", lw=1, zorder=0, label="skipped")
top.set(ylabel="loss scale", title="float16: loss scale and loss, both sides")
bottom.set(xlabel="step", ylabel="loss")
top.legend(), bottom.legend()
plt.show()

# %% [markdown]
# The markers of JAX lie on PyTorch's line. Each grey line is a step that overflowed: no parameter moves, no moment, no
# count; the scale halves. The schedule of the learning rate goes on all the same, on both sides.
#
# ## Scripts of overflows
#
# The same over scripts, for other factors too. torch multiplies in float64 and rounds once; so does the JAX side.

# %%
script = np.where(draw.random(200) < 0.15, np.inf, 1.0).astype(np.float32)
for factors in ((2.0, 0.5), (1.1, 0.7)):
    for interval in (1, 2, 3, 2000):
        ours = in_torch.scale_trajectory(
            in_torch.initial_scale(), torch.tensor(script), in_torch.ScaleRule(*factors, interval)
        )
        theirs = in_jax.scale_trajectory(
            in_jax.initial_scale(), jnp.asarray(script), in_jax.ScaleRule(*factors, interval)
        )
        equal = np.array_equal(ours.scale, theirs.scale) and np.array_equal(ours.growth_tracker, theirs.growth_tracker)
        last = ours.scale[-1].item()
        print(f"factors {factors}, interval {interval:>4}: 200 states equal: {equal}, last scale {last:.4g}")

# %% [markdown]
# ## Accuracy by precision

# %%
orders = epoch_orders(draw, 8, len(data[0][1]))
accuracy = {}
for precision in ("float32", "bfloat16", "float16"):
    for name, side in sides.items():
        rule = side.ScaleRule() if precision == "float16" else None
        recipe = side.Recipe(side.choose_policy(precision), rule)
        accuracy[precision, name] = side.train_mixed(data, weights, orders, recipe).accuracy
    print(f"{precision:<9}", "  ".join(f"{name} {accuracy[precision, name][-1]:.2f}" for name in sides))

# %%
figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
for (precision, name), curve in accuracy.items():
    colour = {"float32": "black", "bfloat16": "tab:green", "float16": "tab:purple"}[precision]
    axes.plot(
        range(1, 9), curve, "-" if name == "PyTorch" else "o", color=colour, mfc="none", label=f"{precision}, {name}"
    )
axes.set(xlabel="epoch", ylabel="accuracy on the test images")
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# No precision is better than another here. What each is worth in time is for a GPU to show; its figures are owed.
#
# ## The proof's figures
#
# Every operation of the table under the float16 policy, with float16 arguments, each side held against its own float64.


# %%
def softmax_of_products(side):
    policy = side.choose_policy("float16")

    def run(x, w, b):
        return side.under_policy("cross_entropy", policy)(side.under_policy("linear", policy)(x, w, b))

    return run


inputs = {"x": draw.normal(size=(4, 6)), "w": draw.normal(size=(6, 6)), "b": draw.normal(size=6)}
report = parity.compare(
    *map(softmax_of_products, sides.values()), inputs, dtypes=("float64", "float16"), name="cross entropy under float16"
)
for leaf in report.leaves:
    print(f"{leaf.quantity:<10}{leaf.path:<10}{leaf.dtype:<10}within its allowance: {leaf.ok}")
