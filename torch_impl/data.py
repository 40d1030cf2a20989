"""Examples in batches: one order in, the same batches out.

The order of an epoch is data: an array of rows, drawn or given. All in turn, a permutation, a subset or a weighted draw
are all such arrays, and who knows the order and how many batches are taken can go on from the middle of an epoch.

Differs from its twin: a ``DataLoader`` fetches record by record and hands out tensors, the labels as int64.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Num, Shaped
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from torch_impl._data_checks import check_at_least, check_batches
from torch_impl._data_collate import pad_batch, pad_records, stack_records
from torch_impl._data_stream import stream_loader, worker_options

__all__ = [
    "ImageDataset",
    "scale_pixels",
    "epoch_order",
    "weighted_order",
    "BatchOrder",
    "stack_records",
    "pad_records",
    "pad_batch",
    "loader",
    "stream_loader",
    "worker_options",
    "resident_epoch",
    "mean_over_examples",
]

State = TypeVar("State")
Arrays = tuple[Shaped[Tensor, "examples ..."], ...]


class ImageDataset(Dataset):
    """Images with their labels, and what is done to an image when it is fetched.

    Differs from its twin: a row gives one record, (image, label).
    """

    def __init__(
        self,
        images: Num[np.ndarray, "examples *shape"],
        labels: Int[np.ndarray, " examples"],
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.images = images
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Num[Tensor, "*shape"], int]:
        image = torch.as_tensor(self.images[row])
        return image if self.transform is None else self.transform(image), int(self.labels[row])


def scale_pixels(images: Num[Tensor, "*shape"], *, top: float = 255) -> Float[Tensor, "*shape"]:
    """Turn whole brightnesses into float32 from 0 to 1.

    Args:
        images: one image or many.
        top: the brightness of white.

    Returns:
        ``images / top``. The axes stay where they are; torchvision's ``ToTensor`` would move channels to the front.
    """
    return images.to(torch.float32) / top


def epoch_order(examples: int, epoch: int, *, generator: Generator) -> Int[Tensor, " examples"]:
    """Draw the order of one epoch: a permutation of all rows, for each epoch another.

    Args:
        examples: how many there are.
        epoch: its number; the same number gives the same order, whatever was drawn before.
        generator: whose seed the order comes from; its state is neither used nor changed.

    Returns:
        The row that comes first, second, and so on.

    Differs from its twin: the seed is the generator's plus the epoch, as ``DistributedSampler`` has it; so epoch 1 of
    seed 0 is epoch 0 of seed 1.
    """
    return torch.randperm(examples, generator=Generator().manual_seed(generator.initial_seed() + epoch))


def weighted_order(weights: Float[Tensor, " examples"], draws: int, *, generator: Generator) -> Int[Tensor, " draws"]:
    """Draw rows with replacement, each as often as its weight says.

    Args:
        weights: not negative; they need not sum to 1.
        draws: how many rows to draw.
        generator: what the rows are drawn from.

    Returns:
        The row that comes first, second, and so on.

    Differs from its twin: what ``WeightedRandomSampler`` draws.
    """
    return torch.multinomial(weights, draws, replacement=True, generator=generator)


class BatchOrder(Sampler[list[int]]):
    """An order cut into batches, from a given batch on.

    Differs from its twin: an iterable of lists of rows, for the ``batch_sampler`` of a ``DataLoader``.
    """

    def __init__(
        self, order: Int[np.ndarray, " rows"], batch_size: int, *, drop_last: bool = False, start: int = 0
    ) -> None:
        full, short = divmod(len(order), max(batch_size, 1))
        self.batches = full + (short > 0 and not drop_last)
        check_batches("BatchOrder", batch_size, start, self.batches)
        self.order = order
        self.batch_size = batch_size
        self.start = start

    def __len__(self) -> int:
        return self.batches - self.start

    def __iter__(self) -> Iterator[list[int]]:
        for batch in range(self.start, self.batches):
            yield self.order[batch * self.batch_size :][: self.batch_size].tolist()


def loader(
    dataset: Any, batches: BatchOrder, *, collate: Callable[[Sequence[Any]], Any] | None = None, workers: int = 0
) -> DataLoader:
    """Load batches in a given order.

    To go on in mid-epoch, count the batches that have arrived, and load with a `BatchOrder` that starts there. (What
    the loader has asked for is further ahead: workers fetch before they are asked.)

    Args:
        dataset: what to fetch from, by row.
        batches: the rows of every batch.
        collate: makes a batch of a list of records; None stacks them.
        workers: the processes that fetch; 0 fetches in the process that asks.

    Returns:
        An iterable of batches, the same for any number of workers.

    Raises:
        ValueError: if ``workers`` is negative.

    Differs from its twin: every record is fetched by itself.
    """
    return DataLoader(dataset, batch_sampler=batches, collate_fn=collate or stack_records, **worker_options(workers))


def resident_epoch(
    step: Callable[[State, Arrays, Bool[Tensor, " batch"]], tuple[State, Any]],
    state: State,
    data: Arrays,
    order: Int[Tensor, " rows"],
    batch_size: int,
    *,
    start: int = 0,
) -> tuple[State, Shaped[Tensor, "steps ..."]]:
    """Go through data that lies on the device as a whole, in the order given; the last batch may be short.

    Args:
        step: takes a state, a batch and a mask of its valid examples; returns the next state and what to keep.
        state: before the first step.
        data: arrays with one row an example.
        order: the row that comes first, second, and so on.
        batch_size: the examples of one step.
        start: the batches already taken.

    Returns:
        The last state, and what each step kept, stacked.

    Raises:
        ValueError: if ``batch_size`` is below 1, or there is no batch from ``start`` on.

    Differs from its twin: a loop; the last batch is as short as it is, and every mask is True.
    """
    check_batches("resident_epoch", batch_size, start, (len(order) - 1) // max(batch_size, 1))
    kept = []
    for rows in order[start * batch_size :].split(batch_size):
        state, output = step(state, tuple(part[rows] for part in data), rows.new_ones(len(rows), dtype=torch.bool))
        kept.append(output)
    return state, torch.stack(kept)


@torch.no_grad()
def mean_over_examples(per_example: Callable[..., Float[Tensor, " batch"]], batches: Iterable[Any]) -> float:
    r"""Average a value over all examples, however they are cut into batches.

    $\sum_b \sum_i v_{bi} / \sum_b n_b$. The mean of the batches' means is another number when the last batch is short.

    Args:
        per_example: takes the arrays of a batch, returns one value an example.
        batches: as a loader gives them, the first of them full.

    Returns:
        The mean, summed in float64.

    Raises:
        ValueError: if there are no batches.
    """
    sums = [(values.double().sum().item(), len(values)) for batch in batches for values in [per_example(*batch)]]
    check_at_least("mean_over_examples", "batches", len(sums), 1)
    total, examples = map(sum, zip(*sums, strict=True))
    return total / examples
