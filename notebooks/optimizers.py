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
# # Optimizers
#
# Does every class of `torch.optim` take the same steps in JAX, under every option?
#
# The code under study is imported: [`torch_impl/optimizers.py`](../torch_impl/optimizers.py) and
# [`jax_impl/optimizers.py`](../jax_impl/optimizers.py). `parity show optimizers.sgd` prints a pair side by side.

# %%
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
import torch
from torch import nn

from jax_impl import optimizers as jax_side
from parity.compare_optimizers import compare_optimizers
from parity.optimizers import optimizer_from_torch
from torch_impl import optimizers as torch_side

# %% [markdown]
# ## The two idioms
#
# In PyTorch an optimizer owns its state and changes in place the parameters that it was given, group by group. What the
# gradient is stands in `.grad`, where `backward` adds to it: so it is cleared before.

# %%
torch.manual_seed(0)
x, y = torch.linspace(-1, 1, 12).reshape(4, 3), torch.ones(4, 2)
layer = nn.Linear(3, 2)
start = {name: value.detach().numpy().copy() for name, value in layer.named_parameters()}

live = torch_side.decay_matrices(partial(torch_side.adamw, 0.1), layer.parameters(), weight_decay=0.5)
clip = torch_side.clip_by_global_norm(1.0)
for _ in range(3):
    live.zero_grad(set_to_none=True)
    loss = ((layer(x) - y) ** 2).mean()
    loss.backward()
    clip(layer.parameters())
    live.step()
print("decay of the groups", [group["weight_decay"] for group in live.param_groups])
print("state of the weight", sorted(live.state_dict()["state"][0]))
print("bias", layer.bias.detach().numpy().round(5))

# %% [markdown]
# In JAX an optimizer is a transformation of gradients. Clipping is one more, in front; groups are a partition. State
# and parameters come in and go out.

# %%
rule = optax.chain(
    jax_side.clip_by_global_norm(1.0),
    jax_side.decay_matrices(partial(jax_side.adamw, 0.1), start, weight_decay=0.5),
)


def mean_square(params):
    return ((x.numpy() @ params["weight"].T + params["bias"] - y.numpy()) ** 2).mean()


@jax.jit
def step(params, state):
    updates, state = rule.update(jax.grad(mean_square)(params), state, params)
    return optax.apply_updates(params, updates), state


params = jax.tree.map(jnp.asarray, start)
state = rule.init(params)
for _ in range(3):
    params, state = step(params, state)
print("bias", np.asarray(params["bias"]).round(5))

# %% [markdown]
# ## One valley
#
# A curved floor that falls gently to the origin, between steep walls. Sixty steps from one start: PyTorch as a line,
# JAX as points.

# %%
corner = np.array([-1.6, 2.2])
WALKERS = {
    "sgd": {"learning_rate": 0.03},
    "asgd": {"learning_rate": 0.03, "lambd": 0.1, "t0": 10.0},
    "rprop": {"learning_rate": 0.03},
    "adam": {"learning_rate": 0.1},
    "adamw": {"learning_rate": 0.1, "weight_decay": 0.5},
    "adamax": {"learning_rate": 0.2},
    "nadam": {"learning_rate": 0.1},
    "radam": {"learning_rate": 0.03},
    "rmsprop": {"learning_rate": 0.03, "momentum": 0.5},
    "adagrad": {"learning_rate": 0.5},
    "adadelta": {"learning_rate": 30.0},
    "lbfgs": {"learning_rate": 0.5, "max_iter": 1},
}
paths = {}
torch.set_default_dtype(torch.float64)  # NAdam and ASGD keep a number of their state in the default dtype
with jax.enable_x64(True):
    for name, settings in WALKERS.items():
        paths[name] = [
            side.minimise(side.valley, corner, getattr(side, name)(**settings), 60) for side in (torch_side, jax_side)
        ]

grid = np.meshgrid(np.linspace(-2.2, 1.6, 120), np.linspace(-0.9, 2.8, 120))
height = np.asarray(jax.vmap(jax_side.valley)(np.stack([part.ravel() for part in grid], 1))).reshape(120, 120)
figure, panels = plt.subplots(3, 4, figsize=(12, 9), layout="constrained", sharex=True, sharey=True)
for panel, (name, (left, right)) in zip(panels.flat, paths.items(), strict=True):
    panel.contour(*grid, height, levels=np.geomspace(0.02, 60, 12), colors="0.8", linewidths=0.7)
    panel.plot(*left.T, color="tab:red", lw=1, label="PyTorch")
    panel.plot(*right[::2].T, ".", color="tab:blue", ms=5, label="JAX")
    panel.plot(0, 0, "k+")
    panel.set(title=name, xlim=(-2.2, 1.6), ylim=(-0.9, 2.8))
for panel in panels[-1]:
    panel.set_xlabel("$x$")
for panel in panels[:, 0]:
    panel.set_ylabel("$y$")
figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# Each path is the other's. In numbers, the largest gap of the sixty points, and how high the walk ends:

# %%
for name, (left, right) in paths.items():
    gap = np.abs(left - right).max()
    end = torch_side.valley(torch.tensor(left[-1])).item()
    print(f"{name:9} {'gap below 1e-12' if gap < 1e-12 else f'gap {gap:.0e}'}   ends at {end:9.6f}")

