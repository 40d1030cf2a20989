"""Steps that see a matrix as one: a second moment of rank one, an orthogonal direction.

Differs from its twin: each is an ``optax.GradientTransformation``.
"""

from typing import Any, NamedTuple

import jax
import optax
from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Float

from jax_impl._optimizers_checks import check_settings
from jax_impl._optimizers_sgd import Number, Rate, _descend, _l2, _rate_at

__all__ = ["NewtonSchulz", "adafactor", "muon"]


class NewtonSchulz(NamedTuple):
    r"""How Muon brings the singular values of a matrix near 1: $X \leftarrow a X + (b A + c A^2) X$ with $A = X X^T$.

    Attributes:
        coefficients: $(a, b, c)$.
        steps: how often.
        eps: the least Frobenius norm that the matrix is divided by before.
    """

    coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315)
    steps: int = 5
    eps: float = 1e-7


def adafactor(
    learning_rate: Rate = 1e-2,
    beta2_decay: float = -0.8,
    epsilons: tuple[float | None, float] = (None, 1e-3),
    clipping: float = 1.0,
    weight_decay: Number = 0.0,
) -> optax.GradientTransformation:
    r"""Adam without a first moment, its second of rank one, ``torch.optim.Adafactor`` (Shazeer & Stern 2018).

    $\theta_t = (1 - \alpha \lambda) \theta_{t-1} - \max(\epsilon_2, \mathrm{rms}(\theta_{t-1})) \,
    \min(\alpha, t^{-1/2}) \, u_t / \max(1, \mathrm{rms}(u_t) / d)$
    with $u_t = g_t / \sqrt{\hat v_t}$; over the last two axes $\hat v = r c^T / \bar r$ of the running means of $g^2$
    over columns and over rows, which take $t^{\gamma}$ of the new one (arXiv:1804.04235, algorithms 4 and 5).

    Args:
        learning_rate: $\alpha$, of which the least counts.
        beta2_decay: $\gamma$.
        epsilons: $(\epsilon_1, \epsilon_2)$; $\hat v$ is at least $\epsilon_1^2$, by default of the dtype's epsilon.
        clipping: $d$, torch's ``d``.
        weight_decay: $\lambda$.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``learning_rate`` may be a schedule. ``optax.adafactor`` factors matrices from 128 by 128 on,
    decays without the rate, and does not take the least of rate and $t^{-1/2}$.
    """
    check_settings("adafactor", learning_rate=learning_rate, beta2_decay=beta2_decay, epsilons=epsilons)
    check_settings("adafactor", clipping=clipping, weight_decay=weight_decay)
    core = _scale_by_adafactor(learning_rate, beta2_decay, epsilons, clipping)

    def update(updates: optax.Updates, state: Any, params: Any) -> tuple[optax.Updates, Any]:
        steps, after = core.update(updates, state, params)
        shrink = _rate_at(learning_rate, state.count) * weight_decay
        return jax.tree.map(lambda s, p: -(s + shrink * p).astype(s.dtype), steps, params), after

    return optax.GradientTransformation(core.init, update)  # pyright: ignore[reportArgumentType]


def muon(
    learning_rate: Rate = 1e-3,
    weight_decay: Number = 0.1,
    momentum: Number = 0.95,
    nesterov: bool = True,
    newton_schulz: NewtonSchulz = NewtonSchulz(),  # noqa: B008
    adjust_lr_fn: str | None = None,
) -> optax.GradientTransformation:
    r"""Momentum, made orthogonal, for matrices only, ``torch.optim.Muon`` (Jordan et al. 2024).

    $\theta_t = (1 - \alpha \lambda) \theta_{t-1} - \alpha s \, O(\tilde m_t)$ with the running mean $m_t$ of the
    gradient, $\tilde m_t = (1 - \mu) g_t + \mu m_t$ under Nesterov, $s = \sqrt{\max(1, A / B)}$ for $A$ rows and $B$
    columns, and a quintic Newton-Schulz iteration $O$ in bfloat16.

    Args:
        learning_rate: $\alpha$.
        weight_decay: $\lambda$.
        momentum: $\mu$.
        nesterov: look ahead.
        newton_schulz: torch's ``ns_coefficients``, ``ns_steps`` and ``eps``.
        adjust_lr_fn: None or "original" for $s$, "match_rms_adamw" for $0.2 \sqrt{\max(A, B)}$.

    Raises:
        ValueError: if a setting lies outside its range, or a parameter is no matrix.

    Differs from its twin: ``learning_rate`` may be a schedule. A kernel is (in, out), so that $A / B$ of the transposed
    weight is another; ``optax.contrib.muon`` corrects the mean's bias and iterates in the gradient's dtype. From some
    thirty rows on a float32 sum may round to another bfloat16 than torch's; the iteration spreads it, and the step is
    then as far from torch's as either is from an iteration without rounding, 2e-2 of its size.
    """
    check_settings("muon", learning_rate=learning_rate, weight_decay=weight_decay, momentum=momentum)
    check_settings("muon", adjust_lr_fn=adjust_lr_fn, ns_steps=newton_schulz.steps, eps=newton_schulz.eps)

    def init(params: optax.Params) -> optax.TraceState:
        for leaf in jax.tree.leaves(params):
            if leaf.ndim != 2:
                raise ValueError(f"muon: params must be matrices, got shape {leaf.shape}.")
        return optax.TraceState(optax.tree.zeros_like(params))

    def update(
        updates: optax.Updates, state: optax.TraceState, params: Any = None
    ) -> tuple[optax.Updates, optax.TraceState]:
        mean = optax.tree.update_moment(updates, state.trace, momentum, 1)
        ahead = optax.tree.update_moment(updates, mean, momentum, 1) if nesterov else mean
        steps = jax.tree.map(lambda x: _orthogonal(x, newton_schulz) * _stretch(x.shape, adjust_lr_fn), ahead)
        return steps, optax.TraceState(mean)

    core = optax.GradientTransformation(init, update)  # pyright: ignore[reportArgumentType]
    return optax.chain(core, _l2(weight_decay), _descend(learning_rate))


