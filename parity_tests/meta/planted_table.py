"""Write ``notebooks/planted_mistakes.md``: every planted mistake, and what each way of comparing makes of it.

python parity_tests/meta/planted_table.py [--jobs 2] [--unnamed]
"""

import argparse
import datetime
import importlib.metadata
import multiprocessing
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import parity
from house import ROOT
from mistake import Mistake
from planted import MISTAKES, TOPICS
from rivals import METHODS, recorded

__all__ = ["PAGE", "Row", "page", "rows"]

PAGE = ROOT / "notebooks/planted_mistakes.md"
DTYPES = ("float64", "float32", "bfloat16")
OURS = "parity"

TEXT = """\
# Planted mistakes

Each row is one mistake that people make when they port from PyTorch to JAX: an original, a right port and a wrong one
that differs in nothing else, under inputs that reach the mistake. `parity.compare` sees outputs and the gradient of
every float input under a random cotangent, at float64 first, then at float32 and bfloat16, where it allows what
rounding explains and no more. *Caught at* lists the dtypes that show the mistake, *leaves* what differs at the first of
them, *named* whether the report's diagnosis says what was done wrong. The right ports ran the same way. Brackets
stand around a dtype that one of the frameworks has no kernel for.
"""

RIVALS = """\
## What fixed tolerances make of the same values

On the outputs and gradients of the same runs, for the {count} mistakes that float64 shows. A *false alarm* flags a
right port, a *miss* passes a wrong one; a method flags a port if it flags any of its arrays. What is wrong at float64
alone (a float32 inside, a constant rounded to float32) counts as a miss below it too.
"""


@dataclass(frozen=True)
class Verdicts:
    """What every method says of one port at one dtype, and what parity says besides."""

    flagged: dict[str, bool]
    leaves: tuple[str, ...]
    complete: bool
    diagnosis: str


@dataclass(frozen=True)
class Row:
    """One mistake: the verdicts on its right and its wrong port, by dtype; no entry where it cannot run."""

    mistake: int
    right: dict[str, Verdicts]
    wrong: dict[str, Verdicts]

    @property
    def planted(self) -> Mistake:
        return MISTAKES[self.mistake]

    @property
    def caught(self) -> tuple[str, ...]:
        """The dtypes at which parity flags the wrong port."""
        return tuple(dtype for dtype, verdict in self.wrong.items() if verdict.flagged[OURS])

    @property
    def named(self) -> bool:
        """Whether the diagnosis at the first dtype that shows the mistake says what was done wrong."""
        return self.planted.is_named_by(self.diagnosis)

    @property
    def diagnosis(self) -> str:
        return self.wrong[self.caught[0]].diagnosis if self.caught else ""


def dtypes_of(mistake: Mistake) -> tuple[str, ...]:
    """Those of the table, and the one that a mistake of precision needs."""
    return tuple(mistake.options.get("dtypes", dict.fromkeys([*DTYPES, mistake.dtype])))


def verdicts(mistake: Mistake, port: object, dtype: str, *, diagnosed: bool) -> Verdicts | None:
    """None where one side has no kernel for the dtype."""
    options = {"jit": False, **mistake.options, "dtypes": (dtype,)}
    try:
        with recorded() as pairs:
            report = parity.case(mistake.torch_side, port, mistake.inputs, **options).run()
    except parity.InputError:
        return None
    flagged = {OURS: not report.ok} | {name: not all(map(agrees, pairs)) for name, agrees in METHODS.items()}
    failing = tuple(dict.fromkeys(leaf.path for leaf in report.failures))
    said = str(report.diagnosis or "") if diagnosed else ""
    return Verdicts(flagged, failing, len(failing) == len(report.leaves), said)


def row(number: int) -> Row:
    """Both ports of one mistake at every dtype."""
    warnings.simplefilter("ignore")
    mistake = MISTAKES[number]
    return Row(number, runs(mistake, mistake.right), runs(mistake, mistake.wrong))


def runs(mistake: Mistake, port: object) -> dict[str, Verdicts]:
    """Of one port, at every dtype; the first that shows a difference is asked for its cause."""
    found: dict[str, Verdicts] = {}
    for dtype in dtypes_of(mistake):
        shown = any(verdict.flagged[OURS] for verdict in found.values())
        verdict = verdicts(mistake, port, dtype, diagnosed=not shown)
        found |= {} if verdict is None else {dtype: verdict}
    return found


