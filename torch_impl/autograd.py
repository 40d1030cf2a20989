r"""Automatic differentiation: derivatives of first and second order, and custom ones.

Differs from its twin: a tensor that requires a gradient records what is done to it, and ``backward`` walks that
record; ``torch.func`` turns functions into functions as JAX does.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from torch_impl._checks import check_shape

__all__ = [
    "quadratic",
    "tilted_cosine",
    "small_graph",
    "operations",
    "gradient",
    "value_and_gradient",
    "hessian",
    "jacobian_vector_product",
    "vector_jacobian_product",
    "hessian_vector_product",
    "per_example_gradients",
    "accumulated_gradient",
    "stopped_target_loss",
    "straight_through_round",
    "safe_norm",
]


def quadratic(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Evaluate $f(x) = (x - 2)^2$; the text asks for $f'(1) = -2$."""
    return (x - 2) ** 2


def tilted_cosine(w: Float[Tensor, "2"]) -> Float[Tensor, ""]:
    r"""Evaluate $g(w) = 2 w_1 w_2 + w_2 \cos w_1$.

    $\nabla g(w) = [2 w_2 - w_2 \sin w_1,\; 2 w_1 + \cos w_1]$, so $\nabla g([\pi, 1]) = [2, 2\pi - 1]$.
    The text claims $[2, \pi - 1]$; its own output is right.
    """
    return 2 * w[0] * w[1] + w[1] * torch.cos(w[0])


