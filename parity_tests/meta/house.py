"""What the tests of the house share: where things stand, and how a source file is read."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREES = ("torch_impl", "jax_impl")
PACKAGES = (*TREES, "parity")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    """Every Python file below the named folders of the repository, in a stable order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def modules(tree: str) -> list[str]:
    """The names of a tree's modules, private ones too, its ``__init__`` aside."""
    return sorted(path.stem for path in (ROOT / tree).glob("*.py") if path.stem != "__init__")


def topics() -> list[str]:
    """The registered topics: ``torch_impl.__all__``, read and not imported."""
    return declared_names(ast.parse((ROOT / "torch_impl/__init__.py").read_text())) or []


def declared_names(module: ast.Module) -> list[str] | None:
    """The literal value of ``__all__``, None where a module has none."""
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))  # pyright: ignore[reportAttributeAccessIssue]
    return None


def functions(module: ast.Module) -> Iterator[tuple[str, Function]]:
    """Every function with its dotted name, methods and nested functions too."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            name = f"{prefix}{child.name}" if isinstance(child, Definition) else prefix
            if isinstance(child, Function):
                yield name, child
            yield from walk(child, f"{name}." if isinstance(child, Definition) else prefix)

    yield from walk(module, "")


def place(path: Path) -> str:
    """How a message names a file: from the repository's root, or bare where a test made it elsewhere."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
