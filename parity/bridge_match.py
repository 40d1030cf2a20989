"""Which torch layer is which linen layer: as told, by name, by the order of the calls, by shape; else an error."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from parity.bridge_pairs import Pair, difference, fits, renamed, side_by_side, unstacked, words
from parity.bridge_rules import Way, remark, verbatim, ways_of
from parity.errors import InputError
from parity.layers import LinenLayer, TorchLayer

__all__ = ["Rename", "paired"]

Rename = Mapping[str, str | None] | Callable[[str], str | None]
"""torch's name of a layer or a tensor to linen's path; None leaves it out."""


@dataclass
class _Match:
    """The state of one matching.

    Attributes:
        function: who asks.
        left: torch's layers that have no partner yet.
        right: linen's.
        called: whether both are in the order of the calls.
        leaves: names of leaves that a rename gave, by the torch tensor's name.
        trees: both, side by side.
        pairs: what has been found.
    """

    function: str
    left: list[TorchLayer]
    right: list[LinenLayer]
    called: bool
    leaves: dict[str, str] = field(default_factory=dict)
    trees: str = ""
    pairs: list[Pair] = field(default_factory=list)

    def join(self, one: TorchLayer, other: LinenLayer) -> None:
        """Take both as one layer.

        Raises:
            InputError: if their weights differ, or may be laid out in more than one way.
        """
        ways = self.fits(one, other)
        where = f"{one.path or 'the module'} ({one.kind}) and {other.path or 'the module'} ({other.kind or 'linen'})"
        if not ways:
            raise InputError(
                f"{self.function}: {difference(one, other, self.ways(one))} in {where}.{self._why(one, other)}"
            )
        if len({way.rules for way in ways}) > 1:
            raise InputError(
                f"{self.function}: shapes must tell the layout of a kernel, got {len(ways)} that fit in {where}."
                f" Pass linen_module and inputs, whose fields tell.\n{self.trees}"
            )
        self.left.remove(one)
        self.right.remove(other)
        self.pairs.append(Pair(one, other, ways[0].rules))

    def fits(self, one: TorchLayer, other: LinenLayer) -> list[Way]:
        """The ways in which linen's layer holds torch's tensors: in linen's layout if it can be, else in torch's."""
        found = [way for way in self.ways(one) if fits(one, other, way)]
        return found or [way for way in (verbatim(one.shapes),) if fits(one, other, way)]

    def ways(self, layer: TorchLayer) -> list[Way]:
        """All ways of a layer, under the names that its leaves were given."""
        return [renamed(layer, way, self.leaves) for way in ways_of(layer.module, layer.suffix, list(layer.shapes))]

    def _why(self, one: TorchLayer, other: LinenLayer) -> str:
        lacking = {rule.place for rule in self.ways(one)[0].rules} - set(other.shapes)
        taken, channels = (0, *other.shapes.get("kernel", (0,)))[-2], getattr(one.module, "in_channels", 0)
        other_images = self.called and channels and taken * one.module.groups != channels and not one.module.transposed
        hint = " A port that takes channels last is told so by channels_last." if other_images else ""
        return f"{remark(one.module, lacking)}{hint}\n{self.trees}"

    def by_name(self) -> None:
        """Join layers of one name. A numbered family is one name: only if both sides have all its members."""
        ours = {words(layer): layer for layer in self.left}
        theirs = {words(layer): layer for layer in self.right}
        families: dict[str, list[set[str]]] = {}
        for place, names in enumerate((ours, theirs)):
            for name in names:
                families.setdefault(re.sub(r"\d+", "#", name), [set(), set()])[place].add(name)
        for mine, other in families.values():
            for name in sorted(mine, key=list(ours).index) if mine == other else ():
                self.join(ours[name], theirs[name])

    def by_order(self) -> None:
        """Join the rest in the order of the calls if that fits all of them, else layers that fit no other."""
        if len(self.left) != len(self.right):
            raise InputError(
                f"{self.function}: both modules must have the same layers, got these.{self._over()}\n{self.trees}"
            )
        ordered = list(zip(self.left, self.right, strict=True))
        if self.called and all(self.fits(*pair) for pair in ordered):
            for pair in ordered:
                self.join(*pair)
            return
        for one, partner in ordered:
            if not any(self.fits(one, other) for other in self.right):
                self.join(one, partner)
        for one, _ in ordered:
            fitting = [other for other in self.right if self.fits(one, other)]
            if len(fitting) > 1:
                raise InputError(
                    f"{self.function}: names or shapes must tell the layers apart, got {len(fitting)} that fit"
                    f" {one.path}: {', '.join(other.path for other in fitting)}."
                    f"{self._remedy(one, fitting)}\n{self.trees}"
                )
            self.join(one, fitting[0])

    def _remedy(self, one: TorchLayer, fitting: list[LinenLayer]) -> str:
        if not self.called:
            return " Pass linen_module and inputs, whose calls tell."
        return f" Say which: rename={{{one.path!r}: {fitting[0].path!r}}}."

    def _over(self) -> str:
        """What is left when layers that fit are taken off each other in order."""
        ours, theirs = [], list(self.right)
        for one in self.left:
            found = next((other for other in theirs if self.fits(one, other)), None)
            ours, theirs = (ours, [t for t in theirs if t is not found]) if found else ([*ours, one], theirs)
        said = [f"{side} alone has {', '.join(layer.path or 'the module' for layer in layers)}" for side, layers in
                (("torch", ours), ("linen", theirs)) if layers]  # fmt: skip
        return f" It seems that {' and '.join(said)}." if said else ""


def paired(
    function: str, left: list[TorchLayer], right: list[LinenLayer], rename: Rename | None = None, *, called: bool
) -> list[Pair]:
    """Every torch layer with the linen layer that holds the same weights.

    Args:
        function: who asks.
        left: torch's layers.
        right: linen's.
        rename: where names cannot tell.
        called: whether both lists are in the order of the calls.

    Raises:
        InputError: if anything is left over, does not fit or fits in more than one way.
    """
    left = unstacked(left, right)
    match = _Match(function, list(left), list(right), called, trees=side_by_side(left, right))
    if rename is not None:
        _as_told(match, rename)
    match.by_name()
    match.by_order()
    order = [(layer.path, layer.suffix) for layer in left]
    return sorted(match.pairs, key=lambda pair: order.index((pair.torch.path, pair.torch.suffix)))


def _as_told(match: _Match, rename: Rename) -> None:
    """Join what ``rename`` names, and leave out what it gives no place."""
    told = _answers(match, rename)
    for layer in list(match.left):
        names = {name: layer.under(name) for name in layer.shapes}
        leaves = {name: told[full] for name, full in names.items() if full in told and full != layer.path}
        kept = {name: shape for name, shape in layer.shapes.items() if leaves.get(name, "") is not None}
        if told.get(layer.path, "") is None or not kept:
            match.left.remove(layer)
            continue
        one = replace(layer, shapes=kept)
        match.left[match.left.index(layer)] = one
        paths = {leaf.rpartition("/")[0] for leaf in leaves.values() if leaf}
        match.leaves |= {names[name]: leaf.rpartition("/")[2] for name, leaf in leaves.items() if leaf}
        for path in {told[layer.path] or ""} if layer.path in told else paths:
            match.join(one, _at(match, path, one.path))


def _answers(match: _Match, rename: Rename) -> dict[str, str | None]:
    """What ``rename`` says of each layer and each tensor, where it says another name than torch's."""
    names = [layer.path for layer in match.left]
    names += [layer.under(name) for layer in match.left for name in layer.shapes]
    if isinstance(rename, Mapping):
        for name in rename:
            _check_known(match, "rename must give places to torch's layers or tensors", name, names)
        return {name: rename[name] for name in names if name in rename}
    answers = {name: rename(name) for name in dict.fromkeys(names)}
    return {name: answer for name, answer in answers.items() if answer is None or answer != name}


def _at(match: _Match, path: str, name: str) -> LinenLayer:
    _check_known(
        match, f"rename must place {name!r} at a layer of linen's", path, [other.path for other in match.right]
    )
    return next(other for other in match.right if other.path == path)


def _check_known(match: _Match, rule: str, name: str, names: list[str]) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(f"{match.function}: {rule}, got {name!r}.{hint}\n{match.trees}")
