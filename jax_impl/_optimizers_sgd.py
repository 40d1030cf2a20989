"""Gradient descent and its kin: with momentum, with an average of the iterates, by the signs alone.

Differs from its twin: each is an ``optax.GradientTransformation``, made of optax's parts where they do what torch does.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import optax
from jax import Array
from jax import numpy as jnp

from jax_impl._optimizers_checks import check_settings

__all__ = ["sgd", "asgd", "rprop"]

Number: TypeAlias = float | Array
Rate: TypeAlias = Number | Callable[[Any], Number]


def sgd(
    learning_rate: Rate = 1e-3,
    momentum: Number = 0.0,
    dampening: Number = 0.0,
    weight_decay: Number = 0.0,
    nesterov: bool = False,
) -> optax.GradientTransformation:
    r"""Stochastic gradient descent, ``torch.optim.SGD``.

    $v_t = \mu v_{t-1} + (1 - \tau) g_t$ with $v_1 = g_1$, $\theta_t = \theta_{t-1} - \alpha v_t$; Nesterov's step is
    along $g_t + \mu v_t$ (Sutskever et al. 2013). The rate stands outside the velocity, so a new one acts at once.

    Args:
        learning_rate: $\alpha$.
        momentum: $\mu$; 0 keeps no velocity.
        dampening: $\tau$; the first gradient is not dampened.
        weight_decay: $\lambda$; $\lambda \theta$ is added to the gradient.
        nesterov: look ahead.

    Raises:
        ValueError: if a setting lies outside its range, or ``nesterov`` comes without momentum or with dampening.

    Differs from its twin: ``learning_rate`` may be a schedule; the result is optax's own trace, whose gradients are
    scaled before it, as ``optax.sgd`` has no dampening.
    """
    check_settings("sgd", learning_rate=learning_rate, momentum=momentum, weight_decay=weight_decay)
    if nesterov and (_is_zero(momentum) or not _is_zero(dampening)):
        raise ValueError(f"sgd: nesterov must come with momentum and no dampening, got {momentum} and {dampening}.")
    parts = [_l2(weight_decay)]
    if not _is_zero(momentum):
        if not _is_zero(dampening):
            parts.append(optax.scale_by_schedule(lambda count: jnp.where(count == 0, 1, 1 - dampening)))
        parts.append(optax.trace(momentum, nesterov))
    return optax.chain(*parts, _descend(learning_rate))


def asgd(
    learning_rate: Rate = 1e-2,
    lambd: Number = 1e-4,
    alpha: Number = 0.75,
    t0: Number = 1e6,
    weight_decay: Number = 0.0,
) -> optax.GradientTransformation:
    r"""Descend at a declining rate and average the iterates, ``torch.optim.ASGD`` (Polyak & Juditsky 1992).

    $\theta_t = (1 - \lambda \eta_t) \theta_{t-1} - \eta_t g_t$ with $\eta_1 = \alpha_1$ and
    $\eta_{t+1} = \alpha_t / (1 + \lambda \alpha_t t)^{0.75}$; the average $a_t$ is $\theta_t$ up to step $t_0$, and
    takes $\mu_{t+1} = 1 / \max(1, t - t_0)$ of the difference after it. A new rate acts one step late.

    Args:
        learning_rate: $\alpha$.
        lambd: $\lambda$, the decay term.
        alpha: the power of the decline.
        t0: the step at which averaging starts.
        weight_decay: times $\theta$ is added to the gradient.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``learning_rate`` may be a schedule. The average is of the iterates that this update alone
    leads to: whatever scales updates goes before it in a chain. optax has no such optimizer.
    """
    check_settings("asgd", learning_rate=learning_rate, weight_decay=weight_decay)
    return optax.chain(_l2(weight_decay), _average(learning_rate, lambd, alpha, t0))


def rprop(
    learning_rate: Rate = 1e-2, etas: tuple[float, float] = (0.5, 1.2), step_sizes: tuple[float, float] = (1e-6, 50.0)
) -> optax.GradientTransformation:
    r"""Resilient propagation, ``torch.optim.Rprop`` (Riedmiller & Braun 1993): only the gradient's signs count.

    Each element has its step, which grows by $\eta^+$ while the sign stays and shrinks by $\eta^-$ where it turns;
    there the gradient counts as 0, for this step and for the next comparison.

    Args:
        learning_rate: the first step of every element; a later rate has no effect.
        etas: $(\eta^-, \eta^+)$.
        step_sizes: the smallest and the largest step.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``optax.rprop`` does not move at its first step, and forgets to clip where a sign is 0.
    """
    check_settings("rprop", learning_rate=learning_rate, etas=etas)

    def init(params: optax.Params) -> _RpropState:
        first = optax.tree.full_like(params, _rate_at(learning_rate, 0))
        return _RpropState(jnp.zeros([], jnp.int32), first, optax.tree.zeros_like(params))

    def update(
        updates: optax.Updates, state: _RpropState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, _RpropState]:
        turn = jax.tree.map(jnp.multiply, updates, state.prev)
        factor = jax.tree.map(lambda s: jnp.where(s > 0, etas[1], jnp.where(s < 0, etas[0], 1)).astype(s.dtype), turn)
        size = jax.tree.map(lambda x, f: jnp.clip(x * f, *step_sizes), state.step_size, factor)
        slope = jax.tree.map(lambda s, g: jnp.where(s < 0, 0, g), turn, updates)
        steps = jax.tree.map(lambda g, x: -jnp.sign(g) * x, slope, size)
        return steps, _RpropState(state.count + 1, size, slope)

    return optax.GradientTransformation(init, update)  # pyright: ignore[reportArgumentType]


class _AsgdState(NamedTuple):
    """Steps taken, the next step's rate and share of the average, and the average."""

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]
    eta: Array
    mu: Array
    ax: optax.Params


