"""What a JAX program should have returned, and the program run by JAX with a change in it, gradients and all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from parity.diagnosis.elsewhere import Elsewhere
from parity.diagnosis.flat import Flat, flattened
from parity.diagnosis.machines import JAX, Call, Edit, Edits, run
from parity.diagnosis.proposals import Proposal
from parity.interpret import is_inexact, widened

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
        return self.only(kept)

    def only(self, paths: Iterable[str]) -> Target:
        """The same of some leaves."""
        paths = [path for path in self.wanted if path in set(paths)]
        wanted, limits, before = ({p: part[p] for p in paths} for part in (self.wanted, self.limits, self.before))
        return replace(self, wanted=wanted, limits=limits, before=before)

    def gaps(self, results: Mapping[str, np.ndarray]) -> dict[str, float]:
        """The largest error of each leaf; infinite where one side is not finite and the other is not the same."""
        return {path: _gap(wanted, results[path]) for path, wanted in self.wanted.items()}

    def met_by(self, results: Mapping[str, np.ndarray]) -> bool:
        """Whether every leaf passes, or its gap has fallen a thousandfold; none that passed may break."""
        enough = {p: _ENOUGH * b if self.limits[p] < b < np.inf else 0.0 for p, b in self.before.items()}
        return all(gap <= max(self.limits[path], enough[path]) for path, gap in self.gaps(results).items())

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
        names: of all arguments; those beyond them have none.
        elsewhere: other arguments, and what torch returns for them.
    """

    program: Any
    tree: Any
    arguments: Sequence[np.ndarray]
    paths: Sequence[str]
    cotangents: Callable[..., np.ndarray] | None
    names: Sequence[str] = ()
    elsewhere: Callable[[], Sequence[tuple[Sequence[np.ndarray], Elsewhere]]] = tuple

    @cached_property
    def flat(self) -> Flat:
        """The program as a list of steps."""
        return flattened(self.program)

    def results(self, edits: Edits) -> dict[str, Any]:
        """Outputs, and gradients where they were compared, with these changes; in float64 throughout."""
        count = len(self.paths)
        others = [widened(x) for x in self.arguments[count:]]

        def forward(floats: list[Any]) -> tuple[dict, dict]:
            outputs = jax.tree.unflatten(self.tree, run(self.flat, [*floats, *others], JAX, edits))[0]
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
    """The program with one of several changes, compiled once for all."""

    def __init__(self, traced: Traced, proposals: Sequence[Proposal]) -> None:
        edits: dict[int, list[tuple[int, Edit]]] = {}
        for number, proposal in enumerate(proposals):
            for step, edit in proposal.edits.items():
                edits.setdefault(step, []).append((number, edit))
        self._compiled = jax.jit(
            lambda choice: traced.results({step: _chosen(found, choice) for step, found in edits.items()}),
            compiler_options=_QUICK,
        )

    def __call__(self, choice: int) -> dict[str, np.ndarray]:
        """The results with proposal number ``choice``; -1 for the program as it stands."""
        return {path: np.asarray(out) for path, out in self._compiled(jnp.int64(choice)).items()}


def _chosen(found: Sequence[tuple[int, Edit]], choice: Any) -> Edit:
    """One of several edits of a step, those left out that it does not allow."""

    def edit(call: Call) -> list[Any]:
        outputs = [jnp.asarray(out) for out in call.run()]
        shapes, dtypes = [out.shape for out in outputs], [out.dtype for out in outputs]
        for number, other in found:

            def changed(inputs: Sequence[Any], other: Edit = other) -> list[Any]:
                made = other(replace(call, inputs=inputs))
                return [jnp.asarray(new).astype(dtype) for new, dtype in zip(made, dtypes, strict=True)]

            try:
                fits = [out.shape for out in jax.eval_shape(changed, list(call.inputs))] == shapes
            except Exception:  # an alternative that this step's inputs do not allow
                continue
            if fits:
                # Not a select: XLA would work out, and differentiate, every alternative within every other.
                outputs = lax.cond(choice == number, changed, lambda _, kept=outputs: list(kept), list(call.inputs))
        return outputs

    return edit
