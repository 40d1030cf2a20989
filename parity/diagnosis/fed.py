"""The JAX function fed with its inputs in another order: exchanged, transposed, blocks permuted, rolled, axes renamed.

Nothing is fitted, and a change counts only if every output that differs then passes; so few numbers are enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, islice, permutations
from typing import TypeAlias

import numpy as np

from parity.diagnosis.findings import Finding
from parity.diagnosis.multiples import round_number

__all__ = ["Fed", "feeds", "telling"]

Arrays: TypeAlias = Mapping[str, np.ndarray]
_PAIRS = 10  # of inputs that are exchanged
_PARTS = (2, 3, 4)  # blocks of an axis: of a gated unit, of q, k and v, of a cell with four gates
_INTEGERS = 6  # different ones that must agree
_TRIALS = 200
_RESHAPED = 12  # calls of another shape, each of which is traced anew


@dataclass(frozen=True)
class Fed:
    """Another call of the same function.

    Attributes:
        finding: what to say if it returns what torch returned.
        inputs: the arrays that change, by path.
        back: two axes of an output that may have to be exchanged before it is held against torch's.
    """

    finding: Finding
    inputs: dict[str, np.ndarray]
    back: tuple[int, int] = (0, 0)

    def narrower(self) -> Iterator[Fed]:
        """The same change to the inputs of one layer alone; two linear layers often undo each other's."""
        parents = dict.fromkeys(path.rpartition("/")[0] for path in self.inputs)
        for parent in parents if len(parents) > 1 else ():
            some = {path: array for path, array in self.inputs.items() if path.rpartition("/")[0] == parent}
            sentence = self.finding.sentence.replace(", ".join(self.inputs), ", ".join(some))
            yield replace(self, inputs=some, finding=replace(self.finding, sentence=sentence))

    def returns(self, outputs: Arrays, wanted: Arrays, limits: Mapping[str, float]) -> bool:
        """Whether every output of the call is the wanted one, its axes exchanged or not: a last state keeps its own."""
        return all(
            any(_within(_swapped(outputs[path], axes), wanted[path], limit) for axes in ((0, 0), self.back))
            for path, limit in limits.items()
        )


def _swapped(output: np.ndarray, axes: tuple[int, int]) -> np.ndarray:
    return np.swapaxes(output, *axes) if output.ndim > max(axes) else output


def _within(one: np.ndarray, other: np.ndarray, limit: float) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max(initial=0.0) <= limit)


def telling(outputs: Iterable[np.ndarray]) -> bool:
    """Whether these numbers would hardly be met by chance: a float that is not round, or several integers."""
    for output in outputs:
        flat = np.real(output).reshape(-1)
        if output.dtype.kind in "fc" and any(value and not round_number(float(value)) for value in flat[:64]):
            return True
        if np.unique(flat).size >= _INTEGERS:
            return True
    return False


def feeds(inputs: Arrays, *, sure: bool | None = None) -> Iterator[Fed]:
    """Other calls that a wrong port may have meant, the simplest first; each keeps every shape, the last kind apart.

    Args:
        inputs: of the function.
        sure: whether to make those that tell a cause as well as a line of the program would, or the others.
    """
    certain = (_exchanged, _sorted_as_strings, _permuted)
    others = (_transposed, _other_order, _moved, _renamed)
    families = (*certain, *others) if sure is None else certain if sure else others
    found = (fed for family in families for fed in family(inputs))
    for fed in islice(found, _TRIALS):
        if any(not np.array_equal(inputs[path], array) for path, array in fed.inputs.items()):
            yield fed


def _told(text: str, trap: str = "") -> Finding:
    return Finding(f"the gap vanishes if {text}", trap)


def _exchanged(inputs: Arrays) -> Iterator[Fed]:
    """Two of one shape that changed places."""
    pairs = [
        (one, other)
        for one, other in combinations(inputs, 2)
        if inputs[one].shape == inputs[other].shape and inputs[one].dtype == inputs[other].dtype
    ]
    yield from _groups(inputs)
    for one, other in pairs[:_PAIRS]:
        text = f"{one} and {other} change places in the call of the JAX function"
        yield Fed(_told(text, "positional-arguments"), {one: inputs[other], other: inputs[one]})


def _groups(inputs: Arrays) -> Iterator[Fed]:
    """Two layers, every leaf of them."""
    groups: dict[str, dict[str, str]] = {}
    for path in inputs:
        parent, name = path[: (cut := max(path.rfind("/"), path.rfind(".")))], path[cut + 1 :]
        if cut > 0:
            groups.setdefault(parent, {})[name] = path
    alike = [pair for pair in combinations(groups, 2) if len(groups[pair[0]]) == len(groups[pair[1]])]
    pairs = [[(groups[one][name], groups[other].get(name, "")) for name in groups[one]] for one, other in alike]
    same = [
        (names, found)
        for names, found in zip(alike, pairs, strict=True)
        if all(b and inputs[a].shape == inputs[b].shape and inputs[a].dtype == inputs[b].dtype for a, b in found)
    ]
    for (one, other), found in same[:_PAIRS]:
        changed = {a: inputs[b] for a, b in found} | {b: inputs[a] for a, b in found}
        yield Fed(_told(f"{one} and {other} change places; look for the order of layers", "dict-key-sort"), changed)