class _AdafactorState(NamedTuple):
    """Steps taken, and for each parameter two means over an axis or, for a vector, the whole second moment."""

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]
    row_var: Any
    col_var: Any
    variance: Any


def _scale_by_adafactor(
    learning_rate: Rate, beta2_decay: float, epsilons: tuple[float | None, float], clipping: float
) -> optax.GradientTransformation:
    def init(params: optax.Params) -> _AdafactorState:
        rows, columns, whole = (jax.tree.map(empty, params) for empty in _EMPTY)
        return _AdafactorState(jnp.zeros([], jnp.int32), rows, columns, whole)

    def update(updates: Any, state: _AdafactorState, params: Any) -> tuple[optax.Updates, _AdafactorState]:
        count = state.count + 1
        share, rate = jnp.power(count, beta2_decay), jnp.minimum(_rate_at(learning_rate, state.count), count**-0.5)
        leaves, structure = jax.tree.flatten(updates)
        moments = zip(*map(structure.flatten_up_to, state[1:]), strict=True)
        after = [_second(g, moment, share) for g, moment in zip(leaves, moments, strict=True)]
        steps = []
        for g, p, moment in zip(leaves, structure.flatten_up_to(params), after, strict=True):
            small = float(jnp.finfo(p.dtype).eps) if epsilons[0] is None else epsilons[0]
            step = g * lax.rsqrt(jnp.maximum(_estimate(moment, small), small * small))
            size = rate * jnp.maximum(epsilons[1], _rms(p)) / jnp.maximum(1, _rms(step) / clipping)
            steps.append((size * step).astype(g.dtype))
        rows, columns, whole = (structure.unflatten(part) for part in zip(*after, strict=True))
        return structure.unflatten(steps), _AdafactorState(count, rows, columns, whole)

    return optax.GradientTransformation(init, update)  # pyright: ignore[reportArgumentType]


# torch keeps None where a parameter has no such moment; None is an empty branch of a pytree too.
_EMPTY = (
    lambda p: jnp.zeros_like(p[..., :1]) if p.ndim > 1 else None,
    lambda p: jnp.zeros_like(p[..., :1, :]) if p.ndim > 1 else None,
    lambda p: None if p.ndim > 1 else jnp.zeros_like(p),
)


def _second(g: Array, moment: tuple, share: Array) -> tuple:
    square, matrix = jnp.square(g), g.ndim > 1
    rows, columns = (square.mean(axis, keepdims=True) if matrix else None for axis in (-1, -2))
    fresh = (rows, columns, None if matrix else square)
    moved = (None if new is None else old + (new - old) * share for old, new in zip(moment, fresh, strict=True))
    return tuple(None if new is None else new.astype(g.dtype) for new in moved)


def _estimate(moment: tuple, small: float) -> Array:
    rows, columns, whole = moment
    return whole if rows is None else rows * columns / jnp.maximum(rows.mean(-2, keepdims=True), small)


def _rms(x: Array) -> Array:
    return jnp.sqrt(jnp.square(x).mean())


def _stretch(shape: tuple[int, ...], adjust_lr_fn: str | None) -> float:
    rows, columns = shape
    return 0.2 * max(rows, columns) ** 0.5 if adjust_lr_fn == "match_rms_adamw" else max(1, rows / columns) ** 0.5


def _orthogonal(x: Float[Array, "rows columns"], settings: NewtonSchulz) -> Float[Array, "rows columns"]:
    """The iteration with every result rounded to bfloat16, as torch rounds it, and every sum in float32.

    Rounded one by one: in bfloat16 itself XLA would fuse products and skip the roundings between.
    """
    a, b, c = settings.coefficients
    tall, dtype = x.shape[0] > x.shape[1], x.dtype
    y = _rounded(x.T if tall else x).astype(jnp.float32)
    y = _rounded(y / jnp.maximum(_rounded(jnp.sqrt(jnp.square(y).sum())), _rounded(jnp.float32(settings.eps))))
    for _ in range(settings.steps):
        gram = _rounded(_product(y, y.T))
        y = _rounded(a * y + _product(_rounded(b * gram + c * _product(gram, gram)), y))
    return (y.T if tall else y).astype(dtype)


def _rounded(x: Array) -> Array:
    return lax.reduce_precision(x, exponent_bits=8, mantissa_bits=7)


def _product(x: Array, y: Array) -> Array:
    return jnp.matmul(x, y, precision="highest")
