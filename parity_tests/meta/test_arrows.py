"""The arrows point one way: who may import whom, read from the sources and seen in fresh processes."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from house import PACKAGES, ROOT, modules, place, sources

# Beside the standard library and itself, at import time or later. `flax.linen` admits neither nnx nor flax.training.
ALLOWED = {
    "torch_impl": {"torch", "numpy", "jaxtyping"},
    "jax_impl": {"jax", "flax.linen", "optax", "grain", "absl.flags", "numpy", "jaxtyping"},
}
HEAVY = {"torch", "jax", "jaxlib", "flax", "optax", "typer", "rich", "matplotlib", "sklearn", "pytest"}
FRAMEWORKS = {"torch", "jax", "jaxlib", "flax", "optax"}
SIDES = {
    "torch_impl": {"jax", "jaxlib", "flax", "optax", "parity", "jax_impl"},
    "jax_impl": {"torch", "parity", "torch_impl"},
}


def imports(source: str) -> set[str]:
    """Every absolute import of a source, inside functions too: ``from flax import linen`` is ``flax.linen``."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def strangers(source: str, package: str) -> set[str]:
    """The imports that the package's arrow forbids."""
    allowed = ALLOWED[package] | {package}
    return {
        name
        for name in imports(source)
        if name.split(".")[0] not in sys.stdlib_module_names
        if not any(name == root or name.startswith(f"{root}.") for root in allowed)
    }


def named_trees(source: str) -> set[str]:
    """The implementations that a source names: an import, a name or a string, docstrings too."""
    words = {value for node in ast.walk(ast.parse(source)) for value in vars(node).values() if isinstance(value, str)}
    return {tree for tree in ALLOWED if any(tree in word for word in words)}


@pytest.mark.parametrize("package", ALLOWED)
def test_an_implementation_imports_its_own_framework_only(package):
    found = {place(path): names for path in sources(package) if (names := strangers(path.read_text(), package))}
    assert not found


@pytest.mark.parametrize(
    "source",
    ["import optax", "def late():\n    from jax import numpy", "import parity.tolerance", "from torch_impls import x"],
)
def test_a_stranger_is_seen(source):
    assert strangers(source, "torch_impl")


def test_nnx_is_a_stranger_and_linen_is_not():
    assert strangers("from flax import linen, nnx\nimport flax.linen as nn", "jax_impl") == {"flax.nnx"}


def test_the_instrument_names_neither_implementation():
    found = {place(path): trees for path in sources("parity") if (trees := named_trees(path.read_text()))}
    assert not found


@pytest.mark.parametrize(
    "source", ["import torch_impl", "x = 'torch_impl.linear'", '"""As in torch_impl."""', "torch_impl = None"]
)
def test_a_named_implementation_is_seen(source):
    assert named_trees(source) == {"torch_impl"}


PROBE = """
import importlib, json, sys
stages = {}
for stage, names in json.loads(sys.argv[1]).items():
    for name in names:
        importlib.import_module(name)
    stages[stage] = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps(stages))
"""


def loaded(stages: dict[str, list[str]], root: Path = ROOT) -> dict[str, set[str]]:
    """Import the modules of each stage in one fresh process; which packages are loaded after each."""
    result = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(stages)],
        env={**os.environ, "PYTHONPATH": str(root), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return {stage: set(names) for stage, names in json.loads(result.stdout).items()}


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_heavy(package):
    assert not loaded({"package": [package]})["package"] & HEAVY


@pytest.mark.parametrize("package", SIDES)
def test_importing_every_module_of_a_side_loads_only_that_side(package):
    names = [f"{package}.{module}" for module in modules(package)]
    assert not loaded({"modules": names})["modules"] & SIDES[package]


def test_the_probe_sees_what_a_module_loads(tmp_path):
    # Stand-ins for the frameworks: what counts is the name under which a module is loaded.
    for name, source in {"torch": "", "jax": "", "side": "", "side/rogue": "def f():\n    import jax\nf()"}.items():
        path = tmp_path / (f"{name}.py" if "/" in name else f"{name}/__init__.py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    stages = loaded({"package": ["side"], "modules": ["side.rogue"]}, root=tmp_path)
    assert not stages["package"] & FRAMEWORKS
    assert stages["modules"] & FRAMEWORKS == {"jax"}
