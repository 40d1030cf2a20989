"""How often the search of a program names a cause that nobody put there.

The torch side of a right port gets a smooth term of its own output or of its inputs, with constants that no one writes:
nothing that the search tries says that. So a sentence that names a cause is false.

    python parity_tests/meta/false_program_names.py 100
"""

import sys
import warnings
from collections.abc import Iterator

import numpy as np
import torch

import parity
from parity.report import Report
from planted import MISTAKES

TERMS = (
    lambda y, a, b, c: y + a * torch.sin(b * y + c),
    lambda y, a, b, c: y * (1 + a * torch.sin(b * y + c)),
    lambda y, a, b, c: y + a * torch.exp(-b * (y - c) ** 2),
    lambda y, a, b, c: y + a * y.mean() * torch.tanh(b * y + c),
)


def changed(torch_side, draw: np.random.Generator):
    """The same function, every float output of it moved by one of the terms."""
    term, (a, b, c) = TERMS[draw.integers(len(TERMS))], draw.uniform(0.2, 1.7, 3)

    def moved(out):
        if isinstance(out, torch.Tensor):
            return term(out, a, b, c) if out.is_floating_point() else out
        if isinstance(out, dict):
            return {name: moved(part) for name, part in out.items()}
        return type(out)(map(moved, out)) if isinstance(out, (tuple, list)) else out

    return lambda *given, **named: moved(torch_side(*given, **named))


def reports(count: int, seed: int = 0) -> Iterator[tuple[str, Report]]:
    """Comparisons of right ports with torch functions that are none of theirs."""
    functions = [mistake for mistake in MISTAKES if not isinstance(mistake.torch_side, torch.nn.Module)]
    for number in range(count):
        draw = np.random.default_rng([seed, number])
        chosen = functions[draw.integers(len(functions))]
        options = {**chosen.options, "dtypes": ("float64",), "jit": False}
        report = parity.compare(changed(chosen.torch_side, draw), chosen.right, chosen.inputs, **options)
        if not report.ok:
            yield str(chosen), report


def false_names(count: int, seed: int = 0) -> tuple[int, list[tuple[str, str]]]:
    """How many comparisons failed, and what was said of the cause of some of them."""
    found = [(name, report.diagnosis) for name, report in reports(count, seed)]
    return len(found), [(name, said) for name, said in found if said]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    looked, named = false_names(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    for name, said in named:
        print(f"{name}: {said}")
    print(f"{len(named)} of {looked} unrelated differences were given a sentence")