# %% [markdown]
# ## What optax's own aliases do
#
# Called with the same rate and otherwise as they come, on one stream of gradients over five decades. The twin's gap is
# beside it.

# %%
draw = np.random.default_rng(11)
begin = {"w": draw.normal(size=(4, 3))}
stream = {"w": draw.normal(size=(20, 4, 3)) * 10.0 ** draw.integers(-5, 1, size=(4, 3))}


def far(cls, transformation, **options):
    """The largest gap of a parameter over twenty steps in float64."""
    leaf = torch.nn.Parameter(torch.tensor(begin["w"]))
    optimizer = cls([leaf], lr=0.1, **options)
    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, begin)
        state, gap = transformation.init(params), 0.0
        update = jax.jit(transformation.update)
        for gradient in stream["w"]:
            leaf.grad = torch.tensor(gradient)
            optimizer.step()
            updates, state = update({"w": jnp.asarray(gradient)}, state, params)
            params = optax.apply_updates(params, updates)
            gap = max(gap, np.abs(np.asarray(params["w"]) - leaf.detach().numpy()).max())
    return f"{gap:.0e}" if gap > 1e-12 else "below 1e-12"


ALIASES = (
    ("sgd", torch.optim.SGD, optax.sgd, "the same rule"),
    ("adam", torch.optim.Adam, optax.adam, "the same rule; another rounding in float32"),
    ("adamax", torch.optim.Adamax, optax.adamax, "the same rule"),
    ("adadelta", torch.optim.Adadelta, optax.adadelta, "the same rule, given a rate"),
    ("adamw", torch.optim.AdamW, optax.adamw, "decays by 1e-4, not 1e-2"),
    ("nadam", torch.optim.NAdam, optax.nadam, "no momentum schedule"),
    ("radam", torch.optim.RAdam, optax.radam, "epsilon after the correction"),
    ("rmsprop", torch.optim.RMSprop, optax.rmsprop, "0.9 for 0.99, epsilon inside the root"),
    ("adagrad", torch.optim.Adagrad, optax.adagrad, "sum from 0.1, epsilon inside the root"),
    ("rprop", torch.optim.Rprop, optax.rprop, "waits at its first step"),
    ("adafactor", torch.optim.Adafactor, optax.adafactor, "factors from 128 by 128 on"),
    ("muon", torch.optim.Muon, optax.contrib.muon, "no decay, bias corrected, not in bfloat16"),
)
print(f"{'':10}{'optax':12}{'twin':14}what optax does")
for name, cls, alias, said in ALIASES:
    print(f"{name:10}{far(cls, alias(0.1)):12}{far(cls, getattr(jax_side, name)(0.1)):14}{said}")
torch.set_default_dtype(torch.float32)

# %% [markdown]
# ## A run that changes sides
#
# `optimizer_from_torch` makes of a live optimizer its transformation, with the parameters and the state that it has:
# Adam in its fourth step stays in its fourth step.

# %%
adam = torch_side.adam(0.1, amsgrad=True)(layer.parameters())
for _ in range(3):
    adam.zero_grad()
    ((layer(x) - y) ** 2).mean().backward()
    adam.step()
transformation, carried, moments = optimizer_from_torch(adam, layer)
updates, moments = transformation.update(jax.grad(mean_square)(carried), moments, carried)
carried = optax.apply_updates(carried, updates)
adam.zero_grad()
((layer(x) - y) ** 2).mean().backward()
adam.step()
print("PyTorch's fourth step", layer.bias.detach().numpy().round(5))
print("JAX's fourth step    ", np.asarray(carried["bias"]).round(5))
print("steps counted        ", int(moments[1].count))

# %% [markdown]
# ## The proof
#
# PyTorch tests itself with 91 option sets over 15 classes. Each of them is run for twenty steps with a fall of the rate
# at the seventh, and parameters and state are compared:
# [`parity_tests/test_optimizers.py`](../parity_tests/test_optimizers.py),
# [`test_optimizers__lbfgs.py`](../parity_tests/test_optimizers__lbfgs.py), and the aliases in
# [`test_optimizers__traps.py`](../parity_tests/test_optimizers__traps.py).

# %%
from torch.testing._internal.common_optimizers import optim_db

sets = {info.optim_cls.__name__: [entry.desc for entry in info.optim_inputs_func(device="cpu")] for info in optim_db}
for name, described in sorted(sets.items()):
    print(f"{name:11}{len(described)}  {', '.join(described)}")
print(f"{sum(map(len, sets.values()))} option sets of {len(sets)} classes")

# %% [markdown]
# And one comparison, every parameter after every step:

# %%
few = {"w": stream["w"][:4]}
report = compare_optimizers(
    partial(torch.optim.SGD, lr=0.1, momentum=0.9, dampening=0.5),
    jax_side.sgd(0.1, momentum=0.9, dampening=0.5),
    begin,
    few,
)
print(f"{sum(leaf.ok for leaf in report.leaves)} of {len(report.leaves)} leaves agree")
without = compare_optimizers(
    partial(torch.optim.SGD, lr=0.1, momentum=0.9, dampening=0.5), optax.sgd(0.1, momentum=0.9), begin, few, jit=False
)
print("without dampening, these differ:", *sorted({leaf.path for leaf in without.failures}))
