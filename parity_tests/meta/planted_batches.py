"""Planted mistakes of data: batches of unequal length, padded rows, and images on their way in."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import torch

from mistake import of_topic

__all__ = ["MISTAKES"]

batches = of_topic("batches")

draw = np.random.default_rng(18)
LOSSES = draw.normal(size=10) ** 2
UNEVEN = [slice(0, 4), slice(4, 8), slice(8, 10)]
PIXELS = draw.integers(0, 256, size=(2, 4, 4, 3))
VALID = np.arange(10) < 7
MEAN, STD = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.25, 0.3])
X, W, Y = draw.normal(size=(10, 3)), draw.normal(size=3), draw.normal(size=10)
FIT = {"x": X, "y": Y, "w": W}


def torch_epoch(losses):
    total = sum(losses[part].mean() * len(losses[part]) for part in UNEVEN)
    return total / len(losses)


def epoch(losses, *, weigh=True, parts=UNEVEN):
    means = jnp.stack([losses[part].mean() for part in parts])
    sizes = jnp.asarray([len(losses[part]) for part in parts], losses.dtype)
    return (means * sizes).sum() / sizes.sum() if weigh else means.mean()


def torch_images(pixels):
    """What torchvision's ToTensor and Normalize do: HWC bytes to CHW, 1/255, centred."""
    mean, std = (torch.tensor(a, dtype=torch.get_default_dtype())[:, None, None] for a in (MEAN, STD))
    return (pixels.permute(0, 3, 1, 2) / 255.0 - mean) / std


def images(pixels, *, divisor=255.0, std=STD, order=(0, 3, 1, 2)):
    return (pixels.transpose(order) / divisor - MEAN[:, None, None]) / std[:, None, None]


def masked_loss(x, y, w, *, divide_by_all=False, polluted=False):
    """Ten rows of which the last three only pad the batch."""
    errors = (x @ w - y) ** 2
    kept = errors if polluted else jnp.where(VALID, errors, 0.0)
    return kept.sum() / (10 if divide_by_all or polluted else 7)


MISTAKES = (
    batches(
        "the mean of the batches' means",
        torch_epoch,
        epoch,
        partial(epoch, weigh=False),
        (LOSSES,),
        named=("last batch", "short batch", "mean of means"),
    ),
    batches(
        "the last, short batch dropped",
        torch_epoch,
        epoch,
        partial(epoch, parts=UNEVEN[:2]),
        (LOSSES,),
        named=("last batch", "short batch", "dropped", "differ only"),
    ),
    batches(
        "rows that pad a batch counted",
        lambda x, y, w: ((x[:7] @ w - y[:7]) ** 2).mean(),
        masked_loss,
        partial(masked_loss, polluted=True),
        FIT,
        named=("masked", "padding", "differ only"),
    ),
    batches(
        "rows that pad a batch counted in the divisor",
        lambda x, y, w: ((x[:7] @ w - y[:7]) ** 2).mean(),
        masked_loss,
        partial(masked_loss, divide_by_all=True),
        FIT,
        named=("10/7", "1.428", "masked", "10 is 7"),
    ),
    batches(
        "pixels not divided by 255",
        torch_images,
        images,
        partial(images, divisor=1.0),
        (PIXELS,),
        named=("255",),
        options={"gradients": False},
    ),
    batches(
        "pixels divided by 256",
        torch_images,
        images,
        partial(images, divisor=256.0),
        (PIXELS,),
        named=("255", "256"),
        options={"gradients": False},
    ),
    batches(
        "rows and columns of square images swapped",
        torch_images,
        images,
        partial(images, order=(0, 3, 2, 1)),
        (PIXELS,),
        named=("axes in the order", "transpose"),
        options={"gradients": False},
    ),
    batches(
        "divided by the variance of the pixels",
        torch_images,
        images,
        partial(images, std=STD**2),
        (PIXELS,),
        named=("variance", "square"),
        options={"gradients": False},
    ),
)
