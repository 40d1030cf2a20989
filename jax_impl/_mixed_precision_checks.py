"""What mixed precision asks of its settings and of its gradients."""

from collections.abc import Sequence

__all__ = ["check_rule", "check_masters", "check_groups", "check_parts"]


def check_rule(rule: tuple[float, float, int]) -> None:
    """Raise unless a loss scale can move by this rule.

    Args:
        rule: growth factor, backoff factor and growth interval.

    Raises:
        ValueError: if one is out of range.
    """
    growth, backoff, interval = rule
    if not growth > 1:
        raise ValueError(f"ScaleRule: growth_factor must be above 1, got {growth}.")
    if not 0 < backoff < 1:
        raise ValueError(f"ScaleRule: backoff_factor must be between 0 and 1, got {backoff}.")
    if interval < 1:
        raise ValueError(f"ScaleRule: growth_interval must be at least 1, got {interval}.")


def check_masters(dtypes: Sequence[str]) -> None:
    """Raise unless the gradients can be unscaled without losing what the scale has saved.

    Args:
        dtypes: of the gradients, by name.

    Raises:
        ValueError: if one is float16.
    """
    if "float16" in dtypes:
        raise ValueError("unscale: gradients must be those of float32 parameters, got float16.")


def check_groups(groups: Sequence[Sequence[str]], layers: Sequence[str]) -> None:
    """Raise unless every layer has one optimizer.

    Args:
        groups: the layers of each optimizer.
        layers: all there are.

    Raises:
        ValueError: if a layer is in no group or in two.
    """
    if sorted(name for group in groups for name in group) != sorted(layers):
        raise ValueError(f"mixed_state: groups must hold each of {', '.join(layers)} once, got {tuple(groups)}.")


def check_parts(batch: int, parts: int) -> None:
    """Raise unless a batch splits into equal parts.

    Args:
        batch: its examples.
        parts: how many parts.

    Raises:
        ValueError: if it does not.
    """
    if parts < 1 or batch % parts:
        raise ValueError(f"mixed_step: parts must divide the batch of {batch}, got {parts}.")
