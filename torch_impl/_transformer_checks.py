"""What can be wrong with a transformer's arguments."""

__all__ = ["check_layer", "check_depth"]


def check_layer(function: str, d_model: int, nhead: int, activation: str) -> None:
    """Raise unless the heads divide the width, and the activation is one that there is.

    Args:
        function: who complains.
        d_model: the width.
        nhead: how many heads.
        activation: by name.

    Raises:
        ValueError: if they do not, or it is not.
    """
    if nhead < 1 or d_model % nhead:
        raise ValueError(f"{function}: nhead must divide d_model, {d_model}, got {nhead}.")
    if activation not in ("relu", "gelu"):
        raise ValueError(f"{function}: activation must be 'relu' or 'gelu', got {activation!r}.")


def check_depth(function: str, num_layers: int) -> None:
    """Raise unless there is a layer.

    Args:
        function: who complains.
        num_layers: how many.

    Raises:
        ValueError: if there is none.
    """
    if num_layers < 1:
        raise ValueError(f"{function}: num_layers must be at least 1, got {num_layers}.")
