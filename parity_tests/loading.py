"""What the proofs of loading share: examples that tell their own row, and batches held side by side."""

from functools import partial
from itertools import islice

import numpy as np
import torch

from torch_impl import data as torch_side

__all__ = ["EXAMPLES", "assert_same", "batches_of", "examples", "gap", "indexed", "numpy_batches", "stopped", "stream"]

EXAMPLES = 10


def examples(n=EXAMPLES):
    """Images that tell their own row, and their labels."""
    images = np.arange(n * 6, dtype=np.uint8).reshape(n, 2, 3)
    return images, np.arange(n) * 7 % 10


def numpy_batches(loaded):
    return [tuple(np.asarray(part) for part in batch) for batch in loaded]


def batches_of(side, order, batch_size, transform=None, data=None, **options):
    """All batches of an epoch, as NumPy arrays."""
    workers, collate = options.pop("workers", 0), options.pop("collate", None)
    dataset = side.ImageDataset(*(data or examples()), transform)
    batches = side.BatchOrder(np.asarray(order), batch_size, **options)
    return numpy_batches(side.loader(dataset, batches, workers=workers, collate=collate))


def indexed(order, batch_size, data, drop_last=False):
    """The third voice: NumPy's own indexing by the rows of each batch."""
    rows = np.split(np.asarray(order), range(batch_size, len(order), batch_size))
    rows = [part for part in rows if len(part) == batch_size or not drop_last] if len(order) else []
    return [tuple(array[part] for array in data) for part in rows]


def gap(left, right):
    """The first difference between two lists of batches, "" where there is none; labels may be int64 and int32."""
    if len(left) != len(right):
        return f"{len(left)} batches against {len(right)}"
    for number, (one, other) in enumerate(zip(left, right, strict=True)):
        for name, ours, theirs in zip(("images", "labels"), one, other, strict=True):
            if ours.shape != theirs.shape:
                return f"batch {number}: {name} of shape {ours.shape} against {theirs.shape}"
            if not np.array_equal(ours, theirs):
                return f"batch {number}: other {name}"
            if name == "images" and ours.dtype != theirs.dtype:
                return f"batch {number}: {name} of {ours.dtype} against {theirs.dtype}"
    return ""


def stopped(side, taken, batch_size=4, workers=(0, 0)):
    """A stream's batches before it is stopped, and those of another loader that is told the state; workers of each."""
    kind = "torch" if side is torch_side else "jax"
    loaded, again = (side.stream_loader(partial(stream, kind), batch_size, workers=number) for number in workers)
    iterator = iter(loaded)
    first = list(islice(iterator, taken))
    if side is torch_side:
        again.load_state_dict(loaded.state_dict())
        return numpy_batches(first), numpy_batches(again)
    rest = iter(again)
    rest.set_state(iterator.get_state())
    return numpy_batches(first), numpy_batches(rest)


def assert_same(left, right):
    """Bit for bit."""
    assert gap(left, right) == ""


def stream(side, n=EXAMPLES):
    """Records that come one after the other; a function of a module, so that a worker can be sent it."""
    for image, label in zip(*examples(n), strict=True):
        yield (torch.from_numpy(image) if side == "torch" else image), int(label)
