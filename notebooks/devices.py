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
# # Devices
#
# Where do the numbers live, and are they the same numbers when they come back? The text has one cell for this, "CUDA":
# it sends ten random numbers to a GPU. This notebook is executed without one, so the cell meets the case that the text
# leaves out: there is no GPU. `torch_impl.devices` and `jax_impl.devices` choose what there is, or say what is missing.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch

import jax_impl.devices as in_jax
import parity
import torch_impl.devices as in_torch

sides = {"torch": in_torch, "jax": in_jax}

# %% [markdown]
# ## Which device?
#
# First the one that was asked for, else the first accelerator, else the CPU. `torch.device("cuda")` is made without
# complaint on a machine that has none, and fails later, at the first `.to`. The choice here fails at once, in the same
# words on both sides.

# %%
for name, devices in sides.items():
    print(f"{name:<6}has {devices.available_devices()}, chooses {devices.choose_device()!r}")
    try:
        devices.choose_device("cuda")
    except ValueError as error:
        print(f"{'':<6}{error}")

# %% [markdown]
# ## CPU, device, CPU
#
# A move copies bits. Every value comes back as it was, the awkward ones too.

# %%
values = np.array([0.0569, -0.0, 3.4e38, 1.2e-38, np.nan, np.inf], np.float32)
there_and_back = {
    "torch": np.asarray(in_torch.round_trip(torch.from_numpy(values))),
    "jax": np.asarray(in_jax.round_trip(jnp.array(values))),
}
for name, returned in there_and_back.items():
    print(f"{name:<6}every bit as it was: {np.array_equal(returned.view(np.int32), values.view(np.int32))}")

# %% [markdown]
# ## Whole trees
#
# Parameters and batches are containers of arrays. JAX has functions for trees; in PyTorch `move` walks the containers.

# %%
tree = {"weights": [np.ones((2, 3), np.float32), np.zeros(3, np.float32)], "step": 7}
for name, make in (("torch", torch.from_numpy), ("jax", jnp.array)):
    devices = sides[name]
    batch = {"weights": [make(x) for x in tree["weights"]], "step": tree["step"]}
    moved = devices.move(batch, devices.choose_device())
    print(f"{name:<6}", [tuple(x.shape) for x in moved["weights"]], "step", moved["step"])

# %% [markdown]
# ## Committed or not
#
# A PyTorch tensor is on the device where it was made, and an operation on tensors of two devices raises. A JAX array
# that was never moved is *uncommitted*: it follows the other operand. After a move it is committed, and two arrays
# committed to two devices raise as well. So a missing move is an error in PyTorch and a silent copy in JAX.

# %%
fresh = jnp.ones(3)
print("fresh array committed:", fresh.committed)
print("moved array committed:", in_jax.move(fresh, in_jax.choose_device()).committed)
try:
    torch.ones(3) + torch.ones(3, device="meta")
except RuntimeError as error:
    print("torch, two devices:   ", error)

# %% [markdown]
# ## Wait before you look at the clock
#
# An accelerator works through a queue, and JAX queues on the CPU too. A call returns when the work is *asked for*. To
# time it, wait: `synchronize` waits for the queue in PyTorch, and for the given tree in JAX. No time is printed here,
# because no time is the same twice.

# %%
product = jnp.ones((500, 500)) @ jnp.ones((500, 500))
waited = in_jax.synchronize({"product": product})
print("ready after waiting:", waited["product"].is_ready())

# %% [markdown]
# ## One seed, two streams
#
# A seed does not transfer. The frameworks draw different numbers from the same distribution. PyTorch also has one
# stream for each kind of device, where a JAX key means the same bits everywhere. For parity, draw once in NumPy and
# give the draw to both.

# %%
draws = {name: np.asarray(devices.seeded_normal((20_000,), seed=0)) for name, devices in sides.items()}
print(f"{'seed 0':<8}{'first':>8}{'second':>8}{'third':>8}{'mean':>8}{'std':>8}")
for name, draw in draws.items():
    print(f"{name:<8}" + "".join(f"{number:>8.3f}" for number in (*draw[:3], draw.mean(), draw.std())))

# %%
edges = np.linspace(-4, 4, 41)
centres = (edges[1:] + edges[:-1]) / 2
figure, axes = plt.subplots(figsize=(7, 3.4), constrained_layout=True)
axes.plot(centres, np.exp(-(centres**2) / 2) / np.sqrt(2 * np.pi), color="grey", label="density")
for (name, draw), marker in zip(draws.items(), ("o", "x"), strict=True):
    heights, _ = np.histogram(draw, edges, density=True)
    axes.plot(centres, heights, marker, markerfacecolor="none", label=f"{name}, 20,000 draws, seed 0")
axes.set(xlabel="value", ylabel="density")
axes.legend()
plt.show()

# %% [markdown]
# Both clouds of markers lie on the normal density, though the draws themselves have nothing in common.
#
# ## Full float32
#
# NVIDIA's tensor cores can round the factors of a float32 product to TF32, with 10 bits of mantissa instead of 23. JAX
# lets them by default. PyTorch does not for products, but does for cuDNN's convolutions. On one GPU the two frameworks
# then differ, and the gap vanishes on the CPU. [jax#18165](https://github.com/jax-ml/jax/issues/18165) reports an
# example; it is not measured here. `full_float32_matmul` pins float32 on both sides for a block and restores what was
# set. Without a GPU the setting can be seen, its effect cannot:


# %%
def settings():
    return (
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
        jax.config.jax_default_matmul_precision,
    )


print(f"{'':<8}{'torch products':<16}{'cuDNN may use TF32':<20}jax products")
print(f"{'before':<8}{settings()[0]:<16}{settings()[1]!s:<20}{settings()[2]}")
with in_torch.full_float32_matmul(), in_jax.full_float32_matmul():
    print(f"{'inside':<8}{settings()[0]:<16}{settings()[1]!s:<20}{settings()[2]}")
print(f"{'after':<8}{settings()[0]:<16}{settings()[1]!s:<20}{settings()[2]}")

# %% [markdown]
# ## The proof
#
# Moves are compared like any function, gradients included, and so is a product under pinned precision. What needs an
# accelerator is skipped here with a reason. The whole proof is
# [`parity_tests/test_devices.py`](../parity_tests/test_devices.py) and its neighbour on precision.


# %%
def pinned_product(devices):
    def product(x, y):
        with devices.full_float32_matmul():
            return x @ y

    return product


rng = np.random.default_rng(0)
x, y = rng.normal(size=(3, 5)), rng.normal(size=(5, 2))
cases = {
    "round_trip": (in_torch.round_trip, in_jax.round_trip, (x,)),
    "pinned product": (pinned_product(in_torch), pinned_product(in_jax), (x, y)),
}
for name, case in cases.items():
    report = parity.compare(*case)
    checked = sorted({f"{leaf.path} {leaf.dtype}" for leaf in report.leaves})
    print(f"{name:<16}{'agrees' if report.ok else 'DIFFERS':<8}{', '.join(checked)}")
