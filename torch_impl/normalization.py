"""Normalisation: every norm of ``torch.nn``, in training and in evaluation, and dropout on a given mask.

Differs from its twin: channels are axis 1, and a layer holds its weights, its statistics and its mode.
"""

from torch_impl._normalization_dropout import (
    alpha_dropout,
    channel_alpha_dropout,
    channel_dropout,
    dropout,
    keep_mask,
)
from torch_impl._normalization_running import (
    batch_norm_layer,
    instance_norm_layer,
)
from torch_impl._normalization_stateless import (
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
