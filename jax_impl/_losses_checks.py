"""What the losses share: the word for what becomes of a batch of them."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import Array

__all__ = ["reduction_of"]

_REDUCTIONS = {"none": lambda losses: losses, "mean": jnp.mean, "sum": jnp.sum}


def reduction_of(
    function: str, reduction: str, words: Sequence[str] = ("none", "mean", "sum")
) -> Callable[[Array], Array]:
    """Check the word for what becomes of a batch's losses, and return it in the framework's own form.

    Args:
        function: who complains.
        reduction: the word.
        words: those that there are.

    Returns:
        The reduction.

    Raises:
        ValueError: if there is no such word.

    Differs from its twin: it is a function of the losses, where ``torch.nn.functional`` takes the word itself.
    """
    if reduction not in words:
        raise ValueError(f"{function}: reduction must be one of {', '.join(words)}, got {reduction!r}.")
    return _REDUCTIONS.get(reduction, jnp.sum)
