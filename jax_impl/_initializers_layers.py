r"""The laws with which the layers of ``torch.nn`` are born, by parameter.

Differs from its twin: each function returns what its linen layer takes beside its sizes:
``nn.Dense(5, **linear_laws(3))``.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax.linen import initializers
from jax.nn.initializers import Initializer

from jax_impl._initializers_fills import ones, zeros
from jax_impl.linear import bias_law, weight_law

Laws = dict[str, Initializer]

__all__ = [
    "linear_laws",
    "bilinear_laws",
    "conv_laws",
    "conv_transpose_laws",
    "embedding_laws",
    "recurrent_laws",
    "attention_laws",
    "norm_laws",
    "prelu_laws",
]


def linear_laws(in_features: int) -> Laws:
    r"""Return the laws of ``nn.Linear``: weight and bias $U(-1/\sqrt{in}, 1/\sqrt{in})$.

    Args:
        in_features: $in$, which the shape of a bias does not tell.

    Returns:
        An initializer for each parameter.

    Differs from its twin: ``nn.Dense`` by itself has ``lecun_normal`` and a bias of zeros.
    """
    return {"kernel_init": weight_law(), "bias_init": bias_law(in_features)}


def bilinear_laws(in1_features: int) -> Laws:
    r"""Return the laws of ``nn.Bilinear``: weight and bias $U(-1/\sqrt{in_1}, 1/\sqrt{in_1})$, whatever $in_2$.

    Args:
        in1_features: $in_1$.

    Returns:
        An initializer for each parameter.

    Differs from its twin: linen has no such layer; the laws are those of a weight in any layout.
    """
    return {"kernel_init": bias_law(in1_features), "bias_init": bias_law(in1_features)}


def conv_laws(in_channels: int, kernel_size: Sequence[int], groups: int = 1) -> Laws:
    r"""Return the laws of ``nn.Conv1d`` to ``3d``: weight and bias $U(-1/\sqrt{fan}, 1/\sqrt{fan})$ of the fan in.

    Args:
        in_channels: of the input.
        kernel_size: the window, one entry an axis.
        groups: what divides the channels; each output sees one group.

    Returns:
        An initializer for each parameter.

    Differs from its twin: ``nn.Conv`` by itself has ``lecun_normal`` and a bias of zeros.
    """
    return {"kernel_init": weight_law(), "bias_init": bias_law(in_channels // groups * math.prod(kernel_size))}


def conv_transpose_laws(out_channels: int, kernel_size: Sequence[int], groups: int = 1) -> Laws:
    r"""Return the laws of ``nn.ConvTranspose1d`` to ``3d``: weight and bias $U(-1/\sqrt{fan}, 1/\sqrt{fan})$.

    The weight lies as that of the convolution it transposes, so the fan is of the outputs: their channels times the
    window.

    Args:
        out_channels: of the output.
        kernel_size: the window, one entry an axis.
        groups: what divides the channels.

    Returns:
        An initializer for each parameter.

    Differs from its twin: of linen's kernel, (window, in, out), it is the fan out.
    """
    law = bias_law(out_channels // groups * math.prod(kernel_size))
    return {"kernel_init": law, "bias_init": law}


def embedding_laws(padding_idx: int | None = None) -> Laws:
    r"""Return the law of ``nn.Embedding`` and ``nn.EmbeddingBag``: $N(0, 1)$ whatever the width.

    Args:
        padding_idx: the row that is zero; None for none.

    Returns:
        An initializer for the parameter.

    Differs from its twin: ``nn.Embed`` by itself has $N(0, 1/d)$ of the width $d$, and no padding.
    """

    def law(key, shape, dtype=jnp.float32, out_sharding=None):
        table = jax.random.normal(key, shape, dtype, out_sharding=out_sharding)
        return table if padding_idx is None else table.at[padding_idx].set(0)

    return {"embedding_init": law}


def recurrent_laws(hidden_size: int) -> Laws:
    r"""Return the laws of ``nn.RNN``, ``nn.LSTM``, ``nn.GRU`` and their cells: all $U(-1/\sqrt h, 1/\sqrt h)$.

    Args:
        hidden_size: $h$.

    Returns:
        An initializer for each parameter.

    Differs from its twin: one bias stands for torch's two, so its law is that of their sum. In ``nn.GRUCell`` two of
    the four biases, ``in`` and ``hn``, stand for one of torch's; drawn by this law they are $\sqrt2$ times too wide.
    """
    one = bias_law(hidden_size)

    def two(key, shape, dtype=jnp.float32, out_sharding=None):
        first, second = jax.random.split(key)
        return one(first, shape, dtype) + one(second, shape, dtype)

    return {"kernel_init": one, "recurrent_kernel_init": one, "bias_init": two}


def attention_laws(embed_dim: int, kdim: int | None = None, vdim: int | None = None) -> Laws:
    r"""Return the laws of ``nn.MultiheadAttention``: Xavier's for what comes in, ``nn.Linear``'s for the output.

    Where query, key and value are equally wide their three matrices are drawn as one of shape $(3E, E)$: the bound is
    $\sqrt{6 / 4E}$, not $\sqrt{6 / 2E}$. All biases are zero, also the output's.

    Args:
        embed_dim: $E$, the width of the query.
        kdim: the width of the key; None for $E$.
        vdim: the width of the value; None for $E$.

    Returns:
        An initializer for each parameter.

    Differs from its twin: ``nn.MultiHeadDotProductAttention`` by itself draws each matrix by ``lecun_normal``.
    """
    widths = {embed_dim, embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim}
    # Xavier's variance, 2 / (in + out), with three times the outputs that linen's initializer is told of.
    fused = initializers.variance_scaling(1 / 2, "fan_avg", "uniform")
    incoming = fused if len(widths) == 1 else initializers.xavier_uniform()
    return {"kernel_init": incoming, "bias_init": zeros(), "out_kernel_init": weight_law(), "out_bias_init": zeros()}


def norm_laws() -> Laws:
    """Return the laws of the norms, batch, layer, group and instance: ones and zeros.

    Returns:
        An initializer for each parameter.
    """
    return {"scale_init": ones(), "bias_init": zeros()}


def prelu_laws(init: float = 0.25) -> dict[str, float]:
    """Return the law of ``nn.PReLU``: one slope.

    Args:
        init: the slope.

    Returns:
        What the layer is told.

    Differs from its twin: ``nn.PReLU`` takes a number, and by itself 0.01.
    """
    return {"negative_slope_init": init}
