"""Examples in batches: one order in, the same batches out.

The order of an epoch is data: an array of rows, drawn or given. All in turn, a permutation, a subset or a weighted draw
are all such arrays, and who knows the order and how many batches are taken can go on from the middle of an epoch.

Differs from its twin: `loader` is a grain pipeline of NumPy arrays, labels as int32, for data on a disk or with work
for each record. Data that fits goes to the device as a whole; a permutation and a scan are then all that is left of
loading. On 1,797 digits in batches of 64 an epoch of indexing by rows takes 0.1 ms; grain takes 5 times as long if it
fetches whole batches, 60 times with its threads, and 200 to 400 times record by record (2 cores, November 2026).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import grain
import jax
import numpy as np
from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Bool, Float, Int, Num, Shaped

from jax_impl._data_checks import check_at_least, check_batches
from jax_impl._data_collate import pad_batch, pad_records, stack_records
from jax_impl._data_stream import _in_workers, stream_loader, worker_options

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
Arrays = tuple[Shaped[Array, "examples ..."], ...]
# Threads that read ahead pay where a disk is waited for.
IN_MEMORY = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)


class ImageDataset:
    """Images with their labels, and what is done to an image when it is fetched.

    Differs from its twin: a row gives one record, (image, label), and many rows give a batch of them, so ``transform``
    must take both. It works on NumPy arrays, for it runs in worker processes.
    """

    def __init__(
        self,
        images: Num[np.ndarray, "examples *shape"],
        labels: Int[np.ndarray, " examples"],
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.images = images
        self.labels = labels.astype(np.int32)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Any) -> tuple[Num[np.ndarray, "*shape"], Int[np.ndarray, "..."] | np.integer]:
        images = self.images[rows]
        return images if self.transform is None else self.transform(images), self.labels[rows]


def scale_pixels(images: Num[np.ndarray, "*shape"], *, top: float = 255) -> Float[np.ndarray, "*shape"]:
    """Turn whole brightnesses into float32 from 0 to 1.

    Args:
        images: one image or many.
        top: the brightness of white.

    Returns:
        ``images / top``. The axes stay where they are; torchvision's ``ToTensor`` would move channels to the front.
    """
    return images.astype(np.float32) / np.float32(top)


def epoch_order(key: Array, examples: int, epoch: int) -> Int[Array, " examples"]:
    """Draw the order of one epoch: a permutation of all rows, for each epoch another.

    Args:
        examples: how many there are.
        epoch: its number; the same number gives the same order, whatever was drawn before.
        key: whose seed the order comes from; its state is neither used nor changed.

    Returns:
        The row that comes first, second, and so on.

    Differs from its twin: the epoch is folded into the key. The key alone would give every epoch one order.
    """
    return jax.random.permutation(jax.random.fold_in(key, epoch), examples)


def weighted_order(key: Array, weights: Float[Array, " examples"], draws: int) -> Int[Array, " draws"]:
    """Draw rows with replacement, each as often as its weight says.

    Args:
        weights: not negative; they need not sum to 1.
        draws: how many rows to draw.
        key: what the rows are drawn from.

    Returns:
        The row that comes first, second, and so on.
    """
    # In logarithms a weight of 0 is never drawn, and nothing need sum to 1.
    return jax.random.categorical(key, jnp.log(weights), shape=(draws,))


class BatchOrder:
    """An order cut into batches, from a given batch on.

    Differs from its twin: a source that gives the rows of any batch by its number, for ``grain.MapDataset.source``.
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

    def __getitem__(self, index: int) -> Int[np.ndarray, " batch"]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.order[(self.start + index) * self.batch_size :][: self.batch_size]


def loader(
    dataset: Any, batches: BatchOrder, *, collate: Callable[[Sequence[Any]], Any] | None = None, workers: int = 0
) -> grain.IterDataset:
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

    Differs from its twin: without ``collate`` the dataset is asked for all rows of a batch at once. An iterator has
    ``get_state`` and ``set_state`` too, for the same number of workers.
    """

    def fetch(rows: Int[np.ndarray, " batch"]) -> Any:
        return dataset[rows] if collate is None else collate([dataset[row] for row in rows])

    return _in_workers(grain.MapDataset.source(batches).map(fetch).to_iter_dataset(IN_MEMORY), workers)


def resident_epoch(
    step: Callable[[State, Arrays, Bool[Array, " batch"]], tuple[State, Any]],
    state: State,
    data: Arrays,
    order: Int[Array, " rows"],
    batch_size: int,
    *,
    start: int = 0,
) -> tuple[State, Shaped[Array, "steps ..."]]:
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

    Differs from its twin: a scan, whose batches have one shape: the last is filled up with row 0, under a mask that is
    False there. A row out of range is not refused: indexing clamps it.
    """
    steps = -(-len(order) // max(batch_size, 1))
    check_batches("resident_epoch", batch_size, start, steps - 1)
    rows = jnp.pad(order, (0, steps * batch_size - len(order))).reshape(steps, batch_size)
    valid = (jnp.arange(rows.size) < len(order)).reshape(rows.shape)

    def body(state: State, batch: tuple[Array, Array]) -> tuple[State, Any]:
        rows, valid = batch
        return step(state, tuple(part[rows] for part in data), valid)

    return lax.scan(body, state, (rows[start:], valid[start:]))


def mean_over_examples(per_example: Callable[..., Float[Array, " batch"]], batches: Iterable[Any]) -> float:
    r"""Average a value over all examples, however they are cut into batches.

    $\sum_b \sum_i v_{bi} / \sum_b n_b$. The mean of the batches' means is another number when the last batch is short.

    Args:
        per_example: takes the arrays of a batch, returns one value an example.
        batches: as a loader gives them, the first of them full.

    Returns:
        The mean, summed in float64.

    Raises:
        ValueError: if there are no batches.

    Differs from its twin: a short batch is filled up to the size of the first, so that one program serves for all.
    """
    compiled, size, sums = jax.jit(per_example), 0, []
    for batch in batches:
        size = size or len(batch[0])
        filled, valid = pad_batch(batch, size)
        sums.append((np.asarray(compiled(*filled), np.float64)[valid].sum().item(), len(batch[0])))
    check_at_least("mean_over_examples", "batches", len(sums), 1)
    total, examples = map(sum, zip(*sums, strict=True))
    return total / examples
