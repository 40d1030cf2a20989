"""Norms without a memory: layer, group and RMS norm, and local response normalisation."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jaxtyping import Float

__all__ = ["layer_norm_layer", "group_norm_layer", "rms_norm_layer", "local_response_norm"]


class RMSNorm(nn.Module):
    """RMS norm whose epsilon is that of the input's dtype, PyTorch's default; ``nn.RMSNorm`` asks for a number.

    Attributes:
        axes: to normalise over, and to scale.
        use_scale: whether to learn a weight for each element.
    """

    axes: tuple[int, ...] = (-1,)
    use_scale: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Divide ``x`` by its root mean square."""
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        y = wide * jax.lax.rsqrt(jnp.square(wide).mean(self.axes, keepdims=True) + jnp.finfo(x.dtype).eps)
        if self.use_scale:
            y = y * self.param("scale", nn.initializers.ones, tuple(x.shape[axis] for axis in self.axes))
        return y.astype(x.dtype)


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

    Differs from its twin: linen's own epsilon is 1e-6, it takes the last axis unless told more, and its variance in one
    pass loses the digits of a large mean; with these settings it is exact.
    """
    axes = _last(normalized_shape)
    return nn.LayerNorm(
        epsilon=eps,
        use_scale=elementwise_affine,
        use_bias=elementwise_affine and bias,
        reduction_axes=axes,
        feature_axes=axes,
        use_fast_variance=False,
    )


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

    Differs from its twin: channels are the last axis; linen's own defaults are 32 groups and an epsilon of 1e-6.
    """
    if num_groups < 1 or num_channels % num_groups:
        rule = f"a multiple of num_groups {num_groups}"
        raise ValueError(f"group_norm_layer: num_channels must be {rule}, got {num_channels}.")
    return nn.GroupNorm(num_groups, epsilon=eps, use_scale=affine, use_bias=affine and bias, use_fast_variance=False)


def rms_norm_layer(
    normalized_shape: tuple[int, ...], *, eps: float | None = None, elementwise_affine: bool = True
) -> nn.RMSNorm | RMSNorm:
    r"""Build an RMS norm: $x / \sqrt{\overline{x^2} + \epsilon}$ over the last axes (arXiv:1910.07467).

    Args:
        normalized_shape: the sizes of the axes to normalise over.
        eps: what is added to the mean square; None takes the distance from 1 to the next number of the input's dtype.
        elementwise_affine: whether to learn a weight for each element.

    Returns:
        The framework's own layer.

    Differs from its twin: linen's own layer asks for a number, 1e-6 by default; for None there is ``RMSNorm``.
    """
    axes = _last(normalized_shape)
    if eps is None:
        return RMSNorm(axes, elementwise_affine)
    return nn.RMSNorm(epsilon=eps, use_scale=elementwise_affine, reduction_axes=axes, feature_axes=axes)


def local_response_norm(
    x: Float[Array, "batch *space channels"],
    size: int,
    *,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
) -> Float[Array, "batch *space channels"]:
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

    Differs from its twin: channels are the last axis.
    """
    if size < 1:
        raise ValueError(f"local_response_norm: size must be at least 1, got {size}.")
    before, channels = size // 2, x.shape[-1]
    edges = [(0, 0)] * (x.ndim - 1) + [(before, size - 1 - before)]
    squares = jnp.pad(jnp.square(x), edges)
    mean = sum(squares[..., start : start + channels] for start in range(size)) / size
    return x / (k + alpha * mean) ** beta


def _last(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(-len(shape), 0))
