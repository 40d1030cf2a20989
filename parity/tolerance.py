"""How large an error rounding alone may leave.

One function decides: `allowance`. It is the simple model ``c * u * scale``: u is the unit roundoff of the dtype under
test, scale the largest magnitude that enters the leaf (of the inputs, the cotangent where the leaf is a gradient, and
the leaf itself), c a constant a dtype. The error it is held against is measured from a float64 run of the same
function on the same, rounded, inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

from parity.arrays import ROUNDOFF

__all__ = ["CONSTANTS", "Allowance", "allowance"]

CONSTANTS = {"float64": 1e-12 / ROUNDOFF["float64"], "float32": 64.0, "bfloat16": 16.0, "float16": 16.0}
"""c of each dtype.

float64: 1e-12 of scale, ten times the worst of 220 runs of eleven correct ports.
"""


@dataclass(frozen=True)
class Allowance:
    """The largest error that a leaf may show.

    Attributes:
        limit: in units of the leaf.
        reason: where it comes from, for the report.
    """

    limit: float
    reason: str


def allowance(dtype: str, scale: float) -> Allowance:
    """The allowance of one leaf.

    Args:
        dtype: under test.
        scale: the largest finite magnitude that enters the leaf.
    """
    limit = CONSTANTS[dtype] * ROUNDOFF[dtype] * scale
    if dtype == "float64":
        return Allowance(limit, f"1e-12 x {scale:.3g}, the largest magnitude that enters the leaf")
    return Allowance(limit, f"{CONSTANTS[dtype]:g} u x {scale:.3g}, the largest magnitude that enters the leaf")
