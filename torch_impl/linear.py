r"""The linear layer: $y = x W^\top + b$, and the law of its first weights.

Differs from its twin: ``nn.Linear`` owns its weight, of shape (out, in), and is born with drawn values. ``nn.Dense``
owns nothing; its kernel has shape (in, out) and comes from ``init``, by another law unless it is told this one.
"""

import math
from collections.abc import Callable
from functools import partial

from jaxtyping import Float
from torch import Generator, Tensor, nn

from torch_impl._checks import check_shape

__all__ = ["linear_transform", "bilinear_transform", "weight_law", "bias_law", "linear_layer"]


def linear_transform(
    x: Float[Tensor, "*batch in_features"],
    weight: Float[Tensor, "out_features in_features"],
    bias: Float[Tensor, " out_features"] | None = None,
) -> Float[Tensor, "*batch out_features"]:
    r"""Apply an affine map to the last axis.

    $y = x W^\top + b$

    Args:
        x: activations.
        weight: $W$ in torch's layout, one row an output; a Flax kernel is its transpose.
        bias: $b$; None leaves it out.

    Returns:
        $y$.

    Raises:
        ValueError: if ``weight`` does not match the last axis of ``x``, or ``bias`` the rows of ``weight``.
    """
    check_shape("linear_transform", "weight", weight.shape, (weight.shape[0], x.shape[-1]), "the last axis of x last")
    if bias is not None:
        check_shape("linear_transform", "bias", bias.shape, weight.shape[:1], "one value a row of weight")
    return nn.functional.linear(x, weight, bias)


def bilinear_transform(
    x1: Float[Tensor, "*batch in1_features"],
    x2: Float[Tensor, "*batch in2_features"],
    weight: Float[Tensor, "out_features in1_features in2_features"],
    bias: Float[Tensor, " out_features"] | None = None,
) -> Float[Tensor, "*batch out_features"]:
    r"""Apply a map that is linear in each of two inputs.

    $y_k = x_1^\top W_k \, x_2 + b_k$

    Args:
        x1: activations.
        x2: activations.
        weight: $W$, one matrix an output.
        bias: $b$; None leaves it out.

    Returns:
        $y$.

    Raises:
        ValueError: if ``weight`` does not match the last axes of ``x1`` and ``x2``, or ``bias`` those of ``weight``.
    """
    expected = (weight.shape[0], x1.shape[-1], x2.shape[-1])
    check_shape("bilinear_transform", "weight", weight.shape, expected, "the last axes of x1 and x2 last")
    if bias is not None:
        check_shape("bilinear_transform", "bias", bias.shape, weight.shape[:1], "one value a matrix of weight")
    return nn.functional.bilinear(x1, x2, weight, bias)


def weight_law() -> Callable[..., Tensor]:
    r"""Return the initializer of ``nn.Linear``'s weight: $U(-1/\sqrt{in}, 1/\sqrt{in})$.

    PyTorch writes it as He's uniform law (arXiv:1502.01852) with the gain of a leaky ReLU of slope $\sqrt5$. The
    variance is $1/(3\,in)$.

    Returns:
        An initializer in the framework's own form.

    Differs from its twin: it fills a tensor of shape (out, in) in place: ``law(weight, generator=generator)``.
    """
    return partial(nn.init.kaiming_uniform_, a=math.sqrt(5))


def bias_law(in_features: int) -> Callable[..., Tensor]:
    r"""Return the initializer of ``nn.Linear``'s bias: $U(-1/\sqrt{in}, 1/\sqrt{in})$.

    Args:
        in_features: $in$, which the shape of a bias does not tell; at least 1.

    Returns:
        An initializer in the framework's own form.

    Raises:
        ValueError: if ``in_features`` is below 1.

    Differs from its twin: it fills a tensor in place: ``law(bias, generator=generator)``.
    """
    if in_features < 1:
        raise ValueError(f"bias_law: in_features must be at least 1, got {in_features}.")
    bound = 1 / math.sqrt(in_features)
    return partial(nn.init.uniform_, a=-bound, b=bound)


def linear_layer(
    in_features: int, out_features: int, *, bias: bool = True, generator: Generator | None = None
) -> nn.Linear:
    """Build a linear layer that starts by PyTorch's law in either framework.

    Args:
        in_features: size of the last axis of the input.
        out_features: size of the last axis of the output.
        bias: whether to add one.

    Returns:
        The framework's own layer.

    Differs from its twin: the layer holds its weights, so ``generator`` draws them here (None: the global one, as
    ``nn.Linear`` does); in JAX ``init`` draws them from a key.
    """
    # From the meta device: nn.Linear's own draw would advance the global generator.
    layer = nn.Linear(in_features, out_features, bias=bias, device="meta").to_empty(device="cpu")
    weight_law()(layer.weight, generator=generator)
    if bias:
        bias_law(in_features)(layer.bias, generator=generator)
    return layer
