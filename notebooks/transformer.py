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
# # Transformers
#
# Which numbers does a layer add, where do the norms stand, and does a stack in JAX learn what PyTorch's learns?
#
# The code under study is imported: [`torch_impl/transformer.py`](../torch_impl/transformer.py) and
# [`jax_impl/transformer.py`](../jax_impl/transformer.py). `parity show transformer.encoder_layer` prints a pair side by
# side.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.func import functional_call, grad
from torch.nn import functional

import parity
from jax_impl import transformer as jax_side
from torch_impl import transformer as torch_side

rng = np.random.default_rng(0)

# %% [markdown]
# ## Positions
#
# Sines and cosines take turns, and each pair turns more slowly than the one before. Both tables are equal bit for bit:
# they are computed in float64 and rounded once.

# %%
tables = [np.asarray(side.sinusoidal_positions(40, 32)) for side in (torch_side, jax_side)]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
axes[0].imshow(tables[1].T, aspect="auto", cmap="coolwarm")
axes[0].set(xlabel="position", ylabel="feature", title="JAX's table")
for feature in (0, 8, 16):
    (line,) = axes[1].plot(tables[0][:, feature], label=f"PyTorch, feature {feature}")
    axes[1].plot(tables[1][:, feature], ".", color=line.get_color(), label=f"JAX, feature {feature}")
axes[1].set(xlabel="position")
axes[1].legend(fontsize=7)
plt.tight_layout()
plt.show()
print("equal bit for bit:", np.array_equal(*tables))

# %% [markdown]
# ## Where the norms stand
#
# One set of weights fits a post-norm layer and a pre-norm layer alike, and nothing warns of the wrong one. Stacked they
# part at once: pre-norm sums grow with the depth, and post-norm layers come out of a norm each time. A last norm is up
# to whoever builds a pre-norm stack.

# %%
depth, width, heads = 8, 16, 4
x = rng.normal(size=(1, 12, width)).astype(np.float32)
spread = {}
for norm_first in (False, True):
    torch.manual_seed(0)
    options = {"dim_feedforward": 32, "dropout": 0.0, "norm_first": norm_first}
    stack = torch_side.encoder(width, heads, depth, **options)
    twin = jax_side.encoder(width, heads, depth, **options)
    named = {name: jnp.asarray(part.detach().numpy()) for name, part in stack.named_parameters()}
    variables = jax_side.transformer_weights(named, heads)
    hidden, ours, theirs = torch.tensor(x), [], []
    for layer in stack.layers:
        hidden = layer(hidden)
        ours.append(float(hidden.detach().std()))
    _, state = twin.apply(variables, x, capture_intermediates=lambda module, _: "EncoderLayer" in type(module).__name__)
    found = state["intermediates"]
    theirs = [float(found[f"layers_{number}"]["__call__"][0].std(ddof=1)) for number in range(depth)]
    spread[norm_first] = ours, theirs
    name = "norm first" if norm_first else "norm last"
    (line,) = plt.plot(range(1, depth + 1), ours, label=f"PyTorch, {name}")
    plt.plot(range(1, depth + 1), theirs, "o", color=line.get_color(), label=f"JAX, {name}")
plt.xlabel("layer")
plt.ylabel("standard deviation of what comes out")
plt.legend()
plt.show()
for norm_first, (ours, theirs) in spread.items():
    print(f"norm first {norm_first!s:5}  PyTorch {ours[-1]:.4f}  JAX {theirs[-1]:.4f}")

# %% [markdown]
# ## What a mask hides, and where PyTorch itself disagrees
#
# In every mask of these layers true hides, where linen's attention takes true for what is shown. A sequence that is
# nothing but padding sees nothing: attention adds its bias alone. In evaluation without gradients PyTorch runs another
# kernel, and that gives NaN; with nested tensors padded steps are 0 and numbers elsewhere.

