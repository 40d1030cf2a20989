"""How large an error rounding alone may leave, derived and not chosen.

**float64** proves that both sides compute the same function: they are held against each other, and the largest error
of a leaf may be 1e-12 of the leaf's largest magnitude. Eleven correct ports, 20 seeds each, reached 1.1e-13; the
smallest mistake that the inputs reached was 6e-8. A leaf that is zero by cancellation (the gradient of a bias before a
norm, of attention's key bias) has no magnitude of its own: beyond 1e-12 the simulated rounding noise of a float64
evaluation decides, as it does below.

**Lower dtypes** show that only rounding is lost. Each side is held against the float64 truth, and its error may be 8
times the largest of 16 simulated rounding errors of the function itself, in the maximum norm and in the root mean
square, a leaf at a time. Where 8 comes from: over 200 seeds, 11 ports, 3 dtypes and both frameworks the worst correct
port reached 2.7 (float32), 4.1 (bfloat16) and 4.0 (float16), and 3.6 on sums of up to three million terms. The
simulation (`parity.noise`) makes errors 4 times too large and divides the deviations by 4: nothing changes where the
function is smooth, but a relu or a maximum within reach of rounding is sure to be seen flipping; without it such a
port was off by 1341 times the simulated noise. Errors are judged a leaf at a time because single elements may be
exactly zero in truth and 1e-9 in any kernel.

No error can be asked to be smaller than that of rounding the result: u / sqrt(12) of it. A leaf within half of 8 times
that passes without a simulation, which costs a compilation; most elementwise ones do. What is smaller than the dtype's
smallest number counts as that: both frameworks flush it to zero.

Where the JAX side cannot be interpreted, the inputs are perturbed by one rounding instead, 16 times. That misses the
rounding inside: the largest constants that correct ports needed were 57 (float32) and 18 (16 bits), and 140 on sums of
three million, so 160 stands in for 8, and the report says so.

Sources: the method is Monte Carlo arithmetic (Parker 1997; Denis et al., arXiv:1509.01347); the statistic follows
PyTorch's own ``torch._dynamo.utils.same``, which compares errors against a float64 run, with its factor of 2 to 10.
Figures: 2 CPU cores, torch 2.13.0, jax 0.10.2; `make calibrate` measures them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from parity.arrays import ROUNDOFF

__all__ = ["FACTOR", "FACTOR_PERTURBED", "SEMANTIC", "SURE", "Allowance", "Noise", "allowance", "rms"]

SEMANTIC = 1e-12  # of a leaf's largest magnitude, at float64
FACTOR = 8.0  # times the largest simulated rounding error
SURE = 0.5  # of what needs no simulation; beyond it the simulation says how much there really is
# Both frameworks flush what is smaller to 0. Measured: a true gradient of 1e-114 is 0 at float32 on both sides.
_SMALLEST = {"float32": 2.0**-126, "bfloat16": 2.0**-126, "float16": 2.0**-24}
FACTOR_PERTURBED = 160.0  # times the largest deviation under perturbed inputs


@dataclass(frozen=True)
class Noise:
    """Simulated rounding errors of one leaf.

    Attributes:
        runs: one error a run, along a leading axis.
        unread: why the program could not be interpreted, so that only its inputs were perturbed; "" if it was.
        truth: the float64 value, where the program traced in float64 computes something else than at the dtype under
            test (it draws random numbers, or tests dtypes); None where the two are one function.
        full: ``runs`` as if every step computed at the dtype under test; None where the program narrows nowhere.
    """

    runs: np.ndarray
    unread: str = ""
    truth: np.ndarray | None = None
    full: np.ndarray | None = None

    @property
    def largest(self) -> float:
        """The largest error of any run."""
        return float(np.abs(_finite(self.runs)).max(initial=0.0))

    @property
    def spread(self) -> float:
        """The largest root mean square of a run."""
        return max((rms(np.abs(run)) for run in _finite(self.runs)), default=0.0)

    @property
    def factor(self) -> float:
        """How many times the largest of them an error may be."""
        return FACTOR_PERTURBED if self.unread else FACTOR

    def source(self, dtype: str) -> str:
        """What it is, for a report."""
        if self.unread:
            return (
                f"deviations under perturbed inputs at {dtype}, since the program cannot be interpreted: {self.unread}"
            )
        stated = "; truth: the program as traced there, which float64 would change" if self.truth is not None else ""
        return f"simulated rounding errors at {dtype}{stated}"


@dataclass(frozen=True)
class Allowance:
    """What an error may be, in units of the leaf.

    Attributes:
        largest: its maximum norm.
        spread: its root mean square.
        reason: where both come from, for the report.
        truth: another truth to measure the error from; None keeps the one at hand.
    """

    largest: float
    spread: float
    reason: str
    truth: np.ndarray | None = None

    def ratio(self, error: np.ndarray) -> float:
        """The error over what is allowed, in whichever norm is worse; 1 is the limit."""
        return max(_over(float(error.max(initial=0.0)), self.largest), _over(rms(error), self.spread))


def allowance(
    errors: tuple[np.ndarray, np.ndarray], truth: np.ndarray, dtype: str, simulate: Callable[[], Noise] | None
) -> Allowance:
    """What the errors of one leaf may be, on either side.

    Args:
        errors: absolute, element by element, of torch and of JAX; the simulation runs only where they ask for one.
        truth: the float64 value.
        dtype: under test.
        simulate: makes the leaf's rounding noise at ``dtype``; None where there is no program to simulate.
    """
    error = np.maximum(*errors)
    simple = _simple(np.abs(np.where(np.isfinite(truth), truth, 0.0)), dtype)
    if simulate is None or simple.ratio(error) <= SURE or np.isinf(error).any():
        return simple
    noise = simulate()
    own = _simulated(noise, simple, dtype)
    if noise.full is None:
        return own
    # The program narrows inside. Where both sides do, its own noise is the measure; where one does, it is a difference.
    full = _simulated(replace(noise, runs=noise.full), simple, dtype)
    fits = [full.ratio(side) <= 1 for side in errors]
    if fits[0] == fits[1]:
        return own
    narrow = ("jax", "torch")[fits.index(False) == 0]
    return replace(full, reason=f"{full.reason}, which {narrow} exceeds: it computes in a narrower dtype inside")


def _simulated(noise: Noise, simple: Allowance, dtype: str) -> Allowance:
    largest, spread = noise.factor * noise.largest, noise.factor * noise.spread
    reason = f"{noise.factor:g} x the largest of {len(noise.runs)} {noise.source(dtype)}"
    if largest < simple.largest:
        reason = f"{simple.reason}; more than {reason}"
    return Allowance(max(largest, simple.largest), max(spread, simple.spread), reason, noise.truth)


def _finite(runs: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(runs), runs, 0.0)


def _simple(magnitude: np.ndarray, dtype: str) -> Allowance:
    """What needs no simulation: 1e-12 of the scale at float64, the rounding of the result below."""
    largest = float(magnitude.max(initial=0.0))
    if dtype == "float64":
        return Allowance(SEMANTIC * largest, float("inf"), f"1e-12 x {largest:.3g}, the leaf's largest magnitude")
    unit = FACTOR * ROUNDOFF[dtype] / np.sqrt(12)
    least = _SMALLEST[dtype]
    reason = f"{FACTOR:g} x the rounding of the result to {dtype}"
    return Allowance(unit * largest + least, unit * rms(magnitude) + least, reason)


def rms(values: np.ndarray) -> float:
    """Root mean square, of finite and infinite values alike; 0 without any."""
    top = float(values.max(initial=0.0))
    if top == 0 or not np.isfinite(top):
        return top
    return top * float(np.sqrt(np.mean(np.square(values / top))))


def _over(error: float, limit: float) -> float:
    if error == 0:
        return 0.0
    return error / limit if limit else float("inf")
