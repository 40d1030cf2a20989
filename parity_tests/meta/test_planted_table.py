"""The committed table of planted mistakes is what the catalogue gives today, and keeps its promises."""

import pytest

from planted_table import PAGE, Row, Verdicts, closing, date_of, page, rival_table, rows
from rivals import METHODS


@pytest.fixture(scope="module")
def found():
    """The whole table: minutes of work, so once."""
    return rows(jobs=2)


@pytest.mark.slow
def test_the_page_is_what_the_catalogue_gives(found):
    committed = PAGE.read_text()
    assert page(found, date_of(committed)) == committed


@pytest.mark.slow
def test_every_mistake_is_caught_at_its_dtype(found):
    assert [str(row.planted) for row in found if row.planted.dtype not in row.caught] == []


@pytest.mark.slow
def test_no_correct_twin_is_flagged_at_any_dtype(found):
    alarms = [(str(row.planted), dtype) for row in found for dtype in row.right if row.right[dtype].flagged["parity"]]
    assert alarms == []


@pytest.mark.slow
def test_no_fewer_are_named_than_were(found):
    """The goal is nine in ten, and 393 of 415 were named when the page was last written: it must not become fewer."""
    unnamed = [f"{row.planted} | {row.diagnosis or 'nothing'}" for row in found if not row.named]
    assert len(found) - len(unnamed) >= 393, "\n".join(unnamed)


def verdict(ours, others=False, diagnosis=""):
    return Verdicts({"parity": ours} | dict.fromkeys(METHODS, others), ("output",), True, diagnosis)


SEEN = Row(0, {"float64": verdict(False)}, {"float64": verdict(True)})
MISSED = Row(0, {"float64": verdict(True)}, {"float64": verdict(False, others=True)})


def test_the_closing_line_counts_what_was_caught_and_what_was_not():
    assert closing([SEEN, MISSED]).startswith("1 of 2 mistakes caught at float64, 0 of 0")
    assert "0 of 2 named; 1 of 2 correct twins flagged" in closing([SEEN, MISSED])


def test_false_alarms_and_misses_are_counted_by_method():
    table = rival_table([SEEN, MISSED])
    assert "| parity | 1 of 2 | 1 of 2 | 0 of 0 |" in table
    assert "| absolute 1e-5 | 0 of 2 | 1 of 2 | 0 of 0 |" in table


def test_a_page_keeps_its_date():
    assert date_of(page([SEEN], "2020-02-29")) == "2020-02-29"
