r"""Modules made of modules: what their parameters are called, what shapes they have, and how many there are.

Every perceptron here is $W_n \tanh(\dots \tanh(W_1 x + b_1) \dots) + b_n$; they differ in how the layers are held.

Differs from its twin: a module only describes; ``init`` makes a tree of parameters, "layers_10/kernel". JAX sorts its
keys as strings, layers_10 before layers_2. The first width is not used: a Dense layer reads it from its input.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import jax
from flax import linen as nn
from jax import Array
from jax import numpy as jnp
from jaxtyping import Float

from jax_impl._sequential_checks import check_depth, check_widths

__all__ = [
    "Parameter",
    "parameter_table",
    "parameter_count",
    "perceptron",
    "autoencoder",
    "tied_perceptron",
    "ListPerceptron",
    "CompactPerceptron",
    "BranchedPerceptron",
    "TiedAutoencoder",
    "ScannedPerceptron",
    "stack_layers",
]


class Parameter(NamedTuple):
    """One line of a table of parameters.

    Attributes:
        name: where it stands in the model.
        shape: its axes, () for a scalar.
        size: how many numbers it holds.
    """

    name: str
    shape: tuple[int, ...]
    size: int


def parameter_table(parameters: Mapping[str, Any]) -> list[Parameter]:
    """List the parameters of a model.

    Args:
        parameters: the parameters by name, as the framework hands them out.

    Returns:
        One entry a parameter.

    Differs from its twin: takes ``model.init(key, x)["params"]``, or its shapes from ``jax.eval_shape``. Sorted
    by name with the numbers counted, layers_2 before layers_10.
    """
    leaves = jax.tree.leaves_with_path(parameters)
    shapes = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape for path, leaf in leaves}
    return [Parameter(name, shapes[name], prod(shapes[name])) for name in sorted(shapes, key=_natural)]


def parameter_count(parameters: Mapping[str, Any]) -> int:
    """Count the numbers that a model learns.

    Args:
        parameters: as for `parameter_table`.

    Returns:
        The sum of all sizes.
    """
    return sum(parameter.size for parameter in parameter_table(parameters))


def perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Build a perceptron as one sequence of layers and activations.

    Args:
        widths: of the input, of each hidden layer and of the output.

    Returns:
        The framework's own container.

    Raises:
        ValueError: if there are fewer than two widths, or one is below 1.

    Differs from its twin: parameters are "layers_0/kernel", "layers_2/kernel"; activations are functions and count.
    """
    check_widths("perceptron", widths)
    parts: list[Callable[..., Any]] = []
    for fan_out in widths[1:]:
        parts += [nn.Dense(fan_out), nn.tanh]
    return nn.Sequential(parts[:-1])


def autoencoder(widths: Sequence[int]) -> nn.Sequential:
    """Build a sequence of two sequences: a perceptron down to the last width, a tanh, and one back up to the first.

    Args:
        widths: of the input, of each hidden layer of the encoder and of the code.

    Returns:
        The framework's own container.

    Raises:
        ValueError: if there are fewer than two widths, or one is below 1.

    Differs from its twin: nesting shows as "layers_0/layers_2/kernel".
    """
    check_widths("autoencoder", widths)
    return nn.Sequential([perceptron(widths), nn.tanh, perceptron(widths[::-1])])


def tied_perceptron(width: int, depth: int) -> nn.Sequential:
    """Build a perceptron that passes ``depth`` times through one and the same layer.

    Args:
        width: of the input, the output and all between.
        depth: how many times the layer is passed.

    Returns:
        The framework's own container, with the parameters of a single layer.

    Raises:
        ValueError: if ``width`` or ``depth`` is below 1.

    Differs from its twin: the tree has the shared leaves once, "layers_0/kernel".
    """
    check_depth("tied_perceptron", width, depth)
    layer = nn.Dense(width)
    return nn.Sequential([part for _ in range(depth) for part in (layer, nn.tanh)][:-1])


