"""Two sides held against each other: both run at every dtype, every leaf compared, one report made."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from parity import message
from parity.errors import InputError
from parity.examine import Examination
from parity.expect import Simulation
from parity.inputs import Inputs, cotangent
from parity.leaves import Sides, compare_leaf
from parity.report import Leaf, Report
from parity.settings import Settings
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

    torch: TorchSide
    jax: JaxSide
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
        dtypes, leaves, notes, examine = self.settings.dtypes, [], [], None
        names, paths = self._tree(dtypes[0])
        draw = partial(cotangent, self.settings.seed) if self.settings.gradients else None
        for dtype in dtypes:
            runs = self._runs(dtype, names, paths, draw)
            leaves += self._outputs(runs)
            if self.settings.jit and dtype == ("float64" if "float64" in dtypes else dtypes[0]):
                leaves += self._jit_against_eager(runs, names, paths)
            leaves += self._gradients(runs) if runs.alike else []
            notes += self._notes(runs)
            if dtype == "float64" and not all(leaf.ok for leaf in leaves):
                examine = Examination(self._sides, self.inputs, names, draw, (runs.left, runs.right), self.layers)
        if not self.settings.edge_cases and not any(leaf.size for leaf in leaves if leaf.quantity == "output"):
            raise InputError(
                f"{self.asked.function}: outputs must hold at least one element, got only empty ones."
                " Pass edge_cases=True to compare their shapes and dtypes alone."
            )
        report = Report(self.settings.name, tuple(leaves), self.settings.seed, versions(), tuple(notes))
        return replace(report, rerun=rerun(self.asked.call), examine=examine)

    def _tree(self, dtype: str) -> tuple[bool, frozenset[str]]:
        """Whether results match by field name or only by position, and the paths that both sides have."""
        left = right = frozenset()
        for names in (True, False):
            left, right = (self._attempt(side, "paths", self.inputs.at(dtype), dtype, names) for side in self._sides)
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

    @property
    def _sides(self) -> tuple[TorchSide, JaxSide]:
        return self.torch, self.jax

    def _runs(self, dtype: str, names: bool, paths: frozenset[str], draw: Any) -> _Runs:
        inputs = self.inputs.at(dtype)
        left, right = (self._run(side, inputs, dtype, names, paths, draw) for side in self._sides)
        truth = right if dtype == "float64" else self._run(self.jax, inputs, "float64", names, paths, draw)
        return _Runs(dtype, left, right, truth, Simulation(self.jax, inputs, dtype, names, draw, truth))

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
            truth = None if runs.dtype == "float64" else runs.truth.outputs[path]
            noise = partial(runs.simulation.noise, path)
            sides = Sides(
                value, runs.right.outputs[path], truth, simulate=noise, inputs=runs.simulation.inputs.numbers()
            )
            yield compare_leaf("output", path, runs.dtype, sides)

    def _gradients(self, runs: _Runs) -> Iterator[Leaf]:
        for path, value in runs.left.gradients.items():
            truth = None if runs.dtype == "float64" else runs.truth.gradients[path]
            noise, missing = partial(runs.simulation.noise, path), path in runs.left.disconnected
            sides = Sides(value, runs.right.gradients[path], truth, missing=missing, simulate=noise)
            sides = replace(sides, inputs=runs.simulation.inputs.numbers())
            yield compare_leaf("gradient", path, runs.dtype, sides)

    def _jit_against_eager(self, runs: _Runs, names: bool, paths: frozenset[str]) -> Iterator[Leaf]:
        side = JaxSide(self.jax.function, jit=False)
        eager = self._run(side, self.inputs.at(runs.dtype), runs.dtype, names, paths, None)
        for path, value in eager.outputs.items():
            truth = None if runs.dtype == "float64" else runs.truth.outputs[path]
            noise = partial(runs.simulation.noise, path)
            sides = Sides(value, runs.right.outputs[path], truth, ("eager", "jit"), simulate=noise)
            yield compare_leaf("jit", path, runs.dtype, sides)

    def _notes(self, runs: _Runs) -> Iterator[str]:
        if self.settings.gradients and not runs.alike:
            yield f"{runs.dtype}: gradients are not compared, since the outputs differ in shape"
        if runs.simulation.unread:
            yield f"{runs.dtype}: allowances come from perturbed inputs; the program cannot be interpreted"

    def _attempt(self, side: TorchSide | JaxSide, what: str, inputs: Inputs, dtype: str, *rest: Any) -> Any:
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
            remedy = self._remedy(type(error).__name__)
            raise InputError(f"{who} must run on the inputs at {dtype}, got {said}.{remedy}") from error

    def _argument(self, side: TorchSide | JaxSide) -> str:
        return self.asked.arguments[isinstance(side, JaxSide)]

    def _remedy(self, kind: str) -> str:
        if "Tracer" not in kind and "Concret" not in kind:
            return ""
        if not self.settings.jit:
            return " Gradients are traced even where nothing is compiled: pass gradients=False too."
        return (
            " jax.jit sees shapes, not values: pass settings as Python numbers, which stay static,"
            " or pass jit=False to compare eagerly."
        )


def _listed(paths: Any) -> str:
    return ", ".join(sorted(paths)) or "nothing"


def rerun(call: str) -> str:
    """The line that asks again: the pytest test that asked, else the call."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    return f"pytest {test!r}" if test else call


def versions() -> dict[str, str]:
    """The libraries that ran."""
    found = {}
    for library in ("torch", "jax", "flax", "optax", "numpy"):
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
