"""Argument checks that the topics share."""

from collections.abc import Sequence

__all__ = ["check_shape"]


def check_shape(function: str, argument: str, got: Sequence[int], expected: Sequence[int], meaning: str) -> None:
    """Raise unless an argument has the shape that another argument asks for.

    Args:
        function: who complains.
        argument: whose shape is wrong.
        got: the shape as given.
        expected: the shape that is right.
        meaning: where the right shape comes from, for the message.

    Raises:
        ValueError: if the two shapes differ.
    """
    if tuple(got) != tuple(expected):
        raise ValueError(f"{function}: {argument} must have shape {tuple(expected)}, {meaning}, got {tuple(got)}.")
