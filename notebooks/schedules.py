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
# # Schedules
#
# Is every scheduler of `torch.optim.lr_scheduler` a function of the step, and what does optax have in its place?
#
# The code under study is imported: [`torch_impl/schedules.py`](../torch_impl/schedules.py) and
# [`jax_impl/schedules.py`](../jax_impl/schedules.py). `parity show schedules.cyclic_lr` prints a pair side by side.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
import torch

import parity
from jax_impl import schedules as jax_side
from torch_impl import schedules as torch_side

STEPS = 100

# %% [markdown]
# ## Two idioms
#
# A torch scheduler holds an optimizer and rewrites its rate at each `step()`, after `optimizer.step()`. An optax
# schedule is a function from the step to the rate; the optimizer counts the updates and asks.


# %%
def optimizer(lr=0.1):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr, momentum=0.5)


def torch_rates(make, key="lr", steps=STEPS):
    """The rate of every update."""
    stepped = optimizer()
    scheduler, rates = make(stepped), []
    for step in range(steps):
        rates.append(stepped.param_groups[0][key])
        stepped.step()
        if step < steps - 1:
            scheduler.step()
    return np.array(rates)


def jax_rates(schedule, steps=STEPS):
    """The same, of all steps at once."""
    with jax.enable_x64(True):
        return np.asarray(jax.jit(jax.vmap(lambda step: jnp.asarray(schedule(step))))(jnp.arange(steps)))


left = torch_rates(lambda stepped: torch_side.linear_lr(stepped), steps=8)
right = jax_rates(jax_side.linear_lr(0.1), 8)
print("step    ", *(f"{step:7}" for step in range(8)))
print("PyTorch ", *(f"{rate:7.4f}" for rate in left))
print("JAX     ", *(f"{rate:7.4f}" for rate in right))

# %% [markdown]
# ## All of them
#
# PyTorch as a line, JAX as points, on 100 steps. Where two quantities move, the momentum is in green.

# %%
CYCLE = {"max_lr": 0.1, "total_steps": STEPS}
PANELS = {
    "lambda_lr": {"lr_lambda": lambda step: 1 / (1 + 0.1 * step)},
    "multiplicative_lr": {"lr_lambda": lambda step: 1 - 0.5 / (step + 2.0)},
    "step_lr": {"step_size": 20, "gamma": 0.5},
    "multi_step_lr": {"milestones": [10, 50, 70], "gamma": 0.5},
    "constant_lr": {"total_iters": 40},
    "linear_lr": {"total_iters": 60},
    "exponential_lr": {"gamma": 0.95},
    "polynomial_lr": {"total_iters": 80, "power": 2.0},
    "cosine_annealing_lr": {"T_max": 40},
    "cosine_annealing_warm_restarts": {"T_0": 12, "T_mult": 2},
    "cyclic_lr": {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 8, "step_size_down": 17, "mode": "triangular2"},
    "one_cycle_lr": CYCLE,
    "one_cycle_lr, three phases": CYCLE | {"three_phase": True, "anneal_strategy": "linear"},
    "swa_lr": {"swa_lr": 0.02, "anneal_epochs": 50},
}


def pair(panel, settings):
    """Rate and, if there is one, momentum, of both sides."""
    name = panel.split(",")[0]
    made = getattr(jax_side, name)(*(() if "cycl" in name else (0.1,)), **settings)
    for key, schedule in zip(("lr", "momentum"), made if isinstance(made, tuple) else (made,), strict=False):
        yield torch_rates(lambda stepped: getattr(torch_side, name)(stepped, **settings), key), jax_rates(schedule)


curves = {panel: list(pair(panel, settings)) for panel, settings in PANELS.items()}
compositions = {
    "sequential_lr": lambda side, lr: side.sequential_lr(
        [side.linear_lr(lr, 0.01, total_iters=12), side.cosine_annealing_lr(lr, 60)], [12]
    ),
    "chained_lr": lambda side, lr: side.chained_lr(
        [side.constant_lr(lr, 0.3, 30), side.exponential_lr(lr if side is torch_side else 1.0, 0.97)]
    ),
}
for name, make in compositions.items():
    curves[name] = [(torch_rates(lambda stepped: make(torch_side, stepped)), jax_rates(make(jax_side, 0.1)))]  # noqa: B023