def small_graph(a: Float[Tensor, "*shape"], b: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""Evaluate $e = (a + b)(b + 1)$, where $b$ reaches $e$ along two paths.

    $\partial e/\partial a = b + 1$, $\partial e/\partial b = (b + 1) + (a + b)$.
    """
    return (a + b) * (b + 1)


def operations(function: Callable[..., Tensor], *arguments: Float[Tensor, "..."]) -> tuple[str, ...]:
    """List the operations that a derivative is taken through.

    Args:
        function: what to look into.
        arguments: where to evaluate it.

    Returns:
        The operations' names in the framework's own words.

    Differs from its twin: the graph is recorded while the function runs and hangs on its result, so the list
    starts at the result and ends at the leaves.
    """
    value = function(*(argument.detach().requires_grad_() for argument in arguments))
    nodes: list[Any] = [value.grad_fn]
    for node in nodes:  # grows while it is read: breadth first
        nodes += [parent for parent, _ in node.next_functions if parent is not None and parent not in nodes]
    return tuple(type(node).__name__ for node in nodes)


def _accumulated(leaf: Tensor) -> Tensor:
    """Read what ``backward`` has added into a leaf; a leaf it never reached has gradient 0."""
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def gradient(function: Callable[[Tensor], Tensor], point: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""Differentiate a scalar function: $\nabla f(p)$, the slope along every entry of ``point``.

    Raises:
        ValueError: if ``function`` does not return a scalar.

    Differs from its twin: ``backward`` adds into ``.grad`` of a leaf, here of a fresh one. The result is cut from
    the graph; ``value_and_gradient`` can be differentiated again.
    """
    leaf = point.detach().clone().requires_grad_()
    value = function(leaf)
    check_shape("gradient", "function(point)", value.shape, (), "a scalar")
    value.backward()
    return _accumulated(leaf)


def value_and_gradient(
    function: Callable[[Tensor], Tensor], point: Float[Tensor, "*shape"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "*shape"]]:
    """Evaluate a scalar function and its gradient in one pass; both can be differentiated again.

    Raises:
        ValueError: if ``function`` does not return a scalar.
    """
    value, pullback, *_ = torch.func.vjp(function, point)
    check_shape("value_and_gradient", "function(point)", value.shape, (), "a scalar")
    (slope,) = pullback(torch.ones_like(value))
    return value, slope


def hessian(
    function: Callable[[Tensor], Tensor], point: Float[Tensor, " features"]
) -> Float[Tensor, "features features"]:
    r"""Collect the second derivatives of a scalar function, forward mode over reverse mode.

    $H_{ij} = \partial^2 f / \partial p_i \partial p_j$
    """
    return torch.func.hessian(function)(point)


def jacobian_vector_product(
    function: Callable[[Tensor], Tensor], point: Float[Tensor, "*shape"], direction: Float[Tensor, "*shape"]
) -> tuple[Float[Tensor, "*value"], Float[Tensor, "*value"]]:
    """Push a direction forward: $J v$, the change of the value as ``point`` moves along $v$.

    Returns:
        $f(p)$ and $J v$.
    """
    value, product, *_ = torch.func.jvp(function, (point,), (direction,))
    return value, product


def vector_jacobian_product(
    function: Callable[[Tensor], Tensor], point: Float[Tensor, "*shape"], cotangent: Float[Tensor, "*value"]
) -> tuple[Float[Tensor, "*value"], Float[Tensor, "*shape"]]:
    r"""Pull a cotangent back: $u^\top J$, the gradient of $u \cdot f$, where $u$ weighs the entries of the result.

    Returns:
        $f(p)$ and $u^\top J$.
    """
    value, pullback, *_ = torch.func.vjp(function, point)
    (product,) = pullback(cotangent)
    return value, product


def hessian_vector_product(
    function: Callable[[Tensor], Tensor], point: Float[Tensor, "*shape"], direction: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Multiply the Hessian by a direction without building it: $H v$, the change of the gradient along $v$."""
    return torch.func.jvp(torch.func.grad(function), (point,), (direction,))[1]


def per_example_gradients(
    loss: Callable[[Tensor, Tensor, Tensor], Tensor],
    weights: Float[Tensor, "*weights"],
    inputs: Float[Tensor, "batch *input"],
    targets: Float[Tensor, "batch *target"],
) -> Float[Tensor, "batch *weights"]:
    """Differentiate the loss of every example alone, in one vectorised pass.

    Args:
        loss: maps weights, one input and one target to a scalar.
        weights: where to differentiate; every example sees the same.
        inputs: one for each example.
        targets: one for each example.

    Returns:
        One gradient for each example; their sum is the gradient of the summed loss.

    Raises:
        ValueError: if there are not as many targets as inputs.
    """
    check_shape("per_example_gradients", "len(targets)", targets.shape[:1], inputs.shape[:1], "one for each input")
    return torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weights, inputs, targets)


def accumulated_gradient(
    loss: Callable[[Tensor, Tensor, Tensor], Tensor],
    weights: Float[Tensor, "*weights"],
    inputs: Float[Tensor, "batches *input"],
    targets: Float[Tensor, "batches *target"],
) -> Float[Tensor, "*weights"]:
    """Add the gradients of several batches, as if they were one.

    Args:
        loss: maps weights, one batch of inputs and one of targets to a scalar.
        weights: where to differentiate.
        inputs: one batch after the other.
        targets: one batch after the other.

    Returns:
        The sum of the batches' gradients; divide by their number where ``loss`` is a mean.

    Raises:
        ValueError: if there are not as many batches of targets as of inputs.

    Differs from its twin: ``.grad`` does the adding, wanted here and a trap elsewhere: a loop that never
    resets it descends along the sum of all past gradients.
    """
    check_shape("accumulated_gradient", "len(targets)", targets.shape[:1], inputs.shape[:1], "one for each batch")
    leaf = weights.detach().clone().requires_grad_()
    for batch in zip(inputs, targets, strict=True):
        loss(leaf, *batch).backward()
    return _accumulated(leaf)


def stopped_target_loss(w: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    r"""Chase a target that is held still: $\sum (2w - \mathrm{sg}(3w))^2$.

    The stop leaves the value alone and turns the gradient from $2w$ into $-4w$, as in
    temporal differences, distillation and vector quantisation.
    """
    return ((2 * w - (3 * w).detach()) ** 2).sum()


class _StraightThroughRound(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Keep nothing: the backward pass does not look at ``x``."""

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return cotangent


def straight_through_round(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""Round to the nearest integer, halves to even, and pass the gradient straight through.

    $y = \mathrm{round}(x)$, $\partial y/\partial x := 1$ (Bengio et al. 2013, arXiv:1308.3432).

    Differs from its twin: the derivative is an ``autograd.Function``; one with
    ``setup_context`` also works under ``torch.func``.
    """
    return cast(Tensor, _StraightThroughRound.apply(x))


def safe_norm(x: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch"]:
    r"""Measure vectors along the last axis: $\sqrt{\sum_i x_i^2}$, with gradient 0 at the zero vector.

    Differs from its twin: ``vector_norm`` has this subgradient built in.
    """
    return torch.linalg.vector_norm(x, dim=-1)
