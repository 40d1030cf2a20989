"""Convolution over one to three axes: convolving, padding, pooling, and moving pixels about.

Differs from its twin: channels are the last axis, and kernels (*window, in, out), as in linen, whose own layers do
where nothing but zeros are padded.
"""

from jax_impl._convolution_adaptive import (
    adaptive_avg_pool,
    adaptive_max_pool,
    fractional_max_pool,
    max_unpool,
)
from jax_impl._convolution_convolve import (
    ConvOptions,
    TransposeOptions,
    blur,
    conv,
    conv_transpose,
)
from jax_impl._convolution_pad import (
    pad,
)
from jax_impl._convolution_pool import (
    PoolOptions,
    avg_pool,
    lp_pool,
    max_pool,
    max_pool_with_indices,
)
from jax_impl._convolution_rearrange import (
    WindowOptions,
    channel_shuffle,
    fold,
    pixel_shuffle,
    pixel_unshuffle,
    unfold,
)

__all__ = [
    "ConvOptions",
    "TransposeOptions",
    "conv",
    "conv_transpose",
    "blur",
    "pad",
    "PoolOptions",
    "max_pool",
    "max_pool_with_indices",
    "avg_pool",
    "lp_pool",
    "adaptive_avg_pool",
    "adaptive_max_pool",
    "fractional_max_pool",
    "max_unpool",
    "WindowOptions",
    "unfold",
    "fold",
    "pixel_shuffle",
    "pixel_unshuffle",
    "channel_shuffle",
]
