"""Adam's kin: the largest gradient for the second moment, Nesterov's momentum, a rectified variance.

Differs from its twin: each is an ``optax.GradientTransformation``.
"""

from typing import Any, NamedTuple

import jax
import optax
from jax import Array
from jax import numpy as jnp

from jax_impl._optimizers_adam import _correction
from jax_impl._optimizers_checks import check_settings
from jax_impl._optimizers_sgd import Number, Rate, _descend, _l2

__all__ = ["adamax", "nadam", "radam"]


def adamax(
    learning_rate: Rate = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: Number = 0.0,
) -> optax.GradientTransformation:
    r"""Adam with a maximum for the root of the second moment, ``torch.optim.Adamax``.

    $\theta_t = \theta_{t-1} - \alpha \, \hat m_t / u_t$ with $u_t = \max(\beta_2 u_{t-1}, |g_t| + \epsilon)$
    (Kingma & Ba 2015, arXiv:1412.6980, algorithm 2, which has no $\epsilon$).

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$.
        weight_decay: times $\theta$ is added to the gradient.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``learning_rate`` may be a schedule; the rest is optax's own.
    """
    check_settings("adamax", learning_rate=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)
    return optax.chain(_l2(weight_decay), optax.scale_by_adamax(*betas, eps), _descend(learning_rate))


def nadam(
    learning_rate: Rate = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: Number = 0.0,
    momentum_decay: Number = 4e-3,
    decoupled_weight_decay: bool = False,
) -> optax.GradientTransformation:
    r"""Adam with Nesterov's momentum on a schedule, ``torch.optim.NAdam`` (Dozat 2016, algorithm 2).

    $\theta_t = \theta_{t-1} - \alpha \left( \frac{1 - \mu_t}{1 - \Pi_t} g_t
    + \frac{\mu_{t+1}}{1 - \Pi_t \mu_{t+1}} m_t \right) / (\sqrt{\hat v_t} + \epsilon)$
    with $\mu_t = \beta_1 (1 - \tfrac12 \, 0.96^{t \psi})$ and $\Pi_t = \mu_1 \cdots \mu_t$.

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$.
        weight_decay: times $\theta$ is added to the gradient.
        momentum_decay: $\psi$.
        decoupled_weight_decay: shrink $\theta$ by $1 - \alpha \lambda$ instead.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``learning_rate`` may be a schedule. ``optax.nadam`` has a constant momentum and no $\psi$.
    """
    check_settings("nadam", learning_rate=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)
    check_settings("nadam", momentum_decay=momentum_decay)
    return _decayed(_scale_by_nadam(betas, eps, momentum_decay), learning_rate, weight_decay, decoupled_weight_decay)


def radam(
    learning_rate: Rate = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: Number = 0.0,
    decoupled_weight_decay: bool = False,
) -> optax.GradientTransformation:
    r"""Adam whose adaptive step waits until its variance is tractable, ``torch.optim.RAdam``.

    $\theta_t = \theta_{t-1} - \alpha \, \hat m_t \, r_t \sqrt{1 - \beta_2^t} / (\sqrt{v_t} + \epsilon)$ once
    $\rho_t = \rho_\infty - 2 t \beta_2^t / (1 - \beta_2^t) > 5$, and $\theta_{t-1} - \alpha \, \hat m_t$ before;
    $r_t^2 = \frac{(\rho_t - 4)(\rho_t - 2) \rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}$,
    $\rho_\infty = 2 / (1 - \beta_2) - 1$ (Liu et al. 2020, arXiv:1908.03265, algorithm 2).

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$, added before the correction.
        weight_decay: times $\theta$ is added to the gradient.
        decoupled_weight_decay: shrink $\theta$ by $1 - \alpha \lambda$ instead.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``learning_rate`` may be a schedule. ``optax.radam`` adds $\epsilon$ after the correction.
    """
    check_settings("radam", learning_rate=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)
    return _decayed(_scale_by_radam(betas, eps), learning_rate, weight_decay, decoupled_weight_decay)


class _NadamState(NamedTuple):
    """Steps taken, the product of their momenta, and both moments."""

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]
    mu_product: Array
    mu: optax.Updates
    nu: optax.Updates


def _decayed(
    core: optax.GradientTransformation, learning_rate: Rate, weight_decay: Number, decoupled: bool
) -> optax.GradientTransformation:
    """A direction with decay before it, in the gradient, or after it, in the step."""
    parts = (core, _l2(weight_decay)) if decoupled else (_l2(weight_decay), core)
    return optax.chain(*parts, _descend(learning_rate))


def _scale_by_nadam(betas: tuple[float, float], eps: float, momentum_decay: Number) -> optax.GradientTransformation:
    def init(params: optax.Params) -> _NadamState:
        one = jnp.ones([], optax.tree.dtype(params, "highest"))
        return _NadamState(jnp.zeros([], jnp.int32), one, *(optax.tree.zeros_like(params) for _ in range(2)))

    def momentum(step: Array) -> Array:
        return betas[0] * (1 - 0.5 * 0.96 ** (step * momentum_decay))

    def update(updates: optax.Updates, state: _NadamState, params: Any = None) -> tuple[optax.Updates, _NadamState]:
        count = state.count + 1
        now, then = momentum(count), momentum(count + 1)
        product = (state.mu_product * now).astype(state.mu_product.dtype)
        mu = optax.tree.update_moment(updates, state.mu, betas[0], 1)
        nu = optax.tree.update_moment(updates, state.nu, betas[1], 2)
        of_gradient, of_moment = (1 - now) / (1 - product), then / (1 - product * then)
        root = jnp.sqrt(_correction(betas[1], count))
        steps = jax.tree.map(
            lambda g, m, v: ((of_gradient * g + of_moment * m) / (jnp.sqrt(v) / root + eps)).astype(g.dtype),
            *(updates, mu, nu),
        )
        return steps, _NadamState(count, product, mu, nu)

    return optax.GradientTransformation(init, update)  # pyright: ignore[reportArgumentType]


def _scale_by_radam(betas: tuple[float, float], eps: float) -> optax.GradientTransformation:
    longest = 2 / (1 - betas[1]) - 1

    def update(updates: optax.Updates, state: Any, params: Any = None) -> tuple[optax.Updates, Any]:
        count = state.count + 1
        one, two = (_correction(beta, count) for beta in betas)
        mu = optax.tree.update_moment(updates, state.mu, betas[0], 1)
        nu = optax.tree.update_moment(updates, state.nu, betas[1], 2)
        length = longest - 2 * count * betas[1] ** count / two
        # Any length above 4 keeps the root real where its value is not used.
        safe = jnp.maximum(length, 5)
        rectified = jnp.sqrt((safe - 4) * (safe - 2) * longest / ((longest - 4) * (longest - 2) * safe))
        scale = rectified * jnp.sqrt(two)
        steps = jax.tree.map(lambda m, v: m / one * jnp.where(length > 5, scale / (jnp.sqrt(v) + eps), 1), mu, nu)
        return steps, optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(optax.scale_by_adam().init, update)
