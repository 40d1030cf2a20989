"""All wording of the reports."""

from __future__ import annotations

import html
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from parity.report import Leaf, Place, Report

__all__ = ["digits", "facts", "first_line", "jsonable", "ratio_text", "report_html", "report_text"]

_SHOWN = 3  # leaves described in full; the rest are named


def first_line(error: BaseException) -> str:
    """What an exception says first, as the end of our own sentence."""
    paragraph = " ".join(str(error).strip().split("\n\n")[0].split())
    return re.split(r"\.\s", paragraph)[0].rstrip(".") or type(error).__name__


def digits(value: Any, dtype: str) -> str:
    """A number with all the digits that its dtype holds, and no more."""
    if value is None:
        return "-"
    if isinstance(value, complex):
        return str(np.complex64(value) if dtype != "float64" else value)
    if isinstance(value, float) and dtype in ("float32", "bfloat16", "float16"):
        with np.errstate(over="ignore"):
            return str(np.float16(value) if dtype == "float16" else np.float32(value))
    return repr(value)


def ratio_text(ratio: float) -> str:
    """Error over allowance for a table."""
    if math.isinf(ratio):
        return "inf"
    return "0" if ratio == 0 else f"{ratio:.2g}"


def jsonable(value: Any) -> Any:
    """Plain JSON values: tuples as lists, non-finite numbers as strings, complex numbers as [real, imaginary]."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, complex):
        return jsonable([value.real, value.imag])
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def report_text(report: Report) -> str:
    """The report as a terminal shows it."""
    lines = [_headline(report)]
    failures = report.failures
    found = report.explanation.sentences or ("none: no single mistake known here explains the whole gap",)
    shown = _first_of_each(failures)[:_SHOWN]
    for leaf in shown:
        said = [(name, value) for name, value in facts(leaf) if name != "pattern" or value not in found[0]]
        lines += [f"  {name:<11} {value}" for name, value in said]
    rest = [f"{leaf.path} {leaf.dtype}{' (jit)' * (leaf.quantity == 'jit')}" for leaf in failures if leaf not in shown]
    if rest:
        lines.append(f"  also differ {', '.join(rest)}")
    if failures:
        lines += [f"  {name:<11} {text}" for name, text in zip(("diagnosis", "or", "or"), found, strict=False)]
        lines += [f"  {'located':<11} {note}" for note in report.explanation.notes]
    lines += [f"  note        {note}" for note in report.notes]
    lines.append(f"  cotangent   seed {report.seed}")
    if failures:
        lines.append(f"  rerun       {report.rerun}")
    return "\n".join(lines)


def _first_of_each(failures: tuple[Leaf, ...]) -> list[Leaf]:
    """One leaf a path: what float64 shows, float32 mostly shows again."""
    first: dict[tuple[str, str], Leaf] = {}
    for leaf in failures:
        first.setdefault((leaf.quantity, leaf.path), leaf)
    return list(first.values())


def _headline(report: Report) -> str:
    leaves = report.leaves
    if not report.ok:
        return f"{report.name}: {len(report.failures)} of {len(leaves)} leaves differ {_between(report)}."
    worst = report.worst
    return (
        f"{report.name}: {len(leaves)} leaves agree; "
        f"worst {ratio_text(worst.ratio)} of the allowance ({worst.path}, {worst.dtype})."
    )


def _between(report: Report) -> str:
    if all(leaf.quantity == "jit" for leaf in report.failures):
        return "between jax.jit and eager JAX"
    return "between {} and {}".format(*next(leaf.sides for leaf in report.failures if leaf.quantity != "jit"))


def facts(leaf: Leaf) -> list[tuple[str, str]]:
    """Every fact about a leaf that differs, in the order a reader needs them."""
    left, right = leaf.sides
    kind = " (jit against eager)" if leaf.quantity == "jit" else ""
    said = [("leaf", f"{leaf.path}  {leaf.dtype} {list(leaf.shape)}{kind}")]
    if leaf.problem:
        said.append(("problem", leaf.problem))
    if leaf.mismatched:
        said.append(("mismatched", f"{leaf.mismatched} of {leaf.size} elements ({leaf.mismatched / leaf.size:.1%})"))
    for label, place in (("worst abs", leaf.absolute), ("worst rel", leaf.relative)):
        if place is not None:
            said.append((label, _place(place, leaf.dtype, left, right)))
    if leaf.spread[0] > leaf.spread[1]:
        said.append(("spread", f"root mean square of the error {leaf.spread[0]:.2e}, allowed {leaf.spread[1]:.2e}"))
    if leaf.reason:
        said.append(("allowed", f"{leaf.limit:.2g} = {leaf.reason}"))
    if leaf.diagnosis:
        said.append(("pattern", leaf.diagnosis))
    return said


def _place(place: Place, dtype: str, left: str, right: str) -> str:
    text = f"{place.gap:.2e} at {list(place.index)}: "
    text += f"{left} {digits(place.left, dtype)} | {right} {digits(place.right, dtype)}"
    exact = "jax" if right == "jit" else right
    return text if place.truth is None else f"{text} | {exact} at float64 {digits(place.truth, 'float64')}"


def report_html(report: Report) -> str:
    """The report as a notebook shows it: the headline, a table of every leaf, the text of the failures."""
    rows = "".join(_html_row(leaf) for leaf in report.leaves)
    head = "".join(f"<th>{name}</th>" for name in ("quantity", "leaf", "dtype", "shape", "error / allowance", ""))
    details = "" if report.ok else f"<pre>{html.escape(report_text(report))}</pre>"
    return (
        f"<p><b>{html.escape(_headline(report))}</b></p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{details}"
    )


def _html_row(leaf: Leaf) -> str:
    verdict = "holds" if leaf.ok else "<b>differs</b>"
    cells = (leaf.quantity, leaf.path, leaf.dtype, str(list(leaf.shape)), ratio_text(leaf.ratio))
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + f"<td>{verdict}</td></tr>"
