"""Norms that remember: batch norm and instance norm, with their running statistics."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from jax_impl._normalization_checks import check_space

__all__ = ["batch_norm_layer", "instance_norm_layer"]


class BatchNorm(nn.Module):
    """Batch norm whose running variance is PyTorch's: that of a sample, n / (n - 1) of the batch's own.

    ``nn.BatchNorm`` keeps the batch's own, so that it evaluates otherwise, the more so the smaller the batches are;
    its ``momentum`` is what stays of the old statistics, and it has no mean over all batches. Parameters and
    statistics have its names (``count`` comes with a momentum of None) and the call takes its flag.

    Attributes:
        num_features: how many channels the last axis holds.
        space: how many axes stand between the examples and the channels.
        eps: what is added to the variance.
        momentum: the share of the newest batch; None takes the mean over all batches.
        use_scale: whether to learn a weight for each channel.
        use_bias: whether to learn a bias for each channel.
        track_running_stats: whether to keep running statistics.
    """

    num_features: int
    space: int = 2
    eps: float = 1e-5
    momentum: float | None = 0.1
    use_scale: bool = True
    use_bias: bool = True
    track_running_stats: bool = True

    @nn.compact
    def __call__(self, x: Array, use_running_average: bool) -> Array:
        """Normalise ``x``; its statistics are the batch's unless ``use_running_average``, and there are any."""
        _check_input(self, x, {self.space + 2, 2} if self.space == 1 else {self.space + 2})
        running = _running(self) if self.track_running_stats else {}
        if running and self.momentum is None:
            running["count"] = self.variable("batch_stats", "count", jnp.zeros, (), jnp.int32)
        if use_running_average and running:
            return _scaled(self, x, running["mean"].value, running["var"].value)
        count = x.size // self.num_features
        if count == 1:
            raise ValueError(f"BatchNorm: x must have more than one value a channel in training, got shape {x.shape}.")
        mean, var = _moments(x, tuple(range(x.ndim - 1)))
        if running and not use_running_average and not self.is_initializing() and count:
            _move(running, mean.ravel(), var.ravel() * count / (count - 1), _share(self.momentum, running))
        return _scaled(self, x, mean, var)


class InstanceNorm(nn.Module):
    """Instance norm with running statistics, which ``nn.InstanceNorm`` does not have.

    They are means over the examples, the variance that of a sample, n / (n - 1) of the example's own.

    Attributes:
        num_features: how many channels the last axis holds.
        space: how many axes stand between the examples and the channels.
        eps: what is added to the variance.
        momentum: the share of the newest batch; None leaves the statistics as they are.
        use_scale: whether to learn a weight for each channel.
        use_bias: whether to learn a bias for each channel.
    """

    num_features: int
    space: int = 2
    eps: float = 1e-5
    momentum: float | None = 0.1
    use_scale: bool = False
    use_bias: bool = False

    @nn.compact
    def __call__(self, x: Array, use_running_average: bool) -> Array:
        """Normalise ``x`` by each example's own statistics, or by the running ones."""
        _check_input(self, x, {self.space + 2})
        running = _running(self)
        if use_running_average:
            return _scaled(self, x, running["mean"].value, running["var"].value)
        mean, var = _moments(x, tuple(range(1, x.ndim - 1)))
        count = x[0, ..., 0].size
        if not self.is_initializing():
            means = (value.reshape(-1, self.num_features).mean(0) for value in (mean, var))
            _move(running, next(means), next(means) * count / (count - 1), self.momentum or 0.0)
        return _scaled(self, x, mean, var)


def batch_norm_layer(
    num_features: int,
    space: int = 2,
    *,
    eps: float = 1e-5,
    momentum: float | None = 0.1,
    affine: bool = True,
    bias: bool = True,
    track_running_stats: bool = True,
) -> BatchNorm:
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

    Differs from its twin: channels are the last axis, the call's ``use_running_average`` sets the mode, and the new
    statistics come back from ``apply(..., mutable=["batch_stats"])``. ``BatchNorm`` says why it
    is not linen's own.
    """
    check_space("batch_norm_layer", space)
    return BatchNorm(num_features, space, eps, momentum, affine, affine and bias, track_running_stats)


def instance_norm_layer(
    num_features: int,
    space: int = 2,
    *,
    eps: float = 1e-5,
    momentum: float | None = 0.1,
    affine: bool = False,
    bias: bool = True,
    track_running_stats: bool = False,
) -> nn.InstanceNorm | InstanceNorm:
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

    Differs from its twin: channels are the last axis. Without running statistics linen's own layer is exact, and has
    no mode; with them the call's ``use_running_average`` sets it.
    """
    check_space("instance_norm_layer", space)
    if track_running_stats:
        return InstanceNorm(num_features, space, eps, momentum, affine, affine and bias)
    return nn.InstanceNorm(epsilon=eps, use_scale=affine, use_bias=affine and bias, use_fast_variance=False)


def _check_input(layer: BatchNorm | InstanceNorm, x: Array, axes: set[int]) -> None:
    """Images whose channels come first are not normalised over their columns."""
    if x.ndim not in axes or x.shape[-1] != layer.num_features:
        rule = f"{layer.space} axes between the examples and {layer.num_features} channels"
        raise ValueError(f"{type(layer).__name__}: x must have {rule}, got shape {x.shape}.")


def _running(layer: BatchNorm | InstanceNorm) -> dict[str, nn.Variable]:
    return {
        "mean": layer.variable("batch_stats", "mean", jnp.zeros, layer.num_features),
        "var": layer.variable("batch_stats", "var", jnp.ones, layer.num_features),
    }


def _share(momentum: float | None, running: dict[str, nn.Variable]) -> float | Array:
    """The newest batch's share in the running statistics; over all batches it is one in so many."""
    if momentum is not None:
        return momentum
    running["count"].value = running["count"].value + 1
    return 1 / running["count"].value.astype(running["mean"].value.dtype)


def _moments(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean and variance in two passes, in float32 at least; linen's one pass loses a large mean's digits."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean = wide.mean(axes, keepdims=True)
    return mean, jnp.square(wide - mean).mean(axes, keepdims=True)


def _move(running: dict[str, nn.Variable], mean: Array, var: Array, share: float | Array) -> None:
    for name, new in (("mean", mean), ("var", var)):
        old = running[name].value
        running[name].value = ((1 - share) * old + share * jax.lax.stop_gradient(new)).astype(old.dtype)


def _scaled(layer: BatchNorm | InstanceNorm, x: Array, mean: Array, var: Array) -> Array:
    y = (x - mean) * jax.lax.rsqrt(var + layer.eps)
    if layer.use_scale:
        y = y * layer.param("scale", nn.initializers.ones, (layer.num_features,))
    if layer.use_bias:
        y = y + layer.param("bias", nn.initializers.zeros, (layer.num_features,))
    return y.astype(x.dtype)
