"""Remedies tried on the calls that a JAX function makes: another value of an argument, another function of the kind.

The function is traced anew with ``jnp.var(ddof=1)`` where it says ``ddof=0``, with ``nn.BatchNorm(momentum=0.9)`` where
it says 0.1, one change at a time. What it then returns has to be all that torch returns, gradients as well, and for
other inputs too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import chain, islice
from typing import Any

import flax.linen as nn
import numpy as np

from parity.diagnosis.choices import KIN, REVERSED, choices
from parity.diagnosis.elsewhere import Elsewhere
from parity.diagnosis.findings import Finding
from parity.diagnosis.instead import INSTEAD
from parity.diagnosis.library import Handle, Library, LibraryCall
from parity.diagnosis.retraced import Retraced
from parity.diagnosis.traced import Target

__all__ = ["calls_tried"]

_TRIALS = 100
_EVIDENCE, _NEARLY = 3, 1e-5  # numbers that speak for a gap that is not closed in full; what may be left of it
_IGNORED = {"parent", "name", "features", "num_features", "axis_name", "axis_index_groups", "use_running_average"}
_ACTIVATIONS = ("gelu", "relu", "silu", "tanh", "elu", "leaky_relu", "sigmoid", "logistic")
_TRAPS = {"approximate": "gelu-tanh-default", "padding": "conv-default-padding", "ddof": "std-ddof"}
_FIELD_TRAPS = {
    **_TRAPS,
    "epsilon": "layernorm-eps",
    "momentum": "bn-momentum-convention",
    "use_fast_variance": "norm-fast-variance",
}


@dataclass(frozen=True)
class _Change:
    """Something to try.

    Attributes:
        sentence: the end of "the gap vanishes with ".
        context: the change, in force while it is open.
        trap: the known trap behind it.
    """

    sentence: str
    context: Callable[[], AbstractContextManager]
    trap: str = ""


def calls_tried(function: Retraced, target: Target, others: Callable[[], Iterable[Elsewhere]]) -> Iterator[Finding]:
    """What closes the whole gap, and that of ``others``, a finding for each change."""
    outputs = target.only(path for path in target.wanted if not path.startswith("grad/"))
    library = Library(function.function)
    function = replace(function, function=library.port)
    calls, modules = _noted(function, library)
    if len(_noted(again := replace(function, fresh=True), library)[0]) > len(calls):  # some are behind a jit
        function, (calls, modules) = again, _noted(again, library)
    for change in islice(chain(_of_modules(modules), _of_calls(calls, library)), _TRIALS):
        try:
            if outputs.failing and not _closed(outputs, function.results(change.context(), gradients=False)):
                continue
            closed = _closed(target, function.results(change.context(), gradients=True))
            if closed and all(_holds(function, change, other, outputs.wanted) for other in others()):
                yield Finding(f"the gap vanishes with {change.sentence}", change.trap)
        except Exception:  # an argument of another value may ask for other shapes, or be refused
            continue


def _closed(target: Target, results: dict[str, np.ndarray]) -> bool:
    if target.passed_by(results):
        return True
    size = sum(target.wanted[path].size for path in target.failing)
    return size >= _EVIDENCE and target.met_by(results) and target.left(results) <= _NEARLY


def _holds(function: Retraced, change: _Change, other: Elsewhere, paths: Collection[str]) -> bool:
    there = replace(function, inputs=other.inputs)
    before = there.results(nullcontext(), gradients=False)
    return other.met_by(there.results(change.context(), gradients=False), before, paths)


def _noted(function: Retraced, library: Library) -> tuple[list[LibraryCall], dict[tuple[str, str], Any]]:
    """The calls that the function makes, and the fields of linen's layers in it, by class and name."""
    calls: dict[LibraryCall, None] = {}
    modules: dict[tuple[str, str], Any] = {}

    def call(found: LibraryCall, made: Callable, bound: inspect.BoundArguments) -> Any:
        calls.setdefault(found)
        return made(*bound.args, **bound.kwargs)

    def module(found: nn.Module) -> None:
        for field in fields(found):
            if field.name not in _IGNORED:
                modules.setdefault((type(found).__name__, field.name), getattr(found, field.name))

    with library.watched(call), _each_module(module):
        function.traced(gradients=False)
    return list(calls), modules


