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
# # Losses
#
# Is each loss of PyTorch the same function in JAX: value, gradient, weights, ignored labels and corners?
#
# The code under study is imported: [`torch_impl/losses.py`](../torch_impl/losses.py) and
# [`jax_impl/losses.py`](../jax_impl/losses.py). `parity show losses.cross_entropy` prints a pair side by side.

# %%
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
import torch

import parity
from jax_impl import losses as jax_side
from torch_impl import losses as torch_side

# %% [markdown]
# ## Losses of one number
#
# Each loss of a prediction $x$ against a fixed truth, and its derivative: PyTorch as a line, JAX as points. The grid
# meets the corners exactly.

# %%
ONE = {
    "l1_loss": (0.0, {}),
    "mse_loss": (0.0, {}),
    "smooth_l1_loss": (0.0, {"beta": 0.5}),
    "huber_loss": (0.0, {"delta": 0.5}),
    "poisson_nll_loss": (2.0, {}),
    "binary_cross_entropy_with_logits": (1.0, {}),
    "soft_margin_loss": (-1.0, {}),
    "hinge_embedding_loss": (-1.0, {}),
}
grid = np.linspace(-3, 3, 121, dtype=np.float32)
curves = {}
for name, (truth, settings) in ONE.items():
    leaf = torch.tensor(grid, requires_grad=True)
    value = getattr(torch_side, name)(leaf, torch.full_like(leaf, truth), reduction="none", **settings)
    value.sum().backward()

    def twin(x, name=name, truth=truth, settings=settings):
        return getattr(jax_side, name)(x, jnp.full_like(x, truth), reduction="none", **settings)

    point = jnp.asarray(grid)
    right = jax.jvp(twin, (point,), (jnp.ones_like(point),))
    curves[name] = (value.detach().numpy(), leaf.grad.numpy()), tuple(map(np.asarray, right))

figure, panels = plt.subplots(2, 4, figsize=(13, 6), layout="constrained", sharex=True)
for panel, (name, (truth, settings)) in zip(panels.flat, ONE.items(), strict=True):
    for order, color in enumerate(("tab:red", "tab:green")):
        left, right = (side[order] for side in curves[name])
        label = ("value", "derivative")[order]
        panel.plot(grid, left, color=color, lw=1, label=f"{label}, PyTorch")
        panel.plot(grid[::6], right[::6], ".", color=color, label=f"{label}, JAX")
    words = ", ".join([f"y = {truth:g}", *(f"{key} = {setting}" for key, setting in settings.items())])
    panel.set(title=name, xlabel=f"$x$ ({words})", ylim=(-3.5, 6))
handles, labels = panels.flat[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=4)
plt.show()

# %%
print(f"{'':34}largest gap in value, in derivative")
for name, (left, right) in curves.items():
    gaps = [np.abs(one - other).max() for one, other in zip(left, right, strict=True)]
    print(f"{name:34}", "  ".join("below 1e-5" if gap < 1e-5 else f"{gap:10.1e}" for gap in gaps))

# %% [markdown]
# ## Where optax means something else
#
# optax has some of these losses under similar names. One batch, every pair in numbers:

# %%
rng = np.random.default_rng(0)
scores, labels = rng.normal(size=(6, 3)).astype(np.float32), np.array([2, 0, 1, 1, 0, 2])
targets = rng.normal(size=(6, 3)).astype(np.float32)
shares = rng.dirichlet(np.ones(3), size=6).astype(np.float32)
weights = np.array([0.5, 2.0, 1.25], np.float32)
half = np.where(np.arange(6) % 2, -100, labels)
integer = optax.softmax_cross_entropy_with_integer_labels
log_q = np.asarray(jax.nn.log_softmax(scores))
ROWS = [
    ("mse_loss", (scores, targets), {}, optax.l2_loss(scores, targets).mean(), "l2_loss: a half of it"),
    (
        "smooth_l1_loss",
        (scores, targets),
        {"beta": 0.5},
        optax.huber_loss(scores, targets, delta=0.5).mean(),
        "huber_loss: beta times it",
    ),
    ("kl_div", (log_q, shares), {}, optax.kl_divergence(log_q, shares).mean(), "kl_divergence: sums a row"),
    ("cross_entropy", (scores, half), {}, integer(scores, half).mean(), "integer labels: -100 is NaN"),
    (
        "cross_entropy",
        (scores, half),
        {},
        optax.softmax_cross_entropy(scores, jax.nn.one_hot(half, 3)).mean(),
        "one-hot labels: ignored ones count in the mean",
    ),
    (
        "cross_entropy",
        (scores, labels),
        {"weight": weights},
        (integer(scores, labels) * weights[labels]).mean(),
        "weighted: divided by 6, not by the weights",
    ),
]


def native(side, values):
    """Arrays in the form of one side."""
    make = torch.tensor if side is torch_side else jnp.asarray
    return [make(value) for value in values]


print(f"{'':16}{'PyTorch':>9}{'twin':>9}{'optax':>9}")
for name, arguments, settings, other, what in ROWS:
    found = []
    for side in (torch_side, jax_side):
        keywords = {
            key: native(side, [value])[0] if isinstance(value, np.ndarray) else value for key, value in settings.items()
        }
        found.append(float(getattr(side, name)(*native(side, arguments), **keywords)))
    print(f"{name:16}{found[0]:9.4f}{found[1]:9.4f}{float(other):9.4f}  {what}")

