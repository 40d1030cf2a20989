"""Twins are twins: the same names, parameters, defaults, shapes and words in both trees."""

import ast
import re
from dataclasses import dataclass, replace

import pytest

from house import ROOT, TREES, declared_names, modules
from twin_accents import EXCEPTIONS, JAXTYPING, LAYOUTS, NATIVE, RANDOMNESS

CLOSING = "Differs from its twin:"


@dataclass(frozen=True)
class Face:
    """What a reader sees of one function or class before its body."""

    parameters: list[str]
    takes_randomness: bool
    defaults: dict[str, str]
    shapes: dict[str, list[str]]
    docstring: str


ASPECTS = tuple(Face.__annotations__)


def faces(source: str) -> dict[str, Face]:
    """The face of the module ("module"), of every public function and class and of their public methods."""
    module = ast.parse(source)
    found = {"module": Face([], False, {}, {}, shared_words(module))}
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found[node.name] = function_face(node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found |= class_faces(node)
    return found


def function_face(node: ast.FunctionDef) -> Face:
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    defaults = dict(zip([arg.arg for arg in positional[::-1]], spec.defaults[::-1], strict=False))
    defaults |= {arg.arg: value for arg, value in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if value}
    ordered = [arg.arg for arg in positional if arg.arg not in ("self", "cls")]
    ordered += [f"*{spec.vararg.arg}"] if spec.vararg else ["*"] if spec.kwonlyargs else []
    ordered += [arg.arg for arg in spec.kwonlyargs] + ([f"**{spec.kwarg.arg}"] if spec.kwarg else [])
    annotations = {arg.arg: arg.annotation for arg in (*positional, *spec.kwonlyargs)} | {"return": node.returns}
    return face(ordered, defaults, annotations, shared_words(node))


def face(
    ordered: list[str], defaults: dict[str, ast.expr], annotations: dict[str, ast.expr | None], words: str
) -> Face:
    names = [NATIVE.get(name, name) for name in ordered]
    values = {NATIVE.get(name, name): plain(value) for name, value in defaults.items()}
    shapes = {NATIVE.get(name, name): shape_strings(node) for name, node in annotations.items() if node is not None}
    return Face(
        # A star before randomness alone says nothing of the other parameters.
        [name for name in names if name != RANDOMNESS] if names[-2:] != ["*", RANDOMNESS] else names[:-2],
        RANDOMNESS in names,
        {name: value for name, value in values.items() if name != RANDOMNESS},
        {name: strings for name, strings in shapes.items() if strings},
        words,
    )


def class_faces(node: ast.ClassDef) -> dict[str, Face]:
    """The constructor is ``__init__``, or the fields of a linen module, a dataclass or a named tuple."""
    methods = {child.name: child for child in node.body if isinstance(child, ast.FunctionDef)}
    if "__init__" in methods:
        found = {node.name: function_face(methods["__init__"])}
    else:
        fields = {ast.unparse(field.target): field for field in node.body if isinstance(field, ast.AnnAssign)}
        values = {name: field.value for name, field in fields.items() if field.value is not None}
        found = {node.name: face(list(fields), values, {name: f.annotation for name, f in fields.items()}, "")}
    found[node.name] = replace(found[node.name], docstring=shared_words(node))
    for name, method in methods.items():
        public = NATIVE.get(name, name)
        if public == "__call__" or (not public.startswith("_") and public not in ("setup", "extra_repr")):
            found[f"{node.name}.{public}"] = function_face(method)
    return found


def shared_words(node: ast.Module | ast.FunctionDef | ast.ClassDef) -> str:
    """The docstring up to its closing, less the code of its examples; what they print is shared."""
    words = (ast.get_docstring(node) or "").split(CLOSING)[0].strip()
    lines = [line for line in words.splitlines() if not line.lstrip().startswith((">>>", "..."))]
    entry = re.compile(rf"^    ({'|'.join(NATIVE)}): |``({'|'.join(NATIVE)})``", re.MULTILINE)
    return entry.sub(lambda match: match[0].replace(name := match[1] or match[2], NATIVE[name]), "\n".join(lines))


def plain(value: ast.expr) -> str:
    """``torch.float32`` and ``jnp.float32`` are one default."""
    return ast.unparse(value).removeprefix("torch.").removeprefix("jnp.").removeprefix("np.")


def shape_strings(annotation: ast.expr) -> list[str]:
    """``Float[Tensor, "rows columns"]`` and ``Float[Array, "rows columns"]`` are both ``Float 'rows columns'``."""
    return [
        f"{node.value.id} {channels_first(ast.unparse(node.slice.elts[1]))}"
        for node in ast.walk(annotation)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in JAXTYPING
        if isinstance(node.slice, ast.Tuple) and len(node.slice.elts) == 2
    ]


def channels_first(shape: str) -> str:
    """torch's order of what JAX keeps channels last: ``batch *space channels``, ``*window group out``."""
    for last, first in LAYOUTS.items():
        shape = re.sub(rf"(?<![\w*]){re.escape(last)}(?![\w*])", first, shape)
    return shape


def differences(torch_source: str, jax_source: str) -> dict[tuple[str, str], str]:
    """What differs, by name and aspect, each with a sentence."""
    left, right = faces(torch_source), faces(jax_source)
    found = {}
    if (ours := declared_names(ast.parse(torch_source))) != (theirs := declared_names(ast.parse(jax_source))):
        found["module", "__all__"] = f"__all__ is {ours} in torch and {theirs} in jax."
    for name in sorted(left.keys() ^ right.keys()):
        found[name, "presence"] = f"{name} is only in {'torch' if name in left else 'jax'}."
    for name in [name for name in left if name in right]:
        for aspect in ASPECTS:
            ours, theirs = getattr(left[name], aspect), getattr(right[name], aspect)
            if ours != theirs:
                found[name, aspect] = f"{name}, {aspect}: torch has\n{ours}\nand jax has\n{theirs}"
    return found


def module_differences(module: str) -> dict[tuple[str, str, str], str]:
    paths = [ROOT / tree / f"{module}.py" for tree in TREES]
    missing = [path.parent.name for path in paths if not path.exists()]
    if missing:
        return {(module, "module", "presence"): f"{module}.py is missing in {missing[0]}."}
    found = differences(paths[0].read_text(), paths[1].read_text())
    return {(module, *key): sentence for key, sentence in found.items()}


MODULES = sorted({"__init__", *modules("torch_impl"), *modules("jax_impl")})


@pytest.mark.parametrize("module", MODULES)
def test_twins_are_twins(module):
    found = module_differences(module)
    if module == "__init__":
        # Each package introduces itself in words of its own.
        found.pop(("__init__", "module", "docstring"), None)
    unexcused = [sentence for key, sentence in found.items() if key not in EXCEPTIONS]
    assert not unexcused, "\n".join(unexcused)


def test_both_trees_have_the_same_modules():
    assert modules("torch_impl") == modules("jax_impl")


def test_every_exception_is_needed_and_says_why():
    needed = {key for module in {key[0] for key in EXCEPTIONS} for key in module_differences(module)}
    stale = [key for key in EXCEPTIONS if key not in needed]
    assert not stale, f"These twins agree by now; take their exceptions out: {stale}"
    assert all(EXCEPTIONS.values())


TORCH = '''
"""Words.

Differs from its twin: modules own their weights.
"""
__all__ = ["scale", "Layer"]

def scale(x: Float[Tensor, "rows columns"], dim: int = -1, *, by: float = 2.0, generator=None) -> Float[Tensor, ""]:
    """Scale ``x``."""

class Layer(nn.Module):
    """A layer."""
    def __init__(self, size: int, bias: bool = True): ...
    def forward(self, x: Float[Tensor, " size"]): ...
'''

JAX = '''
"""Words."""
__all__ = ["scale", "Layer"]

def scale(key, x: Float[Array, "rows columns"], axis: int = -1, *, by: float = 2.0) -> Float[Array, ""]:
    """Scale ``x``.

    Differs from its twin: a key comes in.
    """

class Layer(nn.Module):
    """A layer."""
    size: int
    bias: bool = True
    def __call__(self, x: Float[Array, " size"]): ...
'''


def test_each_framework_may_speak_its_own_accent():
    assert differences(TORCH, JAX) == {}


@pytest.mark.parametrize(
    ("text", "instead", "key"),
    [
        ('["scale", "Layer"]', '["Layer", "scale"]', ("module", "__all__")),
        ('"""Words."""', '"""Other words."""', ("module", "docstring")),
        ("def scale", "def rescale", ("scale", "presence")),
        ("(key, x", "(x", ("scale", "takes_randomness")),
        ("by: float", "factor: float", ("scale", "parameters")),
        ("*, by", "by", ("scale", "parameters")),
        ("= 2.0", "= 3.0", ("scale", "defaults")),
        ("rows columns", "columns rows", ("scale", "shapes")),
        ('-> Float[Array, ""]', '-> Int[Array, ""]', ("scale", "shapes")),
        ("Scale ``x``.", "Rescale ``x``.", ("scale", "docstring")),
        ("bias: bool = True", "bias: bool = False", ("Layer", "defaults")),
        ("size: int", "features: int", ("Layer", "parameters")),
        ('"""A layer."""', '"""The layer."""', ("Layer", "docstring")),
        ('" size"', '" features"', ("Layer.__call__", "shapes")),
    ],
)
def test_a_difference_is_found_and_named(text, instead, key):
    assert text in JAX
    assert key in differences(TORCH, JAX.replace(text, instead))
