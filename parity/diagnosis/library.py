"""The calls that a port makes of functions from elsewhere, the libraries' and its own, and others in their place."""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import FrameType, ModuleType
from typing import Any

import jax

__all__ = ["Handle", "Library", "LibraryCall"]

_PUBLIC = (
    *(f"jax.{name}" for name in ("nn", "numpy", "numpy.linalg", "numpy.fft", "lax", "image")),
    *(f"jax.scipy.{name}" for name in ("special", "signal", "linalg", "stats", "ndimage")),
    *("optax", "optax.losses", "flax.linen"),
)
_TRANSFORMATIONS = ("grad", "value_and_grad", "vmap", "jacfwd", "jacrev", "hessian")
"""jax's own that take numbers of arguments and of axes."""

_LIBRARIES = {"jax", "jaxlib", "flax", "optax", "chex", "einops", "numpy", "parity"}
"""Their own calls of one another are not the port's."""

_DATA = {"jax.numpy.where"}  # functions whose numbers are no options

_MEMBERS = 4  # of a list whose order may be another
_INSTALLED = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")} | {sys.prefix})


@dataclass(frozen=True)
class LibraryCall:
    """A call of a public function.

    Attributes:
        name: of the function, "jax.image.resize".
        source: where it is made, "model.py:12 `y = resize(x, ...)`"; "" of the port itself.
        plain: the Python numbers, words, truth values and short lists it is given or takes by default, by parameter.
        defaults: of its parameters.
        rank: how many axes its first argument has.
        optional: parameters that are given what they need not be: arrays, masks.
        alike: the first two that are given arrays of one shape and dtype.
    """

    name: str
    source: str
    plain: dict[str, Any] = field(compare=False)
    defaults: dict[str, Any] = field(compare=False)
    rank: int = field(compare=False, default=0)
    optional: tuple[str, ...] = field(compare=False, default=())
    alike: tuple[str, ...] = field(compare=False, default=())


Handle = Callable[[LibraryCall, Callable, inspect.BoundArguments], Any]
"""Makes the call, or another in its place."""


class Library:
    """Functions that a port may call, and every name that stands for one.

    Attributes:
        public: the libraries' functions by name, each once, where it is known best.

    Args:
        port: the function that is looked into; it may be a library's itself, or `functools.partial` of one.
    """

    def __init__(self, port: Callable = lambda: None) -> None:
        public = [sys.modules[name] for name in _PUBLIC if name in sys.modules]
        transformations = {getattr(jax, name): f"jax.{name}" for name in _TRANSFORMATIONS}
        ports = list(_ports_modules())
        known = {id(f): (name, f) for module in ports for name, f in vars(module).items() if _is_own(module, f)}
        known |= {id(function): (name, function) for function, name in transformations.items()}
        for module in public:
            for name, function in vars(module).items():
                if _is_function(function) and not name.startswith("_"):
                    known.setdefault(id(function), (f"{module.__name__}.{name}", function))
        self.public = {name: function for name, function in known.values() if name.partition(".")[0] in _LIBRARIES}
        self._bound = [
            (vars(module), key, *known[id(value)])
            for module in (*ports, *public, jax)
            for key, value in vars(module).items()
            if id(value) in known
        ]
        given = port if isinstance(port, partial) else partial(port)
        self._given, self._space = given, {"port": inspect.unwrap(given.func)}
        names = {id(function): name for name, function in self.public.items()}
        if id(given.func) in names:
            self._space["port"] = given.func
            self._bound.append((self._space, "port", names[id(given.func)], given.func))

    def port(self, *args: Any, **kwargs: Any) -> Any:
        """The port, called so that it is watched too."""
        return self._space["port"](*self._given.args, *args, **self._given.keywords, **kwargs)

    @contextmanager
    def watched(self, handle: Handle) -> Iterator[None]:
        """Every call of theirs that is made meanwhile goes through ``handle``; names are bound back at the end."""
        try:
            for space, key, name, function in self._bound:
                space[key] = _Watched(name, function, handle)
            yield
        finally:
            for space, key, _, function in self._bound:
                space[key] = function


def _ports_modules() -> Iterator[ModuleType]:
    """Those that nobody installed: the port's own, and what it is made of."""
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and name.partition(".")[0] not in _LIBRARIES:
            place = getattr(module, "__file__", None)
            if name == "__main__" or (place and not os.path.abspath(place).startswith(_INSTALLED)):
                yield module


def _is_own(module: ModuleType, value: Any) -> bool:
    return _is_function(value) and getattr(value, "__module__", "") == module.__name__


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type)


class _Watched:
    """A function that stands in for another, and is it in all else."""

    def __init__(self, name: str, function: Callable, handle: Handle) -> None:
        self._name, self._function, self._handle = name, function, handle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        caller = frame.f_globals.get("__name__", "")
        own = caller.partition(".")[0] in _LIBRARIES or caller == self._function.__module__
        if own and frame.f_code is not Library.port.__code__:
            return self._function(*args, **kwargs)
        try:
            bound = inspect.signature(self._function).bind(*args, **kwargs)
        except (TypeError, ValueError):  # it has no signature, or an error message of its own
            return self._function(*args, **kwargs)
        return self._handle(_call(self._name, frame, bound), self._function, bound)


def _call(name: str, frame: FrameType, bound: inspect.BoundArguments) -> LibraryCall:
    parameters = bound.signature.parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    given = {**defaults, **bound.arguments}
    plain = {} if name in _DATA else {key: value for key, value in given.items() if _is_plain(value, parameters[key])}
    rank = getattr(next(iter(bound.arguments.values()), None), "ndim", 0)
    optional = tuple(
        key
        for key, value in bound.arguments.items()
        if value is not None and defaults[key] is None and key not in plain
    )
    return LibraryCall(name, _line(frame), plain, defaults, rank, optional, _alike(bound.arguments))


def _is_plain(value: Any, parameter: inspect.Parameter) -> bool:
    if value is None:  # of a parameter that may be true or false
        return "bool" in str(parameter.annotation)
    if isinstance(value, (list, tuple)):
        return 1 < len(value) <= _MEMBERS
    return isinstance(value, (bool, int, float, str))


def _alike(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    kinds = {key: (value.shape, value.dtype) for key, value in arguments.items() if isinstance(value, jax.Array)}
    first, second = (*kinds, "", "")[:2]
    return (first, second) if second and kinds[first] == kinds[second] else ()


def _line(frame: FrameType) -> str:
    if frame.f_code is Library.port.__code__:
        return ""
    path, number = frame.f_code.co_filename, frame.f_lineno
    near = os.path.relpath(path)
    code = linecache.getline(path, number).strip()
    return f"{os.path.basename(path) if near.startswith('..') else near}:{number} `{code[:80]}`"
