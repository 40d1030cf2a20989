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
# # Recurrent networks
#
# What do the gates of an LSTM do over time, and does JAX open them as PyTorch does: stacked, both ways, with padding?
#
# The code under study is imported: [`torch_impl/recurrent.py`](../torch_impl/recurrent.py) and
# [`jax_impl/recurrent.py`](../jax_impl/recurrent.py). `parity show recurrent.lstm_cell` prints a pair side by side.

# %%
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch

import parity
from jax_impl import recurrent as jax_side
from torch_impl import recurrent as torch_side

rng = np.random.default_rng(0)

# %% [markdown]
# ## How PyTorch packs the weights
#
# One matrix for the input and one for the state, the gates i, f, g, o one under the other, and two biases. linen holds
# a pair of small matrices a gate, transposed, and one bias: the sum. `layer_weights` cuts the one into the other.

# %%
hidden = 2
shapes = ((4 * hidden, 1), (4 * hidden, hidden), 4 * hidden, 4 * hidden)
packed = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
tree = jax_side.layer_weights(jax_side.CellWeights(*map(jnp.asarray, packed)), "lstm")["params"]["cell"]
for name, part in tree.items():
    print(name, {leaf: list(value.shape) for leaf, value in part.items()})

figure, axes = plt.subplots(1, 2, figsize=(6, 3.4))
for axis, values, title in zip(axes, packed[:2], ("weight_ih", "weight_hh"), strict=True):
    axis.imshow(values, cmap="coolwarm", vmin=-2, vmax=2)
    axis.set_title(title)
    axis.set_yticks(np.arange(4) * hidden + 0.5, ["i", "f", "g", "o"])
    axis.set_xticks([])
    axis.hlines(np.arange(1, 4) * hidden - 0.5, -0.5, values.shape[1] - 0.5, colors="black")
plt.tight_layout()
plt.show()

# %% [markdown]
# ## Gates that open
#
# A cell with weights by hand: a pulse at the input opens the input gate, and a pulse of the other sign closes the
# forget gate. What was let in is kept until it is forgotten. PyTorch as lines, JAX as points.

# %%
signal = np.zeros(24, np.float32)
signal[4], signal[16] = 1, -1
by_hand = (np.array([[8.0], [8.0], [3.0], [0.0]]), np.zeros((4, 1)), np.array([-4.0, 4.0, 0.0, 4.0]), np.zeros(4))
curves = {}
for side, native in ((torch_side, torch.tensor), (jax_side, jnp.asarray)):
    weights = side.CellWeights(*(native(part.astype(np.float32)) for part in by_hand))
    gates, state = side.gates(weights, "lstm"), (native(np.zeros(1, np.float32)), native(np.zeros(1, np.float32)))
    rows = []
    for value in signal:
        x = native(np.array([value]))
        sums = {letter: (x @ part.weight_ih.T + part.bias_ih).item() for letter, part in gates.items()}
        state = side.lstm_cell(x, state, weights)
        opened = [1 / (1 + np.exp(-sums[letter])) for letter in "ifo"]
        rows.append([*opened, float(state[1][0]), float(state[0][0])])
    curves[side] = np.array(rows)
names = ("input gate", "forget gate", "output gate", "cell", "output")
figure, axes = plt.subplots(5, 1, figsize=(7, 6.5), sharex=True)
for axis, name, line, points in zip(axes, names, curves[torch_side].T, curves[jax_side].T, strict=True):
    axis.plot(line, label="PyTorch")
    axis.plot(points, ".", label="JAX")
    axis.set_ylabel(name, rotation=0, ha="right", va="center")
axes[0].legend(loc="right")
axes[-1].set_xlabel("step: a pulse of 1 at 4, of -1 at 16")
plt.tight_layout()
plt.show()
print(f"largest difference below 1e-6: {abs(curves[torch_side] - curves[jax_side]).max() < 1e-6}")

# %% [markdown]
# ## Sequences of several lengths
#
# PyTorch packs padded sequences; the twin masks its scan. Beyond the end outputs are 0 in both, and the way back
# starts at the last step that counts. linen's `nn.RNN` goes on computing past `seq_lengths`: the last panel.

# %%
steps, lengths = rng.normal(size=(3, 8, 1)).astype(np.float32), np.array([8, 3, 5])
run = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
shown = {}
for name, side, native in (("PyTorch", torch_side, torch.tensor), ("JAX twin", jax_side, jnp.asarray)):
    weights = [side.CellWeights(*map(native, run))]
    out, _ = side.lstm(native(steps), weights, lengths=native(lengths), batch_first=True)
    shown[name] = np.asarray(out)[..., 0]
loaded = jax_side.layer_weights(jax_side.CellWeights(*map(jnp.asarray, run)), "lstm")
shown["linen's nn.RNN"] = jax_side.recurrent_layer("lstm", 1, hidden).apply(loaded, steps, seq_lengths=lengths)[..., 0]
figure, axes = plt.subplots(1, 3, figsize=(9, 2.2), sharey=True)
for axis, (name, values) in zip(axes, shown.items(), strict=True):
    axis.imshow(values, cmap="coolwarm", vmin=-1, vmax=1)
    axis.set_title(name)
    axis.set_xlabel("step")
    axis.set_yticks(range(3), [f"{length} steps" for length in lengths])
plt.tight_layout()
plt.show()
beyond = np.arange(8) >= lengths[:, None]
for name, values in shown.items():
    print(f"{name:15} largest output beyond the end {abs(np.asarray(values)[beyond]).max():.3f}")

# %% [markdown]
# ## The GRU's bias inside its reset gate
#
# $n = \tanh(W x + b_{in} + r (U h + b_{hn}))$: two biases that do not sum. Summed as an LSTM's are, outputs are off.

# %%
gru = [jnp.asarray(rng.normal(size=shape).astype(np.float32)) for shape in ((6, 1), (6, 2), 6, 6)]
right = jax_side.CellWeights(*gru)
wrong = right._replace(bias_ih=right.bias_ih + right.bias_hh, bias_hh=0 * right.bias_hh)
plt.plot(jax_side.gru(steps, [right], batch_first=True)[0][0, :, 0], label="as PyTorch has them")
plt.plot(jax_side.gru(steps, [wrong], batch_first=True)[0][0, :, 0], "--", label="biases summed")
plt.xlabel("step")
plt.ylabel("output")
plt.legend()
plt.show()

# %% [markdown]
# ## The proof
#
# One comparison: two ways, with lengths. The whole proof is
# [`parity_tests/test_recurrent.py`](../parity_tests/test_recurrent.py), its traps
# [`parity_tests/test_recurrent__traps.py`](../parity_tests/test_recurrent__traps.py), PyTorch's own 167 samples
# [`parity_tests/test_recurrent__samples.py`](../parity_tests/test_recurrent__samples.py).


# %%
def compared(side):
    def outputs(x, weights, lengths):
        runs = [side.CellWeights(*part) for part in weights]
        return side.lstm(x, runs, bidirectional=True, batch_first=True, lengths=lengths)[0]

    return outputs


inputs = (steps, [run, packed], lengths)
report = parity.compare(compared(torch_side), compared(jax_side), inputs, name="lstm", dtypes=("float64",))
for leaf in report.leaves:
    print(f"{leaf.quantity:9} {leaf.path:20} {leaf.dtype:8} {'agrees' if leaf.ok else 'differs'}")
