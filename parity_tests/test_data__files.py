"""Examples in batches: from files, each read and decoded when its row is asked for."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import image
from torch.utils.data import Dataset

from jax_impl import data as jax_side
from loading import assert_same, numpy_batches
from parity.digits import load_digits
from torch_impl import data as torch_side

SIDES = pytest.mark.parametrize("side", [torch_side, jax_side], ids=["torch", "jax"])
ORDER = np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])


class PictureFiles(Dataset):
    """PNG files with a label in their names: at the top level, for worker processes import it by name."""

    def __init__(self, folder, made=np.asarray):
        self.made = made
        self.paths = sorted(Path(folder).glob("*.png"))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, row):
        path = self.paths[row]
        return self.made(image.imread(path)[..., :3]), int(path.stem.split("-")[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten of the digits, as pictures and as two arrays."""
    folder = tmp_path_factory.mktemp("digits")
    images, labels = (part[:10] for part in load_digits()[0])
    for row, (pixels, label) in enumerate(zip(images.reshape(-1, 8, 8), labels, strict=True)):
        image.imsave(folder / f"{row}-{label}.png", pixels, cmap="viridis", vmin=0, vmax=1)
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", labels)
    return folder


def pictures(side, folder, *, start=0, workers=0):
    """Record by record, as files are read, and stacked."""
    dataset = PictureFiles(folder, torch.from_numpy if side is torch_side else np.asarray)
    batches = side.BatchOrder(ORDER, 3, start=start)
    return numpy_batches(side.loader(dataset, batches, collate=side.stack_records, workers=workers))


def in_order(folder):
    records = [PictureFiles(folder)[row] for row in ORDER]
    return [
        tuple(np.stack(part) for part in zip(*records[start : start + 3], strict=True)) for start in range(0, 10, 3)
    ]


@SIDES
def test_pictures_arrive_as_they_lie_on_the_disk(side, folder):
    assert_same(pictures(side, folder), in_order(folder))


@SIDES
def test_an_epoch_over_files_goes_on_with_the_next_batch(side, folder):
    assert_same(pictures(side, folder, start=2), in_order(folder)[2:])


@pytest.mark.slow
@SIDES
def test_two_workers_read_the_files_that_none_reads(side, folder):
    assert_same(pictures(side, folder, workers=2), in_order(folder))


def test_memory_mapped_arrays_give_the_same_batches(folder):
    """What is larger than memory stays on the disk; rows are read when they are asked for."""
    mapped = partial(np.load, mmap_mode="c")  # torch warns of arrays that cannot be written
    batches = []
    for side in (torch_side, jax_side):
        dataset = side.ImageDataset(mapped(folder / "images.npy"), mapped(folder / "labels.npy"))
        batches.append(numpy_batches(side.loader(dataset, side.BatchOrder(ORDER, 4))))
    assert_same(*batches)
