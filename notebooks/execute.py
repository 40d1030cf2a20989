"""Make and check the notebooks: `X.py` is the source, `X.ipynb` what it printed.

    python notebooks/execute.py                  write every notebook
    python notebooks/execute.py linear tensors   write these
    python notebooks/execute.py --check          execute in memory and say what differs from the committed outputs

A notebook holds no time, no path and no name of a machine: the same source gives the same file anywhere.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jupytext
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# One thread and no accelerator, for both change last digits; a backend set from outside would leave the figures out.
SETTINGS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
UNSET = {"MPLBACKEND"}
SECONDS_PER_CELL = 120
MARKS = re.compile(r"(?<![\w.:/])/(?:home|root|Users|tmp|work|usr|opt|var)/[^\s'\"<>]*|[A-Z]:\\\w+|\b0x[0-9a-f]{6,}\b")


def names() -> list[str]:
    """The notebooks of this folder, by the names of their sources."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem != "execute")


def read_source(name: str) -> NotebookNode:
    """The notebook that ``name.py`` describes, not executed."""
    return normalise(jupytext.read(HERE / f"{name}.py"))


class ThisPython(AsyncKernelManager):
    """Starts the Python that runs this file: with no folder of kernels to look in, python3 can be no other."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"kernel_spec_manager": KernelSpecManager(kernel_dirs=[])})


def execute(notebook: NotebookNode) -> NotebookNode:
    """Run every cell in a fresh process of its own and return a normalised copy with the outputs."""
    executed = as_notebook(notebook)
    client = NotebookClient(executed, kernel_manager_class=ThisPython, kernel_name="python3", timeout=SECONDS_PER_CELL)
    client.record_timing, client.coalesce_streams = False, True
    # A kernel warns on each start that the loopback interface is not encrypted.
    client.extra_arguments = ["--log-level=ERROR"]
    environment = {name: value for name, value in os.environ.items() if name not in UNSET} | SETTINGS
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    client.execute(env=environment, cwd=str(HERE))
    return normalise(executed)


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Keep sources and outputs; drop what an editor, a kernel or a machine adds."""
    cells = []
    for index, cell in enumerate(notebook.cells):
        kept = {"cell_type": cell.cell_type, "id": f"cell-{index:02}", "metadata": {}, "source": cell.source}
        if cell.cell_type == "code":
            outputs = [output | ({"metadata": {}} if "metadata" in output else {}) for output in cell.outputs]
            kept |= {"execution_count": cell.execution_count, "outputs": outputs}
        cells.append(kept)
    return as_notebook({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def as_notebook(content: dict[str, Any]) -> NotebookNode:
    """A notebook of its own that shares nothing with ``content``."""
    return cast(NotebookNode, nbformat.from_dict(content))


def stale_cells(committed: NotebookNode, source: NotebookNode) -> list[str]:
    """Which cells are no longer those of the source, a sentence each."""
    if len(committed.cells) != len(source.cells):
        return [f"the notebook has {len(committed.cells)} cells and its source {len(source.cells)}."]
    pairs = enumerate(zip(committed.cells, source.cells, strict=True), start=1)
    return [
        f"cell {number} is not that of the source."
        for number, (old, new) in pairs
        if (old.cell_type, old.source) != (new.cell_type, new.source)
    ]


def changed_outputs(committed: NotebookNode, fresh: NotebookNode) -> list[str]:
    """Which cells of one source show something else, a sentence each."""
    pairs = enumerate(zip(committed.cells, fresh.cells, strict=True), start=1)
    return [
        f"cell {number} shows {shown(new)}, and {shown(old)} in the committed notebook."
        for number, (old, new) in pairs
        if shown(old) != shown(new)
    ]


def shown(cell: NotebookNode) -> list:
    """What a reader sees under a cell; of a picture only that there is one."""
    found = []
    for output in cell.get("outputs", []):
        data = output.get("data", {}).items()
        texts = {kind: "a picture" if kind.startswith("image/") else text for kind, text in data}
        found.append(texts or output.get("text") or output.get("evalue"))
    return found


def machine_marks(notebook: NotebookNode) -> list[str]:
    """What another machine would show otherwise: absolute paths, memory addresses, warnings."""
    found = []
    for number, cell in enumerate(notebook.cells, start=1):
        text = "\n".join([cell.source, *map(str, shown(cell))])
        found += [f"cell {number} holds {mark}, which belongs to one machine." for mark in MARKS.findall(text)]
        if any(output.get("name") == "stderr" for output in cell.get("outputs", [])):
            found.append(f"cell {number} writes on standard error; show it on purpose or silence its cause.")
    return found


def check(name: str) -> list[str]:
    """Execute a source in memory; what its committed notebook says otherwise, a sentence each."""
    path = HERE / f"{name}.ipynb"
    if not path.exists():
        return ["the notebook is missing."]
    committed, source = nbformat.read(path, as_version=4), read_source(name)
    # A stale cell is seen without executing anything.
    return stale_cells(committed, source) or changed_outputs(committed, execute(source)) + machine_marks(committed)


def write(name: str) -> list[str]:
    """Execute a source and write its notebook; nothing is written when a cell fails."""
    executed = execute(read_source(name))
    (HERE / f"{name}.ipynb").write_text(nbformat.writes(executed) + "\n")
    return machine_marks(executed)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a notebook; all of them where none is named")
    parser.add_argument("--check", action="store_true", help="write nothing, compare with the committed notebooks")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in names()]
    if unknown:
        parser.error(f"NAME must be one of {', '.join(names())}, got {unknown[0]}.")
    failed = False
    for name in options.names or names():
        remarks = settle(name, check if options.check else write)
        failed |= bool(remarks)
        print("\n".join(f"{name}: {remark}" for remark in remarks) or f"{name}: ok", flush=True)
    if failed and options.check:
        print("`python notebooks/execute.py NAME` writes a notebook anew.")
    return int(failed)


def settle(name: str, action: Callable[[str], list[str]]) -> list[str]:
    try:
        return action(name)
    except CellExecutionError as error:
        return [f"a cell fails with {error.ename}: {error.evalue}."]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
