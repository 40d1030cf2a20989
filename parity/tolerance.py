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

Steps that compute at another dtype than the one under test are simulated twice, each at its own and all at that one.
No side has to be more accurate inside than the dtype under test: JAX's batch norm may keep its statistics in float32
while torch's, on a CPU with all its arguments in bfloat16, rounds mean and deviation to bfloat16 (off by 0.06 of the
deviation for inputs around 30; 3.3 times the first allowance). One side that is coarser inside is a difference.

No error can be asked to be smaller than that of rounding the result: u / sqrt(12) of it. A leaf within half of 8 times
that passes without a simulation, which costs a compilation; most elementwise ones do. XLA flushes what is smaller than
2^-126 to zero, torch does not: the simulation flushes too, since a sum of 30 times what was flushed is not small
(a gradient through erf of 30: 9.2e-38 in torch and in truth, 0 in JAX).

An answer that is exact for inputs within a rounding is as good as the dtype lets it be (backward stable: Higham,
Accuracy and Stability of Numerical Algorithms, section 1.5), however much better the other side's formula is. torch's
gradient of a variance takes the mean as exact and keeps its rounding, which JAX cancels by differentiating through the
mean: at a mean of 29 and a deviation of 1 they are off by 1.3e-6 and 6.8e-8; one such pair of the calibration reached
1.4 times what the noise of JAX's program allows. So a leaf beyond its noise has, below float64, also 8 times what the
truth moves by under inputs one rounding away, less what it moves by under inputs a thousandth of that away: an exact
tie, which any move breaks, is no rounding. A program that only moves numbers has nothing to round.

A truth that float64 cannot give (random numbers of another dtype; a carry that starts in float32, as linen's LSTM's,
which cannot be traced in float64) is the program as traced at the dtype under test, every step run in float64.

Where there is no JAX program that can be interpreted, the inputs are perturbed by one rounding instead, 16 times. That
misses the rounding inside: the constants that correct ports needed were 57 (float32) and 18 (16 bits), and 140 on
float32 sums of three million, so 160 and 20 stand in for 8, and the report says so. A leaf that is zero by cancellation
does not move at all in float64: there what both sides are off by at the dtype counts, the smaller of the two.

Sources: the method is Monte Carlo arithmetic (Parker 1997; Denis et al., arXiv:1509.01347); the statistic follows
PyTorch's own ``torch._dynamo.utils.same``, which compares errors against a float64 run, with its factor of 2 to 10.
Figures: 2 CPU cores, torch 2.13.0, jax 0.10.2. `make calibrate` measures false alarms: error over allowance of random
correct pairs, by dtype and side (notebooks/calibration.md).
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
# What is smaller is 0 in some kernel. Measured: a true gradient of 1e-114 is 0 at float32 on both sides.
_SMALLEST = {"float32": 2.0**-126, "bfloat16": 2.0**-126, "float16": 2.0**-24}
# Times the largest deviation under perturbed inputs.
FACTOR_PERTURBED = {"float64": 160.0, "float32": 160.0, "bfloat16": 20.0, "float16": 20.0}


@dataclass(frozen=True)
class Noise:
    """Simulated rounding errors of one leaf.

    Attributes:
        runs: one error a run, along a leading axis.
        unread: why the program could not be interpreted, so that only its inputs were perturbed; "" if it was.
        truth: the float64 value, where the program traced in float64 computes something else than at the dtype under
            test (it draws random numbers, or tests dtypes); None where the two are one function.
        full: makes ``runs`` as if every step computed at the dtype under test, None if they are not finite; None where
            every step does.
        moved: makes the deviations of the exact program under inputs one rounding away, None if they are not finite;
            None where they do not count.
        factor: how many times the largest of them an error may be.
    """

    runs: np.ndarray
    unread: str = ""
    truth: np.ndarray | None = None
    full: Callable[[], np.ndarray | None] | None = None
    moved: Callable[[], np.ndarray | None] | None = None
    factor: float = FACTOR

    @property
    def largest(self) -> float:
        """The largest error of any run."""
        return float(np.abs(_finite(self.runs)).max(initial=0.0))

    @property
    def spread(self) -> float:
        """The largest root mean square of a run."""
        return max((rms(np.abs(run)) for run in _finite(self.runs)), default=0.0)

    def source(self, dtype: str) -> str:
        """What it is, for a report."""
        if self.unread:
            return (
                f"deviations under perturbed inputs at {dtype}, since the program cannot be interpreted: {self.unread}"
            )
        stated = "; truth: the program as traced there" if self.truth is not None else ""
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
    errors: tuple[np.ndarray, np.ndarray],
    truth: np.ndarray,
    dtype: str,
    simulate: Callable[[], Noise] | None,
    names: tuple[str, str] = ("torch", "jax"),
) -> Allowance:
    """What the errors of one leaf may be, on either side.

    Args:
        errors: absolute, element by element, of either side; the simulation runs only where they ask for one.
        truth: the float64 value.
        dtype: under test.
        simulate: makes the leaf's rounding noise at ``dtype``; None where there is no program to simulate.
        names: what the sides are called.
    """
    error = np.maximum(*errors)
    simple = _simple(np.abs(np.where(np.isfinite(truth), truth, 0.0)), dtype)
    if simulate is None or simple.ratio(error) <= SURE or np.isinf(error).any():
        return simple
    noise = simulate()
    inside = _inside(noise, simple, errors, dtype, names)
    moved = None if inside.ratio(error) <= 1 or noise.moved is None else noise.moved()
    if moved is None:
        return inside
    stable = _simulated(replace(noise, runs=moved), simple, dtype)
    reason = f"{FACTOR:g} x the largest of {len(moved)} deviations of the truth under inputs one {dtype} rounding away"
    return replace(stable, reason=reason) if stable.ratio(error) <= 1 else inside


def _inside(
    noise: Noise, simple: Allowance, errors: tuple[np.ndarray, np.ndarray], dtype: str, names: tuple[str, str]
) -> Allowance:
    """By the rounding of the program's own steps."""
    own = _simulated(noise, simple, dtype)
    coarse = None if noise.full is None else noise.full()
    if coarse is None:
        return own
    # Steps at other dtypes: no side has to be more accurate than the dtype under test, and coarser only if both are.
    full = _simulated(replace(noise, runs=coarse), simple, dtype)
    fits = [full.ratio(side) <= 1 for side in errors]
    if fits[0] == fits[1]:
        return max(own, full, key=lambda allowed: allowed.largest)
    narrow = names[fits.index(False)]
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
