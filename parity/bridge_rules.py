"""How each kind of layer stores its weights on either side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["RULES", "Rule", "rules_of"]


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


RULES: Mapping[str, tuple[Rule, ...]] = {
    # torch multiplies by the transpose of an (out, in) weight, linen by an (in, out) kernel.
    "torch.nn.modules.linear.Linear": (Rule("weight", "kernel", (1, 0)), Rule("bias", "bias")),
}
"""Rules by the torch layer's class."""


def rules_of(module: Any, names: list[str]) -> tuple[Rule, ...]:
    """The rules for the named tensors of a torch module: its class's, else each tensor as it is, under its own name."""
    for base in type(module).__mro__:
        rules = RULES.get(f"{base.__module__}.{base.__qualname__}")
        if rules is not None:
            return tuple(rule for rule in rules if rule.torch in names)
    return tuple(Rule(name, name) for name in names)
