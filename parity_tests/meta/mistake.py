"""What a planted mistake is: a right port, a wrong one, and where the instrument must see the difference."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

__all__ = ["EVERY_LEAF", "Mistake", "of_topic"]

EVERY_LEAF = ("*",)
_QUOTED = re.compile(r"at \S+\.py:\d+|`[^`]*`")


@dataclass(frozen=True)
class Mistake:
    """One mistake that people make when they port from PyTorch to JAX.

    Attributes:
        name: what was done wrong, in a few words.
        topic: the topic in which it happens.
        torch_side: the original, a function or a module.
        right: the port that agrees.
        wrong: the port with the mistake, and nothing else, changed.
        inputs: of all three.
        caught: the paths of the leaves that must differ at ``dtype``: these and no others.
        dtype: the first dtype that shows it; every dtype above it must agree.
        named: beginnings of words, any of which makes a report's diagnosis right, in any case of letters.
        options: of the comparison.
    """

    name: str
    topic: str
    torch_side: Any
    right: Any
    wrong: Any
    inputs: Any
    caught: tuple[str, ...] = EVERY_LEAF
    dtype: str = "float64"
    named: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.topic}: {self.name}"

    def is_named_by(self, diagnosis: str | None) -> bool:
        """Whether the sentence says what was done wrong; a quoted line of source says it for no one."""
        said = " ".join(_QUOTED.sub("", diagnosis or "").lower().split())
        return any(re.search(rf"(?<![\w.]){re.escape(word.lower())}", said) for word in self.named)


def of_topic(topic: str) -> Callable[..., Mistake]:
    """A maker of one topic's mistakes: (name, torch_side, right, wrong, inputs, **rest)."""
    return partial(_plant, topic)


def _plant(topic: str, name: str, *sides_and_inputs: Any, **rest: Any) -> Mistake:
    return Mistake(name, topic, *sides_and_inputs, **rest)