# %%
torch.manual_seed(1)
layer = torch_side.encoder_layer(width, heads, dim_feedforward=32, dropout=0.0)
named = {name: jnp.asarray(part.detach().numpy()) for name, part in layer.named_parameters()}
twin = jax_side.encoder_layer(width, heads, dim_feedforward=32, dropout=0.0)
padding = np.ones((1, 12), bool)
slow = layer(torch.tensor(x), src_key_padding_mask=torch.tensor(padding))[0, 0, :3]
with torch.no_grad():
    fast = layer.eval()(torch.tensor(x), src_key_padding_mask=torch.tensor(padding))[0, 0, :3]
jax_out = twin.apply(jax_side.transformer_weights(named, heads), x, src_key_padding_mask=padding)[0, 0, :3]
print("PyTorch, with gradients   ", [f"{number:.4f}" for number in slow])
print("JAX                       ", [f"{number:.4f}" for number in jax_out])
print("PyTorch, without gradients", fast.tolist())

# %% [markdown]
# ## A small language model
#
# Two layers under a causal mask, and one matrix for embedding and output. Both learn the same sentence by gradient
# descent from the same weights.

# %%
text = "a rose is a rose is a rose is a rose "
letters = sorted(set(text))
tokens = np.array([[letters.index(letter) for letter in text]])
torch.manual_seed(2)
model = torch_side.LanguageModel(len(letters), width, heads, 2)
twin = jax_side.LanguageModel(len(letters), width, heads, 2)
weights = {name: 0.5 * part.detach() for name, part in model.named_parameters()}
variables = jax_side.transformer_weights({name: jnp.asarray(part.numpy()) for name, part in weights.items()}, heads)


def torch_loss(weights):
    logits = functional_call(model, weights, (torch.tensor(tokens[:, :-1]),))
    return functional.cross_entropy(logits.flatten(0, 1), torch.tensor(tokens[:, 1:]).flatten())


def jax_loss(variables):
    logits = twin.apply(variables, jnp.asarray(tokens[:, :-1]))
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.asarray(tokens[:, 1:, None]), axis=-1)
    return -picked.mean()


jax_step = jax.jit(jax.value_and_grad(jax_loss))
losses = {"PyTorch": [], "JAX": []}
for _ in range(60):
    losses["PyTorch"].append(float(torch_loss(weights)))
    slopes = grad(torch_loss)(weights)
    weights = {name: part - 0.05 * slopes[name] for name, part in weights.items()}
    loss, slopes = jax_step(variables)
    losses["JAX"].append(float(loss))
    variables = jax.tree.map(lambda part, slope: part - 0.05 * slope, variables, slopes)
plt.plot(losses["PyTorch"], label="PyTorch")
plt.plot(losses["JAX"], ".", label="JAX")
plt.xlabel("step")
plt.ylabel("cross entropy")
plt.legend()
plt.show()
print("step  PyTorch     JAX")
for step in (0, 1, 10, 59):
    print(f"{step:4}  {losses['PyTorch'][step]:.4f}  {losses['JAX'][step]:.4f}")

# %% [markdown]
# ## The proof
#
# The whole proof is [`parity_tests/test_transformer.py`](../parity_tests/test_transformer.py), its traps
# [`parity_tests/test_transformer__traps.py`](../parity_tests/test_transformer__traps.py), PyTorch's own 279 samples
# [`parity_tests/test_transformer__samples.py`](../parity_tests/test_transformer__samples.py).

# %%
small = torch_side.encoder_layer(6, 2, dim_feedforward=5, dropout=0.0)
twin = jax_side.encoder_layer(6, 2, dim_feedforward=5, dropout=0.0)
weights = {name: part.detach().numpy() for name, part in small.named_parameters()}
report = parity.compare(
    lambda weights, x: functional_call(small, weights, (x,)),
    lambda weights, x: twin.apply(jax_side.transformer_weights(weights, 2), x),
    {"weights": weights, "x": rng.normal(size=(2, 4, 6))},
    name="encoder_layer",
    dtypes=("float64",),
)
for leaf in report.leaves:
    print(f"{leaf.quantity:9} {leaf.path:42} {'agrees' if leaf.ok else 'differs'}")
