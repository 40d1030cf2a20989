"""Batches made of records: stacked where all have one shape, padded where they have not.

Differs from its twin: NumPy arrays. These functions run in worker processes, which must not start JAX.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, Num

from jax_impl._data_checks import check_at_least

__all__ = ["stack_records", "pad_records", "pad_batch"]


def stack_records(
    records: Sequence[tuple[Num[np.ndarray, "*shape"], Int[np.ndarray, ""] | np.integer | int]],
) -> tuple[Num[np.ndarray, "batch *shape"], Int[np.ndarray, " batch"]]:
    """Stack records of one shape along a new first axis.

    Args:
        records: pairs (image, label).

    Returns:
        The images and the labels.

    Differs from its twin: labels are int32, as JAX would make them.
    """
    images, labels = zip(*records, strict=True)
    return np.stack(images), np.array(labels, np.int32)


def pad_records(
    records: Sequence[Num[np.ndarray, " _"]], *, length: int | None = None, value: float = 0
) -> tuple[Num[np.ndarray, "batch length"], Bool[np.ndarray, "batch length"]]:
    """Stack sequences of several lengths, filled up at their ends.

    Args:
        records: the sequences, of one dtype.
        length: to which they are filled up; None takes the longest of the batch, another in every batch.
        value: what the filling is made of.

    Returns:
        The sequences, and a mask that is True where they are, False where the filling is.

    Raises:
        ValueError: if ``length`` is below that of the longest.

    Differs from its twin: a length of its own in every batch would compile a program for each.
    """
    lengths = np.array([len(record) for record in records])
    longest = int(lengths.max())
    length = longest if length is None else length
    check_at_least("pad_records", "length", length, longest)
    filled = np.full((len(records), length), value, records[0].dtype)
    mask = np.arange(length) < lengths[:, None]
    filled[mask] = np.concatenate(records)
    return filled, mask


def pad_batch(
    batch: tuple[Num[np.ndarray, "examples ..."], ...], batch_size: int
) -> tuple[tuple[Num[np.ndarray, "batch_size ..."], ...], Bool[np.ndarray, " batch_size"]]:
    """Fill a short batch up with examples of zeros, so that all batches have one shape.

    Args:
        batch: arrays with one row an example.
        batch_size: the rows that are wanted.

    Returns:
        The arrays, and a mask that is True for the examples, False for the filling.

    Raises:
        ValueError: if ``batch_size`` is below the number of examples.
    """
    examples = len(batch[0])
    check_at_least("pad_batch", "batch_size", batch_size, examples)
    filled = tuple(np.pad(part, [(0, batch_size - examples)] + [(0, 0)] * (part.ndim - 1)) for part in batch)
    return filled, np.arange(batch_size) < examples
