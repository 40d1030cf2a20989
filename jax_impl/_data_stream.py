"""Records that can only be read from the first to the last, and the processes that read them.

Differs from its twin: a ``grain.IterDataset`` is told its slice by the worker, and its iterator has a state.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import grain
import numpy as np
from absl import flags

from jax_impl._data_checks import check_at_least
from jax_impl._data_collate import stack_records

__all__ = ["worker_options", "stream_loader"]


def worker_options(workers: int) -> grain.MultiprocessingOptions:
    """Say how a loader starts its processes.

    Args:
        workers: how many; 0 loads in the process that asks.

    Returns:
        Options in the framework's own form.

    Raises:
        ValueError: if ``workers`` is negative.

    Differs from its twin: grain always spawns. It reads flags of absl, which only ``absl.app.run`` would have parsed.
    """
    check_at_least("worker_options", "workers", workers, 0)
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    return grain.MultiprocessingOptions(num_workers=workers)


def stream_loader(
    records: Callable[[], Iterable[Any]], batch_size: int, *, drop_last: bool = False, workers: int = 0
) -> grain.IterDataset:
    r"""Read a stream in batches, in the order in which it comes.

    Worker $w$ of $W$ makes the batches $w, w + W, w + 2W, \dots$ and the loader takes them in turn, so the batches are
    the same however many workers there are. Each worker reads the whole stream.

    Args:
        records: opens the stream; it is called once in every worker, and must be such that it can be pickled.
        batch_size: the examples of a full batch.
        drop_last: whether to leave out a short batch at the end.
        workers: the processes that read; 0 reads in the process that asks.

    Returns:
        An iterable of batches, as `stack_records` makes them.

    Raises:
        ValueError: if ``batch_size`` is below 1 or ``workers`` is negative.

    Differs from its twin: ``get_state`` of an iterator counts the batches taken; ``set_state`` reads past them.
    """
    check_at_least("stream_loader", "batch_size", batch_size, 1)
    return _in_workers(_Stream(records, batch_size, drop_last), workers)


def _in_workers(pipeline: grain.IterDataset, workers: int) -> grain.IterDataset:
    if workers == 0:
        return pipeline
    # A worker's arrays lie in memory that is lent until the interpreter ends; copies can stay.
    return pipeline.mp_prefetch(worker_options(workers)).map(lambda batch: tuple(np.array(part) for part in batch))


class _Stream(grain.IterDataset):
    def __init__(self, records: Callable[[], Iterable[Any]], batch_size: int, drop_last: bool) -> None:
        super().__init__()
        self.records = records
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.mine = slice(0, None, 1)

    def set_slice(self, mine: slice, sequential_slice: bool = False) -> None:
        """Called by grain in a worker."""
        self.mine = mine

    def __iter__(self) -> "_StreamIterator":
        return _StreamIterator(self)

    def batches(self) -> Iterator[Any]:
        return map(stack_records, islice(self._chunks(), self.mine.start, None, self.mine.step))

    def _chunks(self) -> Iterator[list[Any]]:
        left = iter(self.records())
        while chunk := list(islice(left, self.batch_size)):
            if len(chunk) == self.batch_size or not self.drop_last:
                yield chunk


class _StreamIterator(grain.DatasetIterator):
    def __init__(self, stream: _Stream) -> None:
        super().__init__()
        self.stream = stream
        self.set_state({"taken": 0})

    def __next__(self) -> Any:
        batch = next(self.left)
        self.taken += 1
        return batch

    def get_state(self) -> dict[str, int]:
        return {"taken": self.taken}

    def set_state(self, state: dict[str, int]) -> None:
        self.taken = state["taken"]
        self.left = islice(self.stream.batches(), self.taken, None)
