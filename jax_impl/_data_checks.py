"""What the loading of data asks of its numbers."""

__all__ = ["check_batches", "check_at_least"]


def check_batches(function: str, batch_size: int, start: int, last: int) -> None:
    """Raise unless batches hold at least one example, and the first to come is one that there is.

    Args:
        function: who complains.
        batch_size: the examples of a full batch.
        start: the batches already taken.
        last: the largest ``start`` that there is.

    Raises:
        ValueError: if ``batch_size`` is below 1, or ``start`` is not in [0, last].
    """
    check_at_least(function, "batch_size", batch_size, 1)
    if not 0 <= start <= last:
        raise ValueError(f"{function}: start must be from 0 to {last}, got {start}.")


def check_at_least(function: str, argument: str, got: int, least: int) -> None:
    """Raise unless a number is large enough.

    Args:
        function: who complains.
        argument: whose value is too small.
        got: the value.
        least: the smallest that is right.

    Raises:
        ValueError: if it is smaller.
    """
    if got < least:
        raise ValueError(f"{function}: {argument} must be at least {least}, got {got}.")
