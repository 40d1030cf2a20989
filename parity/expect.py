"""`expect`: the float64 truth of a JAX function, and what rounding does to it at a lower dtype."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from parity.arrays import ROUNDOFF, Value, as_value
from parity.inputs import Inputs
from parity.message import first_line
from parity.scopes import jax_scope
from parity.settings import Settings
from parity.tolerance import Noise
from parity.vjp import JaxSide, Run

__all__ = ["Expectation", "Simulation", "expect"]

RUNS = 16
AMPLIFY = 4.0  # errors are simulated so much too large, and the deviations divided by it
_AMPLIFY_64 = ROUNDOFF["float32"] / ROUNDOFF["float64"]  # float64's own would drown in those of the simulation


@dataclass(frozen=True)
class Expectation:
    """What any implementation of a function should return.

    Attributes:
        truth: float64 values by path.
        noise: simulated rounding errors by path.
    """

    truth: dict[str, np.ndarray]
    noise: dict[str, Noise]


@dataclass(frozen=True)
class Simulation:
    """The rounding noise of every output and gradient of one run; made when it is first asked for.

    Attributes:
        side: whose program is simulated.
        inputs: rounded to ``dtype``.
        dtype: whose rounding to simulate.
        names: whether results are keyed by field name.
        cotangents: as in the run.
        truth: the float64 run that deviations are measured from.
    """

    side: JaxSide
    inputs: Inputs
    dtype: str
    names: bool
    cotangents: Any
    truth: Run

    def noise(self, path: str) -> Noise:
        """Of the output or the gradient at ``path``."""
        return self._all[path]

    def interpreted(self) -> Run:
        """The program as traced at ``dtype``, every step in float64."""
        values = self._simulated(1, 0.0, None)
        return Run({path: Value("float64", run[0]) for path, run in values.items()})

    @cached_property
    def _all(self) -> dict[str, Noise]:
        try:
            return self._interpreted()
        except Exception as error:  # whatever cannot be read, a primitive of tomorrow's JAX say, has the fallback
            return self._perturbed(f"{type(error).__name__}: {first_line(error)}")

    def _interpreted(self) -> dict[str, Noise]:
        amplify, only = (_AMPLIFY_64, "float64") if self.dtype == "float64" else (AMPLIFY, None)
        runs = self._simulated(RUNS, amplify, only)
        noise = {path: _deviation(run, self._exact[path], amplify) for path, run in runs.items()}
        if any(_is_shifted(run, ROUNDOFF[self.dtype], self._exact[path]) for path, run in noise.items()):
            stated = {path: run[0] for path, run in self._simulated(1, 0.0, None).items()}
            return {
                path: Noise(_deviation(run, stated[path], amplify), truth=stated[path]) for path, run in runs.items()
            }
        if only is not None or not self._narrows:
            return {path: Noise(run) for path, run in noise.items()}
        full = self._simulated(RUNS, amplify, self.dtype)
        return {
            path: Noise(run, full=_deviation(full[path], self._exact[path], amplify)) for path, run in noise.items()
        }

    @property
    def _narrows(self) -> bool:
        """Whether some step of the program rounds more coarsely than the dtype under test."""
        from parity.jaxprs import dtypes_of

        closed, _ = self._traced
        return any(ROUNDOFF.get(name, 0.0) > ROUNDOFF[self.dtype] for name in dtypes_of(closed))

    @property
    def _traced(self) -> tuple[Any, Any]:
        key = ("jaxpr", self.dtype, self.names, self.cotangents, self.inputs.signature)
        return self.side.kept(key, lambda: self.side.trace(self.inputs, self.dtype, self.names, self.cotangents))

    @property
    def unread(self) -> str:
        """Why the program could not be interpreted, if it was tried; "" otherwise."""
        made = vars(self).get("_all", {})
        return next((noise.unread for noise in made.values()), "")

    def _simulated(self, runs: int, amplify: float, only: str | None) -> dict[str, np.ndarray]:
        import jax

        from parity.noise import simulator

        closed, tree = self._traced
        key = ("noise", self.dtype, self.names, self.cotangents, runs, amplify, only, self.inputs.signature)
        draw = self.side.kept(key, lambda: simulator(closed, runs, amplify, only))
        arguments = self.side.arguments(self.inputs, self.dtype)
        with jax_scope("float64"):
            outputs, gradients = jax.tree.unflatten(tree, draw(arguments))
            named = {**outputs, **{f"grad/{path}": leaf.conj() for path, leaf in gradients.items()}}
            return {path: as_value(leaf).data for path, leaf in named.items()}

    @cached_property
    def _exact(self) -> dict[str, np.ndarray]:
        return {path: value.data for path, value in {**self.truth.outputs, **self.truth.gradients}.items()}

    def _perturbed(self, unread: str) -> dict[str, Noise]:
        """For a program that cannot be interpreted: its answers to inputs one rounding away."""
        runs: dict[str, list[np.ndarray]] = {path: [] for path in self._exact}
        for seed in range(RUNS):
            moved = self.inputs.moved(AMPLIFY * ROUNDOFF[self.dtype], seed)
            run = self.side.run(moved, "float64", self.names, self.cotangents)
            for path, value in {**run.outputs, **run.gradients}.items():
                runs[path].append(_deviation(value.data, self._exact[path], AMPLIFY))
        return {path: Noise(np.stack(run), unread) for path, run in runs.items()}


def _deviation(run: np.ndarray, truth: np.ndarray, amplify: float) -> np.ndarray:
    """Errors back at their own size; where the truth is not finite, none.

    Raises:
        ArithmeticError: if no run is finite where the truth is: then the simulation says nothing.
    """
    finite = np.isfinite(truth)
    noise = np.where(finite, run - np.where(finite, truth, 0), 0) / amplify
    if noise.ndim > truth.ndim and not np.isfinite(noise).any(axis=0).all():
        raise ArithmeticError("its simulated errors are not finite")
    return noise


def _is_shifted(noise: np.ndarray, unit: float, truth: np.ndarray) -> bool:
    """Whether the runs agree with each other but not with the truth: the program is another one in float64."""
    if noise.dtype.kind not in "fc" or not noise.size:
        return False
    noise = np.where(np.isfinite(noise), noise, 0)
    center = noise.mean(axis=0)
    spread = np.abs(noise - center).max()
    return bool(np.abs(center).max() > 50 * spread + 50 * unit * np.abs(truth[np.isfinite(truth)]).max(initial=0.0))


@np.errstate(all="ignore")
def expect(fn: Callable, inputs: Any, *, dtype: str = "float32", **options: Any) -> Expectation:
    """The float64 truth of a JAX function and 16 simulated rounding errors at ``dtype``, leaf by leaf.

    Args:
        fn: a function of JAX arrays: a loss and its gradients, a training step, whatever is under test.
        inputs: a tuple of positional arguments or a dict of keywords, as for `parity.compare`.
        dtype: whose rounding to simulate.
        **options: see `parity.Options`; only ``edge_cases`` matters.

    What is compiled is kept for the next call with the same function and shapes; a function that reads a changing
    global is frozen by it, as under ``jax.jit``.

    Returns:
        Truth and noise by output path. An error within 8 times the largest noise is rounding.

    Example:
        >>> expected = parity.expect(jnp.tanh, (np.linspace(-2, 2, 9),))
        >>> expected.truth["output"].dtype
        dtype('float64')
    """
    settings = Settings.of("expect", {"dtypes": (dtype,), **options})
    named = Inputs.of("expect", inputs, (fn, fn), settings).at(dtype)
    side = _kept_side(fn)
    try:
        truth, stated = side.run(named, "float64", True), False
    except Exception:  # a carry that starts in float32, as linen's LSTM's, cannot be traced in float64: it is read
        truth, stated = Simulation(side, named, dtype, True, None, Run({})).interpreted(), True
    simulation = Simulation(side, named, dtype, True, None, truth)
    values = {path: value.data for path, value in truth.outputs.items()}
    noise = {path: simulation.noise(path) for path in values}
    if stated:
        noise = {path: replace(one, truth=values[path]) for path, one in noise.items()}
    return Expectation(values, noise)


@lru_cache(maxsize=32)
def _kept_side(fn: Callable) -> JaxSide:
    return JaxSide(fn)
