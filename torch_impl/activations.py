"""Activations: every one of ``torch.nn``, value and derivative alike, also at the kinks and at infinity.

The text: "PyTorch implements a number of activation functions including but not limited to
`ReLU`, `Tanh`, and `Sigmoid`."

Differs from its twin: ``torch.nn`` also has each as a module, ``torch.nn.ReLU()``, to be instantiated.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from torch_impl._activations_piecewise import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    prelu,
    relu,
    relu6,
    rrelu,
    softshrink,
    threshold,
)
from torch_impl._activations_smooth import (
    celu,
    elu,
    gelu,
    log_sigmoid,
    mish,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanh,
    tanhshrink,
)

__all__ = [
    "relu",
    "relu6",
    "leaky_relu",
    "prelu",
    "rrelu",
    "hardtanh",
    "hardshrink",
    "softshrink",
    "hardsigmoid",
    "hardswish",
    "threshold",
    "sigmoid",
    "tanh",
    "tanhshrink",
    "softsign",
    "log_sigmoid",
    "softplus",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "softmax",
    "softmin",
    "softmax2d",
    "log_softmax",
    "glu",
]


def softmax(x: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    r"""Turn scores into shares that sum to 1 along one axis: $e^{x_i} / \sum_j e^{x_j}$.

    Differs from its twin: the axis is named ``dim``.
    """
    return functional.softmax(x, dim)


def softmin(x: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    r"""Give the largest share along one axis to the smallest score: $e^{-x_i} / \sum_j e^{-x_j}$.

    Differs from its twin: the axis is named ``dim``.
    """
    return functional.softmin(x, dim)


def softmax2d(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Turn the channels of every pixel into shares that sum to 1.

    Args:
        x: scores as (channels, height, width), with or without a batch in front.

    Returns:
        The softmax over the channels.

    Raises:
        ValueError: if ``x`` does not have 3 or 4 axes.
    """
    if x.ndim not in (3, 4):
        raise ValueError(f"softmax2d: x must have 3 or 4 axes, got {x.ndim}.")
    return functional.softmax(x, -3)


def log_softmax(x: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    r"""Take the logarithm of the softmax along one axis, $x_i - \log \sum_j e^{x_j}$, without overflow.

    Differs from its twin: the axis is named ``dim``.
    """
    return functional.log_softmax(x, dim)


def glu(x: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*half"]:
    r"""Gate one half of ``x`` with the other, split along one axis.

    $a\,\sigma(b)$ with $x = [a, b]$ (Dauphin et al. 2016, arXiv:1612.08083, eq. 1).

    Returns:
        Values half as long as ``x`` along the split axis.

    Raises:
        ValueError: if the length of that axis is odd.

    Differs from its twin: the axis is named ``dim``.
    """
    if x.shape[dim] % 2:
        raise ValueError(f"glu: x must have an even length along the split axis, got {x.shape[dim]}.")
    return functional.glu(x, dim)
