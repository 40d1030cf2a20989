"""Batches made of records: stacked where all have one shape, padded where they have not.

Differs from its twin: tensors.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int, Num
from torch import Tensor, nn

from torch_impl._data_checks import check_at_least

__all__ = ["stack_records", "pad_records", "pad_batch"]


def stack_records(
    records: Sequence[tuple[Num[Tensor, "*shape"], Int[Tensor, ""] | int]],
) -> tuple[Num[Tensor, "batch *shape"], Int[Tensor, " batch"]]:
    """Stack records of one shape along a new first axis.

    Args:
        records: pairs (image, label).

    Returns:
        The images and the labels.

    Differs from its twin: labels are int64.
    """
    images, labels = zip(*records, strict=True)
    return torch.stack(images), torch.tensor(labels)


def pad_records(
    records: Sequence[Num[Tensor, " _"]], *, length: int | None = None, value: float = 0
) -> tuple[Num[Tensor, "batch length"], Bool[Tensor, "batch length"]]:
    """Stack sequences of several lengths, filled up at their ends.

    Args:
        records: the sequences, of one dtype.
        length: to which they are filled up; None takes the longest of the batch, another in every batch.
        value: what the filling is made of.

    Returns:
        The sequences, and a mask that is True where they are, False where the filling is.

    Raises:
        ValueError: if ``length`` is below that of the longest.
    """
    lengths = torch.tensor([len(record) for record in records])
    longest = int(lengths.max())
    length = longest if length is None else length
    check_at_least("pad_records", "length", length, longest)
    padded = nn.utils.rnn.pad_sequence(list(records), batch_first=True, padding_value=value)
    filled = nn.functional.pad(padded, (0, length - longest), value=value)
    return filled, torch.arange(length) < lengths[:, None]


def pad_batch(
    batch: tuple[Num[Tensor, "examples ..."], ...], batch_size: int
) -> tuple[tuple[Num[Tensor, "batch_size ..."], ...], Bool[Tensor, " batch_size"]]:
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
    filled = tuple(torch.cat([part, part.new_zeros(batch_size - examples, *part.shape[1:])]) for part in batch)
    return filled, torch.arange(batch_size) < examples
