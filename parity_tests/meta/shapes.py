"""A pytest plugin for `make shapes`: leave out the tests that hand over what no annotation admits.

Under jaxtyping's import hook a wrong argument meets the annotation first and never reaches the function's own sentence
about it, and a stand-in for a device is not the device that the annotation names.
"""

import inspect

import pytest
from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is as good as a float, as type checkers have it


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if isinstance(item, pytest.Function) and breaks_its_annotations(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def breaks_its_annotations(item: pytest.Function) -> bool:
    return "monkeypatch" in item.fixturenames or "pytest.raises(" in inspect.getsource(item.function)