figure, panels = plt.subplots(4, 4, figsize=(13, 10), layout="constrained", sharex=True)
for panel, (name, pairs) in zip(panels.flat, curves.items(), strict=True):
    for axes, color, (left, right) in zip(
        (panel, panel.twinx() if len(pairs) > 1 else None), ("tab:red", "tab:green"), pairs, strict=False
    ):
        axes.plot(left, color=color, lw=1, label="PyTorch")
        axes.plot(np.arange(0, STEPS, 4), right[::4], ".", color=color, label="JAX")
    panel.set_title(name, fontsize=9)
for panel in panels[-1]:
    panel.set_xlabel("step")
for panel in panels[:, 0]:
    panel.set_ylabel("rate")
figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# In numbers, the largest gap over the 100 steps as a share of the largest rate:

# %%
for name, pairs in curves.items():
    gaps = [np.abs(left - right).max() / np.abs(left).max() for left, right in pairs]
    print(f"{name:31}", *("below 1e-12" if gap < 1e-12 else f"{gap:.1e}" for gap in gaps))

# %% [markdown]
# ## What optax has by itself
#
# Rates of 1 at the first step or at the peak, the optax schedule that a porter would take first, and how far it is off.

# %%
cycles = [{"init_value": 1.0, "peak_value": 1.0, "decay_steps": n, "warmup_steps": 0} for n in (12, 24)]
PORTS = {
    "cosine_annealing_lr(40)": (
        jax_side.cosine_annealing_lr(1.0, 40),
        optax.cosine_decay_schedule(1.0, 40),
        "stays down after its end",
    ),
    "cosine_annealing_warm_restarts(12, 2)": (
        jax_side.cosine_annealing_warm_restarts(1.0, 12, 2),
        optax.sgdr_schedule(cycles),
        "ends after the cycles it was given",
    ),
    "step_lr(20, 0.5)": (
        jax_side.step_lr(1.0, 20, 0.5),
        optax.exponential_decay(1.0, 20, 0.5),
        "smooth unless staircase=True",
    ),
    "multi_step_lr([10, 50], 0.1)": (
        jax_side.multi_step_lr(1.0, [10, 50]),
        optax.piecewise_constant_schedule(1.0, {10: 0.1, 50: 0.01}),
        "takes factors, not rates",
    ),
    "linear_lr()": (
        jax_side.linear_lr(1.0),
        optax.warmup_constant_schedule(0.0, 1.0, 5),
        "starts at 0",
    ),
    "one_cycle_lr(1, 100)": (
        jax_side.one_cycle_lr(1.0, 100)[0],
        optax.cosine_onecycle_schedule(100, 1.0),
        "peaks one step later",
    ),
    "one_cycle_lr(1, 100, linear)": (
        jax_side.one_cycle_lr(1.0, 100, anneal_strategy="linear")[0],
        optax.linear_onecycle_schedule(100, 1.0),
        "three phases, the last from 0.85",
    ),
    "exponential_lr(1e-9)": (
        jax_side.exponential_lr(1.0, 1e-9),
        optax.exponential_decay(1.0, 1, 0.0),
        "takes a decay of 0 for none",
    ),
}
print(f"{'':38}{'largest gap':>11} {'at step':>8}  optax")
for name, (ours, theirs, why) in PORTS.items():
    gap = np.abs(jax_rates(ours) - jax_rates(theirs))
    print(f"{name:38}{gap.max():11.4f} {gap.argmax():8}  {why}")

# %% [markdown]
# One more is no choice but a rounding: compiled, `count / n` becomes `count * (1 / n)`, and at the end
# `1 - n * (1 / n)` is not always 0. For a power below 1 that is the root of a negative number.

# %%
for name, schedule in (
    ("optax", optax.polynomial_schedule(1.0, 0.0, 0.5, 50)),
    ("twin", jax_side.polynomial_lr(1.0, 50, 0.5)),
):
    with jax.enable_x64(True):
        rates = jax.jit(jax.vmap(schedule))(jnp.array([48, 49, 50, 51, 99]))
        print(f"{name:6}", *(f"{rate:7.4f}" for rate in rates))

# %% [markdown]
# ## Past the end
#
# `OneCycleLR` may be stepped once more than it has steps: the rate bounces, and on a line it turns negative. The step
# after that raises. A compiled function cannot raise; the twin keeps the smallest rate.

# %%
for strategy in ("cos", "linear"):
    stepped = optimizer()
    scheduler = torch_side.one_cycle_lr(stepped, 1.0, 10, anneal_strategy=strategy)
    rates = []
    for _ in range(10):
        stepped.step()
        scheduler.step()
        rates.append(stepped.param_groups[0]["lr"])
    twin, _ = jax_side.one_cycle_lr(1.0, 10, anneal_strategy=strategy)
    print(f"{strategy:7} PyTorch, steps 8 to 10 ", *(f"{rate:9.6f}" for rate in rates[7:]))
    print(f"{'':7} JAX                    ", *(f"{float(twin(step)):9.6f}" for step in (8, 9, 10)))

