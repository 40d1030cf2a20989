"""Which function of ``jax_impl`` stands for which module of attention of ``torch.nn``."""

from typing import Any

from jax_impl import attention
from jax_impl.attention import AttentionWeights
from module_samples import Counterpart

__all__ = ["ATTENTION", "weights_of"]

_WORDS = ("key_padding_mask", "attn_mask", "need_weights", "average_attn_weights")


def weights_of(parameters: dict[str, Any]) -> AttentionWeights:
    """By torch's names: in_proj_weight, out_proj.weight, ..."""
    return AttentionWeights(**{name.replace(".", "_"): value for name, value in parameters.items()})


def _heads(settings: dict, arrays: dict, parameters: dict, inputs: Any) -> Any:
    options = {word: inputs[word] for word in _WORDS if word in inputs}
    options |= {word: settings[word] for word in ("add_zero_attn", "batch_first") if word in settings}
    sequences = (inputs[word] for word in ("query", "key", "value"))
    return attention.multi_head_attention(*sequences, weights_of(parameters), settings["num_heads"], **options)


ATTENTION: dict[str, Counterpart] = {"MultiheadAttention": _heads}
