r"""Automatic differentiation: derivatives of first and second order, and custom ones.

Differs from its twin: no array carries a gradient. ``jax.grad`` turns a function into the function of its
gradient, and such transformations compose.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jax_impl._checks import check_shape

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


def quadratic(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Evaluate $f(x) = (x - 2)^2$; the text asks for $f'(1) = -2$."""
    return (x - 2) ** 2


def tilted_cosine(w: Float[Array, "2"]) -> Float[Array, ""]:
    r"""Evaluate $g(w) = 2 w_1 w_2 + w_2 \cos w_1$.

    $\nabla g(w) = [2 w_2 - w_2 \sin w_1,\; 2 w_1 + \cos w_1]$, so $\nabla g([\pi, 1]) = [2, 2\pi - 1]$.
    The text claims $[2, \pi - 1]$; its own output is right.
    """
    return 2 * w[0] * w[1] + w[1] * jnp.cos(w[0])


def small_graph(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Evaluate $e = (a + b)(b + 1)$, where $b$ reaches $e$ along two paths.

    $\partial e/\partial a = b + 1$, $\partial e/\partial b = (b + 1) + (a + b)$.
    """
    return (a + b) * (b + 1)


def operations(function: Callable[..., Array], *arguments: Float[Array, "..."]) -> tuple[str, ...]:
    """List the operations that a derivative is taken through.

    Args:
        function: what to look into.
        arguments: where to evaluate it.

    Returns:
        The operations' names in the framework's own words.

    Differs from its twin: the program is traced before anything runs, so the list starts at the arguments.
    """
    return tuple(equation.primitive.name for equation in jax.make_jaxpr(function)(*arguments).eqns)


def gradient(function: Callable[[Array], Array], point: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Differentiate a scalar function: $\nabla f(p)$, the slope along every entry of ``point``.

    Raises:
        ValueError: if ``function`` does not return a scalar.

    Differs from its twin: a function becomes a function, so the gradient can be differentiated again.
    """
    check_shape("gradient", "function(point)", jax.eval_shape(function, point).shape, (), "a scalar")
    return jax.grad(function)(point)


def value_and_gradient(
    function: Callable[[Array], Array], point: Float[Array, "*shape"]
) -> tuple[Float[Array, ""], Float[Array, "*shape"]]:
    """Evaluate a scalar function and its gradient in one pass; both can be differentiated again.

    Raises:
        ValueError: if ``function`` does not return a scalar.
    """
    check_shape("value_and_gradient", "function(point)", jax.eval_shape(function, point).shape, (), "a scalar")
    return jax.value_and_grad(function)(point)


def hessian(function: Callable[[Array], Array], point: Float[Array, " features"]) -> Float[Array, "features features"]:
    r"""Collect the second derivatives of a scalar function, forward mode over reverse mode.

    $H_{ij} = \partial^2 f / \partial p_i \partial p_j$
    """
    return jax.hessian(function)(point)


def jacobian_vector_product(
    function: Callable[[Array], Array], point: Float[Array, "*shape"], direction: Float[Array, "*shape"]
) -> tuple[Float[Array, "*value"], Float[Array, "*value"]]:
    """Push a direction forward: $J v$, the change of the value as ``point`` moves along $v$.

    Returns:
        $f(p)$ and $J v$.
    """
    return jax.jvp(function, (point,), (direction,))


def vector_jacobian_product(
    function: Callable[[Array], Array], point: Float[Array, "*shape"], cotangent: Float[Array, "*value"]
) -> tuple[Float[Array, "*value"], Float[Array, "*shape"]]:
    r"""Pull a cotangent back: $u^\top J$, the gradient of $u \cdot f$, where $u$ weighs the entries of the result.

    Returns:
        $f(p)$ and $u^\top J$.
    """
    value, pullback = jax.vjp(function, point)
    (product,) = pullback(cotangent)
    return value, product


def hessian_vector_product(
    function: Callable[[Array], Array], point: Float[Array, "*shape"], direction: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Multiply the Hessian by a direction without building it: $H v$, the change of the gradient along $v$."""
    return jax.jvp(jax.grad(function), (point,), (direction,))[1]


def per_example_gradients(
    loss: Callable[[Array, Array, Array], Array],
    weights: Float[Array, "*weights"],
    inputs: Float[Array, "batch *input"],
    targets: Float[Array, "batch *target"],
) -> Float[Array, "batch *weights"]:
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
    return jax.vmap(jax.grad(loss), in_axes=(None, 0, 0))(weights, inputs, targets)


def accumulated_gradient(
    loss: Callable[[Array, Array, Array], Array],
    weights: Float[Array, "*weights"],
    inputs: Float[Array, "batches *input"],
    targets: Float[Array, "batches *target"],
) -> Float[Array, "*weights"]:
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

    Differs from its twin: nothing adds up by itself; the sum is the carry of a scan.
    """
    check_shape("accumulated_gradient", "len(targets)", targets.shape[:1], inputs.shape[:1], "one for each batch")

    def add(total: Array, batch: tuple[Array, Array]) -> tuple[Array, None]:
        return total + jax.grad(loss)(weights, *batch), None

    return lax.scan(add, jnp.zeros_like(weights), (inputs, targets))[0]


def stopped_target_loss(w: Float[Array, "*shape"]) -> Float[Array, ""]:
    r"""Chase a target that is held still: $\sum (2w - \mathrm{sg}(3w))^2$.

    The stop leaves the value alone and turns the gradient from $2w$ into $-4w$, as in
    temporal differences, distillation and vector quantisation.
    """
    return ((2 * w - lax.stop_gradient(3 * w)) ** 2).sum()


@jax.custom_vjp
def _rounded(x: Array) -> Array:
    return jnp.round(x)


# Nothing is kept between the passes: the backward pass does not look at x.
_rounded.defvjp(lambda x: (jnp.round(x), None), lambda _, cotangent: (cotangent,))


def straight_through_round(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Round to the nearest integer, halves to even, and pass the gradient straight through.

    $y = \mathrm{round}(x)$, $\partial y/\partial x := 1$ (Bengio et al. 2013, arXiv:1308.3432).

    Differs from its twin: the derivative is a ``custom_vjp``: a forward pass that
    keeps what is needed, and a backward pass.
    """
    return _rounded(x)


def safe_norm(x: Float[Array, "*batch features"]) -> Float[Array, "*batch"]:
    r"""Measure vectors along the last axis: $\sqrt{\sum_i x_i^2}$, with gradient 0 at the zero vector.

    Differs from its twin: ``jnp.linalg.norm`` has gradient NaN at the zero vector.
    """
    squared = jnp.sum(x * x, axis=-1)
    is_zero = squared == 0
    # The inner where keeps 0 away from the root: its infinite slope times the outer 0 would be NaN.
    return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, squared)))
