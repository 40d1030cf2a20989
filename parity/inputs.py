"""What is handed to both sides: checked, copied to NumPy, named by parameter, rounded to the dtype under test."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parity.arrays import as_value, is_array, is_float_array, rounded
from parity.errors import InputError
from parity.settings import Settings
from parity.trees import flatten, map_leaves

__all__ = ["Inputs", "cotangent"]

_SETTINGS = (bool, int, float, complex, str)  # Python values are settings: static, never traced


@dataclass(frozen=True)
class Inputs:
    """Arguments of both sides.

    Attributes:
        tree: one entry a parameter; arrays are NumPy's, floats widened to float64.
        keywords: whether they are passed by name.
        fixed: parameters of which no gradient is asked, running statistics.
    """

    tree: dict[str, Any]
    keywords: bool
    fixed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, function: str, inputs: Any, sides: tuple[Callable, Callable], settings: Settings) -> Inputs:
        """Check and copy the inputs of ``function``, a comparison of ``sides`` (torch, JAX).

        Raises:
            InputError: unless they are a tuple or a dict of trees of arrays and Python values; or if an array is
                empty or not finite and ``settings`` does not admit that.
        """
        if isinstance(inputs, Mapping):
            tree = {str(name): value for name, value in inputs.items()}
        elif isinstance(inputs, (tuple, list)):
            tree = dict(zip(_parameter_names(sides, len(inputs)), inputs, strict=True))
        else:
            raise InputError(
                f"{function}: inputs must be a tuple of arguments or a dict of keywords, got {type(inputs).__name__}."
                " A single argument goes into a tuple: (x,)."
            )
        copied = map_leaves(lambda path, leaf: _copied(function, path, leaf), tree)
        if not settings.edge_cases:
            for path, leaf in flatten(copied).items():
                _refuse_edge_case(function, path, leaf)
        return cls(copied, isinstance(inputs, Mapping))

    def at(self, dtype: str) -> Inputs:
        """The same inputs, floats rounded to ``dtype``: nothing that rounding the inputs does is counted as error."""
        return replace(self, tree=map_leaves(lambda _, x: rounded(x, dtype) if is_float_array(x) else x, self.tree))

    def moved(self, share: float, seed: int) -> Inputs:
        """The same inputs, every float moved at random by at most ``share`` of itself."""
        generator = np.random.default_rng(seed)

        def move(_: str, leaf: Any) -> Any:
            if not is_float_array(leaf):
                return leaf
            return np.asarray(leaf * (1 + share * generator.uniform(-1, 1, leaf.shape)))

        return replace(self, tree=map_leaves(move, self.tree))

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by path; Python values are left out."""
        return {path: leaf for path, leaf in flatten(self.tree).items() if isinstance(leaf, np.ndarray)}

    def floats(self) -> list[str]:
        """Paths of the arrays whose gradients are compared."""
        arrays = self.arrays().items()
        return [path for path, array in arrays if is_float_array(array) and path.partition("/")[0] not in self.fixed]

    def numbers(self) -> dict[str, np.ndarray]:
        """The arrays and the Python numbers by path."""
        leaves = flatten(self.tree).items()
        return {path: np.asarray(leaf) for path, leaf in leaves if not isinstance(leaf, str)}

    @property
    def signature(self) -> tuple:
        """What a compiled program depends on: shapes, dtypes and Python values."""
        leaves = flatten(self.tree).items()
        shaped = [
            (path, leaf.shape, leaf.dtype.str) if isinstance(leaf, np.ndarray) else (path, leaf)
            for path, leaf in leaves
        ]
        return (self.keywords, *shaped)

    def call(self, function: Callable, arrays: Mapping[str, Any]) -> Any:
        """``function`` of these inputs, with ``arrays`` (of its own framework) in the places of NumPy's."""
        tree = map_leaves(lambda path, leaf: arrays.get(path, leaf), self.tree)
        return function(**tree) if self.keywords else function(*tree.values())


def _parameter_names(sides: tuple[Callable, Callable], count: int) -> list[str]:
    """Names for positional arguments: the JAX function's, else the torch function's, else their numbers."""
    for side in reversed(sides):
        try:
            parameters = inspect.signature(side).parameters.values()
        except (TypeError, ValueError):  # some built-in functions have no signature
            continue
        names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if len(names) >= count:
            return names[:count]
    return [str(position) for position in range(count)]


def _copied(function: str, path: str, leaf: Any) -> Any:
    if isinstance(leaf, _SETTINGS) and not isinstance(leaf, np.generic):
        return leaf
    if not is_array(leaf):
        raise InputError(
            f"{function}: inputs must hold arrays, numbers or strings, got {type(leaf).__name__} at {path}."
            " Close over anything else inside both functions."
        )
    try:
        return as_value(leaf).data
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise InputError(
            f"{function}: inputs must hold arrays of numbers, got {path}: {_first_line(error)}."
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


def _refuse_edge_case(function: str, path: str, leaf: Any) -> None:
    if not isinstance(leaf, np.ndarray):
        return
    if leaf.size == 0:
        got, rule = f"shape {leaf.shape}", "hold at least one element"
    elif leaf.dtype.kind in "fc" and not np.isfinite(leaf).all():
        place = [int(i) for i in np.argwhere(~np.isfinite(leaf))[0]]
        got, rule = f"{leaf[tuple(place)]} at {place}", "be finite"
    else:
        return
    raise InputError(
        f"{function}: inputs must {rule}, got {path} with {got}."
        " Pass edge_cases=True to check how both sides treat such values."
    )


def cotangent(seed: int, path: str, shape: tuple[int, ...], *, imaginary: bool = False) -> np.ndarray:
    """A random cotangent for the output at ``path``: standard normal, exact in every dtype under test.

    A gradient of ``sum(output)`` would be blind to much: under softmax or a norm it is zero whatever the code does.
    """
    generator = np.random.default_rng([seed, zlib.crc32(path.encode())])
    real = rounded(generator.normal(size=shape), "bfloat16")
    if not imaginary:
        return real
    return real + 1j * rounded(generator.normal(size=shape), "bfloat16")