def rows(jobs: int = 1) -> list[Row]:
    """Of the whole catalogue."""
    numbers = range(len(MISTAKES))
    if jobs == 1:
        return [row(number) for number in numbers]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(row, numbers, chunksize=4))


def page(found: list[Row], date: str) -> str:
    """The whole text."""
    everywhere = [row for row in found if row.planted.dtype == "float64" and "dtypes" not in row.planted.options]
    parts = [
        TEXT,
        *mistake_tables(found),
        RIVALS.format(count=len(everywhere)),
        rival_table(everywhere),
        closing(found),
    ]
    return "\n".join(parts) + f"\nMeasured {date} with {versions()}.\n"


def mistake_tables(found: list[Row]) -> Iterator[str]:
    """One table a topic."""
    for topic in TOPICS:
        lines = [f"## {topic}\n", "| mistake | caught at | leaves | named |", "| --- | --- | --- | --- |"]
        for row in found:
            if row.planted.topic == topic:
                cells = (row.planted.name, caught_at(row), leaves_of(row), "yes" if row.named else "no")
                lines.append(f"| {' | '.join(cells)} |")
        yield "\n".join([*lines, ""])


def caught_at(row: Row) -> str:
    """The dtypes that show it, and in brackets those at which it cannot run."""
    cells = [dtype if dtype in row.wrong else f"({dtype})" for dtype in dtypes_of(row.planted)]
    return ", ".join(cell for cell in cells if cell.startswith("(") or cell in row.caught) or "nowhere"


def leaves_of(row: Row) -> str:
    if not row.caught:
        return ""
    first = row.wrong[row.caught[0]]
    return "all" if first.complete else ", ".join(f"`{path}`" for path in first.leaves)


def rival_table(found: list[Row]) -> str:
    """False alarms and misses of every method at every dtype."""
    heads = [f"{dtype}: {what}" for dtype in DTYPES for what in ("false alarms", "misses")]
    lines = [f"| method | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    for method in (OURS, *METHODS):
        cells = []
        for dtype in DTYPES:
            right = [row.right[dtype].flagged[method] for row in found if dtype in row.right]
            wrong = [row.wrong[dtype].flagged[method] for row in found if dtype in row.wrong]
            cells += [f"{sum(right)} of {len(right)}", f"{len(wrong) - sum(wrong)} of {len(wrong)}"]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def closing(found: list[Row]) -> str:
    """The line that the README quotes."""
    semantic = [row for row in found if row.planted.dtype == "float64"]
    narrow = [row for row in found if row.planted.dtype != "float64"]
    caught = sum("float64" in row.caught for row in semantic)
    there = sum(row.planted.dtype in row.caught for row in narrow)
    alarms = sum(any(verdict.flagged[OURS] for verdict in row.right.values()) for row in found)
    return (
        f"{caught} of {len(semantic)} mistakes caught at float64, {there} of {len(narrow)} that only a narrower dtype"
        f" shows caught there; {sum(row.named for row in found)} of {len(found)} named;"
        f" {alarms} of {len(found)} correct twins flagged at any dtype."
    )


def versions() -> str:
    libraries = ("torch", "jax", "flax", "optax", "numpy")
    return ", ".join(f"{library} {importlib.metadata.version(library)}" for library in libraries)


def date_of(text: str) -> str:
    """When a page was measured."""
    found = re.search(r"^Measured (\S+) with ", text, re.MULTILINE)
    return found[1] if found else ""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--jobs", type=int, default=1, help="processes to share the work among")
    arguments.add_argument("--unnamed", action="store_true", help="print every diagnosis that misses, write nothing")
    chosen = arguments.parse_args()
    found = rows(chosen.jobs)
    if chosen.unnamed:
        print(*(f"{row.planted} | {row.diagnosis or 'nothing'}" for row in found if not row.named), sep="\n")
        return
    PAGE.write_text(page(found, datetime.date.today().isoformat()))
    print(closing(found))


if __name__ == "__main__":
    main()
