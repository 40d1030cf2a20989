r"""Modules made of modules: what their parameters are called, what shapes they have, and how many there are.

Every perceptron here is $W_n \tanh(\dots \tanh(W_1 x + b_1) \dots) + b_n$; they differ in how the layers are held.

Differs from its twin: a module owns its parameters. They have dotted names, "layers.10.weight", and keep the order in
which they were defined.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from torch_impl._sequential_checks import check_depth, check_widths

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


def parameter_table(parameters: Mapping[str, Tensor]) -> list[Parameter]:
    """List the parameters of a model.

    Args:
        parameters: the parameters by name, as the framework hands them out.

    Returns:
        One entry a parameter.

    Differs from its twin: takes ``dict(model.named_parameters())``, which names a shared tensor once, or
    ``model.state_dict()``, which names it wherever it is used and has the buffers too. The order stays.
    """
    return [Parameter(name, tuple(tensor.shape), tensor.numel()) for name, tensor in parameters.items()]


def parameter_count(parameters: Mapping[str, Tensor]) -> int:
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

    Differs from its twin: parameters are "0.weight", "0.bias", "2.weight"; numbers without weights are the activations.
    """
    check_widths("perceptron", widths)
    parts: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        parts += [nn.Linear(fan_in, fan_out), nn.Tanh()]
    return nn.Sequential(*parts[:-1])


def autoencoder(widths: Sequence[int]) -> nn.Sequential:
    """Build a sequence of two sequences: a perceptron down to the last width, a tanh, and one back up to the first.

    Args:
        widths: of the input, of each hidden layer of the encoder and of the code.

    Returns:
        The framework's own container.

    Raises:
        ValueError: if there are fewer than two widths, or one is below 1.

    Differs from its twin: nesting shows as "0.2.weight".
    """
    check_widths("autoencoder", widths)
    return nn.Sequential(perceptron(widths), nn.Tanh(), perceptron(widths[::-1]))


def tied_perceptron(width: int, depth: int) -> nn.Sequential:
    """Build a perceptron that passes ``depth`` times through one and the same layer.

    Args:
        width: of the input, the output and all between.
        depth: how many times the layer is passed.

    Returns:
        The framework's own container, with the parameters of a single layer.

    Raises:
        ValueError: if ``width`` or ``depth`` is below 1.

    Differs from its twin: ``state_dict`` lists the shared tensors under each name, "0.weight" and "2.weight".
    """
    check_depth("tied_perceptron", width, depth)
    layer = nn.Linear(width, width)
    return nn.Sequential(*[part for _ in range(depth) for part in (layer, nn.Tanh())][:-1])


class ListPerceptron(nn.Module):
    """A perceptron whose layers stand in a list.

    Differs from its twin: the list is a ``nn.ModuleList``: a plain list would hide the layers from ``parameters()``.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        check_widths("ListPerceptron", widths)
        self.layers = nn.ModuleList(nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths))

    def forward(self, x: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch outputs"]:
        *hidden, output = self.layers
        for layer in hidden:
            x = torch.tanh(layer(x))
        return output(x)


class CompactPerceptron(nn.Module):
    """A perceptron whose layers are named Dense_0, Dense_1 and so on by the loop that makes them.

    Differs from its twin: ``add_module`` gives the names in ``__init__``. There is no compact form that defines a layer
    where it is called; ``nn.LazyLinear`` comes nearest, which reads its input's width from the first call.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        check_widths("CompactPerceptron", widths)
        for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
            self.add_module(f"Dense_{i}", nn.Linear(fan_in, fan_out))

    def forward(self, x: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch outputs"]:
        *hidden, output = self.children()
        for layer in hidden:
            x = torch.tanh(layer(x))
        return output(x)


class BranchedPerceptron(nn.Module):
    """One hidden layer, and on it several outputs by name.

    Differs from its twin: the outputs stand in a ``nn.ModuleDict``, "heads.value.weight".
    """

    def __init__(self, widths: Sequence[int], heads: Mapping[str, int]) -> None:
        super().__init__()
        check_widths("BranchedPerceptron", widths)
        self.trunk = perceptron(widths)
        self.heads = nn.ModuleDict({name: nn.Linear(widths[-1], width) for name, width in heads.items()})

    def forward(self, x: Float[Tensor, "*batch features"]) -> dict[str, Float[Tensor, "*batch _"]]:
        hidden = torch.tanh(self.trunk(x))
        return {name: head(hidden) for name, head in self.heads.items()}


class TiedAutoencoder(nn.Module):
    r"""An autoencoder whose decoder is its encoder's weight transposed: $W^\top \tanh(W x + b) + c$.

    Differs from its twin: the weight is an attribute, free to be used twice.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        check_widths("TiedAutoencoder", widths, 2)
        features, code = widths
        self.encoder = nn.Linear(features, code)
        self.decoder_bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch features"]:
        return functional.linear(torch.tanh(self.encoder(x)), self.encoder.weight.T, self.decoder_bias)


class ScannedPerceptron(nn.Module):
    r"""Layers of one width, each followed by a tanh, that a compiler need see only once.

    Differs from its twin: a list of layers and a loop; `stack_layers` makes of them what the twin holds.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        check_depth("ScannedPerceptron", width, depth)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x


def stack_layers(layers: Iterable[nn.Module]) -> dict[str, Tensor]:
    """Stack the parameters of equal layers along a new first axis, one row a layer.

    Args:
        layers: in the order of their call.

    Returns:
        The parameters of one layer, each with the axis in front.

    Differs from its twin: takes modules; the result is for ``torch.func.functional_call``, with ``vmap`` or a loop.
    """
    return torch.func.stack_module_state(list(layers))[0]
