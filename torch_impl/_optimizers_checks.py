"""What an optimizer asks of its settings: the ranges that ``torch.optim`` checks, by the setting's name."""

from collections.abc import Callable
from typing import Any

__all__ = ["check_settings"]

_RANGES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "learning_rate": ("at least 0", lambda value: value >= 0),
    "weight_decay": ("at least 0", lambda value: value >= 0),
    "momentum": ("at least 0", lambda value: value >= 0),
    "momentum_decay": ("at least 0", lambda value: value >= 0),
    "lr_decay": ("at least 0", lambda value: value >= 0),
    "initial_accumulator_value": ("at least 0", lambda value: value >= 0),
    "alpha": ("at least 0", lambda value: value >= 0),
    "eps": ("at least 0", lambda value: value >= 0),
    "epsilons": ("None or at least 0, then at least 0", lambda pair: (pair[0] or 0) >= 0 and pair[1] >= 0),
    "rho": ("from 0 to 1", lambda value: 0 <= value <= 1),
    "betas": ("in [0, 1)", lambda pair: all(0 <= value < 1 for value in pair)),
    "etas": ("below 1, then above 1", lambda pair: 0 < pair[0] < 1 < pair[1]),
    "beta2_decay": ("at most 0", lambda value: value <= 0),
    "clipping": ("at least 1", lambda value: value >= 1),
    "adjust_lr_fn": ("None, 'original' or 'match_rms_adamw'", (None, "original", "match_rms_adamw").__contains__),
    "line_search_fn": ("None or 'strong_wolfe'", (None, "strong_wolfe").__contains__),
    "ns_steps": ("below 100", lambda value: value < 100),
    "max_norm": ("at least 0", lambda value: value >= 0),
    "steps": ("at least 0", lambda value: value >= 0),
}


def check_settings(function: str, **settings: Any) -> None:
    """Raise unless every setting lies in its range.

    A schedule and a value that is being traced are let through: neither is a number yet.

    Args:
        function: who asks.
        **settings: by name.

    Raises:
        ValueError: if one lies outside.
    """
    for name, value in settings.items():
        rule, holds = _RANGES[name]
        if (value is None or isinstance(value, (int, float, str, tuple))) and not holds(value):
            raise ValueError(f"{function}: {name} must be {rule}, got {value}.")
