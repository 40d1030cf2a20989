"""What the normalising layers and the dropouts ask of their arguments."""

__all__ = ["check_probability", "check_space"]


def check_probability(function: str, p: float) -> None:
    """Raise unless ``p`` is a probability.

    Args:
        function: who complains.
        p: the probability.

    Raises:
        ValueError: if it is below 0 or above 1.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"{function}: p must be 0 to 1, got {p}.")


def check_space(function: str, space: int) -> None:
    """Raise unless there is a layer for so many axes.

    Args:
        function: who complains.
        space: how many axes an example has beside its channels.

    Raises:
        ValueError: if it is not 1, 2 or 3.
    """
    if space not in (1, 2, 3):
        raise ValueError(f"{function}: space must be 1, 2 or 3, got {space}.")
