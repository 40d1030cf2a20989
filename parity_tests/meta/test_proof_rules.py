"""The rules that every proof keeps: named errors, reasoned tolerances, and all four files of a topic."""

import ast
import io
import tokenize
from collections.abc import Iterator

import pytest

from house import ROOT, place, sources, topics

# Where a tolerance stands by position, not by keyword.
POSITIONAL = {"allclose": 2, "isclose": 2, "assert_allclose": 2, "approx": 1}
TOLERANCES = {"rtol", "atol", "rel", "abs", "rel_tol", "abs_tol"}
# The text has no cell of its own for these, so no notebook either: topic to reason.


def bare_raises(source: str) -> list[int]:
    """The lines of ``pytest.raises`` and ``pytest.warns`` that would take any message."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("pytest.raises", "pytest.warns", "raises")
        if not any(keyword.arg == "match" for keyword in node.keywords)
    ]


def unexplained_tolerances(source: str) -> list[int]:
    """The lines of tolerances written as numbers in a statement with no comment in it or above it; 0 needs none."""
    comments = {token.start[0] for token in tokenize.generate_tokens(io.StringIO(source).readline) if is_comment(token)}
    return sorted(
        {
            value.lineno
            for start, call in calls(ast.parse(source))
            for value in tolerance_arguments(call)
            if not comments & set(range(start - 1, (call.end_lineno or value.lineno) + 1))
        }
    )


def is_comment(token: tokenize.TokenInfo) -> bool:
    return token.type == tokenize.COMMENT


def calls(node: ast.AST, start: int = 1) -> Iterator[tuple[int, ast.Call]]:
    """Every call with the first line of its statement, less those that are expected to be refused."""
    if isinstance(node, ast.With) and any("pytest.raises" in ast.unparse(item) for item in node.items):
        return
    for child in ast.iter_child_nodes(node):
        first = child.lineno if isinstance(child, ast.stmt) else start
        if isinstance(child, ast.Call):
            yield first, child
        yield from calls(child, first)


def tolerance_arguments(call: ast.Call) -> list[ast.expr]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    values = [keyword.value for keyword in call.keywords if keyword.arg in TOLERANCES]
    values += call.args[POSITIONAL[name] :] if name in POSITIONAL else []
    return [value for value in values if holds_a_number(value)]


def holds_a_number(value: ast.expr) -> bool:
    numbers = [node.value for node in ast.walk(value) if isinstance(node, ast.Constant)]
    return any(type(number) in (int, float) and number != 0 for number in numbers)


@pytest.mark.parametrize("path", sources("parity_tests"), ids=place)
def test_a_proof_names_its_errors_and_explains_its_tolerances(path):
    source = path.read_text()
    assert not bare_raises(source), "These lines take any message; give match=."
    assert not unexplained_tolerances(source), "These lines choose a tolerance; say in a comment what was measured."


@pytest.mark.parametrize("topic", topics())
def test_a_topic_has_its_proof_and_its_notebook(topic):
    expected = [f"parity_tests/test_{topic}.py", f"notebooks/{topic}.py", f"notebooks/{topic}.ipynb"]
    assert [path for path in expected if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("with pytest.raises(ValueError):\n    f()", [1]),
        ("x = 1\npytest.raises(ValueError, f)", [2]),
        ("with pytest.raises(ValueError, match='f: x must'):\n    f()", []),
    ],
)
def test_a_bare_raises_is_seen(source, lines):
    assert bare_raises(source) == lines


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("np.testing.assert_allclose(a, b, rtol=1e-5)", [1]),
        ("np.allclose(a, b, 1e-5)", [1]),
        ("assert a == pytest.approx(b, abs=4 * eps)", [1]),
        ("np.allclose(a, b, rtol=1e-5)  # measured 3e-6: the sum's order", []),
        ("# measured 3e-6: the sum's order\nnp.allclose(a, b, rtol=1e-5)", []),
        ("# measured 3e-6: the sum's order\nassert np.allclose(\n    a,\n    b,\n    rtol=1e-5,\n)", []),
        ("np.allclose(a, '# not a comment', rtol=1e-5)", [1]),
        ("with pytest.raises(ValueError, match='no option'):\n    compare(f, g, rtol=1e-3)", []),
        ("np.allclose(a, b, rtol=0, atol=allowance)", []),
        ("assert a == pytest.approx(0.3741657)", []),
    ],
)
def test_an_unexplained_tolerance_is_seen(source, lines):
    assert unexplained_tolerances(source) == lines
