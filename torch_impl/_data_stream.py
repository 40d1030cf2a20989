"""Records that can only be read from the first to the last, and the processes that read them.

Differs from its twin: an ``IterableDataset`` asks which worker it is in, and leaves out the batches of the others.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from torch_impl._data_checks import check_at_least
from torch_impl._data_collate import stack_records

__all__ = ["worker_options", "stream_loader"]


def worker_options(workers: int) -> dict[str, Any]:
    """Say how a loader starts its processes.

    Args:
        workers: how many; 0 loads in the process that asks.

    Returns:
        Options in the framework's own form.

    Raises:
        ValueError: if ``workers`` is negative.

    Differs from its twin: processes are spawned on purpose. A fork copies locks that threads hold, JAX's among them.
    """
    check_at_least("worker_options", "workers", workers, 0)
    return {"num_workers": workers, "multiprocessing_context": "spawn" if workers else None}


def stream_loader(
    records: Callable[[], Iterable[Any]], batch_size: int, *, drop_last: bool = False, workers: int = 0
) -> DataLoader:
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

    Differs from its twin: ``batch_size=None`` tells the ``DataLoader`` that the stream makes the batches. Left to batch
    by itself, it would shard single records, and the batches would change with the number of workers. ``state_dict`` of
    the loader counts the batches taken; after ``load_state_dict`` its next epoch reads past them.
    """
    check_at_least("stream_loader", "batch_size", batch_size, 1)
    return _StreamLoader(_Stream(records, batch_size, drop_last), batch_size=None, **worker_options(workers))


class _StreamLoader(DataLoader):
    """Counts where the batches arrive: a worker has read ahead of that."""

    taken = 0
    start = 0

    def __iter__(self) -> Any:
        # Pickled into every worker with the rest of the stream. The epoch after this one starts at the beginning.
        self.dataset.start, self.taken, self.start = self.start, self.start, 0  # pyright: ignore[reportAttributeAccessIssue]
        return self._counted(super().__iter__())

    def _counted(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            self.taken += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        return {"taken": self.taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        check_at_least("load_state_dict", "taken", state["taken"], 0)
        self.start = self.taken = state["taken"]


class _Stream(IterableDataset):
    def __init__(self, records: Callable[[], Iterable[Any]], batch_size: int, drop_last: bool) -> None:
        self.records = records
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.start = 0

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        # The loader asks worker 0 first, wherever the epoch begins.
        return map(stack_records, islice(self._chunks(), self.start + first, None, step))

    def _chunks(self) -> Iterator[list[Any]]:
        left = iter(self.records())
        while chunk := list(islice(left, self.batch_size)):
            if len(chunk) == self.batch_size or not self.drop_last:
                yield chunk
