"""Adam, with L2 or decoupled decay, and for gradients of which most entries are missing.

Differs from its twin: each is an ``optax.GradientTransformation``; the bias correction keeps the last digits of
float32.
"""

from math import log
from typing import Any

import jax
import optax
from jax import Array
from jax import numpy as jnp

from jax_impl._optimizers_checks import check_settings
from jax_impl._optimizers_sgd import Number, Rate, _descend, _l2

__all__ = ["adam", "adamw", "sparse_adam"]


def adam(
    learning_rate: Rate = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: Number = 0.0,
    amsgrad: bool = False,
) -> optax.GradientTransformation:
    r"""Adam with its decay in the gradient, ``torch.optim.Adam``.

    $\theta_t = \theta_{t-1} - \alpha \, \hat m_t / (\sqrt{\hat v_t} + \epsilon)$ with
    $\hat m_t = m_t / (1 - \beta_1^t)$ and $\hat v_t = v_t / (1 - \beta_2^t)$
    (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1).

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$, outside the root.
        weight_decay: times $\theta$ is added to the gradient, and so goes through both moments.
        amsgrad: take the largest $v$ so far (Reddi et al. 2018), before its correction.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``learning_rate`` may be a schedule. ``optax.adam`` is the same up to the rounding of its
    bias correction, ``optax.amsgrad`` is another: it takes the largest corrected $v$.
    """
    check_settings("adam", learning_rate=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)
    return optax.chain(_l2(weight_decay), _scale_by_adam(betas, eps, amsgrad), _descend(learning_rate))


def adamw(
    learning_rate: Rate = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: Number = 1e-2,
    amsgrad: bool = False,
) -> optax.GradientTransformation:
    r"""Adam with decoupled decay, ``torch.optim.AdamW`` (Loshchilov & Hutter 2019, arXiv:1711.05101).

    As ``adam``, and $\theta$ shrinks by $1 - \alpha \lambda$ at each step, past the moments.

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$, outside the root.
        weight_decay: $\lambda$.
        amsgrad: take the largest $v$ so far, before its correction.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``learning_rate`` may be a schedule. ``optax.adamw`` decays by 1e-4 unless told.
    """
    check_settings("adamw", learning_rate=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)
    return optax.chain(_scale_by_adam(betas, eps, amsgrad), _l2(weight_decay), _descend(learning_rate))


def sparse_adam(
    learning_rate: Rate = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
) -> optax.GradientTransformationExtraArgs:
    r"""Adam that moves neither moments nor parameters where there is no gradient, ``torch.optim.SparseAdam``.

    $\theta_t = \theta_{t-1} - \alpha \sqrt{1 - \beta_2^t} / (1 - \beta_1^t) \cdot m_t / (\sqrt{v_t} + \epsilon)$: here
    $\epsilon$ is added before the correction.

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: JAX's gradients are dense, so ``update`` takes ``touched``, a tree of booleans that broadcast
    against the gradients, the rows that an embedding looked up, say; without it, what is not 0 counts as touched.
    """
    check_settings("sparse_adam", learning_rate=learning_rate, betas=betas, eps=eps)

    def update(
        updates: optax.Updates, state: Any, params: Any = None, *, touched: Any = None, **_: Any
    ) -> tuple[optax.Updates, optax.ScaleByAdamState]:
        touched = jax.tree.map(lambda g: g != 0, updates) if touched is None else touched
        count = state.count + 1
        one, two = (_correction(beta, count) for beta in betas)
        mu = jax.tree.map(jnp.where, touched, optax.tree.update_moment(updates, state.mu, betas[0], 1), state.mu)
        nu = jax.tree.map(jnp.where, touched, optax.tree.update_moment(updates, state.nu, betas[1], 2), state.nu)
        size = jnp.sqrt(two) / one
        steps = jax.tree.map(lambda w, m, v: jnp.where(w, size * m / (jnp.sqrt(v) + eps), 0), touched, mu, nu)
        return steps, optax.ScaleByAdamState(count, mu, nu)

    core = optax.GradientTransformationExtraArgs(optax.scale_by_adam().init, update)
    return optax.chain(core, _descend(learning_rate))  # pyright: ignore[reportReturnType]


def _scale_by_adam(betas: tuple[float, float], eps: float, amsgrad: bool) -> optax.GradientTransformation:
    """``optax.scale_by_adam``, with the correction below and with torch's amsgrad."""
    empty = optax.scale_by_amsgrad() if amsgrad else optax.scale_by_adam()

    def update(updates: optax.Updates, state: Any, params: Any = None) -> tuple[optax.Updates, Any]:
        count = state.count + 1
        one, two = (_correction(beta, count) for beta in betas)
        mu = optax.tree.update_moment(updates, state.mu, betas[0], 1)
        nu = optax.tree.update_moment(updates, state.nu, betas[1], 2)
        peak = jax.tree.map(jnp.maximum, state.nu_max, nu) if amsgrad else nu
        steps = jax.tree.map(lambda m, v: m / one / (jnp.sqrt(v) / jnp.sqrt(two) + eps), mu, peak)
        return steps, state._replace(count=count, mu=mu, nu=nu, **({"nu_max": peak} if amsgrad else {}))

    return optax.GradientTransformation(empty.init, update)


def _correction(beta: float, count: Array) -> Array:
    """$1 - \\beta^t$ without cancellation.

    optax computes it as written. In float32, 0.999 is off by 1.3e-8, which is 1.3e-5 of what is left at t = 1.
    """
    return -jnp.expm1(count * log(beta)) if beta else jnp.ones([])
