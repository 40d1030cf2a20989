"""What a training run asks of its arrays."""

from collections.abc import Sequence

import numpy as np

from jax_impl._checks import check_shape

__all__ = ["check_weights", "check_orders", "check_parts"]


def check_weights(
    weights: Sequence[tuple[np.ndarray, np.ndarray]], expected: Sequence[Sequence[int]], function: str
) -> None:
    """Raise unless there is a weight and a bias for each layer, each of its layer's shape.

    Args:
        weights: a pair (weight, bias) for each layer.
        expected: the shapes of the weights, (fan_out, fan_in).
        function: who asks.

    Raises:
        ValueError: if one is missing or has another shape.
    """
    check_shape(function, "weights", (len(weights),), (len(expected),), "one pair for each layer")
    for (weight, bias), shape in zip(weights, expected, strict=True):
        check_shape(function, "weight", weight.shape, shape, "(fan_out, fan_in) of its layer")
        check_shape(function, "bias", bias.shape, shape[:1], "the fan_out of its layer")


def check_orders(orders: np.ndarray, examples: int, batch_size: int) -> None:
    """Raise unless every epoch takes every example once, in batches of at least one.

    Args:
        orders: for every epoch, the order of the examples.
        examples: how many there are.
        batch_size: the examples of one step.

    Raises:
        ValueError: if a row is no permutation, there is no row, or ``batch_size`` is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"train_classifier: batch_size must be at least 1, got {batch_size}.")
    if len(orders) < 1:
        raise ValueError(f"train_classifier: orders must have one row for each epoch, got shape {orders.shape}.")
    check_shape("train_classifier", "orders", orders.shape, (len(orders), examples), "epochs by training examples")
    # A row out of range would raise in torch, and be clamped in JAX.
    if strange := [row for row, order in enumerate(orders) if not np.array_equal(np.sort(order), np.arange(examples))]:
        raise ValueError(f"train_classifier: orders must be permutations, got another one in row {strange[0]}.")


def check_parts(batch: int, parts: int) -> None:
    """Raise unless a batch splits into equal parts.

    Args:
        batch: its examples.
        parts: how many parts.

    Raises:
        ValueError: if it does not.
    """
    if parts < 1 or batch % parts:
        raise ValueError(f"accumulated_step: parts must divide the batch of {batch}, got {parts}.")
