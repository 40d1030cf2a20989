"""L-BFGS: a quasi-Newton method that remembers its last steps.

Differs from its twin: one ``update`` is torch's whole ``step(closure)``, a ``lax.while_loop`` over its iterations.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jax import Array, lax
from jax import numpy as jnp
from jax.flatten_util import ravel_pytree

from jax_impl._optimizers_checks import check_settings
from jax_impl._optimizers_sgd import Rate, _rate_at
from jax_impl._optimizers_wolfe import strong_wolfe

__all__ = ["lbfgs"]


def lbfgs(
    learning_rate: Rate = 1.0,
    max_iter: int = 20,
    max_eval: int | None = None,
    tolerances: tuple[float, float] = (1e-7, 1e-9),
    history_size: int = 100,
    line_search_fn: str | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Limited-memory BFGS, ``torch.optim.LBFGS`` (Nocedal & Wright 2006, algorithm 7.5).

    Each of up to ``max_iter`` iterations goes along $-H_k g_k$, where $H_k$ comes of the last steps $s$ and changes of
    the gradient $y$ with $y^T s > 10^{-10}$, and starts from $(y^T s / y^T y) I$; the very first step is at most 1 in
    the sum of magnitudes.

    Args:
        learning_rate: the step, or the line search's first trial.
        max_iter: iterations of one step.
        max_eval: evaluations at which a step ends; by default 5/4 of ``max_iter``.
        tolerances: a step ends where no gradient is above the first, or where the objective or every parameter
            changes by less than the second.
        history_size: how many pairs $(s, y)$ are kept.
        line_search_fn: None or "strong_wolfe".

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: for the closure, ``update`` takes ``value_fn``, the objective as a function of the
    parameters, and evaluates it and its gradient itself. ``optax.lbfgs`` makes one iteration an update, keeps every
    pair, and zooms by another rule.
    """
    check_settings("lbfgs", learning_rate=learning_rate, line_search_fn=line_search_fn)
    most = max_iter * 5 // 4 if max_eval is None else max_eval
    limits = _Limits(max_iter, most, *tolerances, line_search_fn is not None)

    def init(params: optax.Params) -> _LbfgsState:
        flat, _ = ravel_pytree(params)
        pairs, number, zero = jnp.zeros((history_size, flat.size), flat.dtype), jnp.zeros([], flat.dtype), jnp.int32(0)
        memory = _Memory(pairs, pairs, pairs[:, 0], zero, number + 1)
        return _LbfgsState(zero, zero, zero, jnp.zeros_like(flat), number, memory, jnp.zeros_like(flat), number)

    def update(
        updates: optax.Updates, state: _LbfgsState, params: Any = None, *, value_fn: Callable, **_: Any
    ) -> tuple[optax.Updates, _LbfgsState]:
        start, unravel = ravel_pytree(params)

        def objective(x: Array) -> tuple[Array, Array]:
            value, gradient = jax.value_and_grad(value_fn)(unravel(x))
            return value, ravel_pytree(gradient)[0]

        rate = jnp.asarray(_rate_at(learning_rate, state.count), start.dtype)
        point, after = _step(objective, start, state, rate, limits)
        return unravel(point - start), after._replace(count=state.count + 1)

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]


class _Memory(NamedTuple):
    """Past changes of the gradient and steps, oldest first, 1 over their products, how many, and the first scale."""

    old_dirs: Array
    old_stps: Array
    ro: Array
    num_old: Array
    H_diag: Array


class _LbfgsState(NamedTuple):
    """Steps, evaluations, iterations; the last direction and its length; the pairs; the last slope and value."""

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]
    func_evals: Array
    n_iter: Array
    d: Array
    t: Array
    memory: _Memory
    prev_flat_grad: Array
    prev_loss: Array


class _Limits(NamedTuple):
    max_iter: int
    max_eval: int
    gradient: float
    change: float
    searches: bool


class _Run(NamedTuple):
    """What one iteration hands to the next."""

    point: Array
    value: Array
    gradient: Array
    state: _LbfgsState
    iterations: Array
    evaluations: Array
    done: Array


