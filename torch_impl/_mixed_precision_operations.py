"""What autocast runs in which dtype, measured operation by operation.

An operation is called with float32 arguments, with lower ones and with both, and what it returns is read off. So the
table holds what this version does, not what a list says that it should.

Differs from its twin: torch decides below the call, in its dispatcher; an operation that has no rule there follows its
arguments.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from inspect import signature
from typing import NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from torch_impl._mixed_precision_policy import Policy

__all__ = ["OPERATIONS", "SIZES", "Measured", "under_policy", "operation_dtypes"]

SIZES = {"x": (4, 6), "y": (4, 6), "w": (6, 6), "b": (6,), "c": (6,), "s": (1,)}
SIZES |= {"batch": (2, 4, 6), "square": (2, 6, 6), "image": (2, 3, 8, 8), "kernel": (3, 3, 2, 2)}
SIZES |= {"series": (2, 3, 8), "short": (3, 3, 2), "volume": (2, 3, 4, 4, 4), "block": (3, 3, 2, 2, 2)}

# An argument's name is its size above, so that both trees call an operation with the same ones.
OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "matmul": lambda x, w: x @ w,
    "linear": lambda x, w, b: functional.linear(x, w, b),
    "addmm": lambda b, x, w: torch.addmm(b, x, w),
    "bmm": lambda batch, square: torch.bmm(batch, square),
    "baddbmm": lambda batch, square: torch.baddbmm(batch, batch, square),
    "einsum": lambda x, w: torch.einsum("ij,jk->ik", x, w),
    "conv1d": lambda series, short: functional.conv1d(series, short),
    "conv2d": lambda image, kernel: functional.conv2d(image, kernel),
    "conv3d": lambda volume, block: functional.conv3d(volume, block),
    "conv_transpose2d": lambda image, kernel: functional.conv_transpose2d(image, kernel),
    "attention": lambda batch: functional.scaled_dot_product_attention(batch, batch, batch),
    "prelu": lambda x, s: functional.prelu(x, s),
    "softmax": lambda x: torch.softmax(x, -1),
    "log_softmax": lambda x: torch.log_softmax(x, -1),
    "logsumexp": lambda x: torch.logsumexp(x, -1),
    "layer_norm": lambda x: functional.layer_norm(x, (6,)),
    "group_norm": lambda image: functional.group_norm(image, 3),
    "rms_norm": lambda x: functional.rms_norm(x, (6,)),
    "batch_norm": lambda x: functional.batch_norm(x, None, None, training=True),
    "exp": lambda x: torch.exp(x),
    "expm1": lambda x: torch.expm1(x),
    "log": lambda x: torch.log(x),
    "log1p": lambda x: torch.log1p(x),
    "log2": lambda x: torch.log2(x),
    "pow": lambda x: x**1.5,
    "reciprocal": lambda x: torch.reciprocal(x),
    "rsqrt": lambda x: torch.rsqrt(x),
    "cosh": lambda x: torch.cosh(x),
    "tan": lambda x: torch.tan(x),
    "sqrt": lambda x: torch.sqrt(x),
    "sin": lambda x: torch.sin(x),
    "square": lambda x: torch.square(x),
    "sum": lambda x: x.sum(-1),
    "mean": lambda x: x.mean(-1),
    "prod": lambda x: x.prod(-1),
    "cumsum": lambda x: x.cumsum(-1),
    "cumprod": lambda x: x.cumprod(-1),
    "norm": lambda x: torch.norm(x),
    "vector_norm": lambda x: torch.linalg.vector_norm(x),
    "max": lambda x: x.amax(-1),
    "relu": lambda x: torch.relu(x),
    "tanh": lambda x: torch.tanh(x),
    "sigmoid": lambda x: torch.sigmoid(x),
    "gelu": lambda x: functional.gelu(x),
    "silu": lambda x: functional.silu(x),
    "softplus": lambda x: functional.softplus(x),
    "max_pool2d": lambda image: functional.max_pool2d(image, 2),
    "avg_pool2d": lambda image: functional.avg_pool2d(image, 2),
    "cross_entropy": lambda x: functional.cross_entropy(x, _labels(x)),
    "nll_loss": lambda x: functional.nll_loss(x, _labels(x)),
    "mse_loss": lambda x, y: functional.mse_loss(x, y),
    "l1_loss": lambda x, y: functional.l1_loss(x, y),
    "smooth_l1_loss": lambda x, y: functional.smooth_l1_loss(x, y),
    "huber_loss": lambda x, y: functional.huber_loss(x, y),
    "kl_div": lambda x, y: functional.kl_div(x, y, reduction="sum"),
    "bce_with_logits": lambda x, y: functional.binary_cross_entropy_with_logits(x, y),
    "cosine_similarity": lambda x, y: functional.cosine_similarity(x, y),
    "add": lambda x, y: torch.add(x, y),
    "mul": lambda x, y: torch.mul(x, y),
    "div": lambda x, y: torch.div(x, y),
    "maximum": lambda x, y: torch.maximum(x, y),
    "where": lambda x, y: torch.where(torch.ones_like(x, dtype=torch.bool), x, y),
    "cat": lambda x, y: torch.cat([x, y]),
    "stack": lambda x, y: torch.stack([x, y]),
    "dot": lambda b, c: torch.dot(b, c),
    "atan2": lambda x, y: torch.atan2(x, y),
    "addcmul": lambda x, y: torch.addcmul(x, x, y),
}


class Measured(NamedTuple):
    """The dtypes of what an operation returns, by the dtypes of its floating arguments.

    Attributes:
        wide: all float32.
        low: all of the lower dtype.
        mixed: the first float32, the others lower; "-" where there is one argument, "error" where it is refused.
    """

    wide: str
    low: str
    mixed: str

    def rule(self) -> str:
        """What the three dtypes come to: "lower", "float32", or "follows" its arguments."""
        if self.low == "float32":
            return "float32"
        return "lower" if self.wide == self.low else "follows"


def under_policy(name: str, policy: Policy, device: str = "cpu") -> Callable[..., Tensor]:
    """One of ``OPERATIONS`` as a policy runs it.

    Args:
        name: of the operation.
        policy: its compute dtype is the lower one.
        device: the kind of device whose rules apply, "cpu" or "cuda". They differ: on a CPU, softmax, norms, sums and
            powers follow their arguments.

    Returns:
        A function of the same arguments.

    Raises:
        ValueError: if ``device`` is no such kind.

    Differs from its twin: runs the operation under autocast.
    """
    if device not in ("cpu", "cuda"):
        raise ValueError(f"under_policy: device must be one of cpu, cuda, got {device!r}.")

    def run(*arguments: Tensor) -> Tensor:
        with _autocast(policy, device):
            return OPERATIONS[name](*arguments)

    return run


def operation_dtypes(policy: Policy, device: str = "cpu") -> dict[str, Measured]:
    """Call every operation under a policy and read off the dtype of its result.

    Args:
        policy: its compute dtype is the lower one.
        device: as in ``under_policy``.

    Returns:
        What was measured, by the name of the operation.

    Raises:
        ValueError: if ``device`` is no such kind.

    Differs from its twin: where there is no GPU, CUDA's rules run on tensors without data, which pass the same
    dispatcher.
    """
    absent = device == "cuda" and not torch.cuda.is_available()
    with FakeTensorMode() if absent else nullcontext():
        return {name: _measured(name, policy, device) for name in OPERATIONS}


def _measured(name: str, policy: Policy, device: str) -> Measured:
    run, arguments = under_policy(name, policy, device), list(signature(OPERATIONS[name]).parameters)

    def returned(first: torch.dtype, others: torch.dtype) -> str:
        dtypes = [first, *[others] * (len(arguments) - 1)]
        tensors = [
            torch.rand(SIZES[size], device=device).to(dtype) for size, dtype in zip(arguments, dtypes, strict=True)
        ]
        try:
            return str(run(*tensors).dtype).removeprefix("torch.")
        except RuntimeError:
            return "error"

    wide, low = torch.float32, policy.compute
    return Measured(returned(wide, wide), returned(low, low), returned(wide, low) if len(arguments) > 1 else "-")


@contextmanager
def _autocast(policy: Policy, device: str) -> Iterator[None]:
    # torch.autocast("cuda") switches itself off where there is no GPU; these are the switches that it sets.
    before = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
    torch.set_autocast_enabled(device, True)
    torch.set_autocast_dtype(device, policy.compute)
    try:
        yield
    finally:
        torch.set_autocast_enabled(device, before[0])
        torch.set_autocast_dtype(device, before[1])
        torch.clear_autocast_cache()


def _labels(x: Tensor) -> Tensor:
    return torch.zeros(len(x), dtype=torch.long, device=x.device)
