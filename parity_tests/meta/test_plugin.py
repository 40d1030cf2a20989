"""The pytest plugin in somebody else's suite."""

import json

import flax.linen  # noqa: F401 - pytester forgets what a session imported, and a framework must not be loaded twice
import jax.numpy  # noqa: F401
import pytest
import torch  # noqa: F401

pytest_plugins = ["pytester"]

SUITE = """
import numpy as np, torch, jax.numpy as jnp
import parity as instrument

X = np.linspace(-1, 1, 4)
QUICK = {"dtypes": ("float64",), "jit": False}

def test_holds(parity):
    parity.assert_equivalent(torch.tanh, jnp.tanh, (X,), **QUICK)

def test_differs(parity):
    parity.assert_equivalent(torch.tanh, jnp.sinh, (X,), **QUICK)

def test_left_out(parity):
    assert not parity.compare(torch.tanh, jnp.sinh, (X,), record=False, **QUICK).ok
"""


@pytest.fixture
def session(pytester, monkeypatch):
    monkeypatch.setenv("PY_COLORS", "0")
    pytester.makepyfile(test_norms=SUITE)

    def run(*arguments):
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)

    return run


def test_the_closing_table_has_a_row_a_quantity(session):
    result = session()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.re_match_lines_random([r"topic +quantity +leaves +float64", r"norms +output +2 +\S+e\+\d+"])
    result.stdout.fnmatch_lines(["2 comparisons of 4 arrays over 1 topic: 1 of them differ.*"])


def test_a_failure_shows_the_report_and_the_line_that_reruns_it(session):
    result = session("-k", "differs")
    result.stdout.re_match_lines([r"E +rerun +pytest 'test_norms.py::test_differs'"])


def test_without_comparisons_there_is_no_table(pytester, session):
    result = session("-k", "left_out")
    result.stdout.no_fnmatch_line("*topic*quantity*")


def test_json_and_html_are_written(session, pytester):
    session("--parity-json", "out.json", "--parity-html", "out.html")
    document = json.loads((pytester.path / "out.json").read_text())
    assert [entry["test"].rpartition("::")[2] for entry in document["comparisons"]] == ["test_holds", "test_differs"]
    assert document["ok"] is False
    page = (pytester.path / "out.html").read_text()
    assert "test_norms.py::test_differs" in page
    assert "4 of 4 elements" in page


@pytest.mark.parametrize("option", ["--parity-json", "--parity-html"])
def test_a_folder_that_is_missing_is_refused_before_any_test_runs(session, option):
    result = session(option, "no_folder/out")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {option}: FILE must be in a folder that exists, got no_folder*"])


def test_workers_send_their_comparisons_home(pytester, monkeypatch):
    monkeypatch.setenv("PY_COLORS", "0")
    pytester.makepyfile(test_norms=SUITE)
    result = pytester.runpytest_subprocess("-n", "1", "-p", "no:cacheprovider", "-k", "holds or left_out")
    result.stdout.fnmatch_lines(["1 comparison of 2 arrays over 1 topic: all within their allowances.*"])


def test_two_files_of_one_topic_are_one_row(pytester, session):
    pytester.makepyfile(test_norms__more=SUITE)
    result = session("-k", "holds")
    result.stdout.fnmatch_lines(["2 comparisons of 4 arrays over 1 topic:*"])
