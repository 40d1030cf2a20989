"""Every public module says what it offers: ``__all__`` is there and exact, in the course's modules in reading order."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

from house import PACKAGES, ROOT, TREES, Definition, declared_names, modules, place, sources

PUBLIC = [
    path for path in sources(*PACKAGES) if not any(part.startswith("_") for part in (path.stem, path.parent.name))
]


def remarks(source: str) -> list[str]:
    """What is wrong with a module's ``__all__``, a sentence each."""
    module = ast.parse(source)
    listed = declared_names(module)
    if listed is None:
        return ["__all__ is missing."]
    defined = [node.name for node in module.body if isinstance(node, Definition)]
    # pytest finds its hooks by their names; nobody imports them.
    public = [name for name in defined if not name.startswith(("_", "pytest_"))]
    bound = top_level_names(module)
    return [
        *[f"{name} is listed twice." for name in sorted({name for name in listed if listed.count(name) > 1})],
        *[f"{name} is listed and does not exist." for name in listed if name not in bound],
        *[f"{name} is public and not listed." for name in public if name not in listed],
    ]


def disorder(source: str) -> list[str]:
    """The order of the file where ``__all__`` has another."""
    module = ast.parse(source)
    defined = [node.name for node in module.body if isinstance(node, Definition)]
    own = [name for name in declared_names(module) or [] if name in defined]
    return [] if own == sorted(own, key=defined.index) else sorted(own, key=defined.index)


def top_level_names(module: ast.Module) -> list[str]:
    """Whatever a module binds: definitions, assignments and imports, inside top-level if and try too."""
    names = []
    for node in module.body:
        if isinstance(node, Definition):
            names.append(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names += [alias.asname or alias.name for alias in node.names]
        else:
            names += [
                name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            ]
    return names


def binds(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


@pytest.mark.parametrize("path", PUBLIC, ids=place)
def test_the_public_names_of_a_module_are_exact(path: Path):
    found = remarks(path.read_text())
    assert not found


@pytest.mark.parametrize("path", [path for path in PUBLIC if path.parent.name in TREES], ids=place)
def test_the_public_names_of_a_topic_are_in_reading_order(path: Path):
    assert disorder(path.read_text()) == []


@pytest.mark.parametrize("tree", TREES)
def test_an_implementation_lists_exactly_its_topics(tree):
    listed = declared_names(ast.parse((ROOT / tree / "__init__.py").read_text()))
    assert sorted(listed or []) == [name for name in modules(tree) if not name.startswith("_")]


def test_every_name_of_the_instrument_can_be_had():
    instrument = import_module("parity")
    assert [name for name in instrument.__all__ if not hasattr(instrument, name)] == []


GOOD = '__all__ = ["LIMIT", "first", "Second"]\nLIMIT = 3\ndef first(): ...\ndef _hidden(): ...\nclass Second: ...\n'


def test_a_good_module_earns_no_remark():
    assert remarks(GOOD) == []
    assert disorder(GOOD) == []


def test_another_order_is_seen():
    assert disorder(GOOD.replace('"first", "Second"', '"Second", "first"')) == ["first", "Second"]


@pytest.mark.parametrize(
    ("text", "instead", "remark"),
    [
        ("__all__", "names", "__all__ is missing."),
        ('"LIMIT"', '"LIMITS"', "LIMITS is listed and does not exist."),
        ('"first", ', "", "first is public and not listed."),
        ('"LIMIT"', '"LIMIT", "LIMIT"', "LIMIT is listed twice."),
    ],
)
def test_a_flaw_is_named(text, instead, remark):
    assert remarks(GOOD.replace(text, instead)) == [remark]
