"""Attention by several heads between projections, with the weights as PyTorch packs them."""

from typing import NamedTuple, TypedDict, Unpack

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

__all__ = ["AttentionWeights", "MultiheadOptions", "multi_head_attention"]


class AttentionWeights(NamedTuple):
    """The weights of ``nn.MultiheadAttention``; what a layer does not have is None.

    ``in_proj_weight`` holds the projections of queries, keys and values one under the other, each with the heads one
    under the other; where keys or values have another width there are three of their own instead. ``bias_k`` and
    ``bias_v`` are one key and one value more, learned.
    """

    out_proj_weight: Float[Tensor, "embed embed"]
    in_proj_weight: Float[Tensor, "embeds embed"] | None = None
    in_proj_bias: Float[Tensor, " embeds"] | None = None
    out_proj_bias: Float[Tensor, " embed"] | None = None
    bias_k: Float[Tensor, "1 1 embed"] | None = None
    bias_v: Float[Tensor, "1 1 embed"] | None = None
    q_proj_weight: Float[Tensor, "embed embed"] | None = None
    k_proj_weight: Float[Tensor, "embed key_width"] | None = None
    v_proj_weight: Float[Tensor, "embed value_width"] | None = None


class MultiheadOptions(TypedDict, total=False):
    """Masks, layout and what is returned.

    ``key_padding_mask``: keys that nobody sees (true), or numbers that are added to their scores (none).
    ``attn_mask``: (queries, keys) or (batch times heads, queries, keys): what is *not* seen (true), or numbers (none).
    ``need_weights``: return the weights (true). ``average_attn_weights``: their mean over the heads (true).
    ``add_zero_attn``: one key and value of zeros more (false). ``batch_first``: (batch, time, embed) (false).
    """

    key_padding_mask: Bool[Tensor, "*#batch keys"] | Float[Tensor, "*#batch keys"] | None
    attn_mask: Bool[Tensor, "*#heads queries keys"] | Float[Tensor, "*#heads queries keys"] | None
    need_weights: bool
    average_attn_weights: bool
    add_zero_attn: bool
    batch_first: bool


def multi_head_attention(
    query: Float[Tensor, "*query_batch embed"],
    key: Float[Tensor, "*key_batch key_width"],
    value: Float[Tensor, "*key_batch value_width"],
    weights: AttentionWeights,
    num_heads: int,
    **options: Unpack[MultiheadOptions],
) -> tuple[Float[Tensor, "*query_batch embed"], Float[Tensor, "*weights queries keys"] | None]:
    """Let each head attend for itself, and project what the heads found side by side.

    (Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.)

    Args:
        query: (time, batch, embed), or without a batch.
        key: as many steps as ``value``.
        value: what is averaged.
        weights: of the projections.
        num_heads: of how many parts of the width each has one.
        **options: see `MultiheadOptions`.

    Returns:
        The attended, and the weights of each query, or None. A query that may look nowhere is NaN with weights, and
        the projection's bias without.

    Raises:
        ValueError: if the width is no multiple of the heads.

    Differs from its twin: the function under ``nn.MultiheadAttention``, whose dropout stays off.
    """
    embed = query.shape[-1]
    if embed % num_heads:
        raise ValueError(f"multi_head_attention: num_heads must divide the width {embed}, got {num_heads}.")
    known = dict(options)
    turned = known.pop("batch_first", False) and query.ndim == 3
    if turned:
        query, key, value = (part.transpose(0, 1) for part in (query, key, value))
    apart = {name: getattr(weights, name) for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight")}
    out, found = functional.multi_head_attention_forward(
        *(query, key, value, embed, num_heads),
        weights.in_proj_weight,
        weights.in_proj_bias,
        weights.bias_k,
        weights.bias_v,
        bool(known.pop("add_zero_attn", False)),
        0.0,
        weights.out_proj_weight,
        weights.out_proj_bias,  # pyright: ignore[reportArgumentType]
        use_separate_proj_weight=weights.in_proj_weight is None,
        **(known | apart),  # pyright: ignore[reportArgumentType]
    )
    return out.transpose(0, 1) if turned else out, found
