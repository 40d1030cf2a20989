"""Two layers that may hold the same weights: whether they do, in which way, and what keeps them from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest

from parity.bridge_moves import Rule, refines
from parity.bridge_rules import Way
from parity.layers import LinenLayer, TorchLayer

__all__ = ["Pair", "difference", "fits", "renamed", "side_by_side", "unstacked", "words"]


@dataclass(frozen=True)
class Pair:
    """Two layers that hold the same weights.

    Attributes:
        torch: the one layer.
        linen: the other.
        rules: tensor by tensor.
    """

    torch: TorchLayer
    linen: LinenLayer
    rules: tuple[Rule, ...]


def unstacked(left: list[TorchLayer], right: list[LinenLayer]) -> list[TorchLayer]:
    """torch's layers; a recurrent stack is one where a layer of linen's has all its tensors, by torch's names."""
    whole: dict[str, dict[str, tuple[int, ...]]] = {}
    for layer in left:
        whole.setdefault(layer.path, {}).update(layer.shapes)
    held = {path for path, shapes in whole.items() if any(other.shapes == shapes for other in right)}
    stacks = {layer.path: replace(layer, shapes=whole[layer.path], suffix="") for layer in left if layer.path in held}
    return [one for layer in left if (one := stacks.pop(layer.path, None) if layer.path in held else layer)]


def words(layer: TorchLayer | LinenLayer) -> str:
    """A layer's path with the frameworks' punctuation evened out: layers.0 and layers_0 are one name."""
    path = re.sub(r"[._/]+", ".", layer.path)
    if isinstance(layer, TorchLayer):
        return path + layer.suffix.removeprefix("_l0").replace("_", ".")
    return path.removesuffix(".cell")  # of linen's RNN


def renamed(layer: TorchLayer, way: Way, leaves: Mapping[str, str]) -> Way:
    """The way, its leaves under the names that ``leaves`` gives to torch's tensors."""
    names = {rule: leaves.get(layer.under(rule.torch)) for rule in way.rules}
    return replace(way, rules=tuple(replace(rule, linen=name) if name else rule for rule, name in names.items()))


def fits(one: TorchLayer, other: LinenLayer, way: Way) -> bool:
    """Whether linen's layer holds all of torch's tensors in this way, and nothing else."""
    if any(getattr(other.module, name, value) != value for name, value in way.fields.items()):
        return False
    complete = set(one.shapes) == {rule.torch for rule in way.rules} | set(one.shapes).intersection(way.dropped)
    if not complete or {rule.place for rule in way.rules} != set(other.shapes):
        return False
    return all(_fits_leaf(rule, one.shapes[rule.torch], other.shapes[rule.place]) for rule in way.rules)


def _fits_leaf(rule: Rule, shape: tuple[int, ...], leaf: tuple[int, ...]) -> bool:
    fitted = rule.fitted(shape)
    return fitted == leaf or (rule.splits and refines(leaf, fitted))


def difference(one: TorchLayer, other: LinenLayer, ways: list[Way]) -> str:
    """What keeps two layers from holding the same weights, in the way that comes nearest."""
    way = min(ways, key=lambda way: len({rule.place for rule in way.rules} ^ set(other.shapes)))
    places = {rule.place: rule for rule in way.rules}
    given = set(one.shapes) - set(way.dropped)
    if set(places) != set(other.shapes) or given != {rule.torch for rule in way.rules}:
        return f"matched layers must hold the same weights, got {sorted(given)} against {sorted(other.shapes)}"
    for place, rule in places.items():
        shape = rule.fitted(one.shapes[rule.torch])
        if not _fits_leaf(rule, one.shapes[rule.torch], other.shapes[place]):
            return (
                f"{place} must have shape {shape}, that of torch's tensor in linen's layout, got {other.shapes[place]}"
            )
    return f"linen's layer must have {dict(way.fields)}, got another"


def side_by_side(left: list[TorchLayer], right: list[LinenLayer]) -> str:
    """Both trees, a layer a line."""
    rows = list(zip_longest([str(layer) for layer in left], [str(layer) for layer in right], fillvalue="-"))
    width = max((len(row[0]) for row in rows), default=5)
    return "\n".join([f"  {'torch':<{width}} | linen", *(f"  {one:<{width}} | {other}" for one, other in rows)])
