"""`compare`: one function on each side, outputs and gradients, at every dtype asked for."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Unpack

from parity import message
from parity.errors import InputError
from parity.expect import Simulation
from parity.inputs import Inputs, cotangent
from parity.leaves import Sides, compare_leaf
from parity.report import Leaf, Report
from parity.settings import Options, Settings
from parity.vjp import JaxSide, Run, TorchSide

__all__ = ["Comparison", "compare", "name_of"]


def compare(torch_fn: Callable, jax_fn: Callable, inputs: Any, **options: Unpack[Options]) -> Report:
    """Compare a function of torch tensors with its port to JAX.

    One call checks every output, the gradient of every float input under a random cotangent, and the compiled JAX
    function against itself run eagerly. At float64 the sides are held against each other; at lower dtypes each is
    held against the float64 truth. What the caller has configured in torch and JAX is as it was afterwards.

    Args:
        torch_fn: takes and returns torch tensors, in any nesting of tuples, lists, dicts and dataclasses.
        jax_fn: the same of JAX arrays; the result must be nested the same way.
        inputs: a tuple of positional arguments or a dict of keywords, each a tree of arrays (NumPy's, or any
            framework's). Floats are cast to the dtype under test; Python numbers and strings are passed as they are.
        **options: see `parity.Options`.

    Returns:
        The report; ``report.ok`` says whether everything agrees.

    Raises:
        InputError: if the comparison cannot be made: bad inputs, a function that fails, or results nested differently.

    Example:
        >>> parity.compare(torch.tanh, jnp.tanh, (np.linspace(-2, 2, 9),)).ok
        True
    """
    settings = Settings.of("compare", options)
    for argument, side in (("torch_fn", torch_fn), ("jax_fn", jax_fn)):
        _check_function(argument, side)
    named = Inputs.of("compare", inputs, (torch_fn, jax_fn), settings)
    settings = replace(settings, name=settings.name or name_of(jax_fn, torch_fn))
    call = f"parity.compare({name_of(torch_fn)}, {name_of(jax_fn)}, inputs, seed={settings.seed})"
    return Comparison(TorchSide(torch_fn), JaxSide(jax_fn, settings.jit), named, settings, call).report()


def _check_function(argument: str, side: Any) -> None:
    kind = type(side)
    module = any(base.__module__.startswith(("torch.nn.modules", "flax.linen")) for base in kind.__mro__)
    if module:
        raise InputError(
            f"compare: {argument} must be a function of the inputs, got the module {kind.__name__}."
            " parity.compare_modules carries the weights across."
        )
    if not callable(side):
        raise InputError(f"compare: {argument} must be a function, got {kind.__name__}.")


def name_of(*sides: Any) -> str:
    """The first name among functions or modules; "comparison" if all are anonymous."""
    names = [getattr(side, "__name__", type(side).__name__) for side in sides]
    return next((name for name in names if name not in ("<lambda>", "function", "partial")), "comparison")


@dataclass(frozen=True)
class _Runs:
    """Both sides at one dtype, the float64 run they are held against, and the noise that rounding would make."""

    left: Run
    right: Run
    truth: Run
    simulation: Simulation


@dataclass(frozen=True)
class Comparison:
    """Two sides, their inputs, how to hold them against each other, and the call that does so again."""

    torch: TorchSide
    jax: JaxSide
    inputs: Inputs
    settings: Settings
    call: str = ""

    @property
    def _sides(self) -> tuple[TorchSide, JaxSide]:
        return self.torch, self.jax

    def report(self) -> Report:
        """Run both sides at every dtype."""
        dtypes = self.settings.dtypes
        names = self._names(dtypes[0])
        draw = partial(cotangent, self.settings.seed) if self.settings.gradients else None
        leaves, notes = [], []
        for dtype in dtypes:
            runs = self._runs(dtype, names, draw)
            leaves += self._outputs(dtype, runs)
            if self.settings.jit and dtype == ("float64" if "float64" in dtypes else dtypes[0]):
                leaves += self._jit_against_eager(dtype, names, runs)
            if any(runs.left.outputs[p].data.shape != runs.right.outputs[p].data.shape for p in runs.left.outputs):
                notes.append(f"{dtype}: gradients are not compared, since the outputs differ in shape")
            else:
                leaves += self._gradients(dtype, runs)
        if not any(leaf.size for leaf in leaves) and not self.settings.edge_cases:
            raise InputError(
                "compare: outputs must hold at least one element, got only empty ones."
                " Pass edge_cases=True to compare their shapes and dtypes alone."
            )
        return Report(self.settings.name, tuple(leaves), self.settings.seed, _versions(), tuple(notes), self._rerun())

    def _names(self, dtype: str) -> bool:
        """Whether results match by field name; by position if only that matches.

        Raises:
            InputError: if they match neither way.
        """
        for names in (True, False):
            left, right = (_attempt(side, "paths", self.inputs.at(dtype), dtype, names) for side in self._sides)
            if left == right and left:
                return names
        if left == right:
            raise InputError("compare: torch_fn and jax_fn must return an array, got None from both.")
        raise InputError(
            "compare: torch_fn and jax_fn must return the same tree, got"
            f" {_listed(left - right)} from torch_fn alone and {_listed(right - left)} from jax_fn alone."
            " Return the same nesting of tuples or the same dict keys on both sides."
        )

    def _runs(self, dtype: str, names: bool, draw: Any) -> _Runs:
        inputs = self.inputs.at(dtype)
        left, right = (_attempt(side, "run", inputs, dtype, names, draw) for side in self._sides)
        truth = right if dtype == "float64" else _attempt(self.jax, "run", inputs, "float64", names, draw)
        return _Runs(left, right, truth, Simulation(self.jax, inputs, dtype, names, draw, truth))

    def _outputs(self, dtype: str, runs: _Runs) -> Iterator[Leaf]:
        for path, value in runs.left.outputs.items():
            truth = None if dtype == "float64" else runs.truth.outputs[path]
            sides = Sides(value, runs.right.outputs[path], truth, simulate=partial(runs.simulation.noise, path))
            yield compare_leaf("output", path, dtype, sides)

    def _gradients(self, dtype: str, runs: _Runs) -> Iterator[Leaf]:
        for path, value in runs.left.gradients.items():
            truth = None if dtype == "float64" else runs.truth.gradients[path]
            noise, missing = partial(runs.simulation.noise, path), path in runs.left.disconnected
            sides = Sides(value, runs.right.gradients[path], truth, missing=missing, simulate=noise)
            yield compare_leaf("gradient", path, dtype, sides)

    def _jit_against_eager(self, dtype: str, names: bool, runs: _Runs) -> Iterator[Leaf]:
        eager = _attempt(JaxSide(self.jax.function, jit=False), "run", self.inputs.at(dtype), dtype, names)
        for path, value in eager.outputs.items():
            truth = None if dtype == "float64" else runs.truth.outputs[path]
            noise = partial(runs.simulation.noise, path)
            sides = Sides(value, runs.right.outputs[path], truth, ("eager", "jit"), simulate=noise)
            yield compare_leaf("jit", path, dtype, sides)

    def _rerun(self) -> str:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
        return f"pytest {test!r}" if test else self.call


def _listed(paths: frozenset[str]) -> str:
    return ", ".join(sorted(paths)) or "nothing"


def _attempt(side: TorchSide | JaxSide, what: str, inputs: Inputs, dtype: str, *rest: Any) -> Any:
    """``side.what(inputs, dtype, ...)``; whatever the caller's function raises becomes one sentence."""
    argument = "torch_fn" if isinstance(side, TorchSide) else "jax_fn"
    try:
        return getattr(side, what)(inputs, dtype, *rest)
    except InputError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise InputError(
            f"compare: {argument} must run on the inputs at {dtype}, got {kind}: {message.first_line(error)}."
            + _remedy(kind)
        ) from error


def _remedy(kind: str) -> str:
    if "Tracer" in kind or "Concret" in kind:
        return (
            " jax.jit sees shapes, not values: pass settings as Python numbers, which stay static,"
            " or pass jit=False to compare eagerly."
        )
    return ""


def _versions() -> dict[str, str]:
    found = {}
    for library in ("torch", "jax", "flax", "optax", "numpy"):
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
