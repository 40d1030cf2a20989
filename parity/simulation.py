"""The rounding noise of one program at one dtype: simulated step by step, or from its inputs if it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from parity.arrays import ROUNDOFF, Value, as_value
from parity.inputs import Inputs
from parity.message import first_line
from parity.opaque import Right
from parity.scopes import jax_scope
from parity.tolerance import FACTOR, FACTOR_PERTURBED, Noise
from parity.vjp import JaxSide, Run, TorchSide

__all__ = ["Simulation"]

RUNS = 16
AMPLIFY = 4.0  # errors are simulated so much too large, and the deviations divided by it
_AMPLIFY_64 = ROUNDOFF["float32"] / ROUNDOFF["float64"]  # float64's own would drown in those of the simulation


@dataclass(frozen=True)
class Simulation:
    """The rounding noise of every output and gradient of one run; made when it is first asked for.

    Attributes:
        side: whose program is simulated.
        inputs: rounded to ``dtype``.
        dtype: whose rounding to simulate.
        names: whether results are keyed by field name.
        cotangents: as in the run.
        truth: the float64 run; None where the program cannot be traced in float64 (linen's LSTM, whose carry starts
            in float32): then `interpreted` is the truth.
        traced: the dtype to trace the program at, where it cannot be ``dtype``.
        peer: the side that it is compared with, if any.
    """

    side: Right
    inputs: Inputs
    dtype: str
    names: bool
    cotangents: Any
    truth: Run | None = None
    traced: str = ""
    peer: TorchSide | None = None

    def noise(self, path: str) -> Noise:
        """Of the output or the gradient at ``path``."""
        return self._all[path]

    def interpreted(self) -> Run:
        """The program as traced at ``dtype``, every step in float64."""
        values = {path: Value(runs.dtype.name, runs[0]) for path, runs in self._simulated.items()}
        gradients = {path: value for path, value in values.items() if path.startswith("grad/")}
        return Run({path: value for path, value in values.items() if path not in gradients}, gradients)

    @cached_property
    def _all(self) -> dict[str, Noise]:
        if not isinstance(self.side, JaxSide):
            return self._perturbed("only JAX programs can")
        try:
            return self._interpreted()
        except Exception as error:  # whatever cannot be read, a primitive of tomorrow's JAX say, has the fallback
            return self._perturbed(f"{type(error).__name__}: {first_line(error)}")

    def _interpreted(self) -> dict[str, Noise]:
        noise = {path: Noise(_errors(runs, self._amplify)) for path, runs in self._simulated.items()}
        stated = self.truth is None or any(self._is_another(path, one.largest) for path, one in noise.items())
        return {path: self._with_more(path, one, stated) for path, one in noise.items()}

    def _with_more(self, path: str, noise: Noise, stated: bool) -> Noise:
        full = (lambda: self._uniform_errors(path)) if self._mixes else None
        rounds = self.dtype != "float64" and noise.largest > 0  # a program that only moves numbers has no excuse
        moved = (lambda: self._moved_errors(path)) if rounds and not stated else None
        return replace(noise, truth=self._simulated[path][0] if stated else None, full=full, moved=moved)

    def _is_another(self, path: str, largest: float) -> bool:
        """Whether the program is another one than in float64: further off than its rounding, and its constants'."""
        interpreted, truth = self._simulated[path][0], self._exact[path]
        both = np.isfinite(interpreted) & np.isfinite(truth)
        gap = np.abs(np.where(both, interpreted, 0) - np.where(both, truth, 0)).max(initial=0.0)
        scale = np.abs(np.where(both, truth, 0)).max(initial=0.0)
        return interpreted.dtype.kind in "fc" and bool(gap > FACTOR * max(largest, ROUNDOFF[self.dtype] * scale))

    @property
    def _amplify(self) -> float:
        return _AMPLIFY_64 if self.dtype == "float64" else AMPLIFY

    @property
    def _mixes(self) -> bool:
        """Whether some step of the program rounds otherwise than the dtype under test."""
        from parity.jaxprs import dtypes_of

        units = {ROUNDOFF.get(name, ROUNDOFF[self.dtype]) for name in dtypes_of(self._traced[0])}
        return self.dtype != "float64" and units != {ROUNDOFF[self.dtype]}

    @cached_property
    def _simulated(self) -> dict[str, np.ndarray]:
        return self._drawn("float64" if self.dtype == "float64" else None)

    @cached_property
    def _uniform(self) -> dict[str, np.ndarray]:
        return self._drawn(self.dtype)

    @property
    def _traced(self) -> tuple[Any, Any]:
        dtype = self.traced or self.dtype
        key = ("jaxpr", dtype, self.names, self.cotangents, self.inputs.signature)
        return self._jax.kept(key, lambda: self._jax.trace(self.inputs, dtype, self.names, self.cotangents))

    @property
    def _jax(self) -> JaxSide:
        if not isinstance(self.side, JaxSide):
            raise TypeError("it is not JAX's")
        return self.side

    @property
    def unread(self) -> str:
        """Why the program could not be interpreted, if it was tried; "" otherwise."""
        return next((noise.unread for noise in vars(self).get("_all", {}).values()), "")

    def _drawn(self, only: str | None) -> dict[str, np.ndarray]:
        import jax

        from parity.noise import Simulator

        closed, tree = self._traced
        key = ("noise", self.traced or self.dtype, self.names, self.cotangents, self.inputs.signature)
        simulator = self._jax.kept(key, lambda: Simulator(closed, RUNS))
        arguments = self._jax.arguments(self.inputs, self.traced or self.dtype)
        with jax_scope("float64", "cpu"):
            outputs, gradients = jax.tree.unflatten(tree, simulator(arguments, self._amplify, only))
            named = {**outputs, **{f"grad/{path}": leaf.conj() for path, leaf in gradients.items()}}
            return {path: as_value(leaf).data for path, leaf in named.items()}

    @cached_property
    def _exact(self) -> dict[str, np.ndarray]:
        truth = self.truth or self.interpreted()
        return {path: value.data for path, value in {**truth.outputs, **truth.gradients}.items()}

    def _perturbed(self, unread: str) -> dict[str, Noise]:
        """For a program that cannot be interpreted: its answers to inputs one rounding away.

        Run in float64, they lack the rounding inside, which is all there is where a leaf is zero by cancellation. What
        both sides are off by at ``dtype`` stands for it: the smaller of the two, so that neither excuses itself.
        """
        errors = {path: _errors(runs, AMPLIFY) for path, runs in self._moved.items()}
        if self.peer is not None:
            own = [self._answers(side, self.dtype) for side in (self.side, self.peer)]
            for path, found in errors.items():
                both = (_errors(one[path], AMPLIFY) for one in own)
                errors[path] = np.concatenate([found, min(both, key=lambda one: np.abs(one).max(initial=0.0))])
        factor = FACTOR_PERTURBED[self.dtype]
        return {path: Noise(found, unread, factor=factor) for path, found in errors.items()}

    def _uniform_errors(self, path: str) -> np.ndarray | None:
        try:
            return _errors(self._uniform[path], self._amplify)
        except ArithmeticError:  # the dtype is too narrow for some step: 1 - 0.999 ** t is 0 or less in bfloat16
            return None

    def _moved_errors(self, path: str) -> np.ndarray | None:
        """Against inputs that moved a thousandth as far, so that an exact tie or bound tips the same way in both."""
        try:
            return _errors(self._moved[path] - self._hardly_moved[path] + self._exact[path], AMPLIFY)
        except Exception:  # not every program runs in float64 (linen's LSTM)
            return None

    @cached_property
    def _moved(self) -> dict[str, np.ndarray]:
        return self._answers(self.side, "float64")

    @cached_property
    def _hardly_moved(self) -> dict[str, np.ndarray]:
        return self._answers(self.side, "float64", AMPLIFY / 1000)

    def _answers(self, side: Any, dtype: str, share: float = AMPLIFY) -> dict[str, np.ndarray]:
        runs = {path: [exact] for path, exact in self._exact.items()}
        for seed in range(RUNS):
            inputs = self.inputs.moved(share * ROUNDOFF[self.dtype], seed)
            run = side.run(inputs, dtype, self.names, self.cotangents)
            for path in runs:
                runs[path].append({**run.outputs, **run.gradients}[path].data)
        return {path: np.stack(found) for path, found in runs.items()}


def _errors(runs: np.ndarray, amplify: float) -> np.ndarray:
    """Deviations from the first run, which has no errors, back at their own size; where it is not finite, none.

    Raises:
        ArithmeticError: if no other run is finite where the first is: then the simulation says nothing.
    """
    exact = np.isfinite(runs[0])
    errors = np.where(exact, runs[1:] - np.where(exact, runs[0], 0), 0) / amplify
    if not np.isfinite(errors).any(axis=0).all():
        raise ArithmeticError("its simulated errors are not finite")
    return errors
