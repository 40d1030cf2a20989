"""The line search of L-BFGS: a step that satisfies the strong Wolfe conditions (Nocedal & Wright 2006, section 3.5).

Differs from its twin: two ``lax.while_loop``, so that the search compiles.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Float

__all__ = ["strong_wolfe"]

_DECREASE, _CURVATURE, _SMALLEST = 1e-4, 0.9, 1e-9

Found: TypeAlias = tuple[Float[Array, ""], Float[Array, " size"]]


def strong_wolfe(
    objective: Callable[[Float[Array, " size"]], Found],
    point: Float[Array, " size"],
    known: Found,
    direction: Float[Array, " size"],
    step: Float[Array, ""],
    max_evaluations: int | Array = 25,
) -> tuple[Float[Array, ""], Float[Array, " size"], Float[Array, ""], int | Array]:
    r"""Find a step along a direction that is long enough and descends enough, torch's ``strong_wolfe``.

    $f(x + t d) \le f(x) + 10^{-4} \, t \, g^T d$ and $|g(x + t d)^T d| \le 0.9 \, |g^T d|$: a bracket grows from the
    first step, and shrinks by cubic interpolation until a point in it satisfies both.

    Args:
        objective: value and gradient at a point.
        point: $x$.
        known: value and gradient there.
        direction: $d$, along which the objective falls.
        step: $t$ to begin with.
        max_evaluations: of the objective, after the first.

    Returns:
        Value, gradient and step found, and how often the objective was evaluated.
    """
    value, gradient = known
    slope = gradient @ direction

    def measured(t: Array) -> _Point:
        f, g = objective(point + t * direction)
        return _Point(t, f, g, g @ direction)

    def fails(new: _Point) -> Array:
        return new.f > value + _DECREASE * new.t * slope

    line = _Line(measured, fails, -_CURVATURE * slope, jnp.abs(direction).max(), max_evaluations)
    start = _Point(jnp.zeros_like(step), value, gradient, slope)
    ends, count, done = _bracket(line, start, step)
    ends, low, count = _zoom(line, ends, count, done)
    best = _at(ends, low)
    return best.f, best.g, best.t, count + 1


class _Point(NamedTuple):
    """Step, value, gradient, and slope along the direction; of both ends of a bracket, stacked."""

    t: Array
    f: Array
    g: Array
    slope: Array


class _Line(NamedTuple):
    """What stays through a search."""

    measured: Callable[[Array], _Point]
    fails: Callable[[_Point], Array]
    flat: Array
    length: Array
    limit: int | Array


def _bracket(line: _Line, start: _Point, step: Array) -> tuple[_Point, Array, Array]:
    """Two ends with an acceptable step between them, or one acceptable step twice; evaluations; whether it is done."""

    def crossed(before: _Point, now: _Point, count: Array) -> Array:
        return line.fails(now) | ((count > 1) & (now.f >= before.f))

    def done(before: _Point, now: _Point, count: Array) -> Array:
        return ~crossed(before, now, count) & (jnp.abs(now.slope) <= line.flat)

    def goes_on(carry: Any) -> Array:
        before, now, count = carry
        found = crossed(before, now, count) | done(before, now, count) | (now.slope >= 0)
        return ~found & (count < line.limit)

    def further(carry: Any) -> Any:
        before, now, count = carry
        bounds = now.t + 0.01 * (now.t - before.t), now.t * 10
        return now, line.measured(_cubic(before, now, bounds)), count + 1

    before, now, count = lax.while_loop(goes_on, further, (start, line.measured(step), jnp.int32(0)))
    # At the limit torch goes back to the start; an acceptable step stands alone, here at both ends.
    spent, accepted = count == line.limit, done(before, now, count)
    first = _choose(spent, start, _choose(accepted, now, before))
    return _Point(*(jnp.stack(pair) for pair in zip(first, now, strict=True))), count, accepted


def _zoom(line: _Line, ends: _Point, count: Array, done: Array) -> tuple[_Point, Array, Array]:
    """Shrink a bracket; its ends, which of them is the lower, and the evaluations."""

    def goes_on(carry: Any) -> Array:
        ends, _, count, done, _ = carry
        wide = jnp.abs(ends.t[1] - ends.t[0]) * line.length >= _SMALLEST
        return ~done & (count < line.limit) & wide

    def closer(carry: Any) -> Any:
        ends, low, count, _, stuck = carry
        t = _cubic(_at(ends, 0), _at(ends, 1), (ends.t.min(), ends.t.max()))
        t, stuck = _off_the_edge(ends, t, stuck)
        new, lowest, highest = line.measured(t), _at(ends, low), _at(ends, 1 - low)
        worse = line.fails(new) | (new.f >= lowest.f)
        accepted = ~worse & (jnp.abs(new.slope) <= line.flat)
        turned = ~worse & ~accepted & (new.slope * (highest.t - lowest.t) >= 0)
        high = _choose(worse, new, _choose(turned, lowest, highest))
        ends = _put(_put(ends, 1 - low, high), low, _choose(worse, lowest, new))
        return ends, jnp.where(worse, _lower(ends), low), count + 1, accepted, stuck

    carry = (ends, _lower(ends), count, done, jnp.zeros([], bool))
    ends, low, count, _, _ = lax.while_loop(goes_on, closer, carry)
    return ends, low, count


def _off_the_edge(ends: _Point, t: Array, stuck: Array) -> tuple[Array, Array]:
    """A trial near an end a second time in turn, or at it, moves a tenth of the bracket away."""
    least, most = ends.t.min(), ends.t.max()
    margin = 0.1 * (most - least)
    near = jnp.minimum(most - t, t - least) < margin
    moves = near & (stuck | (t >= most) | (t <= least))
    inside = jnp.where(jnp.abs(t - most) < jnp.abs(t - least), most - margin, least + margin)
    return jnp.where(moves, inside, t), near & ~moves


def _cubic(one: _Point, other: _Point, bounds: tuple[Array, Array]) -> Array:
    """The minimum within bounds of the cubic through two points and their slopes; the middle if it has none."""
    left, right = _choose(one.t <= other.t, one, other), _choose(one.t <= other.t, other, one)
    d1 = one.slope + other.slope - 3 * (one.f - other.f) / (one.t - other.t)
    square = d1**2 - one.slope * other.slope
    d2 = jnp.sqrt(jnp.maximum(square, 0))
    share = (right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2)
    least = right.t - (right.t - left.t) * share
    return jnp.where(square >= 0, jnp.clip(least, *bounds), (bounds[0] + bounds[1]) / 2)


def _lower(ends: _Point) -> Array:
    return jnp.where(ends.f[0] <= ends.f[1], 0, 1)


def _choose(first: Array, one: _Point, other: _Point) -> _Point:
    return _Point(*(jnp.where(first, a, b) for a, b in zip(one, other, strict=True)))


def _at(ends: _Point, index: Any) -> _Point:
    return _Point(*(part[index] for part in ends))


def _put(ends: _Point, index: Any, point: _Point) -> _Point:
    return _Point(*(part.at[index].set(value) for part, value in zip(ends, point, strict=True)))