def _of_calls(calls: Iterable[LibraryCall], library: Library) -> Iterator[_Change]:
    """Other arguments, truth values first, then other functions, then calls with their arguments otherwise.

    A change is made on every line at once that makes the call so, then on each alone.
    """
    lines: dict[tuple[str, str, str], list[LibraryCall]] = {}
    for call in calls:
        for name, value in call.plain.items():
            lines.setdefault((call.name, name, repr(value)), []).append(call)
    plainest = sorted(lines.items(), key=lambda line: not isinstance(line[1][0].plain[line[0][1]], bool))
    for (function, name, shown), group in plainest:
        first = group[0]
        for other in choices(name, first.plain[name], first.defaults.get(name), first.rank):
            for some in _parts(group):
                sentence = f"{function}({name}={other!r}) instead of {shown}{_where(some)}"
                if other is REVERSED:
                    sentence = f"{name} of {function} {other}{_where(some)}"
                change = partial(library.watched, _given(some, name, other))
                yield _Change(sentence, change, _TRAPS.get(name, ""))
    named: dict[str, list[LibraryCall]] = {}
    for call in calls:
        named.setdefault(call.name, []).append(call)
    for function, group in named.items():
        for other in (name for name in KIN.get(function, ()) if name in library.public):
            for some in _parts(group):
                change = partial(library.watched, _replaced(some, library.public[other]))
                yield _Change(f"{other} instead of {function}{_where(some)}", change)
    for call in calls:
        yield from _of_call(call, library)


def _of_call(call: LibraryCall, library: Library) -> Iterator[_Change]:
    where = _where([call])
    for words, (other, trap) in INSTEAD.get(call.name, {}).items():
        yield _Change(f"{words} {call.name}{where}", partial(library.watched, _replaced([call], other)), trap)
    for name in call.optional:
        yield _Change(f"{call.name} without {name}{where}", partial(library.watched, _without(call, name)))
    if call.alike:
        sentence = f"arguments {' and '.join(call.alike)} of {call.name} exchanged{where}"
        yield _Change(sentence, partial(library.watched, _exchanged(call)))


def _parts(group: list[LibraryCall]) -> list[list[LibraryCall]]:
    return [group, *([call] for call in group)] if len(group) > 1 else [group]


def _where(calls: list[LibraryCall]) -> str:
    if len(calls) > 1:
        return " everywhere"
    return f" at {calls[0].source}" if calls[0].source else ""


def _given(changed: list[LibraryCall], name: str, value: Any) -> Handle:
    def handle(call: LibraryCall, made: Callable, bound: inspect.BoundArguments) -> Any:
        if call in changed:
            bound.arguments[name] = bound.arguments[name][::-1] if value is REVERSED else value
        return made(*bound.args, **bound.kwargs)

    return handle


def _without(changed: LibraryCall, name: str) -> Handle:
    def handle(call: LibraryCall, made: Callable, bound: inspect.BoundArguments) -> Any:
        if call == changed:
            del bound.arguments[name]
        return made(*bound.args, **bound.kwargs)

    return handle


def _exchanged(changed: LibraryCall) -> Handle:
    def handle(call: LibraryCall, made: Callable, bound: inspect.BoundArguments) -> Any:
        if call == changed and call.alike:
            first, second = call.alike
            bound.arguments[first], bound.arguments[second] = bound.arguments[second], bound.arguments[first]
        return made(*bound.args, **bound.kwargs)

    return handle


def _replaced(changed: list[LibraryCall], function: Callable) -> Handle:
    def handle(call: LibraryCall, made: Callable, bound: inspect.BoundArguments) -> Any:
        return (function if call in changed else made)(*bound.args, **bound.kwargs)

    return handle


def _of_modules(modules: dict[tuple[str, str], Any]) -> Iterator[_Change]:
    """Fields of linen's layers, all of one class at once."""
    for (kind, name), old in modules.items():
        for new in _others(name, old):

            def change(module: nn.Module, kind: str = kind, name: str = name, new: Any = new) -> None:
                if type(module).__name__ == kind:
                    object.__setattr__(module, name, new)  # linen's own would refuse: a module is frozen

            sentence = f"{kind}({name}={_shown(new)}) instead of {_shown(old)}"
            yield _Change(sentence, lambda c=change: _each_module(c), _FIELD_TRAPS.get(name, ""))


def _each_module(change: Callable[[nn.Module], None]) -> AbstractContextManager:
    def called(call: Callable, args: Any, kwargs: Any, context: Any) -> Any:
        change(context.module)
        return call(*args, **kwargs)

    return nn.intercept_methods(called)


def _others(name: str, old: Any) -> list[Any]:
    if callable(old) and getattr(old, "__name__", "") in _ACTIVATIONS:
        return [_exact_gelu, nn.relu, nn.gelu, nn.silu, nn.tanh, nn.elu, nn.sigmoid]
    return choices(name, old)


def _exact_gelu(x: Any) -> Any:
    return nn.gelu(x, approximate=False)


def _shown(value: Any) -> str:
    return getattr(value, "__name__", "").lstrip("_") or repr(value)
