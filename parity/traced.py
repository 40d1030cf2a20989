"""A JAX program as a function of its own constants and of a choice among alternatives, compiled once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from parity.interpret import Seed, evaluated, is_inexact, walk, widened
from parity.sites import ADDED, SCALED, Constant
from parity.swaps import Swap

__all__ = ["Target", "Traced", "Trial"]

_QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
_ENOUGH = 1e-3


@dataclass(frozen=True)
class Target:
    """What the JAX program should have returned.

    Attributes:
        wanted: torch's values by path.
        limits: the allowance of each.
        before: the largest error of each, as the program stands.
    """

    wanted: Mapping[str, np.ndarray]
    limits: Mapping[str, float]
    before: Mapping[str, float]

    @property
    def failing(self) -> list[str]:
        """The paths that differ."""
        return [path for path, gap in self.before.items() if not gap <= self.limits[path]]

    def within(self, results: Mapping[str, np.ndarray]) -> Target:
        """Only the leaves that ``results``, the program as it stands, reproduces: other derivatives are not ours."""
        kept = {p for p, gap in self.gaps(results).items() if gap <= self.limits[p] or _near(gap, self.before[p])}
        wanted, limits, before = (
            {p: v for p, v in part.items() if p in kept} for part in (self.wanted, self.limits, self.before)
        )
        return replace(self, wanted=wanted, limits=limits, before=before)

    def gaps(self, results: Mapping[str, np.ndarray]) -> dict[str, float]:
        """The largest error of each leaf; infinite where one side is not finite and the other is not the same."""
        return {path: _gap(wanted, results[path]) for path, wanted in self.wanted.items()}

    def met_by(self, results: Mapping[str, np.ndarray]) -> bool:
        """Whether every leaf passes, or its gap has fallen a thousandfold; none that passed may break."""
        return all(
            gap <= max(self.limits[path], _ENOUGH * self.before[path] if self.before[path] > self.limits[path] else 0)
            for path, gap in self.gaps(results).items()
        )

    def passed_by(self, results: Mapping[str, np.ndarray]) -> bool:
        """Whether every leaf passes."""
        return all(gap <= self.limits[path] for path, gap in self.gaps(results).items())

    def left(self, results: Mapping[str, np.ndarray]) -> float:
        """What share of the gap is left, of the leaf that does worst."""
        gaps = self.gaps(results)
        return max((gaps[path] / self.before[path] for path in self.failing), default=0.0)


def _near(gap: float, before: float) -> bool:
    return gap == before or bool(np.isclose(gap, before, rtol=1e-2))


def _gap(wanted: np.ndarray, got: np.ndarray) -> float:
    if wanted.shape != got.shape:
        return float("inf")
    with np.errstate(all="ignore"):
        same = (wanted == got) | (np.isnan(wanted) & np.isnan(got))
        distance = np.where(same, 0.0, np.abs(wanted - got))
    return float(np.where(np.isnan(distance), np.inf, distance).max(initial=0.0))


@dataclass(frozen=True)
class Traced:
    """A JAX function's forward program and what it takes to run it.

    Attributes:
        program: the jaxpr, traced at float64.
        tree: of its results.
        arguments: flat, the ones to differentiate first.
        paths: of those to differentiate.
        cotangents: None where gradients were not compared.
    """

    program: Any
    tree: Any
    arguments: Sequence[np.ndarray]
    paths: Sequence[str]
    cotangents: Callable[..., np.ndarray] | None

    def results(self, step: Any) -> dict[str, Any]:
        """Outputs, and gradients where they were compared, with every equation done by ``step``."""
        count = len(self.paths)
        others = [widened(x) for x in self.arguments[count:]]

        def forward(floats: list[Any]) -> tuple[dict, dict]:
            outputs = jax.tree.unflatten(self.tree, walk(self.program, [*floats, *others], step, 0))[0]
            heads = {path: out for path, out in outputs.items() if is_inexact(out)}
            return heads, {path: out for path, out in outputs.items() if path not in heads}

        floats = [widened(x) for x in self.arguments[:count]]
        if self.cotangents is None or not floats:
            heads, rest = forward(floats)
            return {**heads, **rest}
        heads, pullback, rest = jax.vjp(forward, floats, has_aux=True)
        vectors = {}
        for path, head in heads.items():
            vector = self.cotangents(path, head.shape, imaginary=jnp.iscomplexobj(head))
            vectors[path] = jnp.asarray(vector.conj(), head.dtype)
        gradients = {f"grad/{p}": g.conj() for p, g in zip(self.paths, pullback(vectors)[0], strict=True)}
        return {**heads, **rest, **gradients}


class Trial:
    """The program with one constant of another value, or one equation computed another way."""

    def __init__(self, traced: Traced, constants: Sequence[Constant], swaps: Sequence[Swap]) -> None:
        self._compiled = jax.jit(
            lambda which, value, choice: traced.results(_Changed(constants, swaps, which, value, choice)),
            compiler_options=_QUICK,
        )

    def constant(self, which: int, value: float) -> dict[str, np.ndarray]:
        """The results with constant number ``which`` at ``value``."""
        return self._run(which, value, -1)

    def swap(self, choice: int) -> dict[str, np.ndarray]:
        """The results with alternative number ``choice``; -1 for the program as it stands."""
        return self._run(-1, 0.0, choice)

    def _run(self, which: int, value: float, choice: int) -> dict[str, np.ndarray]:
        found = self._compiled(jnp.int64(which), jnp.float64(value), jnp.int64(choice))
        return {path: np.asarray(out) for path, out in found.items()}


class _Changed:
    """The step that does so: everything in float64, the chosen constant or equation changed."""

    def __init__(self, constants: Any, swaps: Any, which: Any, value: Any, choice: Any) -> None:
        self._which, self._value, self._choice = which, value, choice
        self._numbers: dict[tuple[int, int], list[int]] = {}
        for number, constant in enumerate(constants):
            for key in constant.keys:
                self._numbers.setdefault(key, []).append(number)
        self._swaps: dict[int, list[tuple[int, Swap]]] = {}
        for number, swap in enumerate(swaps):
            self._swaps.setdefault(swap.key, []).append((number, swap))

    def __call__(self, eqn: Any, inputs: list[Any], seed: Seed) -> list[Any]:
        return evaluated(eqn, inputs)

    def before(self, eqn: Any, inputs: list[Any]) -> list[Any]:
        inputs = [jnp.asarray(x) for x in inputs]
        for place, var in enumerate(inputs):
            for number in self._numbers.get((id(eqn), place), ()):
                inputs[place] = jnp.where(self._which == number, self._value.astype(var.dtype), inputs[place])
        for number in self._numbers.get((id(eqn), ADDED), ()):
            inputs[-1] = jnp.where(self._which == number, inputs[-1] + self._value, inputs[-1])
        return inputs

    def after(self, eqn: Any, inputs: list[Any], outputs: list[Any]) -> list[Any]:
        for number in self._numbers.get((id(eqn), SCALED), ()):
            outputs = [jnp.where(self._which == number, outputs[0] * self._value, outputs[0]), *outputs[1:]]
        written = [jnp.asarray(out) for out in outputs]
        for number, swap in self._swaps.get(id(eqn), ()):

            def other(inputs: list[Any], swap: Swap = swap) -> list[Any]:
                made = swap.make(inputs, written if len(written) > 1 else written[0])
                made = made if len(written) > 1 else [made]
                return [jnp.asarray(new).astype(out.dtype) for new, out in zip(made, written, strict=True)]

            try:
                shapes = [out.shape for out in jax.eval_shape(other, inputs)]
            except Exception:  # an alternative that this equation's arguments do not allow
                continue
            if shapes == [out.shape for out in written]:
                # Not a select: XLA would work out, and differentiate, every alternative within every other.
                outputs = lax.cond(self._choice == number, other, lambda _, kept=outputs: list(kept), inputs)
        return outputs
