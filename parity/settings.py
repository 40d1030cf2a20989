"""The options that every comparison takes, written once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict

from parity.arrays import ROUNDOFF
from parity.errors import InputError

__all__ = ["Options", "Settings"]

_FRAMEWORKS = ("jax", "torch", "numpy")


class Options(TypedDict, total=False):
    """Keyword arguments of ``compare`` and its relatives.

    Attributes:
        dtypes: dtypes under test, of "float64", "float32", "bfloat16", "float16". float64 proves that both sides
            compute the same function; the others show that only rounding is lost on the way down.
        seed: of the random cotangent under which gradients are pulled back.
        name: what the report is called; the JAX function's name by default.
        gradients: compare the gradient of every float input and parameter too.
        jit: compile the JAX side, and hold it against itself run eagerly.
        edge_cases: admit NaN, infinities and empty arrays among the inputs. Refused otherwise: NaN agrees with NaN,
            and an empty array with anything.
        right: what the second function is written in: "jax", "torch" or "numpy". A module tells by itself. Only JAX
            programs can be interpreted: for the others the allowance comes from perturbed inputs.
    """

    dtypes: Sequence[str]
    seed: int
    name: str
    gradients: bool
    jit: bool
    edge_cases: bool
    right: str


@dataclass(frozen=True)
class Settings:
    """Options with every default written out; the fields are those of `Options`."""

    dtypes: Sequence[str] = ("float64", "float32")
    seed: int = 0
    name: str = ""
    gradients: bool = True
    jit: bool = True
    edge_cases: bool = False
    right: str = "jax"

    @classmethod
    def of(cls, function: str, options: Any) -> Settings:
        """Check the options that ``function`` was given.

        Raises:
            InputError: on an option or a dtype that does not exist.
        """
        unknown = sorted(set(options) - set(Options.__annotations__))
        if unknown:
            raise InputError(f"{function}: options must be of {', '.join(Options.__annotations__)}, got {unknown[0]}.")
        settings = cls(**options)
        if not _are_dtypes(settings.dtypes):
            raise InputError(
                f"{function}: dtypes must be a tuple of {', '.join(ROUNDOFF)}, got {settings.dtypes!r}."
                ' Name them as strings: dtypes=("float64", "float32").'
            )
        if not isinstance(settings.seed, int) or settings.seed < 0:
            raise InputError(f"{function}: seed must be an integer from 0 on, got {settings.seed!r}.")
        if settings.right not in _FRAMEWORKS:
            raise InputError(f"{function}: right must be {' or '.join(_FRAMEWORKS)}, got {settings.right!r}.")
        return settings

    @property
    def chosen(self) -> str:
        """The options that differ from their defaults, and the seed, as they are written in a call."""
        given = [field for field in fields(self) if getattr(self, field.name) != field.default and field.name != "name"]
        names = dict.fromkeys([*(field.name for field in given), "seed"])
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)


def _are_dtypes(dtypes: Any) -> bool:
    return (
        isinstance(dtypes, (tuple, list)) and bool(dtypes) and all(isinstance(d, str) and d in ROUNDOFF for d in dtypes)
    )
