"""Many comparisons in one table: topic x quantity x dtype, the worst error over its allowance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from parity.arrays import ROUNDOFF
from parity.message import ratio_text
from parity.report import Report
from parity.topics import reading_order

__all__ = ["Record", "Row", "cells", "closing_line", "columns", "rows"]

_QUANTITIES = ("output", "gradient", "jit", "step", "trajectory", "metric")


@dataclass(frozen=True)
class Record:
    """What a table needs of one comparison, in plain values that travel between processes.

    Attributes:
        topic: the test file's name without ``test_``.
        test: where it was made.
        name: of the comparison.
        leaves: (quantity, path, dtype, ratio, ok) of each leaf.
        text: the report, if something differs.
    """

    topic: str
    test: str
    name: str
    leaves: tuple[tuple[str, str, str, float, bool], ...]
    text: str = ""

    @classmethod
    def of(cls, report: Report, topic: str, test: str) -> Record:
        """Condense a report."""
        leaves = [(leaf.quantity, leaf.path, leaf.dtype, float(leaf.ratio), bool(leaf.ok)) for leaf in report.leaves]
        return cls(topic, test, report.name, tuple(leaves), "" if report.ok else str(report))

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Record:
        """Undo ``vars(record)`` after a journey through JSON or between processes."""
        return cls(**{**plain, "leaves": tuple(tuple(leaf) for leaf in plain["leaves"])})

    @property
    def ok(self) -> bool:
        """Whether every leaf agrees."""
        return all(leaf[-1] for leaf in self.leaves)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        topic: of its tests.
        quantity: "output", "gradient" or "jit".
        leaves: how many arrays were compared, over all dtypes.
        differing: how many of them differ.
        worst: the worst error over allowance of each dtype.
    """

    topic: str
    quantity: str
    leaves: int
    differing: int
    worst: dict[str, float]


def rows(records: Iterable[Record]) -> list[Row]:
    """The table, topics in reading order."""
    groups: dict[tuple[str, str], list[tuple[str, float, bool]]] = {}
    for record in records:
        for quantity, _, dtype, ratio, ok in record.leaves:
            groups.setdefault((record.topic, quantity), []).append((dtype, ratio, ok))
    topics = reading_order({topic for topic, _ in groups})
    ordered = [(topic, quantity) for topic in topics for quantity in _QUANTITIES if (topic, quantity) in groups]
    return [_row(topic, quantity, groups[topic, quantity]) for topic, quantity in ordered]


def _row(topic: str, quantity: str, leaves: list[tuple[str, float, bool]]) -> Row:
    worst: dict[str, float] = {}
    for dtype, ratio, _ in leaves:
        worst[dtype] = max(worst.get(dtype, 0.0), ratio)
    return Row(topic, quantity, len(leaves), sum(not ok for _, _, ok in leaves), worst)


def columns(table: Iterable[Row]) -> list[str]:
    """Headings; only the dtypes that occur."""
    seen = {dtype for row in table for dtype in row.worst}
    return ["topic", "quantity", "leaves", *(dtype for dtype in ROUNDOFF if dtype in seen)]


def cells(row: Row, headings: list[str]) -> list[str]:
    """One row as text; a dtype that was not compared is a dash."""
    ratios = [ratio_text(row.worst[dtype]) if dtype in row.worst else "-" for dtype in headings[3:]]
    return [row.topic, row.quantity, str(row.leaves), *ratios]


def closing_line(records: list[Record]) -> str:
    """The whole in a sentence."""
    leaves = sum(len(record.leaves) for record in records)
    differing = sum(not record.ok for record in records)
    verdict = f"{differing} of them differ" if differing else "all within their allowances"
    topics = len({record.topic for record in records})
    return (
        f"{_count(len(records), 'comparison')} of {_count(leaves, 'array')} over {_count(topics, 'topic')}: {verdict}."
        " Cells: worst error over allowance; 1 is the limit."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
