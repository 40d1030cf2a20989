"""Which function of ``jax_impl`` stands for which embedding of ``torch.nn``."""

from typing import Any

from jax_impl import embedding
from module_samples import Counterpart

__all__ = ["EMBEDDING"]

_WORDS = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq")


def _table(settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
    options = {word: settings[word] for word in _WORDS}
    return embedding.embedding(*inputs, parameters["weight"], **options)


EMBEDDING: dict[str, Counterpart] = {"Embedding": _table}
