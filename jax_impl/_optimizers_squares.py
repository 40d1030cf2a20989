"""Steps scaled by the root of past squared gradients: a running mean, a sum, a ratio of two means.

Differs from its twin: each is an ``optax.GradientTransformation``.
"""

from typing import Any, NamedTuple

import jax
import optax
from jax import Array
from jax import numpy as jnp

from jax_impl._optimizers_checks import check_settings
from jax_impl._optimizers_sgd import Number, Rate, _descend, _is_zero, _l2

__all__ = ["rmsprop", "adagrad", "adadelta"]


def rmsprop(
    learning_rate: Rate = 1e-2,
    alpha: Number = 0.99,
    eps: Number = 1e-8,
    weight_decay: Number = 0.0,
    momentum: Number = 0.0,
    centered: bool = False,
) -> optax.GradientTransformation:
    r"""Divide by the root of a running mean of squares, ``torch.optim.RMSprop`` (Hinton 2012, lecture 6e).

    $\theta_t = \theta_{t-1} - \eta \, b_t$ with $b_t = \mu b_{t-1} + g_t / (\sqrt{v_t} + \epsilon)$ and
    $v_t = \alpha v_{t-1} + (1 - \alpha) g_t^2$; centred, $v_t$ less the square of the gradient's running mean.

    Args:
        learning_rate: $\eta$; outside the velocity, so a new one acts at once.
        alpha: $\alpha$.
        eps: $\epsilon$, outside the root.
        weight_decay: times $\theta$ is added to the gradient.
        momentum: $\mu$; 0 keeps no velocity.
        centered: divide by the standard deviation.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``learning_rate`` may be a schedule; all parts are optax's own. ``optax.rmsprop`` has 0.9 for
    $\alpha$, $\epsilon$ inside the root and the rate inside the velocity.
    """
    check_settings("rmsprop", learning_rate=learning_rate, alpha=alpha, eps=eps, weight_decay=weight_decay)
    check_settings("rmsprop", momentum=momentum)
    scale = optax.scale_by_stddev if centered else optax.scale_by_rms
    velocity = optax.identity() if _is_zero(momentum) else optax.trace(momentum)
    return optax.chain(_l2(weight_decay), scale(alpha, eps, eps_in_sqrt=False), velocity, _descend(learning_rate))


def adagrad(
    learning_rate: Rate = 1e-2,
    lr_decay: Number = 0.0,
    weight_decay: Number = 0.0,
    initial_accumulator_value: Number = 0.0,
    eps: Number = 1e-10,
) -> optax.GradientTransformation:
    r"""Divide by the root of the sum of all squares, ``torch.optim.Adagrad`` (Duchi et al. 2011, section 1.1).

    $\theta_t = \theta_{t-1} - \frac{\alpha}{1 + (t - 1) \gamma} \, g_t / (\sqrt{s_t} + \epsilon)$ with
    $s_t = s_{t-1} + g_t^2$.

    Args:
        learning_rate: $\alpha$.
        lr_decay: $\gamma$.
        weight_decay: times $\theta$ is added to the gradient.
        initial_accumulator_value: $s_0$.
        eps: $\epsilon$, outside the root.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``learning_rate`` may be a schedule. ``optax.adagrad`` starts its sum at 0.1, has $\epsilon$
    inside the root and no $\gamma$.
    """
    check_settings("adagrad", learning_rate=learning_rate, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
    check_settings("adagrad", initial_accumulator_value=initial_accumulator_value)

    def init(params: optax.Params) -> _AdagradState:
        total = optax.tree.full_like(params, initial_accumulator_value)
        return _AdagradState(jnp.zeros([], jnp.int32), total)

    def update(updates: optax.Updates, state: _AdagradState, params: Any = None) -> tuple[optax.Updates, _AdagradState]:
        total = jax.tree.map(lambda s, g: s + jnp.square(g), state.sum_of_squares, updates)
        slower = 1 / (1 + state.count * lr_decay)
        steps = jax.tree.map(lambda g, s: (slower * g / (jnp.sqrt(s) + eps)).astype(g.dtype), updates, total)
        return steps, _AdagradState(state.count + 1, total)

    core = optax.GradientTransformation(init, update)  # pyright: ignore[reportArgumentType]
    return optax.chain(_l2(weight_decay), core, _descend(learning_rate))


def adadelta(
    learning_rate: Rate = 1.0, rho: Number = 0.9, eps: Number = 1e-6, weight_decay: Number = 0.0
) -> optax.GradientTransformation:
    r"""Scale by the ratio of past steps to past gradients, ``torch.optim.Adadelta`` (Zeiler 2012, arXiv:1212.5701).

    $\theta_t = \theta_{t-1} - \alpha d_t$ with $d_t = \sqrt{u_{t-1} + \epsilon} / \sqrt{v_t + \epsilon} \, g_t$; $v$
    and $u$ are running means of $g^2$ and $d^2$.

    Args:
        learning_rate: $\alpha$.
        rho: what the means keep.
        eps: $\epsilon$, inside the roots.
        weight_decay: times $\theta$ is added to the gradient.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``learning_rate`` may be a schedule; the rest is optax's own. ``optax.adadelta`` without a
    rate climbs.
    """
    check_settings("adadelta", learning_rate=learning_rate, rho=rho, eps=eps, weight_decay=weight_decay)
    return optax.chain(_l2(weight_decay), optax.scale_by_adadelta(rho, eps), _descend(learning_rate))


class _AdagradState(NamedTuple):
    """Steps taken, and the sum of all squared gradients."""

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]
    sum_of_squares: optax.Updates
