"""Normalisation: every norm of ``torch.nn``, in training and in evaluation, and dropout on a given mask.

Differs from its twin: channels are the last axis, and a layer is handed its weights, its statistics and its mode.
linen's own layers are used where they are exact; where they are not, ours says why.
"""

from jax_impl._normalization_dropout import (
    alpha_dropout,
    channel_alpha_dropout,
    channel_dropout,
    dropout,
    keep_mask,
)
from jax_impl._normalization_running import (
    batch_norm_layer,
    instance_norm_layer,
)
from jax_impl._normalization_stateless import (
    group_norm_layer,
    layer_norm_layer,
    local_response_norm,
    rms_norm_layer,
)

__all__ = [
    "batch_norm_layer",
    "instance_norm_layer",
    "layer_norm_layer",
    "group_norm_layer",
    "rms_norm_layer",
    "local_response_norm",
    "keep_mask",
    "dropout",
    "channel_dropout",
    "alpha_dropout",
    "channel_alpha_dropout",
]
