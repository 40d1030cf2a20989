"""One layer of an encoder and of a decoder, post-norm or pre-norm.

Differs from its twin: linen has no such layers. Those here stand on its own attention, dense layers and norms.
"""

from collections.abc import Callable
from typing import TypedDict, Unpack

import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.nn.initializers import Initializer
from jaxtyping import Bool, Float, PRNGKeyArray

from jax_impl._attention_products import _safe_softmax
from jax_impl._transformer_checks import check_layer
from jax_impl._transformer_positions import square_subsequent_mask
from jax_impl.activations import gelu, relu
from jax_impl.attention import attention_layer
from jax_impl.linear import bias_law, weight_law
from jax_impl.normalization import dropout, keep_mask, layer_norm_layer

__all__ = ["LayerOptions", "encoder_layer", "decoder_layer"]

_ACTIVATIONS = {"relu": relu, "gelu": gelu}
Mask = Bool[Array, "*#heads queries keys"] | Float[Array, "*#heads queries keys"]
Padding = Bool[Array, "*#batch keys"] | Float[Array, "*#batch keys"]


class LayerOptions(TypedDict, total=False):
    """How a layer is built; the defaults are PyTorch's.

    ``dim_feedforward``: the hidden width of the perceptron (2048). ``dropout``: how likely an element is to be dropped,
    of attention's weights too (0.1). ``activation``: ``"relu"`` or ``"gelu"``, the exact one (``"relu"``).
    ``layer_norm_eps``: what is added to the variance (1e-5). ``norm_first``: norm what goes into a block, not its sum
    with what comes out (false). ``bias``: of every projection and norm (true).
    """

    dim_feedforward: int
    dropout: float
    activation: str
    layer_norm_eps: float
    norm_first: bool
    bias: bool


class DecoderMasks(TypedDict, total=False):
    """What the steps may not see of their own sequence and of the memory: true, or minus infinity.

    ``tgt_is_causal`` and ``memory_is_causal`` say that a mask is the causal one, as in an encoder's layer.
    """

    tgt_mask: Mask | None
    memory_mask: Mask | None
    tgt_key_padding_mask: Padding | None
    memory_key_padding_mask: Padding | None
    tgt_is_causal: bool
    memory_is_causal: bool


class _Layer(nn.Module):
    """What both kinds of layer are made of.

    Attributes:
        d_model: the width of inputs and outputs.
        nhead: of how many parts of the width each head has one.
        law: of the linear layers' matrices; the three into attention are one, with a law of its own.
    """

    d_model: int
    nhead: int
    dim_feedforward: int = 2048
    dropout: float = 0.1
    activation: str = "relu"
    layer_norm_eps: float = 1e-5
    norm_first: bool = False
    bias: bool = True
    law: Initializer = weight_law()

    def setup(self) -> None:
        self.self_attn = self._attention()
        self.linear1 = self._linear(self.d_model, self.dim_feedforward)
        self.linear2 = self._linear(self.dim_feedforward, self.d_model)
        self.norm1, self.norm2 = self._norm(), self._norm()
        self.drop = nn.Dropout(self.dropout)

    def _attention(self) -> nn.MultiHeadDotProductAttention:
        layer = attention_layer(self.d_model, self.nhead)
        known = {"use_bias": self.bias, "dropout_rate": self.dropout, "out_kernel_init": self.law}
        return layer.clone(attention_fn=_masked_attention, **known)

    def _linear(self, fan_in: int, fan_out: int) -> nn.Dense:
        return nn.Dense(fan_out, use_bias=self.bias, kernel_init=self.law, bias_init=bias_law(fan_in))

    def _norm(self) -> nn.LayerNorm:
        return layer_norm_layer((self.d_model,), eps=self.layer_norm_eps, bias=self.bias)

    def _residual(self, x: Array, norm: nn.LayerNorm, block: Callable[[Array], Array]) -> Array:
        return x + block(norm(x)) if self.norm_first else norm(x + block(x))

    def _attended(self, layer: nn.Module, x: Array, memory: Array, mask: Array | None, deterministic: bool) -> Array:
        return self.drop(layer(x, memory, mask=mask, deterministic=deterministic), deterministic=deterministic)

    def _perceptron(self, x: Array, deterministic: bool) -> Array:
        hidden = _ACTIVATIONS[self.activation](self.linear1(x))
        hidden = self.drop(hidden, deterministic=deterministic)
        return self.drop(self.linear2(hidden), deterministic=deterministic)

    def _mask(self, x: Array, memory: Array, mask: Mask | None, padding: Padding | None, causal: bool) -> Array | None:
        """Both masks as numbers to add to the scores (*batch, heads, queries, keys)."""
        if causal and mask is None:
            raise ValueError(f"{type(self).__name__}: the mask must be given where it is said to be causal, got None.")
        if causal and padding is None:
            mask = square_subsequent_mask(max(x.shape[-2], memory.shape[-2]))[: x.shape[-2], : memory.shape[-2]]
        found = jnp.zeros((), x.dtype)
        if mask is not None:
            heads = (*x.shape[:-2], self.nhead, *mask.shape[1:])
            found += _numbers(mask.reshape(heads) if mask.ndim == 3 else mask, x.dtype)
        if padding is not None:
            found += _numbers(padding, x.dtype)[..., None, None, :]
        return found if found.ndim else None


