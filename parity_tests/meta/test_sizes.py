"""Small files, short functions, few arguments: past these sizes there are two ideas."""

import ast
import io
import tokenize

import pytest

from house import PACKAGES, TREES, Function, functions, place, sources

FILE_LINES, BODY_LINES, PARAMETERS = 250, 25, 6
SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}

# (file, function or "file", what): the reason why it may be larger.
EXCEPTIONS: dict[tuple[str, str, str], str] = {
    (f"{tree}/_{part}.py", function, "parameters"): "the keywords of torch's own class"
    for tree in TREES
    for part, function in (
        ("schedules_waves", "cyclic_lr"),
        ("schedules_waves", "one_cycle_lr"),
        ("schedules_plateau", "reduce_lr_on_plateau"),
        ("normalization_running", "batch_norm_layer"),
        ("normalization_running", "instance_norm_layer"),
    )
} | {("parity/cli_convert.py", "convert_command", "parameters"): "the options of a command"}


def code_lines(source: str) -> set[int]:
    """The lines that hold code: no blank line, no comment."""
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in SILENT]
    return {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}


def body_lines(node: Function, code: set[int]) -> int:
    """How many lines of code the body has, its docstring not counted."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return len([line for line in code if body and body[0].lineno <= line <= (body[-1].end_lineno or 0)])


def parameter_count(node: Function) -> int:
    """``self`` and ``**options`` are free."""
    spec = node.args
    names = [arg.arg for arg in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)] + ["*"] * bool(spec.vararg)
    return len([name for name in names if name not in ("self", "cls")])


def excesses(source: str) -> dict[tuple[str, str], str]:
    """What is too large, by name and kind, each with a sentence."""
    code, length = code_lines(source), len(source.splitlines())
    found = {("file", "lines"): f"it has {length} lines, {FILE_LINES} are the limit"} if length > FILE_LINES else {}
    for name, node in functions(ast.parse(source)):
        if (lines := body_lines(node, code)) > BODY_LINES:
            found[name, "body"] = f"{name} has {lines} lines of code, {BODY_LINES} are the limit"
        if (count := parameter_count(node)) > PARAMETERS:
            found[name, "parameters"] = f"{name} takes {count} arguments, {PARAMETERS} are the limit"
    return found


def house_excesses() -> dict[tuple[str, str, str], str]:
    return {
        (place(path), *key): f"{place(path)}: {sentence}."
        for path in sources(*PACKAGES, "parity_tests")
        for key, sentence in excesses(path.read_text()).items()
    }


def test_nothing_is_larger_than_one_idea():
    unexcused = [sentence for key, sentence in house_excesses().items() if key not in EXCEPTIONS]
    assert not unexcused, "\n".join(unexcused)


def test_every_exception_is_needed_and_says_why():
    stale = EXCEPTIONS.keys() - house_excesses().keys()
    assert not stale, f"These are small enough by now; take their exceptions out: {sorted(stale)}"
    assert all(EXCEPTIONS.values())


def function_of(lines: int, parameters: str = "") -> str:
    """A function whose docstring, comments and blank lines must not count."""
    padding = '    """Words.\n\n    More words.\n    """\n\n    # why\n\n'
    return f"def f({parameters}):\n{padding}" + "    x = 1\n" * lines


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (function_of(BODY_LINES), set()),
        (function_of(BODY_LINES + 1), {("f", "body")}),
        (function_of(1, "self, a, b, c, d, *, e, g, **options"), set()),
        (function_of(1, "a, b, c, d, e, g, h"), {("f", "parameters")}),
        (function_of(1, "a, b, c, d, e, g, *rest"), {("f", "parameters")}),
        ("class C:\n" + function_of(26).replace("\n", "\n    ").replace("def", "    def", 1), {("C.f", "body")}),
        ("x = 1\n" * FILE_LINES, set()),
        ("x = 1\n" * (FILE_LINES + 1), {("file", "lines")}),
    ],
)
def test_an_excess_is_found(source, found):
    assert excesses(source).keys() == found