# %% [markdown]
# ## Corners and clamps
#
# Where a formula has no derivative the frameworks choose one. Where a probability is 0, PyTorch's binary cross entropy
# costs 100, and its gradient is $10^{12}$, not 0: the clamp is of the value alone.

# %%
CORNERS = {
    "|x| at 0": ("l1_loss", 0.0, 0.0, jnp.abs),
    "max(0, 1 - x) at 1": ("hinge_embedding_loss", 1.0, -1.0, lambda x: jnp.maximum(0, 1 - x)),
    "-log p at 0": ("binary_cross_entropy", 0.0, 1.0, lambda p: -jnp.maximum(jnp.log(p), -100)),
}
print(f"{'derivative of':22}{'PyTorch':>11}{'twin':>11}{'plain jnp':>11}")
for what, (name, x, truth, plain) in CORNERS.items():
    leaf = torch.tensor([x], requires_grad=True)
    getattr(torch_side, name)(leaf, torch.tensor([truth])).backward()
    twin = jax.grad(lambda x: getattr(jax_side, name)(x, jnp.array([truth])))(jnp.array([x]))[0]  # noqa: B023
    print(f"{what:22}{leaf.grad.item():11.4g}{float(twin):11.4g}{float(jax.grad(plain)(x)):11.4g}")

# %% [markdown]
# ## Labels that do not count
#
# `ignore_index` leaves labels out of the sum *and* of what the mean divides by. The more are ignored, the further the
# mean over all positions falls below.

# %%
long_scores, long_labels = rng.normal(size=(200, 3)).astype(np.float32), rng.integers(3, size=200)
counts = np.arange(0, 200, 10)
found = {"PyTorch": [], "JAX twin": [], "one-hot labels in optax": []}
for count in counts:
    some = np.where(np.arange(200) < count, -100, long_labels)
    found["PyTorch"].append(float(torch_side.cross_entropy(torch.tensor(long_scores), torch.tensor(some))))
    found["JAX twin"].append(float(jax_side.cross_entropy(jnp.asarray(long_scores), jnp.asarray(some))))
    hot = optax.softmax_cross_entropy(long_scores, jax.nn.one_hot(some, 3))
    found["one-hot labels in optax"].append(float(hot.mean()))
for (name, values), style in zip(found.items(), ("-", ".", "--"), strict=True):
    plt.plot(counts / 200, values, style, label=name)
plt.xlabel("share of labels that are ignored")
plt.ylabel("mean cross entropy")
plt.ylim(0)
plt.legend()
plt.show()

# %% [markdown]
# ## CTC
#
# Two sequences of seven steps, the second too short for its labels. PyTorch divides by the number of labels before its
# mean and says infinity where no alignment exists; optax returns one loss a sequence, and about $10^5$.

# %%
speech = np.asarray(jax.nn.log_softmax(rng.normal(size=(7, 2, 4)).astype(np.float32)))
spoken, steps, lengths = np.array([[1, 2, 3], [3, 3, 1]]), np.array([7, 3]), np.array([3, 3])
arguments = (speech, spoken, steps, lengths)
for name, side in (("PyTorch", torch_side), ("twin", jax_side)):
    losses = side.ctc_loss(*native(side, arguments), reduction="none")
    finite = side.ctc_loss(*native(side, arguments), zero_infinity=True)
    print(f"{name:8}", [f"{float(x):.4f}" for x in losses], f"mean without infinity {float(finite):.4f}")
padding = (np.arange(7) >= steps[:, None]).astype(np.float32)
other = optax.ctc_loss(jnp.moveaxis(speech, 0, 1), padding, spoken, np.zeros((2, 3), np.float32))
print("optax   ", [f"{float(x):.4f}" if x < 1e4 else "about 1e5" for x in other])

# %% [markdown]
# ## PyTorch's own samples
#
# PyTorch tests its modules on sample inputs that it ships. The counterparts run every one; here the outputs and
# gradients in float64 of the losses with at most five samples each, and of all others the number.

# %%
sys.path.insert(0, str(Path("../parity_tests") if Path("../parity_tests").exists() else Path("parity_tests")))
from module_counterparts import LOSSES
from module_samples import samples

warnings.simplefilter("ignore")
total = 0
print(f"{'':26}samples  agree")
for entry, counterpart in LOSSES.items():
    known = list(samples(entry))
    total += len(known)
    if len(known) > 5:
        print(f"{entry:26}{len(known):7}  in test_losses__samples.py")
        continue
    options = {"dtypes": ("float64",), "jit": False, "edge_cases": True}
    agree = sum(parity.compare(*sample.case(counterpart), **options).ok for sample in known)
    print(f"{entry:26}{len(known):7}{agree:7}")
print(f"{'together':26}{total:7}")

# %% [markdown]
# ## The proof
#
# One comparison: three settings at once, ignored labels among them. The whole proof is
# [`parity_tests/test_losses.py`](../parity_tests/test_losses.py), its traps
# [`parity_tests/test_losses__traps.py`](../parity_tests/test_losses__traps.py), the samples
# [`parity_tests/test_losses__samples.py`](../parity_tests/test_losses__samples.py).


# %%
def compared(side):
    def losses(scores, labels):
        return [
            side.cross_entropy(scores, labels, **settings)
            for settings in ({}, {"label_smoothing": 0.1}, {"reduction": "none"})
        ]

    return losses


report = parity.compare(compared(torch_side), compared(jax_side), (scores, half), name="cross_entropy")
for leaf in report.leaves:
    print(f"{leaf.quantity:9} {leaf.path:12} {leaf.dtype:8} {'agrees' if leaf.ok else 'differs'}")
