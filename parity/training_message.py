"""All wording of the reports of training runs."""

from __future__ import annotations

import html
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from parity import message
from parity.spread import CHAOS, LIMIT, RUNS, Drift

if TYPE_CHECKING:
    from parity.report import Leaf
    from parity.training_report import Step, TrainingReport

__all__ = ["notes", "page", "strayed", "text"]

_SHOWN = 2  # leaves of each kind described in full; the rest are counted
_ROWS = 8  # of the table, for each dtype
_KINDS = {"step": "after one step", "trajectory": "end to end", "metric": "in the final metric"}
_COLUMNS = ("dtype", "step", "loss torch", "loss jax", "gap", "spread", "gap/spread", "one step")


def text(report: TrainingReport) -> str:
    """The report as a terminal shows it."""
    lines = [_headline(report), *(f"  {name:<11} {value}" for name, value in [*_failures(report), *_summary(report)])]
    lines += ["", *_table(_chosen(report))]
    lines += [f"  rerun       {report.rerun}"] if report.failures else []
    return "\n".join(lines)


def _headline(report: TrainingReport) -> str:
    steps = len({step.number for step in report.steps})
    if report.ok:
        dtypes = " and ".join(dict.fromkeys(step.dtype for step in report.steps))
        return f"{report.name}: torch and jax train alike over {steps} steps, at {dtypes}."
    counts = Counter(leaf.quantity for leaf in report.failures)
    found = ", ".join(
        f"{counts[kind]} of {len(report.of_kind(kind))} {words}" for kind, words in _KINDS.items() if counts[kind]
    )
    return f"{report.name}: torch and jax train differently; leaves that differ: {found}."


def _failures(report: TrainingReport) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    for kind in _KINDS:
        failing = [leaf for leaf in report.failures if leaf.quantity == kind]
        facts += [fact for leaf in failing[:_SHOWN] for fact in message.facts(leaf)]
        if len(failing) > _SHOWN:
            facts.append(("also differ", _counted(failing[_SHOWN:])))
    if report.failures:
        facts.append(("diagnosis", report.diagnosis or "none: no single mistake known here explains the whole gap"))
    return facts


def _counted(leaves: list[Leaf]) -> str:
    """Each leaf once, with the number of steps at which it differs."""
    counts = Counter(
        (leaf.path.split("/", 1)[1] if leaf.quantity == "step" else leaf.path, leaf.dtype) for leaf in leaves
    )
    several = {key: f" at {count} steps" for key, count in counts.items() if count > 1}
    return ", ".join(f"{path} {dtype}{several.get((path, dtype), '')}" for path, dtype in counts)


def _at(leaf: Leaf) -> str:
    """The part of a path that names the step."""
    return leaf.path.partition("/")[0] + "/" if leaf.quantity == "step" else ""


def _summary(report: TrainingReport) -> list[tuple[str, str]]:
    facts = []
    for kind, label in (("step", "one step"), ("trajectory", "end to end"), ("metric", "metric")):
        leaves = report.of_kind(kind)
        if leaves:
            facts.append((label, _worst(kind, max(leaves, key=lambda leaf: leaf.ratio), report)))
    facts += [("note", note) for note in report.notes]
    facts += [("reading", line) for line in _reading(report)]
    return facts


def _worst(kind: str, leaf: Leaf, report: TrainingReport) -> str:
    ratio = message.ratio_text(leaf.ratio)
    if kind == "step":
        maps = len({_at(leaf) for leaf in report.of_kind("step")})
        return f"{maps} maps from torch's own state: worst {ratio} of the allowance ({leaf.path}, {leaf.dtype})"
    if kind == "metric":
        place = leaf.absolute
        values = f"torch {place.left:.6g} | jax {place.right:.6g}; " if place else ""
        return f"{values}{leaf.error:.2e} apart, {leaf.limit:.2e} allowed = {leaf.reason}"
    times = message.ratio_text(leaf.ratio * LIMIT)
    spread = f"the spread of {RUNS} JAX runs started one rounding apart"
    return f"worst gap {times} x {spread}, {LIMIT:g} allowed ({leaf.path}, {leaf.dtype})"


