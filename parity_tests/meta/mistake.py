"""What a planted mistake is: a right port, a wrong one, and where the instrument must see the difference."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Mistake"]


@dataclass(frozen=True)
class Mistake:
    """One mistake that people make when they port from PyTorch to JAX.

    Attributes:
        name: what was done wrong, in a few words.
        topic: the topic of the course in which it happens.
        torch_side: the original, a function or a module.
        right: the port that agrees.
        wrong: the port with the mistake, and nothing else, changed.
        inputs: of all three.
        caught: the paths of the leaves that must differ at ``dtype``: these and no others.
        dtype: the first dtype that shows it; every dtype above it must agree.
        diagnosis: words of the report's diagnosis; "" where no remedy is named.
        options: of the comparison.
    """

    name: str
    topic: str
    torch_side: Any
    right: Any
    wrong: Any
    inputs: Any
    caught: tuple[str, ...]
    dtype: str = "float64"
    diagnosis: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.topic}: {self.name}"