def _sorted_as_strings(inputs: Arrays) -> Iterator[Fed]:
    """Leaves numbered beyond 9, read in the order of their names as text."""
    by_text = sorted(inputs)
    by_number = sorted(inputs, key=_numbered)
    if by_text != by_number:
        for wanted, given in ((by_number, by_text), (by_text, by_number)):
            pairs = {one: inputs[other] for one, other in zip(wanted, given, strict=True)}
            if all(inputs[one].shape == array.shape for one, array in pairs.items()):
                moved = next(one for one, other in zip(by_text, by_number, strict=True) if one != other)
                text = f"the inputs are sorted by number, not as text, which puts {moved} too early"
                yield Fed(_told(text, "dict-key-sort"), pairs)


def _numbered(path: str) -> list[tuple[int, str]]:
    parts = "".join(c if c.isdigit() else f" {c} " for c in path).split()
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _transposed(inputs: Arrays) -> Iterator[Fed]:
    for path, array in inputs.items():
        for one, other in combinations(range(array.ndim), 2):
            if array.shape[one] == array.shape[other] > 1:
                text = (
                    f"axes {one} and {other} of {path} are transposed, or an operation runs along the other one of them"
                )
                yield Fed(_told(text, "linear-transpose"), {path: np.swapaxes(array, one, other)})


def _other_order(inputs: Arrays) -> Iterator[Fed]:
    """The same numbers written down in another layout."""
    for path, array in inputs.items():
        if array.ndim > 1:
            text = f"{path} is filled in the other order, columns first; look for a reshaped array of another layout"
            yield Fed(_told(text, "nchw-accepted-silently"), {path: array.reshape(-1, order="F").reshape(array.shape)})
            yield Fed(_told(text, "nchw-accepted-silently"), {path: array.reshape(array.shape, order="F")})
        if array.dtype.kind == "b":
            yield Fed(_told(f"the mask {path} is inverted", "mask-polarity"), {path: ~array})
        for axis, length in enumerate(array.shape):
            for one, other in _factors(length):
                shape = (*array.shape[:axis], one, other, *array.shape[axis + 1 :])
                text = f"axis {axis} of {path} is read as ({one}, {other}) and transposed"
                cause = "look for heads or groups split from the other end, a repeat against a tile, another layout"
                moved = np.swapaxes(array.reshape(shape), axis, axis + 1).reshape(array.shape)
                yield Fed(_told(f"{text}; {cause}", "mha-weight-packing"), {path: moved})


def _factors(length: int) -> list[tuple[int, int]]:
    return [(n, length // n) for n in range(2, length // 2 + 1) if length % n == 0][:4]


def _permuted(inputs: Arrays) -> Iterator[Fed]:
    """The blocks of one axis in another order, in every float input that has an axis of this length."""
    floats = {path: array for path, array in inputs.items() if array.dtype.kind == "f"}
    lengths = sorted({length for array in floats.values() for length in array.shape}, reverse=True)
    for parts in _PARTS:
        for length in (n for n in lengths if n % parts == 0 and n > parts):
            for order in permutations(range(parts)):
                changed = {p: moved for p, a in floats.items() if (moved := _blocks(a, length, order)) is not None}
                names = ", ".join(changed)
                text = f"the {parts} blocks of {names} are taken in the order {order}; look for the order of gates"
                trap = {3: "mha-weight-packing", 4: "lstm-gate-order"}.get(parts, "")
                yield Fed(_told(f"{text}, or of q, k and v", trap), changed)


def _blocks(array: np.ndarray, length: int, order: tuple[int, ...]) -> np.ndarray | None:
    axes = [axis for axis, n in enumerate(array.shape) if n == length]
    if not axes:
        return None
    places = np.arange(length).reshape(len(order), -1)[list(order)].reshape(-1)
    return np.take(array, places, axes[0])


def _moved(inputs: Arrays) -> Iterator[Fed]:
    """Whole numbers one more or one less; then arrays rolled or turned round along one axis."""
    for path, array in inputs.items():
        for step in (1, -1) if array.dtype.kind in "iu" and array.size else ():
            text = f"{path} counts from {'one' if step > 0 else 'zero'}: every entry {step:+d}, off by one"
            yield Fed(_told(text), {path: array + step})
    for path, array in inputs.items():
        for axis, length in enumerate(array.shape):
            if length > 1:
                text = f"{path} is reversed along axis {axis}; look for the direction of a scan, a flip"
                yield Fed(_told(text, "convolve-flips"), {path: np.flip(array, axis)})
            for step in (1, -1) if length > 2 else ():
                text = f"{path} is rolled by {step:+d} along axis {axis}; look for a shift, an index off by one"
                yield Fed(_told(text), {path: np.roll(array, step, axis)})


def _renamed(inputs: Arrays) -> Iterator[Fed]:
    """Two axes that change roles: exchanged on the way in, and back on the way out."""
    reshaped = 0
    for path, array in inputs.items():
        for one, other in combinations(range(array.ndim), 2):
            reshaped += array.shape[one] != array.shape[other]
            if reshaped > _RESHAPED and array.shape[one] != array.shape[other]:
                continue
            text = f"axes {one} and {other} of {path} change roles; look for something done along axis {other} instead"
            whole = f"{text} of axis {one}, or the reverse: a softmax, a norm, a mean, a scan, batch against time"
            yield Fed(_told(whole, "softmax-implicit-dim"), {path: np.swapaxes(array, one, other)}, (one, other))
