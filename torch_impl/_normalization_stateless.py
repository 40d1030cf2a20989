"""Norms without a memory: layer, group and RMS norm, and local response normalisation."""

from jaxtyping import Float
from torch import Tensor, nn

from torch_impl._normalization_running import _without_bias

__all__ = ["layer_norm_layer", "group_norm_layer", "rms_norm_layer", "local_response_norm"]


def layer_norm_layer(
    normalized_shape: tuple[int, ...], *, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True
) -> nn.LayerNorm:
    """Build a layer norm over the last axes, with PyTorch's epsilon of 1e-5.

    Args:
        normalized_shape: the sizes of the axes to normalise over.
        eps: what is added to the variance.
        elementwise_affine: whether to learn a weight for each element, and
        bias: a bias.

    Returns:
        The framework's own layer.
    """
    return nn.LayerNorm([*normalized_shape], eps, elementwise_affine, bias=bias)


def group_norm_layer(
    num_groups: int, num_channels: int, *, eps: float = 1e-5, affine: bool = True, bias: bool = True
) -> nn.GroupNorm:
    """Build a group norm over runs of neighbouring channels.

    Args:
        num_groups: how many groups.
        num_channels: how many channels the input has, a multiple of ``num_groups``.
        eps: what is added to the variance.
        affine: whether to learn a weight for each channel, and
        bias: a bias.

    Returns:
        The framework's own layer.

    Raises:
        ValueError: if the channels cannot be grouped.

    Differs from its twin: channels are axis 1.
    """
    if num_groups < 1 or num_channels % num_groups:
        rule = f"a multiple of num_groups {num_groups}"
        raise ValueError(f"group_norm_layer: num_channels must be {rule}, got {num_channels}.")
    layer = nn.GroupNorm(num_groups, num_channels, eps, affine)
    return layer if bias else _without_bias(layer)


def rms_norm_layer(
    normalized_shape: tuple[int, ...], *, eps: float | None = None, elementwise_affine: bool = True
) -> nn.RMSNorm:
    r"""Build an RMS norm: $x / \sqrt{\overline{x^2} + \epsilon}$ over the last axes (arXiv:1910.07467).

    Args:
        normalized_shape: the sizes of the axes to normalise over.
        eps: what is added to the mean square; None takes the distance from 1 to the next number of the input's dtype.
        elementwise_affine: whether to learn a weight for each element.

    Returns:
        The framework's own layer.
    """
    return nn.RMSNorm([*normalized_shape], eps, elementwise_affine)


def local_response_norm(
    x: Float[Tensor, "batch channels *space"],
    size: int,
    *,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
) -> Float[Tensor, "batch channels *space"]:
    r"""Divide by the mean square of the neighbouring channels: $x \, (k + \alpha \, \overline{x^2})^{-\beta}$.

    Channels that do not exist count as zeros. AlexNet (Krizhevsky et al. 2012) takes a sum, PyTorch the mean.

    Args:
        x: activations.
        size: how many channels; of an even number one more comes before than behind.
        alpha: $\alpha$.
        beta: $\beta$.
        k: $k$.

    Returns:
        As many activations.

    Raises:
        ValueError: if ``size`` is below 1.

    Differs from its twin: channels are axis 1.
    """
    if size < 1:
        raise ValueError(f"local_response_norm: size must be at least 1, got {size}.")
    return nn.functional.local_response_norm(x, size, alpha, beta, k)
