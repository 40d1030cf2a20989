"""Norms that remember: batch norm and instance norm, with their running statistics."""

from typing import TypeVar

from torch import nn

from torch_impl._normalization_checks import check_space

__all__ = ["batch_norm_layer", "instance_norm_layer"]

Layer = TypeVar("Layer", bound=nn.Module)

_BATCH = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_INSTANCE = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def batch_norm_layer(
    num_features: int,
    space: int = 2,
    *,
    eps: float = 1e-5,
    momentum: float | None = 0.1,
    affine: bool = True,
    bias: bool = True,
    track_running_stats: bool = True,
) -> nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d:
    """Build a batch norm that computes, learns and remembers as PyTorch's does.

    Args:
        num_features: how many channels the input has.
        space: how many axes an example has beside its channels, 1 to 3; with 1, rows of channels alone are taken too.
        eps: what is added to the variance.
        momentum: the share of the newest batch in the running statistics (Flax calls the rest by this name); None
            takes the mean over all batches.
        affine: whether to learn a weight for each channel, and
        bias: a bias.
        track_running_stats: whether to keep the running statistics, which evaluation takes for the batch's own.

    Returns:
        The framework's own layer.

    Raises:
        ValueError: if ``space`` is not 1, 2 or 3.

    Differs from its twin: channels are axis 1, and ``train()`` and ``eval()`` set the mode.
    """
    check_space("batch_norm_layer", space)
    layer = _BATCH[space - 1](num_features, eps, momentum, affine, track_running_stats)
    return layer if bias else _without_bias(layer)


def instance_norm_layer(
    num_features: int,
    space: int = 2,
    *,
    eps: float = 1e-5,
    momentum: float | None = 0.1,
    affine: bool = False,
    bias: bool = True,
    track_running_stats: bool = False,
) -> nn.InstanceNorm1d | nn.InstanceNorm2d | nn.InstanceNorm3d:
    """Build an instance norm: each channel of each example by its own mean and variance.

    Args:
        num_features: how many channels the input has.
        space: how many axes an example has beside its channels, 1 to 3.
        eps: what is added to the variance.
        momentum: the share of the newest batch in the running statistics; None leaves them as they are.
        affine: whether to learn a weight for each channel, and
        bias: a bias.
        track_running_stats: whether to keep the examples' mean statistics, which evaluation then takes.

    Returns:
        The framework's own layer.

    Raises:
        ValueError: if ``space`` is not 1, 2 or 3.

    Differs from its twin: channels are axis 1, and ``train()`` and ``eval()`` set the mode.
    """
    check_space("instance_norm_layer", space)
    share = 0.0 if momentum is None else momentum
    layer = _INSTANCE[space - 1](num_features, eps, share, affine, track_running_stats)
    return layer if bias else _without_bias(layer)


def _without_bias(layer: Layer) -> Layer:
    """The layer with its weight alone; the keyword ``bias=False`` of PyTorch's own norms is of 2.13."""
    layer.register_parameter("bias", None)
    return layer
