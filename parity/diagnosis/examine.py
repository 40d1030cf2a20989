"""What a report says about the cause of its failures: the numbers first, then remedies tried on the program."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.diagnosis.diagnose import finding_of
from parity.diagnosis.fed import Fed, feeds, telling
from parity.diagnosis.findings import Clues, Explanation, Finding
from parity.diagnosis.together import exchanged, strong, together
from parity.inputs import Inputs
from parity.message import first_line
from parity.tolerance import SEMANTIC
from parity.trees import map_leaves
from parity.vjp import JaxSide, Run, TorchSide

if TYPE_CHECKING:
    from parity.report import Leaf

__all__ = ["Examination", "explained"]

_SHOWN = 3
_LARGEST = 3_000_000  # numbers that a program may compute and still be run over and over
_EXAMINED = 8  # leaves whose numbers are looked into


def explained(leaves: tuple[Leaf, ...], examine: Callable[[tuple[Leaf, ...]], Explanation] | None) -> Explanation:
    """The causes that ``examine`` finds, else what the leaves themselves say."""
    failing = [leaf for leaf in leaves if not leaf.ok]
    if not failing:
        return Explanation()
    widest = [leaf for leaf in failing if leaf.dtype == failing[0].dtype]
    own = tuple(f"{leaf.path}: {said}" for leaf in widest if (said := leaf.diagnosis or _of_dtype(leaf)))[:1]
    if examine is None:
        return Explanation(own, tuple(_kind(leaves, failing)))
    found = examine(leaves)
    return Explanation(found.sentences or own, (*_kind(leaves, failing), *found.notes))


def _of_dtype(leaf: Leaf) -> str:
    return f"{leaf.problem}; look for a cast, or a default dtype" if leaf.problem.startswith("dtypes") else ""


def _kind(leaves: tuple[Leaf, ...], failing: list[Leaf]) -> Iterator[str]:
    """Whether it is the function or its rounding that differs, and the outputs or their derivatives."""
    if any(leaf.problem.startswith(("shapes", "dtypes")) for leaf in failing):
        return
    wide = [leaf for leaf in leaves if leaf.dtype == "float64" and leaf.quantity != "jit"]
    narrow = sorted({leaf.dtype for leaf in failing if leaf.dtype != "float64"})
    if wide and all(leaf.ok for leaf in wide) and narrow:
        yield (
            f"at float64 both compute the same function; at {', '.join(narrow)} {_rougher(failing)} loses more than its"
            " own rounding: sums or products in a narrower dtype (bfloat16, TF32), or an unstable formula"
        )
    elif all(leaf.quantity == "gradient" for leaf in failing):
        yield "every output agrees; only gradients differ"
    elif wide and all(leaf.ok for leaf in wide):
        yield "torch and JAX agree; jax.jit changes what the JAX function computes"


def _rougher(failing: list[Leaf]) -> str:
    """The side that is further from the truth, where that can be told."""
    places = [(leaf, p) for leaf in failing if (p := leaf.absolute) and p.truth is not None]
    if not places:
        return "one side"
    far = {leaf.sides[abs(p.right - p.truth) > abs(p.left - p.truth)] for leaf, p in places}
    return far.pop() if len(far) == 1 else "each side"


@dataclass(frozen=True)
class Examination:
    """The float64 runs of a comparison that failed, to be looked into should somebody ask.

    Attributes:
        sides: torch's and JAX's.
        inputs: of both sides.
        names: whether results are keyed by field name.
        cotangents: as in the runs.
        runs: torch's and JAX's.
        layers: looks into two modules; None where the sides are functions.
    """

    sides: tuple[TorchSide, JaxSide]
    inputs: Inputs
    names: bool
    cotangents: Any
    runs: tuple[Run, Run]
    layers: Any = None

    def __call__(self, leaves: tuple[Leaf, ...]) -> Explanation:
        """The causes, the likeliest first."""
        wide = [leaf for leaf in leaves if leaf.dtype == "float64" and leaf.quantity != "jit"]
        failing = [leaf for leaf in wide if not leaf.ok]
        if not failing or all(_of_dtype(leaf) for leaf in failing):
            return Explanation()
        notes: list[str] = []
        findings = [(leaf.path, self._finding(leaf)) for leaf in failing[:_EXAMINED]]
        own = [f"{path}: {finding}" for path, finding in together(findings)]
        if self.layers:
            notes += self._guarded([], self.layers.located, self.inputs.at("float64"), [leaf.path for leaf in failing])
            if all("/batch_stats/" in leaf.path for leaf in failing):  # a field of the layer says more than a factor
                own = [str(found) for found in self._guarded([], self._called, wide)] or own
                return Explanation(tuple(own[:1]), tuple(notes))
        if own and strong(findings):
            # The outputs are right: what makes their derivatives a multiple may stand in the program.
            scaled = failing[0].quantity == "gradient" and re.search(r" x jax (everywhere|\+)", own[0])
            found = self._guarded(notes, self._tried, wide) if scaled else []
            return Explanation((*map(str, found), *own)[:1], tuple(notes))
        found = self._guarded(notes, exchanged, {leaf.path: (*self._values(leaf.path), leaf.limit) for leaf in failing})
        found = found or self._guarded(notes, self._fed, failing, True)
        found = found or self._guarded(notes, self._called, wide)
        found = found or self._guarded(notes, self._tried, wide)
        found = found or self._guarded([], self._ignored)
        found = found or self._guarded(notes, self._fed, failing, False)
        if not self.layers and failing[0].quantity == "output":
            notes += self._guarded([], self._aligned)
        return Explanation(tuple(dict.fromkeys([*map(str, found), *own]))[:_SHOWN], tuple(notes))

    def _guarded(self, notes: list[str], find: Callable, *arguments: Any) -> list[Any]:
        """At most a handful; what cannot be traced or run has no remedies, and the report goes on."""
        try:
            return list(islice(find(*arguments), _SHOWN))
        except Exception as error:
            notes.append(f"remedies were not tried: {type(error).__name__}: {first_line(error)}")
            return []

    def _values(self, path: str) -> tuple[np.ndarray, np.ndarray]:
        left, right = ({**run.outputs, **run.gradients}[path].data for run in self.runs)
        return left, right

    def _finding(self, leaf: Leaf) -> Finding | None:
        clues = Clues(self.inputs.numbers(), leaf.quantity == "gradient", "float64")
        return finding_of(*self._values(leaf.path), leaf.limit, clues)

    def _fed(self, failing: list[Leaf], sure: bool | None = None) -> Iterator[Finding]:
        """The JAX function called with its inputs in another order."""
        from parity.diagnosis.retraced import Retraced

        inputs = self.inputs.at("float64")
        wanted = {leaf.path: self._values(leaf.path)[0] for leaf in failing if leaf.quantity == "output"}
        limits = {leaf.path: leaf.limit for leaf in failing if leaf.path in wanted}
        arrays = {path: array for path, array in inputs.arrays().items() if array.dtype.kind in "fiub" and array.ndim}
        side = JaxSide(self.sides[1].function)

        def closed(fed: Fed) -> bool:
            changed = replace(inputs, tree=map_leaves(lambda path, x: fed.inputs.get(path, x), inputs.tree))
            try:
                if any(array.shape != arrays[path].shape for path, array in fed.inputs.items()):  # nothing is compiled
                    function = Retraced(side.function, changed, self.names, None)
                    return fed.returns(function.results(nullcontext(), gradients=False), wanted, limits)
                outputs = side.run(changed, "float64", self.names).outputs
            except Exception:  # shapes that the function does not take
                return False
            return fed.returns({path: value.data for path, value in outputs.items()}, wanted, limits)

        for fed in feeds(arrays, sure=sure) if telling(wanted.values()) else ():
            if closed(fed):
                yield next(filter(closed, fed.narrower()), fed).finding
                return

    def _called(self, leaves: list[Leaf]) -> Iterator[Finding]:
        """Another argument of a call, another field of a layer."""
        from parity.diagnosis.called import calls_tried
        from parity.diagnosis.retraced import Retraced
        from parity.jaxprs import size_of

        failing = [self._values(leaf.path)[0] for leaf in leaves if not leaf.ok]
        if size_of(self._traced.program) <= _LARGEST and telling(failing):
            function = Retraced(self.sides[1].function, self.inputs.at("float64"), self.names, self.cotangents)
            yield from calls_tried(function, self._target(leaves), self._others)

    def _ignored(self) -> Iterator[Finding]:
        from parity.diagnosis.ignored import ignored

        yield from ignored(self._traced, self.sides[0], self.inputs.at("float64"), self.names)

    def _aligned(self) -> Iterator[str]:
        from parity.diagnosis.aligned import first_apart
        from parity.scopes import jax_scope

        with jax_scope("float64"):
            text = first_apart(self._traced, self.sides[0], self.inputs.at("float64"), self.names)
        yield from [text] * bool(text)

    @property
    def _traced(self) -> Any:
        from parity.diagnosis.traced import Traced

        inputs, jax = self.inputs.at("float64"), self.sides[1]
        key = ("forward", self.names, inputs.signature)
        program, tree = jax.kept(key, lambda: jax.trace(inputs, "float64", self.names, None))
        floats = sorted(inputs.floats())
        names = [*floats, *sorted(inputs.arrays().keys() - set(floats))]
        arguments = jax.arguments(inputs, "float64")
        return Traced(program, tree, arguments, floats, self.cotangents, names, self._elsewhere)

    def _elsewhere(self) -> list[Any]:
        return [(self.sides[1].arguments(other.inputs, "float64"), other) for other in self._others()]

    def _others(self) -> Iterator[Any]:
        """Other inputs, and what torch returns for them."""
        from parity.diagnosis.elsewhere import elsewhere

        return elsewhere(self.sides[0], self.inputs.at("float64"), self.names)

    def _tried(self, leaves: list[Leaf]) -> Iterator[Finding]:
        """A step of the program done otherwise."""
        from parity.diagnosis.remedies import remedies_tried
        from parity.scopes import jax_scope

        with jax_scope("float64"):
            yield from remedies_tried(self._traced, self._target(leaves))

    def _target(self, leaves: list[Leaf]) -> Any:
        """What torch computes; a leaf that is 0 but for rounding keeps the limit that it agreed within."""
        from parity.diagnosis.traced import Target

        values = {**self.runs[0].outputs, **self.runs[0].gradients}
        wanted = {path: value.data for path, value in values.items()}
        limits = {path: SEMANTIC * float(np.abs(data).max(initial=0.0)) for path, data in wanted.items()}
        limits.update({leaf.path: leaf.limit for leaf in leaves})
        before = {**dict.fromkeys(wanted, 0.0), **{leaf.path: leaf.error for leaf in leaves if not leaf.ok}}
        return Target(wanted, limits, before)
