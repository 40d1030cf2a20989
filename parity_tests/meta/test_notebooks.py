"""The committed notebooks are what their sources print today, anywhere."""

import copy
import importlib.util
from types import ModuleType

import pytest

from house import ROOT

NOTEBOOKS = ROOT / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.py") if path.stem != "execute")

SMALL = '# %% [markdown]\n# # Two\n\n# %%\nprint(1 + 1)\n\n# %%\n{"two": 2}\n'


@pytest.fixture(scope="module")
def execute() -> ModuleType:
    """The script, loaded only where it is used: its libraries take 3 s to import."""
    specification = importlib.util.spec_from_file_location("execute", NOTEBOOKS / "execute.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(execute, tmp_path_factory):
    """A folder of its own with one small notebook, executed."""
    folder = tmp_path_factory.mktemp("notebooks")
    (folder / "small.py").write_text(SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "HERE", folder)
        assert execute.main([]) == 0
        yield folder


@pytest.fixture
def small(execute, folder):
    """The small notebook as it was written."""
    return execute.nbformat.read(folder / "small.ipynb", as_version=4)


# A kernel of its own and all imports cost each some six seconds; a few stand for the rest in a quick run.
QUICK = ("tensors",)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in NAMES])
def test_a_notebook_shows_what_its_source_prints(execute, name):
    found = execute.check(name)
    assert not found, "\n".join(found)


def test_every_notebook_has_a_source():
    assert [path.name for path in NOTEBOOKS.glob("*.ipynb") if path.stem not in NAMES] == []


def test_a_fresh_notebook_passes(execute, folder, capsys):
    assert execute.main(["--check", "small"]) == 0
    assert capsys.readouterr().out == "small: ok\n"


def test_writing_again_changes_nothing(execute, folder):
    before = (folder / "small.ipynb").read_bytes()
    execute.write("small")
    assert (folder / "small.ipynb").read_bytes() == before


def test_a_changed_source_is_seen(execute, small):
    changed = copy.deepcopy(small)
    changed.cells[1].source = "print(2 + 1)"
    assert execute.stale_cells(small, changed) == ["cell 2 is not that of the source."]


def test_a_missing_cell_is_seen(execute, small):
    changed = copy.deepcopy(small)
    del changed.cells[1]
    assert execute.stale_cells(changed, small) == ["the notebook has 2 cells and its source 3."]


def test_a_changed_output_is_seen(execute, small):
    changed = copy.deepcopy(small)
    changed.cells[1].outputs[0].text = "3\n"
    assert execute.changed_outputs(changed, small) == ["cell 2 shows ['2\\n'], and ['3\\n'] in the committed notebook."]


def test_a_picture_counts_by_its_presence(execute, small):
    other, without = copy.deepcopy(small), copy.deepcopy(small)
    small.cells[2].outputs[0].data["image/png"] = "some bytes"
    other.cells[2].outputs[0].data["image/png"] = "other bytes"
    assert execute.changed_outputs(small, other) == []
    assert len(execute.changed_outputs(small, without)) == 1


def test_a_changed_notebook_fails_from_the_command_line(execute, folder, small, capsys):
    small.cells[1].outputs[0].text = "3\n"
    (folder / "stale.py").write_text(SMALL)
    execute.nbformat.write(small, folder / "stale.ipynb")
    assert execute.main(["--check", "stale"]) == 1
    assert "stale: cell 2 shows" in capsys.readouterr().out


def test_a_failing_cell_writes_nothing(execute, folder, capsys):
    (folder / "broken.py").write_text("# %%\n1 / 0\n")
    assert execute.main(["broken"]) == 1
    assert capsys.readouterr().out == "broken: a cell fails with ZeroDivisionError: division by zero.\n"
    assert not (folder / "broken.ipynb").exists()


@pytest.mark.parametrize("text", ["/home/me/data.npy", "<object at 0x7f2b958c3f90>", "C:\\Users", "('/tmp/x', 1)"])
def test_a_mark_of_one_machine_is_seen(execute, small, text):
    small.cells[1].outputs[0].text = text
    assert len(execute.machine_marks(small)) == 1


@pytest.mark.parametrize("text", ["https://host.org/home/page", "loss/output", "0x1F", "a /b/ c"])
def test_a_harmless_text_is_no_mark(execute, small, text):
    small.cells[1].outputs[0].text = text
    assert execute.machine_marks(small) == []


def test_a_warning_is_seen(execute, small):
    small.cells[1].outputs[0].name = "stderr"
    assert len(execute.machine_marks(small)) == 1