# %% [markdown]
# ## The plateau
#
# `ReduceLROnPlateau` looks at a metric, so it is a small state machine: on the JAX side four scalars that pass through
# `jit` and `scan`. Three bad metrics in a row are one too many for a patience of 2; optax's own rule bears one less.

# %%
rng = np.random.default_rng(0)
metrics = np.maximum(0.4, np.exp(-np.arange(60) / 8)) + 0.02 * rng.normal(size=60)
options = {"factor": 0.5, "patience": 2, "threshold": 0.01, "cooldown": 3}
stepped = optimizer(1.0)
scheduler, left = torch_side.reduce_lr_on_plateau(stepped, **options), []
for metric in metrics:
    scheduler.step(metric)
    left.append(stepped.param_groups[0]["lr"])
schedule = jax_side.reduce_lr_on_plateau(1.0, **options)


def fed(state, metric):
    state = schedule.update(state, metric=metric)
    return state, schedule(state)


_, right = jax.jit(lambda stream: jax.lax.scan(fed, schedule.init(), stream))(jnp.asarray(metrics))
rule = optax.contrib.reduce_on_plateau(factor=0.5, patience=2, rtol=0.01, cooldown=3)
state, theirs = rule.init(jnp.zeros(())), []
for metric in metrics:
    scale, state = rule.update(jnp.ones(()), state, value=metric)
    theirs.append(float(scale))

figure, (upper, lower) = plt.subplots(2, 1, figsize=(9, 5), layout="constrained", sharex=True)
upper.plot(metrics, color="tab:gray", label="metric")
upper.legend()
lower.step(range(60), left, where="post", color="tab:red", label="PyTorch")
lower.plot(right, ".", color="tab:blue", label="JAX, the twin")
lower.step(range(60), theirs, where="post", color="tab:orange", ls=":", label="optax.contrib.reduce_on_plateau")
lower.set(xlabel="epoch", ylabel="rate", yscale="log")
lower.legend()
plt.show()
print(
    "reductions: PyTorch",
    int(np.log2(1 / left[-1])),
    " JAX",
    int(np.log2(1 / right[-1])),
    " optax",
    int(np.log2(1 / theirs[-1])),
)

# %% [markdown]
# ## torch's own drift
#
# torch computes most rates from the one before. The error grows with the steps; a closed form has none to grow.

# %%
truth = 0.05 * (1 + np.cos(np.pi * np.arange(10_000) / 10))
error = np.abs(torch_rates(lambda stepped: torch_side.cosine_annealing_lr(stepped, 10), steps=10_000) - truth) / 0.1
twin = np.abs(jax_rates(jax_side.cosine_annealing_lr(0.1, 10), 10_000) - truth) / 0.1
for steps in (100, 1_000, 10_000):
    print(
        f"CosineAnnealingLR(10) after {steps:6} steps: torch off by {error[:steps].max():.0e} of the first rate,",
        end=" ",
    )
    print("the twin below 1e-12" if twin[:steps].max() < 1e-12 else "the twin by more")

# %% [markdown]
# ## The proof
#
# One comparison, of rate and momentum of a cycle, the steps traced. The whole proof is
# [`parity_tests/test_schedules.py`](../parity_tests/test_schedules.py), with the plateau's and the traps' beside it.


# %%
def of_torch(lr, steps):
    settings = {"base_lr": 0.1 * lr.item(), "max_lr": lr.item(), "step_size_up": 8, "mode": "triangular2"}
    make = lambda stepped: torch_side.cyclic_lr(stepped, **settings)  # noqa: E731
    return {key: torch.tensor(torch_rates(make, key), dtype=lr.dtype) for key in ("lr", "momentum")}


def of_jax(lr, steps):
    rate, momentum = jax_side.cyclic_lr(0.1 * lr, lr, 8, mode="triangular2")
    return {"lr": rate(steps), "momentum": momentum(steps).astype(lr.dtype)}


inputs = {"lr": np.array(0.1), "steps": np.arange(STEPS)}
leaves = parity.compare(of_torch, of_jax, inputs, gradients=False).leaves
print(
    sum(leaf.ok for leaf in leaves),
    "of",
    len(leaves),
    "leaves agree, in",
    *dict.fromkeys(leaf.dtype for leaf in leaves),
)
