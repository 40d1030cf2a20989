"""A changed program tried in NumPy: only the steps behind the change run again; derivatives are checked by differences.

What passes here is as good as proven, and nothing had to be compiled for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from parity.diagnosis.elsewhere import Elsewhere
from parity.diagnosis.flat import Flat, Step, every_step, flattened
from parity.diagnosis.machines import NUMPY_MACHINE, Edits, done
from parity.diagnosis.traced import Target, Traced

__all__ = ["Screen"]

_PACE, _SPEED, _HANDED = 1.2e-5, 1e8, 1e-4  # seconds a step, numbers a second, seconds a step that JAX has to do
_TRIAL = 1e-4  # seconds for each
_WINDOWS = 2e-4  # seconds more for a convolution or a pooling
_STEP, _CLOSE = 1e-6, 1e-4  # of a central difference, relative
Values = dict[str, np.ndarray]


class Screen:
    """The program as it stands, every value of it kept, and trials of changes.

    Attributes:
        flat: its steps.
        start: its outputs.
        spent: about how many seconds trials took; counted, not measured, so that a search ends where it ended before.
    """

    def __init__(self, traced: Traced, target: Target) -> None:
        self.flat, self._traced = flattened(traced.program), traced
        self._paths = [path for path in target.wanted if not path.startswith("grad/")]
        self.outputs = target.only(self._paths)
        self._target = target
        self._places = {
            number: place
            for place, step in enumerate(self.flat.steps)
            for number in (step.number, *(inner.number for inner, _ in _inside(step)))
        }
        self._within = {step.number: {inner.number for inner, _ in _inside(step)} for step in self.flat.steps}
        arguments = [NUMPY_MACHINE.given(x, x) if hasattr(x, "dtype") else np.asarray(x) for x in traced.arguments]
        with np.errstate(all="ignore"):
            self._known = self._all(arguments, {})
        self.start = self._results(self._known)
        self._costs = {step.number: _cost(step) for step in self.flat.steps}
        self.spent = 0.0
        self._elsewhere: list[tuple[Any, Elsewhere, Values | None]] | None = None

    def values(self, slot: int) -> Any:
        """A value of the program as it stands; None inside a loop."""
        return self._known.get(slot)

    def trial(self, edits: Edits) -> Values | None:
        """The outputs with these changes; None if the program cannot run with them, or nothing changes."""
        self.spent += _TRIAL
        known, dirty = dict(self._known), set()
        first = min((self._places[number] for number in edits), default=0)
        with np.errstate(all="ignore"):
            try:
                for step in self.flat.steps[first:]:
                    if not self._touched(step, edits, dirty):
                        continue
                    self.spent += self._costs[step.number]
                    for slot, new in zip(step.outputs, done(step, known, NUMPY_MACHINE, edits), strict=True):
                        if not _equal(new, known[slot]):
                            known[slot] = new
                            dirty.add(slot)
                return self._results(known) if dirty else None
            except Exception:  # a change that this program does not allow: shapes, axes, dtypes
                return None

    def _touched(self, step: Step, edits: Edits, dirty: set[int]) -> bool:
        if step.number in edits or not dirty.isdisjoint(step.inputs):
            return True
        return bool(step.bodies) and not self._within[step.number].isdisjoint(edits)

    def derivatives_agree(self, edits: Edits) -> bool:
        """Whether torch's gradients are those of the changed program, by a central difference along each input."""
        paths = self._traced.paths
        if self._traced.cotangents is None or not paths:
            return True
        draw, arguments = np.random.default_rng(0), list(self._traced.arguments)
        for place, path in enumerate(paths):
            wanted = self._target.wanted.get(f"grad/{path}")
            if wanted is None or np.iscomplexobj(wanted) or not np.isfinite(wanted).all():
                return False
            along = draw.normal(size=np.shape(arguments[place]))
            step = _STEP * max(1e-3, float(np.abs(arguments[place]).max(initial=0.0)))
            sides = [self._pulled(arguments, place, sign * step * along, edits) for sign in (1, -1)]
            slope, goal = (sides[0] - sides[1]) / (2 * step), float((wanted * along).sum())
            if not abs(slope - goal) <= _CLOSE * (abs(goal) + float(np.linalg.norm(wanted))):
                return False
        return True

    def holds_elsewhere(self, edits: Edits) -> bool:
        """Whether the changed program returns what torch does for other inputs too."""
        if self._elsewhere is None:
            self._elsewhere = [(x, e, self._outputs(x, {})) for x, e in self._traced.elsewhere()]
        for arguments, there, before in self._elsewhere:
            results = self._outputs(arguments, edits)
            if before is not None and (results is None or not there.met_by(results, before, self._paths)):
                return False
        return True

    def _outputs(self, arguments: Sequence[Any], edits: Edits) -> Values | None:
        """For these arguments; None where the program cannot run."""
        given = [NUMPY_MACHINE.given(x, x) if hasattr(x, "dtype") else np.asarray(x) for x in arguments]
        with np.errstate(all="ignore"):
            try:
                return self._results(self._all(given, edits))
            except Exception:
                return None

    def _pulled(self, arguments: list[Any], place: int, change: np.ndarray, edits: Edits) -> float:
        """The outputs under the cotangents, at inputs a little away."""
        moved = [x + change if number == place else x for number, x in enumerate(arguments)]
        total, found = 0.0, self._outputs(moved, edits)
        if found is None:
            return math.nan
        for path, out in found.items():
            if out.dtype.kind == "f":
                total += float((out * self._traced.cotangents(path, out.shape, imaginary=False)).sum())  # type: ignore[misc]
        return total

    def _all(self, arguments: list[Any], edits: Edits) -> dict[int, Any]:
        flat = self.flat
        known = {slot: NUMPY_MACHINE.given(value, aval) for slot, (value, aval) in flat.constants.items()}
        known.update(zip(flat.inputs, arguments, strict=True))
        for step in flat.steps:
            known.update(zip(step.outputs, done(step, known, NUMPY_MACHINE, edits), strict=True))
        return known

    def _results(self, known: Mapping[int, Any]) -> Values:
        outputs = jax.tree.unflatten(self._traced.tree, [known[slot] for slot in self.flat.outputs])[0]
        return {path: np.asarray(out) for path, out in outputs.items()}


def _inside(step: Step) -> list[tuple[Step, Flat]]:
    return [found for body in step.bodies for found in every_step(body)]


def _equal(new: Any, old: Any) -> bool:
    """To the bit: NumPy's own comparison of two small arrays takes longer than the step that made them."""
    if isinstance(new, np.ndarray) and isinstance(old, np.ndarray):
        return new.shape == old.shape and new.dtype == old.dtype and new.tobytes() == old.tobytes()
    return np.shape(new) == np.shape(old) and np.array_equal(new, old, equal_nan=np.asarray(new).dtype.kind == "f")


def _cost(step: Step) -> float:
    """Seconds, roughly."""
    from parity.diagnosis.arithmetic import NUMPY

    if step.bodies:
        inner = sum(_cost(inside) for body in step.bodies for inside in body.steps)
        return inner * step.eqn.params.get("length", 1)
    size = sum(math.prod(var.aval.shape) for var in step.eqn.outvars)
    if step.name == "dot_general":
        size *= max(1, math.prod(step.shapes[0]) // max(1, step.shapes[0][0]))
    if step.name.startswith(("conv", "reduce_window")):
        return size / _SPEED + _WINDOWS
    return size / _SPEED + (_PACE if step.name in NUMPY else _HANDED)
