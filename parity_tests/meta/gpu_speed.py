"""How fast one training step is at each precision, on both sides, and what share of the measured peak that is.

The model is bound by matrix products: square layers with ReLU between them, float32 parameters, products in the lower
dtype. Nothing is compared here, so nothing is asserted of a time.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import torch

__all__ = ["PRECISIONS", "SIDES", "Sizes", "Speed", "peak", "speeds"]

PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
"""float32 with products in full, and with factors rounded to TF32, each in the frameworks' own switch."""
SIDES = ("torch", "jax")


@dataclass(frozen=True)
class Sizes:
    """What is timed.

    Attributes:
        batch: rows of a step.
        width: of every layer.
        layers: how many.
        peaks: orders of the square products whose best throughput is the peak.
        repeats: timed calls; their median counts.
    """

    batch: int = 8192
    width: int = 8192
    layers: int = 4
    peaks: tuple[int, ...] = (4096, 8192, 16384)
    repeats: int = 10

    @property
    def operations(self) -> float:
        """Of one step: a product forward and two backward in each layer, but one in the first, whose input is given."""
        return 2.0 * self.batch * self.width**2 * (3 * self.layers - 1)


@dataclass(frozen=True)
class Speed:
    """One side at one precision: the median of the steps, and the operations a second that they come to."""

    side: str
    precision: str
    seconds: float
    per_second: float


def speeds(name: str, sizes: Sizes) -> Iterator[Speed]:
    """Time a step of both sides at every precision.

    Args:
        name: of the device, as torch spells it.
        sizes: what is timed.
    """
    for side, step_on in (("torch", _torch_step), ("jax", _jax_step)):
        for precision in PRECISIONS:
            with _products(precision == "tf32"):
                seconds = _timed(step_on(name, sizes, precision), sizes.repeats)
            yield Speed(side, precision, seconds, sizes.operations / seconds)


def peak(name: str, sizes: Sizes) -> dict[str, float]:
    """The operations a second of the best plain bfloat16 product, on both sides."""
    best = dict.fromkeys(SIDES, 0.0)
    for order in sizes.peaks:
        for side, product_on in (("torch", _torch_product), ("jax", _jax_product)):
            seconds = _timed(product_on(name, order), sizes.repeats)
            best[side] = max(best[side], 2.0 * order**3 / seconds)
    return best


@contextmanager
def _products(rounded: bool) -> Iterator[None]:
    """Take float32 products in full or at TF32; the switches are as they were at the end."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if rounded else "highest")
    try:
        with jax.default_matmul_precision("tensorfloat32" if rounded else "highest"):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _timed(call: Callable[[], None], repeats: int) -> float:
    """The median time of a call that waits for its results; three calls beforehand compile and warm up."""
    for _ in range(3):
        call()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _draws(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32) / np.float32(shape[-1] ** 0.5)


def _torch_step(name: str, sizes: Sizes, precision: str) -> Callable[[], None]:
    layers = [torch.nn.Linear(sizes.width, sizes.width) for _ in range(sizes.layers)]
    between = [layer for pair in zip(layers, [torch.nn.ReLU() for _ in layers], strict=True) for layer in pair]
    model = torch.nn.Sequential(*between).to(name)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    x = torch.tensor(_draws(sizes.batch, sizes.width)).to(name)
    kind, low = name.partition(":")[0], getattr(torch, precision, None)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(kind, dtype=low) if low in (torch.bfloat16, torch.float16) else nullcontext():
            out = model(x)
        out.float().square().mean().backward()
        optimizer.step()
        _wait(kind)

    return step


def _wait(kind: str) -> None:
    if kind == "cuda":
        torch.cuda.synchronize()


class _Squares(nn.Module):
    width: int
    layers: int
    compute: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for _ in range(self.layers):
            x = nn.relu(nn.Dense(self.width, dtype=self.compute, param_dtype=jnp.float32)(x))
        return x


def _jax_step(name: str, sizes: Sizes, precision: str) -> Callable[[], None]:
    model = _Squares(sizes.width, sizes.layers, jnp.dtype("float32" if precision == "tf32" else precision))
    device = _jax_device(name)
    x = jax.device_put(_draws(sizes.batch, sizes.width), device)
    held = [jax.jit(model.init)(jax.random.key(0), x)]

    def loss(params: Any) -> jax.Array:
        return jnp.square(model.apply(params, x).astype(jnp.float32)).mean()  # pyright: ignore[reportAttributeAccessIssue]

    @jax.jit
    def stepped(params: Any) -> Any:
        return jax.tree.map(lambda p, g: p - 1e-3 * g, params, jax.grad(loss)(params))

    def step() -> None:
        held[0] = jax.block_until_ready(stepped(held[0]))

    return step


def _jax_device(name: str) -> Any:
    kind, _, number = name.partition(":")
    return jax.local_devices(backend=kind)[int(number or 0)]


def _torch_product(name: str, order: int) -> Callable[[], None]:
    x = torch.tensor(_draws(order, order)).to(name, torch.bfloat16)

    def product() -> None:
        torch.mm(x, x)
        _wait(name.partition(":")[0])

    return product


def _jax_product(name: str, order: int) -> Callable[[], None]:
    x = jax.device_put(_draws(order, order), _jax_device(name)).astype(jnp.bfloat16)
    product = jax.jit(jnp.matmul)
    return lambda: jax.block_until_ready(product(x, x))
