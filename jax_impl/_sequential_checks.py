"""What a model made of layers asks of its sizes."""

from collections.abc import Sequence

__all__ = ["check_widths", "check_depth"]


def check_widths(function: str, widths: Sequence[int], exactly: int | None = None) -> None:
    """Raise unless there is a width for the input and for the output, each at least 1.

    Args:
        function: who complains.
        widths: of the input, of each hidden layer and of the output.
        exactly: how many there must be; None asks for two or more.

    Raises:
        ValueError: if there are too few or too many, or one is below 1.
    """
    enough = len(widths) >= 2 if exactly is None else len(widths) == exactly
    if not enough or min(widths) < 1:
        count = "at least 2" if exactly is None else f"{exactly}"
        raise ValueError(f"{function}: widths must be {count} positive sizes, got {tuple(widths)}.")


def check_depth(function: str, width: int, depth: int) -> None:
    """Raise unless there is at least one layer of at least one feature.

    Args:
        function: who complains.
        width: of every layer.
        depth: how many layers.

    Raises:
        ValueError: if either is below 1.
    """
    for name, size in (("width", width), ("depth", depth)):
        if size < 1:
            raise ValueError(f"{function}: {name} must be at least 1, got {size}.")
