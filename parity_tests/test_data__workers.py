"""Examples in batches: loaded by real processes, two of them, spawned and never forked beside JAX's threads."""

from functools import partial
from itertools import chain

import numpy as np
import pytest
from torch.utils.data import DataLoader, IterableDataset, Sampler, get_worker_info

from jax_impl import data as jax_side
from loading import EXAMPLES, assert_same, batches_of, examples, indexed, numpy_batches, stopped, stream
from torch_impl import data as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])
pytestmark = pytest.mark.slow  # each test starts its processes anew, and each of those imports its framework

ORDER = np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])


@SIDES
def test_two_workers_load_what_none_loads(side):
    transform = partial(side.scale_pixels, top=59.0)
    alone, helped = (batches_of(side, ORDER, 3, transform, workers=workers) for workers in (0, 2))
    assert len(alone) == 4
    assert_same(alone, helped)


@SIDES
def test_two_workers_read_a_stream_as_none_does(side):
    records = partial(stream, "torch" if side is torch_side else "jax")
    alone, helped = (numpy_batches(side.stream_loader(records, 3, workers=workers)) for workers in (0, 2))
    assert len(alone) == 4
    assert_same(alone, helped)


@SIDES
def test_a_stream_that_two_workers_read_goes_on_with_the_next_batch(side):
    """The workers have read ahead; torch's number, which counts arrivals, serves any other number of workers too."""
    for taken, workers in ((1, (2, 2)), *[(2, (2, 0))] * (side is torch_side)):
        first, rest = stopped(side, taken, 3, workers)
        assert_same([*first, *rest], indexed(np.arange(EXAMPLES), 3, examples()))


def test_grain_goes_on_with_the_next_batch_with_workers():
    """The state counts what has arrived, not what the workers have read ahead."""
    loaded = jax_side.loader(jax_side.ImageDataset(*examples()), jax_side.BatchOrder(ORDER, 3), workers=2)
    iterator = iter(loaded)
    next(iterator)
    state = iterator.get_state()
    again = iter(loaded)
    again.set_state(state)
    assert_same(list(again), batches_of(jax_side, ORDER, 3, start=1))


class Counting(Sampler):
    """A sampler that remembers how far it has come, as a resumable one is often written."""

    def __init__(self):
        self.given = 0

    def __iter__(self):
        for start in range(0, EXAMPLES, 2):
            self.given += 1
            yield ORDER[start : start + 2].tolist()


def test_planted_a_sampler_that_counts_is_ahead_of_what_has_arrived():
    """Two workers are asked for two batches each before the first arrives, and for one more with each that does.

    Measured: 5 counted, 1 arrived. Resumed from the count, the epoch would skip four batches.
    """
    counting = Counting()
    options = torch_side.worker_options(2)
    next(iter(DataLoader(torch_side.ImageDataset(*examples()), batch_sampler=counting, **options)))
    assert counting.given == 5


class Witness(IterableDataset):
    """Says what a worker would load, by the right ways and by the usual wrong ones."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __iter__(self):
        worker = get_worker_info()
        mine = range(worker.id, EXAMPLES, worker.num_workers)
        yield {
            "whole": [*range(EXAMPLES)],
            "sharded": [*mine],
            "generator made once": self.rng.normal(size=len(mine)).tolist(),
            "generator for each row": [np.random.default_rng((0, row)).normal() for row in mine],
        }


def test_planted_mistakes_of_workers_are_seen():
    """Two workers that do not ask which they are load all twice; a generator of which each gets a copy repeats itself.

    Sharded by records, each example comes once, but in other batches than without workers; and noise seeded by the row
    is the same however many workers there are.
    """
    reports = list(DataLoader(Witness(), batch_size=None, **torch_side.worker_options(2)))
    seen = {name: [*chain(*(report[name] for report in reports))] for name in reports[0]}
    assert sorted(seen["whole"]) == sorted([*range(EXAMPLES)] * 2)
    assert sorted(seen["sharded"]) == [*range(EXAMPLES)]
    assert reports[0]["sharded"][:3] == [0, 2, 4]
    assert len(set(seen["generator made once"])) == EXAMPLES // 2
    assert len(set(seen["generator for each row"])) == EXAMPLES
