"""Optimizers: every class of ``torch.optim``, step for step, and what goes around them.

A class is a function of its settings here, of the same name in snake case. What ``torch.optim`` calls ``foreach``,
``fused``, ``capturable`` and ``differentiable`` chooses between implementations of one rule and has no counterpart.

Differs from its twin: the functions return an ``optax.GradientTransformation``, to be chained, masked, partitioned and
injected like optax's own; the state is a pytree, and every step returns the next. Parameters are real, not complex.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Float

from jax_impl._optimizers_adam import adam, adamw, sparse_adam
from jax_impl._optimizers_adam_kin import adamax, nadam, radam
from jax_impl._optimizers_checks import check_settings
from jax_impl._optimizers_lbfgs import lbfgs
from jax_impl._optimizers_matrix import NewtonSchulz, adafactor, muon
from jax_impl._optimizers_sgd import asgd, rprop, sgd
from jax_impl._optimizers_squares import adadelta, adagrad, rmsprop
from jax_impl._optimizers_wolfe import strong_wolfe

__all__ = [
    "sgd",
    "asgd",
    "rprop",
    "adam",
    "adamw",
    "sparse_adam",
    "adamax",
    "nadam",
    "radam",
    "rmsprop",
    "adagrad",
    "adadelta",
    "NewtonSchulz",
    "adafactor",
    "muon",
    "lbfgs",
    "strong_wolfe",
    "maximize",
    "decay_matrices",
    "clip_by_global_norm",
    "valley",
    "minimise",
]


def maximize(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Climb instead of descend: torch's ``maximize=True``, which negates each gradient before anything else.

    Args:
        optimizer: made by one of this module's functions.

    Differs from its twin: a chain, as any other.
    """
    return optax.chain(optax.scale(-1.0), optimizer)


def decay_matrices(
    make: Callable[..., optax.GradientTransformation], params: optax.Params, weight_decay: float = 1e-2
) -> optax.GradientTransformation:
    """Decay what has two axes or more and leave biases and gains alone, as most recipes do.

    Args:
        make: called with ``weight_decay=`` it makes an optimizer: ``functools.partial(adamw, 3e-4)``.
        params: what will be optimized.
        weight_decay: of the matrices.

    Returns:
        The optimizer, with two groups of parameters.

    Differs from its twin: a partition of two transformations; the parameters are looked at, not owned.
    """
    labels = jax.tree.map(lambda p: "decayed" if jnp.ndim(p) > 1 else "plain", params)
    groups: dict[Any, Any] = {"decayed": make(weight_decay=weight_decay), "plain": make(weight_decay=0.0)}
    return optax.partition(groups, labels)


def clip_by_global_norm(max_norm: float) -> optax.GradientTransformation:
    r"""Scale all gradients by one factor where their common norm exceeds a bound, ``clip_grad_norm_``.

    $g \leftarrow g \min(1, c / (\|g\| + 10^{-6}))$: a gradient just above the bound $c$ ends a little below it.

    Args:
        max_norm: $c$.

    Raises:
        ValueError: if it is negative.

    Differs from its twin: a transformation, to stand first in a chain. ``optax.clip_by_global_norm`` adds no 1e-6.
    """
    check_settings("clip_by_global_norm", max_norm=max_norm)

    def update(updates: optax.Updates, state: Any, params: Any = None) -> tuple[optax.Updates, Any]:
        factor = jnp.minimum(1, max_norm / (optax.tree.norm(updates) + 1e-6))
        return jax.tree.map(lambda g: g * factor.astype(g.dtype), updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def valley(point: Float[Array, " 2"]) -> Float[Array, ""]:
    r"""A curved valley: $\tfrac12 x^2 + 5 (y - \tfrac12 x^2)^2$, flat along its floor and lowest, 0, at the origin."""
    x, y = point[0], point[1]
    return 0.5 * x**2 + 5 * (y - 0.5 * x**2) ** 2


def minimise(
    objective: Callable[[Float[Array, " size"]], Float[Array, ""]],
    start: Float[np.ndarray, " size"],
    optimizer: optax.GradientTransformation,
    steps: int,
) -> Float[np.ndarray, "points size"]:
    """Walk down an objective from a point.

    Args:
        objective: to be made small.
        start: where the walk begins; its dtype is the walk's.
        optimizer: made by one of this module's functions.
        steps: how many.

    Returns:
        The points, ``start`` first: one more than ``steps``.

    Raises:
        ValueError: if ``steps`` is negative.

    Differs from its twin: one compiled scan; the objective itself is handed on, for an optimizer that evaluates it.
    """
    check_settings("minimise", steps=steps)
    ready = optax.with_extra_args_support(optimizer)

    def step(carry: Any, _: None) -> tuple[Any, Any]:
        point, state = carry
        updates, state = ready.update(jax.grad(objective)(point), state, point, value_fn=objective)
        point = optax.apply_updates(point, updates)
        return (point, state), point

    first = jnp.asarray(start)
    walk = jax.jit(lambda point: lax.scan(step, (point, ready.init(point)), length=steps)[1])(first)
    return np.concatenate([np.asarray(first)[None], np.asarray(walk)])
