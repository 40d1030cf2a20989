"""What a comparison found: one `Leaf` for every array compared, one `Report` for the whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from parity import message
from parity.diagnosis.findings import Explanation

__all__ = ["Leaf", "Place", "Report"]


@dataclass(frozen=True)
class Place:
    """One element, as both sides and the truth have it.

    Attributes:
        index: where it stands in the leaf.
        left: the first side's value (torch; "eager" where JAX is held against itself).
        right: the second side's value (JAX; "jit").
        truth: the float64 value below float64; None at float64, where the sides are held against each other.
        gap: how far it is off, in the unit of the list it stands in: absolute or relative.
    """

    index: tuple[int, ...]
    left: Any
    right: Any
    truth: Any
    gap: float


@dataclass(frozen=True)
class Leaf:
    """One array, compared at one dtype.

    Attributes:
        quantity: "output", "gradient" or "jit".
        path: "output/loss", "grad/x".
        dtype: under test.
        shape: of the torch side.
        error: the largest absolute error, in the leaf's units.
        ratio: error over allowance, in the maximum norm or the root mean square, whichever is worse: up to 1 where
            rounding explains it, infinite for what no allowance covers.
        limit: the largest error allowed.
        reason: where the allowance comes from.
        mismatched: how many elements are off by more.
        spread: the root mean square of the error, and the largest allowed.
        size: how many there are.
        sides: what the two sides are called.
        problem: a difference that no allowance covers (shape, dtype, a NaN on one side), in words; "" without one.
        absolute: the element with the largest absolute error.
        relative: the element with the largest relative error.
        diagnosis: the mistake that explains the whole gap; "" where none does.
    """

    quantity: str
    path: str
    dtype: str
    shape: tuple[int, ...]
    error: float
    ratio: float
    limit: float
    reason: str
    mismatched: int = 0
    size: int = 0
    sides: tuple[str, str] = ("torch", "jax")
    problem: str = ""
    spread: tuple[float, float] = (0.0, 0.0)
    absolute: Place | None = None
    relative: Place | None = None
    diagnosis: str = ""

    @property
    def ok(self) -> bool:
        """Whether rounding explains the error."""
        return bool(self.ratio <= 1)  # NumPy's own would not go into JSON


@dataclass(frozen=True)
class Report:
    """One comparison.

    Attributes:
        name: of the comparison.
        leaves: every array compared, in the order compared.
        seed: of the random cotangent.
        versions: of the libraries that ran.
        notes: what was left out, and why.
        rerun: the line that runs this comparison again.
        examine: looks for the cause, should somebody ask; None where nothing differs at float64.
    """

    name: str
    leaves: tuple[Leaf, ...]
    seed: int
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rerun: str = ""
    examine: Callable[[tuple[Leaf, ...]], Explanation] | None = field(default=None, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """A copy keeps what was found, and can look for no more: programs do not pickle."""
        return {**vars(self), "examine": None}

    @property
    def ok(self) -> bool:
        """Whether every leaf is."""
        return all(leaf.ok for leaf in self.leaves)

    @property
    def failures(self) -> tuple[Leaf, ...]:
        """The leaves that differ."""
        return tuple(leaf for leaf in self.leaves if not leaf.ok)

    @property
    def worst(self) -> Leaf:
        """The leaf with the largest error over allowance."""
        return max(self.leaves, key=lambda leaf: leaf.ratio)

    @property
    def diagnosis(self) -> str | None:
        """The likeliest mistake, named only where it explains the whole gap."""
        return next(iter(self.explanation.sentences), None)

    @cached_property
    def explanation(self) -> Explanation:
        """Every cause that explains the whole gap, the likeliest first; looking for them may take seconds."""
        from parity.diagnosis.examine import explained

        return explained(self.leaves, self.examine)

    def leaf(self, path: str, dtype: str = "float64", quantity: str | None = None) -> Leaf:
        """The leaf at ``path`` and ``dtype``; ``quantity`` tells "output" from "jit".

        Raises:
            KeyError: if it was not compared.
        """
        for leaf in self.leaves:
            if (leaf.path, leaf.dtype) == (path, dtype) and quantity in (None, leaf.quantity):
                return leaf
        known = sorted({f"{leaf.path} at {leaf.dtype}" for leaf in self.leaves})
        raise KeyError(f"leaf: path must be one that was compared, got {path} at {dtype}; compared: {', '.join(known)}")

    def to_json(self) -> str:
        """The whole report as a JSON object; an infinite ratio is the string "inf"."""
        leaves = [{**asdict(leaf), "ok": leaf.ok} for leaf in self.leaves]
        document = {
            "name": self.name,
            "ok": self.ok,
            "seed": self.seed,
            "versions": self.versions,
            "notes": self.notes,
            "rerun": self.rerun,
            "diagnosis": self.diagnosis,
            "leaves": leaves,
        }
        return json.dumps(message.jsonable(document), indent=2, allow_nan=False)

    def __str__(self) -> str:
        return message.report_text(self)

    def _repr_html_(self) -> str:
        return message.report_html(self)
