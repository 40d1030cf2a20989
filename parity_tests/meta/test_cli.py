"""The command line as a stranger types it: exit codes, one sentence for bad input, nothing half-written."""

import json
import re
import sys

import pytest

from parity import cli

PORT = """
import numpy as np, torch, jax, jax.numpy as jnp, parity
x = np.random.default_rng(0).normal(size=(3, 4))
right = parity.case(lambda x: torch.softmax(x, -1), jax.nn.softmax, (x,), dtypes=("float64",), jit=False)
"""
WRONG = PORT + 'wrong = parity.case(lambda x: 2 * x, lambda x: x, (x,), dtypes=("float64",), jit=False)\n'
REFUSED = PORT + "refused = parity.case(lambda x: x, lambda x: (x, x), (x,))\n"


@pytest.fixture
def parity_command(monkeypatch, capsys):
    """Run ``parity`` in this process: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["parity", *map(str, arguments)])
        with pytest.raises(SystemExit, match=r".*") as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


@pytest.fixture
def port(tmp_path):
    def write(text):
        path = tmp_path / "my_port.py"
        path.write_text(text)
        return path

    return write


def test_a_file_whose_comparisons_hold_exits_with_0(parity_command, port):
    code, out, _ = parity_command("check", port(PORT))
    assert (code, out.splitlines()[0].partition(":")[0]) == (0, "right")


def test_a_file_with_a_difference_exits_with_1_and_names_the_line_that_reruns_it(parity_command, port):
    path = port(WRONG)
    code, out, _ = parity_command("check", path)
    assert code == 1
    assert f"parity check {path} --only wrong --seed 0" in out


def test_the_line_that_reruns_a_comparison_does(parity_command, port):
    path = port(WRONG)
    _, out, _ = parity_command("check", path)
    line = re.search(r"rerun +parity (.*)", out)
    assert line is not None
    code, again, _ = parity_command(*line[1].split())
    assert code == 1
    assert again in out


def test_one_comparison_can_be_chosen(parity_command, port):
    code, out, _ = parity_command("check", port(WRONG), "--only", "right")
    assert code == 0
    assert "wrong" not in out


def test_json_is_the_reports_and_nothing_else(parity_command, port):
    code, out, _ = parity_command("check", port(WRONG), "--json")
    assert code == 1
    assert [(report["name"], report["ok"]) for report in json.loads(out)] == [("right", True), ("wrong", False)]


def test_a_comparison_that_cannot_be_made_does_not_hide_the_others(parity_command, port):
    code, out, err = parity_command("check", port(REFUSED))
    assert code == 2
    assert out.startswith("right: ")
    assert re.match(r"refused: compare: torch_fn and jax_fn must return the same tree, got output from torch_fn", err)


BAD_FILES = {
    "missing": (None, r"check: FILE must be a Python file, got .*, which does not exist\."),
    "broken import": ("import no_such_module\n", r"check: FILE must import, got ModuleNotFoundError .*no_such_module"),
    "syntax": ("def f(:\n", r"check: FILE must import, got SyntaxError"),
    "leaves": ("raise SystemExit(3)\n", r"check: FILE must import, got SystemExit"),
    "declares nothing": ("x = 1\n", r"check: FILE must declare a comparison at its top level, got none in"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_cannot_be_checked_is_one_sentence(kind, parity_command, port, tmp_path):
    text, sentence = BAD_FILES[kind]
    code, out, err = parity_command("check", port(text) if text else tmp_path / "none.py")
    assert (code, out) == (2, "")
    assert re.match(sentence, err)
    assert "Traceback" not in err


BAD_CALLS = {
    "unknown topic to show": (["show", "linaer"], r"show: TOPIC must be one of .*, got linaer\. Did you mean linear\?"),
    "unknown name to show": (
        ["show", "linear.linear_laye"],
        r"show: NAME of linear must be one of .* Did you mean linear_l",
    ),
    "topic without a run": (["show", "tensors", "--run"], r"show: --run must be given a topic with a run of its own"),
    "JSON of a source": (["show", "linear", "--json"], r"show: --json must come with --run"),
    "unknown topic to run": (["run", "no_topic"], r"run: TOPIC must be one of .*, got no_topic\."),
    "no suite": (
        ["run", "--suite", "no_folder"],
        r"run: --suite must be a folder of test_TOPIC.py files, got no_folder\.",
    ),
    "no folder for the page": (["report", "--out", "no/page.html"], r"report: --out must be in a folder that exists"),
}


@pytest.mark.parametrize("kind", BAD_CALLS)
def test_a_bad_call_is_one_sentence(kind, parity_command, request, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)
    arguments, sentence = BAD_CALLS[kind]
    code, out, err = parity_command(*arguments)
    assert (code, out) == (2, "")
    assert re.match(sentence, err)
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("command", ["run", "show", "check", "train", "report"])
def test_every_command_has_help_with_an_example(command, parity_command):
    code, out, _ = parity_command(command, "--help")
    assert code == 0
    assert "Example:" in out
    assert f"parity {command}" in out


def test_twins_are_shown_side_by_side(parity_command):
    code, out, _ = parity_command("show", "activations.gelu")
    assert code == 0
    assert re.search(r"def gelu\(.*Tensor.*def gelu\(.*Array", out)


def test_the_courses_table_is_printed_by_both(parity_command):
    code, out, _ = parity_command("show", "gradient_descent", "--run")
    first, last = [line.split() for line in out.splitlines() if re.match(r" +(0|14) ", line)]
    assert code == 0
    assert first == ["0", "5", "5", "9", "9", "6", "6"]
    assert [f"{float(value):.3f}" for value in last[1:]] == ["2.000", "2.000", "0.000", "0.000", "0.000", "0.000"]
    assert "equal bit for bit" in out


def test_the_courses_table_as_json(parity_command):
    code, out, _ = parity_command("show", "linear_regression", "--run", "--json")
    columns = json.loads(out)
    assert code == 0
    assert {side: len(table["loss"]) for side, table in columns.items()} == {"torch": 20, "jax": 20}
