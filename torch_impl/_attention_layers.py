"""The framework's own layer of attention, and its weights as it holds them."""

from torch import nn

from torch_impl._attention_heads import AttentionWeights

__all__ = ["attention_layer", "layer_weights"]


def attention_layer(embed: int, num_heads: int) -> nn.MultiheadAttention:
    r"""Build a layer of attention over (batch, time, embed), its weights born by PyTorch's law.

    The three projections in from $U(-\sqrt{6/4embed}, \sqrt{6/4embed})$, for they are one matrix there; the one out by
    the law of a linear layer; biases 0.

    Args:
        embed: the width of queries, keys, values and outputs.
        num_heads: how many parts it is cut into; must divide it.

    Returns:
        The framework's own layer.

    Raises:
        ValueError: if ``num_heads`` does not divide ``embed``.

    Differs from its twin: it returns the weights too, and its masks are true where *not* to look.
    """
    if embed % num_heads:
        raise ValueError(f"attention_layer: num_heads must divide embed, {embed}, got {num_heads}.")
    return nn.MultiheadAttention(embed, num_heads, batch_first=True)


def layer_weights(weights: AttentionWeights, num_heads: int) -> dict:
    """Name the weights as the layer of `attention_layer` holds them.

    Args:
        weights: with one ``in_proj_weight``, both biases and nothing else.
        num_heads: of the layer.

    Returns:
        What the layer is loaded with.

    Raises:
        ValueError: if the weights are other ones.

    Differs from its twin: a state dict of the packed weights as they are.
    """
    others = (weights.bias_k, weights.bias_v, weights.q_proj_weight, weights.k_proj_weight, weights.v_proj_weight)
    needed = (weights.in_proj_weight, weights.in_proj_bias, weights.out_proj_bias)
    if any(part is not None for part in others) or any(part is None for part in needed):
        raise ValueError("layer_weights: weights must be in_proj and out_proj, each with its bias, got others.")
    named = {"in_proj_weight": weights.in_proj_weight, "in_proj_bias": weights.in_proj_bias}
    return named | {"out_proj.weight": weights.out_proj_weight, "out_proj.bias": weights.out_proj_bias}
