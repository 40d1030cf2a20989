"""`expect`: the float64 truth of a JAX function, and what rounding does to it at a lower dtype."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from parity.errors import InputError
from parity.inputs import Inputs
from parity.message import first_line
from parity.opaque import remedy_for
from parity.settings import Settings
from parity.simulation import Simulation
from parity.tolerance import Noise
from parity.vjp import JaxSide, Run

__all__ = ["Expectation", "expect"]


@dataclass(frozen=True)
class Expectation:
    """What any implementation of a function should return.

    Attributes:
        truth: float64 values by path.
        noise: simulated rounding errors by path.
    """

    truth: dict[str, np.ndarray]
    noise: dict[str, Noise]


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

    Raises:
        InputError: on bad inputs, or if ``fn`` fails.

    Example:
        >>> expected = parity.expect(jnp.tanh, (np.linspace(-2, 2, 9),))
        >>> expected.truth["output"].dtype
        dtype('float64')
    """
    settings = Settings.of("expect", {"dtypes": (dtype,), **options})
    side, named = _kept_side(fn), Inputs.of("expect", inputs, (fn, fn), settings).at(dtype)
    simulation = Simulation(side, named, dtype, True, None)
    try:
        truth = simulation.interpreted()
    except Exception:  # what cannot be read may still run
        truth = _run(side, named)
        simulation = replace(simulation, truth=truth)
    values = {path: value.data for path, value in truth.outputs.items()}
    return Expectation(values, {path: simulation.noise(path) for path in values})


def _run(side: JaxSide, inputs: Inputs) -> Run:
    try:
        return side.run(inputs, "float64", True)
    except Exception as error:
        said = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"expect: fn must run on the inputs, got {said}.{remedy_for(error, True)}") from error


@lru_cache(maxsize=32)
def _kept_side(fn: Callable) -> JaxSide:
    return JaxSide(fn)
