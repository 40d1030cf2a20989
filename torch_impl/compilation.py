"""Compilation: one program for the whole of a function, made on the first call and kept for the next of its shapes.

What a compiler may fuse or reorder changes last digits only; what it cannot see (Python's branches, its side effects,
a new shape) decides whether there is one program, several, or none.

Differs from its twin: ``torch.compile`` falls back to Python where it must, piece by piece, and says nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional

__all__ = [
    "feed_forward",
    "absolute_by_branch",
    "absolute_by_where",
    "power",
    "whole",
    "compilations",
    "breaks",
    "operations",
    "scatter_into",
]


def feed_forward(
    x: Float[Tensor, "*batch inputs"], first: Float[Tensor, "hidden inputs"], second: Float[Tensor, "outputs hidden"]
) -> Float[Tensor, "*batch outputs"]:
    r"""Two products with an exact gelu between: $W_2 \, \mathrm{gelu}(W_1 x)$; a compiler has something to fuse."""
    return functional.linear(functional.gelu(functional.linear(x, first)), second)


def absolute_by_branch(x: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Choose by a Python ``if``, which has to know the number.

    Differs from its twin: the compiled program ends at the branch, Python decides, and another one begins.
    """
    if x < 0:
        return -x
    return x


def absolute_by_where(x: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Choose inside the program: both values are computed, one is taken."""
    return torch.where(x < 0, -x, x)


def power(x: Float[Tensor, "*shape"], exponent: int) -> Float[Tensor, "*shape"]:
    """Multiply in a Python loop, which a compiler unrolls: a program for each exponent.

    Differs from its twin: a Python integer is part of the program by itself.
    """
    result = torch.ones_like(x)
    for _ in range(exponent):
        result = result * x
    return result


def whole(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function into one program; where Python has to decide in the middle, the first call raises.

    Differs from its twin: ``fullgraph=True`` makes an ``Unsupported`` of what would be several programs, and
    ``dynamic=False`` compiles again for every shape; without it the second shape makes one program for all.
    """
    return torch.compile(function, fullgraph=True, dynamic=False)


def compilations(function: Callable[..., Any], calls: Iterable[Sequence[Any]]) -> int:
    """Count the programs that a sequence of calls needs.

    Args:
        calls: the arguments of each call.

    Returns:
        How many times the function was compiled.

    Differs from its twin: a backend is handed every graph; this one counts, and runs it as it is.
    """
    count = 0

    def counting(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        nonlocal count
        count += 1
        return graph.forward

    torch.compiler.reset()
    compiled = torch.compile(function, backend=counting, dynamic=False)
    for arguments in calls:
        compiled(*arguments)
    return count


def breaks(function: Callable[..., Any], *arguments: Any) -> list[str]:
    """Say where a function cannot be one program.

    Returns:
        A reason for each place; none if the whole function compiles.

    Differs from its twin: every break is found, for Python goes on behind it.
    """
    torch.compiler.reset()
    return [reason.reason for reason in torch._dynamo.explain(function)(*arguments).break_reasons]


def operations(function: Callable[..., Any], *arguments: Any) -> list[str]:
    """List what the traced program computes, in its order.

    Differs from its twin: the names are ATen's.
    """
    graph = make_fx(function)(*arguments).graph
    return [node.target.__name__.partition(".")[0] for node in graph.nodes if node.op == "call_function"]


def scatter_into(
    buffer: Float[Tensor, "rows columns"], row: int, values: Float[Tensor, " columns"]
) -> Float[Tensor, "rows columns"]:
    """Write one row into a buffer that nobody needs afterwards as it was.

    Returns:
        The buffer with the row.

    Differs from its twin: an assignment in place, seen by everyone who holds the tensor.
    """
    buffer[row] = values
    return buffer
