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
# # Modules made of modules
#
# A model is a tree of layers. What are its parameters called on either side, where do they live, and how do they get
# across?
#
# The code under study is imported: [`torch_impl/sequential.py`](../torch_impl/sequential.py) and
# [`jax_impl/sequential.py`](../jax_impl/sequential.py).

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import torch

import parity
from jax_impl import sequential as jax_side
from parity.bridge import links
from torch_impl import sequential as torch_side

x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
torch.manual_seed(0)


def init(port):
    return port.init(jax.random.key(0), jnp.zeros((1, 3)))["params"]


# %% [markdown]
# ## One sequence, two ways to hold its parameters
#
# `nn.Sequential` of PyTorch owns its tensors, and `named_parameters` walks over them. The linen module owns nothing;
# `init` makes a tree of arrays, which you keep.

# %%
module, port = torch_side.perceptron((3, 5, 2)), jax_side.perceptron((3, 5, 2))
print("PyTorch")
for name, shape, size in torch_side.parameter_table(dict(module.named_parameters())):
    print(f"  {name:16} {shape!s:8} {size:4}")
print("  total", torch_side.parameter_count(dict(module.named_parameters())))
print("JAX")
for name, shape, size in jax_side.parameter_table(init(port)):
    print(f"  {name:16} {shape!s:8} {size:4}")
print("  total", jax_side.parameter_count(init(port)))

# %% [markdown]
# Two things differ beside the words. The shapes of a weight and a kernel are each other's reverse. And JAX sorts the
# leaves of a tree by name, so `bias` comes before `kernel`, where PyTorch keeps the order of definition.
#
# Both count the activations: the second layer is number 2.
#
# ## Every way to hold layers, side by side
#
# The same for a list, a dict, a loop that names its layers, a sequence in a sequence, a layer that is passed twice, and
# a weight that is used twice. Each line is one tensor and the leaf that holds the same numbers.

# %%
models = {
    "a sequence in a sequence": lambda side: side.autoencoder((3, 5, 2)),
    "a list: ModuleList, setup": lambda side: side.ListPerceptron((3, 5, 2)),
    "named by a loop: add_module, @compact": lambda side: side.CompactPerceptron((3, 5, 2)),
    "a dict: ModuleDict, setup": lambda side: side.BranchedPerceptron((3, 5), {"value": 1, "policy": 4}),
    "one layer passed three times": lambda side: side.tied_perceptron(3, 3),
    "one weight used twice": lambda side: side.TiedAutoencoder((3, 5)),
}
for title, make in models.items():
    module, port = make(torch_side), make(jax_side)
    shapes = {row.name: row.shape for row in jax_side.parameter_table(init(port))}
    print(title)
    for link in links("notebook", (module, port), (x,)):
        path = "/".join(link.linen[1:])
        tensor = module.state_dict()[link.torch]
        print(f"  {link.torch:20} {tuple(tensor.shape)!s:8} | {path:26} {shapes[path]}")

# %% [markdown]
# `state_dict` names a shared tensor as often as it is used. Loading it goes name by name, and the last one wins, so
# `parity.to_torch` writes it under each name.

# %%
tied = torch_side.tied_perceptron(3, 3)
print("named_parameters:", [name for name, _ in tied.named_parameters()])
print("state_dict:      ", list(tied.state_dict()))
print(
    "counted:", torch_side.parameter_count(dict(tied.named_parameters())), torch_side.parameter_count(tied.state_dict())
)

# %% [markdown]
# ## More than ten layers
#
# As a string, Dense_10 comes before Dense_2. A port that zips the leaves of the tree to the tensors of the module is
# right up to ten layers, and mixes them up from there. All shapes are equal, so nothing complains.

# %%
depths, gaps = range(1, 15), {"zipped": [], "bridged": []}
for depth in depths:
    deep, deep_port = (side.CompactPerceptron([3] * (depth + 1)) for side in (torch_side, jax_side))
    truth = deep(torch.from_numpy(x)).detach().numpy()
    tensors = [p.detach().numpy() for p in deep.parameters()]
    weights, biases = iter(tensors[::2]), iter(tensors[1::2])
    zipped = jax.tree.map(lambda leaf, w=weights, b=biases: next(w).T if leaf.ndim == 2 else next(b), init(deep_port))
    for name, params in (("zipped", zipped), ("bridged", parity.to_linen(deep, deep_port, (x,))["params"])):
        gaps[name].append(np.abs(deep_port.apply({"params": params}, x) - truth).max())

print(
    "JAX's order:",
    ", ".join(list(dict.fromkeys(path[0].key for path, _ in jax.tree.leaves_with_path(zipped)))[:6]),
    "...",
)
plt.figure(figsize=(7, 3.2), layout="constrained")
plt.plot(depths, gaps["zipped"], "--x", color="tab:red", label="leaves zipped to tensors")
plt.plot(depths, gaps["bridged"], "-o", color="tab:blue", label="parity.to_linen")
plt.xlabel("layers")
plt.ylabel("largest gap of an output")
plt.legend()
plt.show()

# %% [markdown]
# ## One layer, scanned
#
# Equal layers need not be compiled one by one. `nn.scan` compiles one, and runs it over leaves that have an axis of
# layers in front. `stack_layers` makes such leaves of separate layers, on either side.

# %%
module, port = torch_side.ScannedPerceptron(3, 12), jax_side.ScannedPerceptron(3, 12)
print("PyTorch: ", len(list(module.parameters())), "tensors, such as", tuple(module.layers[0].weight.shape))
print("stacked: ", {name: tuple(tensor.shape) for name, tensor in torch_side.stack_layers(module.layers).items()})
print("nn.scan: ", {row.name: row.shape for row in jax_side.parameter_table(init(port))})
try:
    parity.to_linen(module, port, (x,))
except parity.InputError as error:
    print("bridge:  ", str(error).splitlines()[0])

stacked = {name: tensor.detach().numpy() for name, tensor in torch_side.stack_layers(module.layers).items()}
leaves = {"layers": {"kernel": stacked["weight"].transpose(0, 2, 1), "bias": stacked["bias"]}}
gap = np.abs(port.apply({"params": leaves}, x) - module(torch.from_numpy(x)).detach().numpy()).max()
print("same outputs within 1e-6:", bool(gap < 1e-6))

# %% [markdown]
# ## The proof
#
# Outputs and every gradient, with the weights carried across; and the weights there and back, bit for bit. The whole
# proof is [`parity_tests/test_sequential.py`](../parity_tests/test_sequential.py).

# %%
for title, make in models.items():
    module, port = make(torch_side), make(jax_side)
    report = parity.compare_modules(module, port, (x,))
    other = make(torch_side)
    other.load_state_dict(parity.to_torch(parity.to_linen(module, port, (x,)), other, port, (x,)))
    exact = all(torch.equal(other.state_dict()[name], tensor) for name, tensor in module.state_dict().items())
    gradients = sum(leaf.quantity == "gradient" and leaf.dtype == "float64" for leaf in report.leaves)
    print(f"{title:38} {gradients:2} gradients  all agree: {report.ok}  there and back: {exact}")
