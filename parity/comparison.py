"""Two sides held against each other: both run at every dtype, every leaf compared, one report made."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from parity import message
from parity.arrays import Value
from parity.devices import chosen
from parity.diagnosis.examine import Examination
from parity.errors import InputError
from parity.inputs import Inputs, cotangent
from parity.leaves import Sides, compare_leaf
from parity.opaque import NumpySide, Right, limits_of, remedy_for, sides_called
from parity.report import Leaf, Report
from parity.settings import Settings
from parity.simulation import Simulation
from parity.vjp import JaxSide, NotAnArrayError, Run, TorchSide

__all__ = ["Asked", "Comparison", "rerun", "versions"]


@dataclass(frozen=True)
class Asked:
    """How a comparison was asked for, for its messages.

    Attributes:
        function: that was called.
        arguments: what it calls its two sides.
        call: the line that asks again.
    """

    function: str = "compare"
    arguments: tuple[str, str] = ("torch_fn", "jax_fn")
    call: str = ""


@dataclass(frozen=True)
class _Runs:
    """Both sides at one dtype, the float64 run they are held against, and the noise that rounding would make."""

    dtype: str
    left: Run
    right: Run
    truth: Run
    simulation: Simulation

    @property
    def alike(self) -> bool:
        """Whether the outputs have the same shapes."""
        return all(v.data.shape == self.right.outputs[path].data.shape for path, v in self.left.outputs.items())


@dataclass(frozen=True)
class Comparison:
    """Two sides, their inputs, and how to hold them against each other.

    ``layers`` looks into two modules, where the sides are modules.
    """

    left: TorchSide
    right: Right
    inputs: Inputs
    settings: Settings
    asked: Asked
    layers: Any = None

    @np.errstate(all="ignore")  # NaN and infinities are judged, not stumbled over, whatever the caller has set
    def report(self) -> Report:
        """Run both sides at every dtype.

        Raises:
            InputError: if a side fails, or the sides return different trees, or nothing.
        """
        dtypes, leaves, notes, examine = self.settings.dtypes, [], [*limits_of(self.right, self.settings)], None
        names, paths = self._tree(dtypes[0])
        draw = self._draw
        for dtype in dtypes:
            runs = self._runs(dtype, names, paths, draw)
            leaves += self._outputs(runs)
            if dtype == self._jitted:
                leaves += self._jit_against_eager(runs, names, paths)
            leaves += self._gradients(runs) if runs.alike else []
            notes += self._notes(runs)
            if dtype == "float64" and not all(leaf.ok for leaf in leaves):
                examine = self._examination(runs, names)
        if not self.settings.edge_cases and not any(leaf.size for leaf in leaves if leaf.quantity == "output"):
            raise InputError(
                f"{self.asked.function}: outputs must hold at least one element, got only empty ones."
                " Pass edge_cases=True to compare their shapes and dtypes alone."
            )
        report = Report(self.settings.name, tuple(leaves), self.settings.seed, versions(), tuple(notes))
        return replace(report, rerun=rerun(self.asked.call), examine=examine)

    @cached_property
    def _draw(self) -> Any:
        """Draws cotangents; one object, since compiled programs are kept under it. None without gradients."""
        without = isinstance(self.right, NumpySide) or not self.settings.gradients
        return None if without else partial(cotangent, self.settings.seed)

    def _examination(self, runs: _Runs, names: bool) -> Examination | None:
        if not isinstance(self.right, JaxSide) or self._traced != "float64":
            return None
        sides = self.left, self.right
        return Examination(sides, self.inputs, names, self._draw, (runs.left, runs.right), self.layers)

    def _tree(self, dtype: str) -> tuple[bool, frozenset[str]]:
        """Whether results match by field name or only by position, and the paths that both sides have."""
        left = right = frozenset()
        traced = self._traced if dtype == "float64" else dtype
        for names in (True, False):
            left = self._attempt(self.left, "paths", self.inputs.at(dtype), dtype, names)
            right = self._attempt(self.right, "paths", self.inputs.at(dtype), traced, names)
            if left == right and left:
                return names, left
        one, other = self.asked.arguments
        if left == right:
            raise InputError(f"{self.asked.function}: {one} and {other} must return an array, got None from both.")
        raise InputError(
            f"{self.asked.function}: {one} and {other} must return the same tree, got"
            f" {_listed(left - right)} from {one} alone and {_listed(right - left)} from {other} alone."
            " Return the same nesting of tuples or the same dict keys on both sides."
        )

    @cached_property
    def _traced(self) -> str:
        """Where the float64 values of the right side come from: float32's program, if JAX cannot trace float64's.

        The carry of linen's LSTM, say, is float32 whatever its inputs are.
        """
        for dtype in ("float64", "float32") if isinstance(self.right, JaxSide) else ():
            with suppress(Exception):
                self.right.paths(self.inputs.at(dtype), dtype, True)
                return dtype
        return "float64"

    @property
    def _jitted(self) -> str:
        """The dtype at which compiled JAX is held against eager: the first of its own, float64 before the others."""
        own = [dtype for dtype in self.settings.dtypes if dtype != "float64" or self._traced == "float64"]
        compiled = own and self.settings.jit and isinstance(self.right, JaxSide)
        return ("float64" if "float64" in own else own[0]) if compiled else ""

    def _runs(self, dtype: str, names: bool, paths: frozenset[str], draw: Any) -> _Runs:
        inputs = self.inputs.at(dtype)
        left = self._run(self.left, inputs, dtype, names, paths, draw)
        if self._traced == "float64":
            truth = self._run(self.right, inputs, "float64", names, paths, draw)
        else:
            truth = Simulation(self.right, inputs, "float64", names, draw, traced=self._traced).interpreted()
        right = truth if dtype == "float64" else self._run(self.right, inputs, dtype, names, paths, draw)
        traced = self._traced if dtype == "float64" else dtype
        simulation = Simulation(self.right, inputs, dtype, names, draw, truth, traced, self.left)
        return _Runs(dtype, left, right, truth, simulation)

    def _run(self, side: Any, inputs: Inputs, dtype: str, names: bool, paths: frozenset[str], draw: Any) -> Run:
        run = self._attempt(side, "run", inputs, dtype, names, draw)
        if set(run.outputs) != paths:
            raise InputError(
                f"{self.asked.function}: {self._argument(side)} must return the same tree at every dtype, compiled or"
                f" not, got {_listed(set(run.outputs) ^ paths)} only sometimes."
                " If it takes gradients itself, pass gradients=False."
            )
        return run

    def _outputs(self, runs: _Runs) -> Iterator[Leaf]:
        for path, value in runs.left.outputs.items():
            yield compare_leaf("output", path, runs.dtype, self._leaf(runs, path, value))

    def _gradients(self, runs: _Runs) -> Iterator[Leaf]:
        for path, value in runs.left.gradients.items():
            sides = replace(self._leaf(runs, path, value), missing=path in runs.left.disconnected)
            yield compare_leaf("gradient", path, runs.dtype, sides)

    def _jit_against_eager(self, runs: _Runs, names: bool, paths: frozenset[str]) -> Iterator[Leaf]:
        side = JaxSide(self.right.function, jit=False)
        eager = self._run(side, self.inputs.at(runs.dtype), runs.dtype, names, paths, None)
        for path, value in eager.outputs.items():
            sides = replace(self._leaf(runs, path, value), names=("eager", "jit"), inputs={})
            yield compare_leaf("jit", path, runs.dtype, sides)

    def _leaf(self, runs: _Runs, path: str, left: Value) -> Sides:
        right, truth = ({**run.outputs, **run.gradients}[path] for run in (runs.right, runs.truth))
        return Sides(
            left,
            right,
            None if runs.dtype == "float64" else truth,
            sides_called(self.right),
            simulate=partial(runs.simulation.noise, path),
            inputs=runs.simulation.inputs.numbers(),
        )

    def _notes(self, runs: _Runs) -> Iterator[str]:
        if self.settings.gradients and not runs.alike:
            yield f"{runs.dtype}: gradients are not compared, since the outputs differ in shape"
        if runs.simulation.unread and isinstance(self.right, JaxSide):
            yield f"{runs.dtype}: allowances come from perturbed inputs; the program cannot be interpreted"
        if runs.dtype == "float64" and self._traced != "float64":
            yield f"float64: JAX cannot trace the program there; its {self._traced} program is interpreted in float64"

    def _attempt(self, side: Any, what: str, inputs: Inputs, dtype: str, *rest: Any) -> Any:
        """``side.what(inputs, dtype, ...)``; whatever the caller's function raises becomes one sentence."""
        who = f"{self.asked.function}: {self._argument(side)}"
        try:
            return getattr(side, what)(inputs, dtype, *rest)
        except InputError:
            raise
        except NotAnArrayError as error:
            raise InputError(f"{who} must return arrays or numbers, {error}.") from error
        except Exception as error:
            said = f"{type(error).__name__}: {message.first_line(error)}"
            remedy = remedy_for(error, self.settings.jit)
            raise InputError(f"{who} must run on the inputs at {dtype}, got {said}.{remedy}") from error

    def _argument(self, side: Any) -> str:
        return self.asked.arguments[side is not self.left]


def _listed(paths: Any) -> str:
    return ", ".join(sorted(paths)) or "nothing"


def rerun(call: str) -> str:
    """The line that asks again: the pytest test that asked, else the call."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    there = f" --parity-device {chosen()}" * (chosen() != "cpu")
    return f"pytest {test!r}{there}" if test else call


def versions() -> dict[str, str]:
    """The libraries that ran."""
    found = {}
    for library in ("torch", "jax", "flax", "optax", "numpy"):
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