def _reading(report: TrainingReport) -> list[str]:
    """What the checks say together."""
    failing = {leaf.quantity for leaf in report.failures}
    chaotic = [dtype for dtype, found in report.chaos.items() if found]
    if failing == {"trajectory"}:
        dtypes = " and ".join(dict.fromkeys(leaf.dtype for leaf in report.failures))
        return [
            f"no single step differs by more than rounding, so a difference too small for one step at {dtypes} adds up:"
            " a rate, a decay, a schedule; or torch has state that torch_side.read leaves out"
        ]
    if chaotic and "step" not in failing:
        return ["the step is the same step on both sides, so the chaos is the training run's own, and no failure"]
    return []


def notes(drift: Drift) -> list[str]:
    """Which leaves are not asserted end to end, from where on, and why."""
    said = []
    noise = [path for path, only in zip(drift.paths, drift.noise, strict=True) if only]
    if noise:
        said.append(
            f"{drift.dtype}: {', '.join(noise)} {'is' if len(noise) == 1 else 'are'} rounding alone, as where a"
            " gradient cancels; not asserted end to end"
        )
    if drift.gates:
        said.append(
            f"{drift.dtype}: at step {drift.gates[0]} one step of the JAX side carries torch's state and its own"
            f" {LIMIT:g} times farther apart than before, as where a relu opens on one side alone; the JAX run from"
            " torch's state joins the ensemble"
        )
    if drift.ended is not None:
        said.append(f"{drift.dtype}: the run diverges; step {drift.ended} is not finite, and nothing beyond is judged")
    if drift.chaos:
        step, path = drift.chaos
        left, spread = int(drift.asserted[-1].sum()), drift.spreads[step, drift.paths.index(path)]
        said.append(
            f"{drift.dtype}: chaos from step {step} on: {path} is {spread:.1e} of its size apart among runs started one"
            f" rounding apart, more than {CHAOS:g}, so its place is not asserted; {left} of {len(drift.paths)} leaves"
            " still are at the end"
        )
    return said


def strayed(drift: Drift, worst: int, place: int) -> str:
    """How a leaf left the spread: where first, and where worst."""
    first = int((drift.ratios[:, place] > LIMIT).argmax())
    gap, widest = drift.gaps[worst, place], drift.widest[worst, place]
    return (
        f"beyond the spread from step {first} on; at step {worst} {gap:.2e} of its size from the JAX run,"
        f" {message.ratio_text(float(gap / widest))} x the spread, {LIMIT:g} allowed"
    )


def _chosen(report: TrainingReport) -> list[Step]:
    """A few rows of each dtype, evenly spread, the first and the last among them."""
    rows = []
    for dtype in dict.fromkeys(step.dtype for step in report.steps):
        mine = [step for step in report.steps if step.dtype == dtype]
        places = np.unique(np.linspace(0, len(mine) - 1, min(_ROWS, len(mine))).round().astype(int))
        mapped = [place for place, step in enumerate(mine) if step.one_step is not None]
        nearest = {min(mapped, key=lambda at, p=p: abs(at - p)) for p in places}  # rows that have a map, too
        rows += [mine[place] for place in sorted(nearest)]
    return rows


def _cells(step: Step) -> tuple[str, ...]:
    ratios = ["-" if ratio is None else message.ratio_text(ratio) for ratio in (step.ratio, step.one_step)]
    losses = [f"{loss:.6g}" for loss in step.losses]
    return (step.dtype, str(step.number), *losses, f"{step.gap:.1e}", f"{step.spread:.1e}", *ratios)


def _table(steps: list[Step]) -> list[str]:
    lines = [_COLUMNS, *map(_cells, steps)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  " + "  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in lines]


def page(report: TrainingReport) -> str:
    """The report as a notebook shows it: the headline, what was found, the rows of the table."""
    facts = [*_failures(report), *_summary(report)]
    found = "".join(f"<li><b>{html.escape(name)}</b> {html.escape(value)}</li>" for name, value in facts)
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in _cells(step)) + "</tr>" for step in _chosen(report))
    return (
        f"<p><b>{html.escape(_headline(report))}</b></p><ul>{found}</ul>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