class _RpropState(NamedTuple):
    """Steps taken, each element's step, and the last gradient, 0 where its sign turned."""

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]
    step_size: optax.Updates
    prev: optax.Updates


def _average(learning_rate: Rate, lambd: Number, alpha: Number, t0: Number) -> optax.GradientTransformation:
    def init(params: optax.Params) -> _AsgdState:
        dtype = optax.tree.dtype(params, "highest")
        eta = jnp.asarray(_rate_at(learning_rate, 0), dtype)
        return _AsgdState(jnp.zeros([], jnp.int32), eta, jnp.ones([], dtype), optax.tree.zeros_like(params))

    def update(updates: optax.Updates, state: _AsgdState, params: Any = None) -> tuple[optax.Updates, _AsgdState]:
        count, rate = state.count + 1, _rate_at(learning_rate, state.count)
        eta = jnp.where(state.count == 0, rate, state.eta)
        steps = jax.tree.map(lambda g, p: -(eta * (g + lambd * p)).astype(g.dtype), updates, params)
        mean = jax.tree.map(
            # Exactly the iterate before averaging starts, not up to rounding.
            lambda a, p, s: jnp.where(state.mu == 1, p + s, a + (p + s - a) * state.mu).astype(a.dtype),
            *(state.ax, params, steps),
        )
        declined = rate / (1 + lambd * rate * count) ** alpha
        share = 1 / jnp.maximum(1, count - t0)
        return steps, _AsgdState(count, declined.astype(eta.dtype), share.astype(state.mu.dtype), mean)

    return optax.GradientTransformation(init, update)  # pyright: ignore[reportArgumentType]


def _descend(learning_rate: Rate) -> optax.GradientTransformation:
    """Scale by the negative rate; counts its steps under a constant rate too, as torch's ``step`` does."""
    return optax.scale_by_schedule(lambda count: -_rate_at(learning_rate, count))


def _l2(weight_decay: Number) -> optax.GradientTransformation:
    return optax.identity() if _is_zero(weight_decay) else optax.add_decayed_weights(weight_decay)


def _rate_at(learning_rate: Rate, count: Any) -> Any:
    return learning_rate(count) if callable(learning_rate) else learning_rate


def _is_zero(setting: Number) -> bool:
    """Whether a setting is 0 for good; one that ``inject_hyperparams`` traces may change."""
    return isinstance(setting, (int, float)) and setting == 0
