"""A pytest plugin: which tests run with every jaxtyping shape enforced, and which without.

``--shapes=enforced`` keeps the comparisons of the topics, ``--shapes=free`` the rest, so that the two together run each
test once. Left to the rest is what hands over what no annotation admits: under jaxtyping's import hook a wrong argument
meets the annotation first and never reaches the function's own sentence about it, and a stand-in for a device is not
the device that the annotation names. The traps are the frameworks' own, and long runs have no shapes but the first
step's.
"""

import inspect
from pathlib import Path

import pytest
from beartype import BeartypeConf, beartype

TOPICS = Path(__file__).parent.parent

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is as good as a float, as type checkers have it


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shapes", choices=("enforced", "free"), required=True, help="the tests to keep")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept, left_out = [], []
    for item in items:
        (kept if is_enforced(item) == (config.getoption("--shapes") == "enforced") else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def is_enforced(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and compares(item) and not breaks_its_annotations(item)


def compares(item: pytest.Function) -> bool:
    name = item.originalname
    elsewhere = item.path.parent != TOPICS or "traps" in item.path.stem
    return not elsewhere and "agree" in name and "small" not in name and "runs" not in name


def breaks_its_annotations(item: pytest.Function) -> bool:
    return "monkeypatch" in item.fixturenames or "pytest.raises(" in inspect.getsource(item.function)
