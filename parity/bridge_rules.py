"""How each kind of layer stores its weights on either side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["RULES", "Rule", "rules_of", "unknown_kind"]


@dataclass(frozen=True)
class Rule:
    """Where one torch tensor lives in linen.

    Attributes:
        torch: the tensor's name in its module.
        linen: the leaf's name in its module.
        axes: the order in which torch's axes stand in linen; None keeps them.
    """

    torch: str
    linen: str
    axes: tuple[int, ...] | None = None

    def to_linen(self, tensor: Any) -> Any:
        """The tensor (NumPy's or torch's) in linen's layout."""
        return tensor if self.axes is None else _permuted(tensor, self.axes)

    def to_torch(self, leaf: Any) -> Any:
        """The leaf (NumPy's or torch's) in torch's layout."""
        return leaf if self.axes is None else _permuted(leaf, tuple(self.axes.index(i) for i in range(len(self.axes))))


def _permuted(array: Any, axes: tuple[int, ...]) -> Any:
    return array.permute(axes) if hasattr(array, "permute") else array.transpose(axes)


def _convolution(spatial: int) -> tuple[Rule, ...]:
    """torch stores (out, in, *window), linen (*window, in, out)."""
    return Rule("weight", "kernel", (*range(2, spatial + 2), 1, 0)), Rule("bias", "bias")


_NORM = (Rule("weight", "scale"), Rule("bias", "bias"))

RULES: Mapping[str, tuple[Rule, ...]] = {
    # torch multiplies by the transpose of an (out, in) weight, linen by an (in, out) kernel.
    "torch.nn.modules.linear.Linear": (Rule("weight", "kernel", (1, 0)), Rule("bias", "bias")),
    "torch.nn.modules.conv.Conv1d": _convolution(1),
    "torch.nn.modules.conv.Conv2d": _convolution(2),
    "torch.nn.modules.conv.Conv3d": _convolution(3),
    "torch.nn.modules.normalization.LayerNorm": _NORM,
    "torch.nn.modules.normalization.GroupNorm": _NORM,
    "torch.nn.modules.normalization.RMSNorm": _NORM[:1],
    "torch.nn.modules.sparse.Embedding": (Rule("weight", "embedding"),),
}
"""Rules by the torch layer's class."""


def rules_of(module: Any, names: list[str]) -> tuple[Rule, ...]:
    """The rules for the named tensors of a torch module: its class's, else each tensor as it is, under its own name."""
    rules = _class_rules(module)
    if rules is None:
        return tuple(Rule(name, name) for name in names)
    return tuple(rule for rule in rules if rule.torch in names)


def unknown_kind(module: Any) -> str:
    """A sentence for an error, if the module's class has no rules; "" otherwise."""
    if _class_rules(module) is not None:
        return ""
    kinds = ", ".join(name.rpartition(".")[2] for name in RULES)
    return f" {type(module).__name__} has no rule of its own; there are rules for {kinds}."


def _class_rules(module: Any) -> tuple[Rule, ...] | None:
    names = [f"{base.__module__}.{base.__qualname__}" for base in type(module).__mro__]
    return next((RULES[name] for name in names if name in RULES), None)
