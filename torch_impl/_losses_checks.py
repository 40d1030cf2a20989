"""What the losses share: the word for what becomes of a batch of them."""

from collections.abc import Sequence

__all__ = ["reduction_of"]


def reduction_of(function: str, reduction: str, words: Sequence[str] = ("none", "mean", "sum")) -> str:
    """Check the word for what becomes of a batch's losses, and return it in the framework's own form.

    Args:
        function: who complains.
        reduction: the word.
        words: those that there are.

    Returns:
        The reduction.

    Raises:
        ValueError: if there is no such word.

    Differs from its twin: it is the word itself, which ``torch.nn.functional`` takes.
    """
    if reduction not in words:
        raise ValueError(f"{function}: reduction must be one of {', '.join(words)}, got {reduction!r}.")
    return reduction
