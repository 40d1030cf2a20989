"""What the settings of a schedule must be."""

from collections.abc import Collection

__all__ = ["check_choice", "check_count", "check_positive", "check_share"]


def check_choice(function: str, argument: str, value: str, choices: Collection[str]) -> None:
    """Raise unless a word is one of the known ones.

    Args:
        function: who complains.
        argument: whose value is wrong.
        value: the word as given.
        choices: the known ones.

    Raises:
        ValueError: if ``value`` is none of them.
    """
    if value not in choices:
        known = " or ".join(f"'{choice}'" for choice in choices)
        raise ValueError(f"{function}: {argument} must be {known}, got {value!r}.")


def check_count(function: str, argument: str, value: int, least: int = 1) -> None:
    """Raise unless a number of steps is a large enough integer.

    Args:
        function: who complains.
        argument: whose value is wrong.
        value: the number as given.
        least: the smallest that has a meaning.

    Raises:
        ValueError: if ``value`` is no integer or below ``least``.
    """
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{function}: {argument} must be an integer of at least {least}, got {value}.")


def check_positive(function: str, argument: str, value: float) -> None:
    """Raise unless a factor is above 0.

    Args:
        function: who complains.
        argument: whose value is wrong.
        value: the factor as given.

    Raises:
        ValueError: if ``value`` is 0 or below.
    """
    if not value > 0:
        raise ValueError(f"{function}: {argument} must be above 0, got {value}.")


def check_share(function: str, argument: str, value: float, *, zero: bool = True) -> None:
    """Raise unless a factor lies between 0 and 1.

    Args:
        function: who complains.
        argument: whose value is wrong.
        value: the factor as given.
        zero: whether 0 is one.

    Raises:
        ValueError: if ``value`` lies outside.
    """
    if not 0 <= value <= 1 or (value == 0 and not zero):
        rule = "at least 0" if zero else "above 0"
        raise ValueError(f"{function}: {argument} must be {rule} and at most 1, got {value}.")