class EncoderLayer(_Layer):
    """Self attention and a perceptron, each with a residual connection and a layer norm."""

    def __call__(
        self,
        src: Float[Array, "*batch time width"],
        src_mask: Mask | None = None,
        src_key_padding_mask: Padding | None = None,
        *,
        is_causal: bool = False,
        deterministic: bool = True,
    ) -> Float[Array, "*batch time width"]:
        """Pass sequences on; what a mask hides is true in it, or minus infinity.

        ``is_causal`` says that the mask is the causal one: then it is not read, unless there is padding too.
        """
        mask = self._mask(src, src, src_mask, src_key_padding_mask, is_causal)
        x = self._residual(src, self.norm1, lambda x: self._attended(self.self_attn, x, x, mask, deterministic))
        return self._residual(x, self.norm2, lambda x: self._perceptron(x, deterministic))


class DecoderLayer(_Layer):
    """Self attention, attention to a memory, and a perceptron, each with a residual connection and a layer norm."""

    def setup(self) -> None:
        super().setup()
        self.multihead_attn = self._attention()
        self.norm3 = self._norm()

    def __call__(
        self,
        tgt: Float[Array, "*batch time width"],
        memory: Float[Array, "*batch steps width"],
        *,
        deterministic: bool = True,
        **masks: Unpack[DecoderMasks],
    ) -> Float[Array, "*batch time width"]:
        """Pass sequences on, each beside its memory."""
        known = [
            (masks.get(f"{name}_mask"), masks.get(f"{name}_key_padding_mask"), masks.get(f"{name}_is_causal", False))
            for name in ("tgt", "memory")
        ]
        own, other = (self._mask(tgt, seen, *masks) for seen, masks in zip((tgt, memory), known, strict=True))
        x = self._residual(tgt, self.norm1, lambda x: self._attended(self.self_attn, x, x, own, deterministic))
        attended = lambda x: self._attended(self.multihead_attn, x, memory, other, deterministic)  # noqa: E731
        x = self._residual(x, self.norm2, attended)
        return self._residual(x, self.norm3, lambda x: self._perceptron(x, deterministic))


def encoder_layer(d_model: int, nhead: int, **options: Unpack[LayerOptions]) -> EncoderLayer:
    r"""Build a layer of an encoder: self attention, then a perceptron, each with a residual connection.

    $y = N(x + A(x)), \; z = N(y + F(y))$ with $F(y) = W_2 \, f(W_1 y + b_1) + b_2$ (Vaswani et al. 2017,
    arXiv:1706.03762, sections 3.1 and 3.3), or with the norms in front $y = x + A(N(x)), \; z = y + F(N(y))$
    (Xiong et al. 2020, arXiv:2002.04745, figure 1).

    Args:
        d_model: the width of inputs and outputs.
        nhead: how many heads the width is cut into; must divide it.
        **options: see `LayerOptions`.

    Returns:
        A layer over (batch, time, width), or without a batch.

    Raises:
        ValueError: if ``nhead`` does not divide ``d_model``, or there is no such activation.

    Differs from its twin: ``deterministic`` switches dropout, true unless told.
    """
    check_layer("encoder_layer", d_model, nhead, options.get("activation", "relu"))
    return EncoderLayer(d_model, nhead, **options)


def decoder_layer(d_model: int, nhead: int, **options: Unpack[LayerOptions]) -> DecoderLayer:
    """Build a layer of a decoder: as an encoder's, with attention to the encoder's memory in between.

    (Vaswani et al. 2017, arXiv:1706.03762, section 3.1.)

    Args:
        d_model: the width of inputs, memory and outputs.
        nhead: how many heads the width is cut into; must divide it.
        **options: see `LayerOptions`.

    Returns:
        A layer over (batch, time, width), or without a batch.

    Raises:
        ValueError: if ``nhead`` does not divide ``d_model``, or there is no such activation.

    Differs from its twin: ``deterministic`` switches dropout; masks come by keyword.
    """
    check_layer("decoder_layer", d_model, nhead, options.get("activation", "relu"))
    return DecoderLayer(d_model, nhead, **options)


def _masked_attention(
    query: Float[Array, "*batch queries heads width"],
    key: Float[Array, "*batch keys heads width"],
    value: Float[Array, "*batch keys heads width"],
    mask: Float[Array, "*#heads #queries keys"] | None = None,
    dropout_rng: PRNGKeyArray | None = None,
    dropout_rate: float = 0.0,
) -> Float[Array, "*batch queries heads width"]:
    """Attend as PyTorch's layers do, for ``attention_fn``; without a key nothing is dropped.

    linen's own function takes booleans alone and gives the mean of all values to a query that may look nowhere, where
    PyTorch gives 0; and it drops the same weights in every head and sequence, where PyTorch draws for each.
    """
    q, k, v = (part.swapaxes(-3, -2) for part in (query, key, value))  # (*batch, heads, time, width)
    scores = q @ k.mT * query.shape[-1] ** -0.5
    weights = _safe_softmax(scores if mask is None else scores + mask)
    if dropout_rng is not None:
        weights = dropout(weights, keep_mask(dropout_rng, weights.shape, p=dropout_rate), p=dropout_rate)
    return (weights @ v).swapaxes(-3, -2)


def _numbers(mask: Array, dtype) -> Array:
    return jnp.where(mask, -jnp.inf, 0).astype(dtype) if mask.dtype == bool else mask.astype(dtype)