def _step(
    objective: Callable, start: Array, state: _LbfgsState, rate: Array, limits: _Limits
) -> tuple[Array, _LbfgsState]:
    value, gradient = objective(start)
    state = state._replace(func_evals=state.func_evals + 1)
    optimal = jnp.abs(gradient).max() <= limits.gradient
    run = _Run(start, value, gradient, state, jnp.int32(0), jnp.int32(1), optimal)

    def iterate(run: _Run) -> _Run:
        run = _turned(run, rate)
        slope = run.gradient @ run.state.d
        return lax.cond(
            slope > -limits.change,
            lambda run: run._replace(done=jnp.ones([], bool)),
            lambda run: _moved(objective, run, limits),
            run,
        )

    end = lax.while_loop(lambda run: ~run.done & (run.iterations < limits.max_iter), iterate, run)
    return end.point, end.state


def _turned(run: _Run, rate: Array) -> _Run:
    """The next direction and first step, before anything moves."""
    state, first = run.state, run.state.n_iter == 0
    memory = _remembered(state, run.gradient, first)
    gentle = jnp.minimum(1, 1 / jnp.abs(run.gradient).sum()) * rate
    state = state._replace(
        n_iter=state.n_iter + 1,
        d=_direction(memory, run.gradient),
        t=jnp.where(first, gentle, rate),
        memory=memory,
        prev_flat_grad=run.gradient,
        prev_loss=run.value,
    )
    return run._replace(state=state, iterations=run.iterations + 1)


def _remembered(state: _LbfgsState, gradient: Array, first: Array) -> _Memory:
    """Take in the last step, unless the curvature along it is not positive."""
    memory, y, s = state.memory, gradient - state.prev_flat_grad, state.d * state.t
    ys, size = y @ s, len(memory.ro)
    place = jnp.minimum(memory.num_old, size - 1)

    def pushed(rows: Array, row: Array) -> Array:
        return jnp.where(memory.num_old == size, jnp.roll(rows, -1, axis=0), rows).at[place].set(row)

    newer = _Memory(
        pushed(memory.old_dirs, y), pushed(memory.old_stps, s), pushed(memory.ro, 1 / ys), place + 1, ys / (y @ y)
    )
    keep = ~first & (ys > 1e-10)
    return _Memory(*(jnp.where(keep, new, old) for new, old in zip(newer, memory, strict=True)))


def _direction(memory: _Memory, gradient: Array) -> Array:
    """The two loops over the pairs; an empty place holds zeros and changes nothing."""
    pairs = memory.old_dirs, memory.old_stps, memory.ro

    def back(q: Array, pair: Any) -> tuple[Array, Array]:
        y, s, ro = pair
        share = s @ q * ro
        return q - share * y, share

    def forth(r: Array, pair: Any) -> tuple[Array, None]:
        (y, s, ro), share = pair
        return r + (share - y @ r * ro) * s, None

    q, shares = lax.scan(back, -gradient, pairs, reverse=True)
    return lax.scan(forth, q * memory.H_diag, (pairs, shares))[0]


def _moved(objective: Callable, run: _Run, limits: _Limits) -> _Run:
    """Move along the direction, by a search or at once, and see whether this was the last iteration."""
    state, last = run.state, run.iterations == limits.max_iter
    if limits.searches:
        known, left = (run.value, run.gradient), limits.max_eval - run.evaluations
        value, gradient, t, cost = strong_wolfe(objective, run.point, known, state.d, state.t, left)  # pyright: ignore
        point, state = run.point + t * state.d, state._replace(t=t)
        optimal = jnp.abs(gradient).max() <= limits.gradient
    else:
        point = run.point + state.t * state.d
        # No evaluation after the last move, and no new look at the gradient.
        value, gradient = lax.cond(last, lambda _: (run.value, run.gradient), objective, point)
        cost, optimal = jnp.where(last, 0, 1), ~last & (jnp.abs(gradient).max() <= limits.gradient)
    evaluations = run.evaluations + cost
    still = jnp.abs(state.d * state.t).max() <= limits.change
    still |= jnp.abs(value - state.prev_loss) < limits.change
    state = state._replace(func_evals=state.func_evals + cost)
    done = last | (evaluations >= limits.max_eval) | optimal | still
    return _Run(point, value, gradient, state, run.iterations, evaluations, done)
