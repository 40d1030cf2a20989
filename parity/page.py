"""The comparisons of a run as one HTML page that needs nothing else."""

from __future__ import annotations

import html
import json
from pathlib import Path

from parity.message import jsonable, ratio_text
from parity.summary import Record, cells, closing_line, columns, rows

__all__ = ["json_text", "write_html", "write_json"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1c1c1c; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: left; }
td { font-variant-numeric: tabular-nums; }
pre { background: #f6f6f6; font-size: 85%; overflow-x: auto; padding: .6rem; }
h2 { font-size: 1rem; }
tr.differs td { background: #fde8e8; }
summary { cursor: pointer; }
code { font-size: 90%; }
"""


def json_text(records: list[Record]) -> str:
    """Every comparison and the table, for a machine."""
    table = [vars(row) for row in rows(records)]
    document = {"ok": all(r.ok for r in records), "table": table, "comparisons": [vars(r) for r in records]}
    return json.dumps(jsonable(document), indent=1, allow_nan=False) + "\n"


def write_json(path: Path, records: list[Record]) -> None:
    """`json_text` in a file."""
    _replace(path, json_text(records))


def write_html(path: Path, records: list[Record]) -> None:
    """The table, and every comparison below it."""
    table = rows(records)
    headings = columns(table)
    summary = [(cells(row, headings), row.differing == 0) for row in table]
    details = [
        ([r.topic, r.name, path_, quantity, dtype, ratio_text(ratio)], ok)
        for r in records
        for quantity, path_, dtype, ratio, ok in r.leaves
    ]
    names = ["topic", "comparison", "leaf", "quantity", "dtype", "error / allowance"]
    texts = "".join(f"<h2>{html.escape(r.test)}</h2><pre>{html.escape(r.text)}</pre>" for r in records if r.text)
    body = (
        f"<h1>PyTorch against JAX</h1><p>{html.escape(closing_line(records))}</p>{_table(headings, summary)}{texts}"
        f"<details><summary>Every array compared</summary>{_table(names, details)}</details>"
    )
    head = f'<meta charset="utf-8"><title>parity</title><style>{_STYLE}</style>'
    _replace(path, f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n')


def _table(headings: list[str], lines: list[tuple[list[str], bool]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in headings)
    body = "".join(_line(line, ok) for line, ok in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _line(line: list[str], ok: bool) -> str:
    kind = "" if ok else ' class="differs"'
    return f"<tr{kind}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>"


def _replace(path: Path, text: str) -> None:
    """Write beside the target and rename, so that a reader never meets half a file."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