class ListPerceptron(nn.Module):
    """A perceptron whose layers stand in a list.

    Differs from its twin: ``setup`` makes a plain list, which linen finds: the names are layers_0, layers_1.
    """

    widths: Sequence[int]

    def setup(self) -> None:
        check_widths("ListPerceptron", self.widths)
        self.layers = [nn.Dense(fan_out) for fan_out in self.widths[1:]]

    def __call__(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch outputs"]:
        *hidden, output = self.layers
        for layer in hidden:
            x = jnp.tanh(layer(x))
        return output(x)


class CompactPerceptron(nn.Module):
    """A perceptron whose layers are named Dense_0, Dense_1 and so on by the loop that makes them.

    Differs from its twin: ``@nn.compact`` defines a layer where it is called, and numbers each class in that order. One
    put in between moves all later names, and with them the weights that a key draws.
    """

    widths: Sequence[int]

    @nn.compact
    def __call__(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch outputs"]:
        check_widths("CompactPerceptron", self.widths)
        *hidden, output = self.widths[1:]
        for fan_out in hidden:
            x = jnp.tanh(nn.Dense(fan_out)(x))
        return nn.Dense(output)(x)


class BranchedPerceptron(nn.Module):
    """One hidden layer, and on it several outputs by name.

    Differs from its twin: the outputs stand in a plain dict, "heads_value/kernel".
    """

    widths: Sequence[int]
    heads: Mapping[str, int]

    def setup(self) -> None:
        check_widths("BranchedPerceptron", self.widths)
        self.trunk = perceptron(self.widths)
        self.branches = {name: nn.Dense(width, name=f"heads_{name}") for name, width in self.heads.items()}

    def __call__(self, x: Float[Array, "*batch features"]) -> dict[str, Float[Array, "*batch _"]]:
        hidden = jnp.tanh(self.trunk(x))
        return {name: head(hidden) for name, head in self.branches.items()}


class TiedAutoencoder(nn.Module):
    r"""An autoencoder whose decoder is its encoder's weight transposed: $W^\top \tanh(W x + b) + c$.

    Differs from its twin: the kernel is the layer's own; after its first call ``variables`` of the layer lend it.
    """

    widths: Sequence[int]

    @nn.compact
    def __call__(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch features"]:
        check_widths("TiedAutoencoder", self.widths, 2)
        encoder = nn.Dense(self.widths[1], name="encoder")
        hidden = jnp.tanh(encoder(x))
        decoder_bias = self.param("decoder_bias", nn.initializers.zeros_init(), self.widths[:1])
        return hidden @ encoder.variables["params"]["kernel"].T + decoder_bias


class ScannedPerceptron(nn.Module):
    r"""Layers of one width, each followed by a tanh, that a compiler need see only once.

    Differs from its twin: ``nn.scan`` runs one layer over leaves with an axis of layers in front: "layers/kernel" has
    shape (depth, width, width). `stack_layers` makes them of separate layers.
    """

    width: int
    depth: int

    @nn.compact
    def __call__(self, x: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
        check_depth("ScannedPerceptron", self.width, self.depth)

        def step(layer: nn.Dense, x: Array, _: None) -> tuple[Array, None]:
            return jnp.tanh(layer(x)), None

        # split_rngs: a key for each layer; with one for all, all would start equal.
        scan = nn.scan(step, variable_axes={"params": 0}, split_rngs={"params": True}, length=self.depth)
        return scan(nn.Dense(self.width, name="layers"), x, None)[0]


def stack_layers(layers: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """Stack the parameters of equal layers along a new first axis, one row a layer.

    Args:
        layers: in the order of their call.

    Returns:
        The parameters of one layer, each with the axis in front.

    Differs from its twin: takes the layers' trees; the result is for ``nn.scan``, ``lax.scan`` or ``vmap``.
    """
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
