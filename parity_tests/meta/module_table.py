"""Write ``notebooks/torch_nn.md``: every module of ``torch.nn``, what stands for it in JAX, its proof and its traps.

make notebooks runs it; by itself: PYTHONPATH=parity_tests python parity_tests/meta/module_table.py

What stands for a module is read from its proof by running it: the public functions of ``jax_impl`` that are called.
"""

import ast
import importlib
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from types import FrameType
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import numpy as jnp
from torch import nn

import jax_impl
from counterparts_attention import ATTENTION
from counterparts_convolution import CONVOLUTIONS, PADDINGS, POOLS
from counterparts_embedding import EMBEDDING
from counterparts_normalization import BATCH, INSTANCE, NORMS
from counterparts_recurrent import RECURRENT
from counterparts_transformer import TRANSFORMERS
from house import ROOT
from layer_samples import layer_samples, sides, without_buffers
from module_counterparts import ACTIVATIONS, LINEAR, LOSSES
from module_others import CLOSED, OTHERS
from module_samples import Sample, samples
from nested_samples import nested_case, nested_samples

__all__ = ["PAGE", "Row", "modules", "page", "rows"]

PAGE = ROOT / "notebooks/torch_nn.md"
PROOFS = ROOT / "parity_tests"

TEXT = """\
# Every module of torch.nn

*Stands for it* names the functions of `jax_impl` that the proof calls. *Proof* is the file that holds both sides to one
another, outputs and all gradients: on every sample input with which PyTorch tests the module itself, or, where PyTorch
has none, on inputs of the project's own. *Traps* are the tests that show where a port goes wrong in silence.
"""


class Suite(NamedTuple):
    """The entries of ``module_db`` that one file proves, and how it reads their samples."""

    topic: str
    counterparts: dict[str, Callable]
    samples: Callable[[str], Any] = samples
    case: Callable[[Sample, Callable], tuple[Callable, Callable, Any]] = Sample.case


_WINDOWS = {entry: without_buffers(of) for entry, of in {**CONVOLUTIONS, **PADDINGS, **POOLS}.items()}
SUITES = (
    Suite("linear", LINEAR),
    Suite("activations", ACTIVATIONS),
    Suite("losses", LOSSES),
    Suite("convolution", _WINDOWS, layer_samples, sides),
    Suite("normalization", {**BATCH, **INSTANCE, **NORMS}, layer_samples, sides),
    Suite("embedding", EMBEDDING),
    Suite("recurrent", RECURRENT, nested_samples, nested_case),
    Suite("attention", ATTENTION, nested_samples, nested_case),
    Suite("transformer", TRANSFORMERS, nested_samples, nested_case),
)


class Row(NamedTuple):
    """One module: what stands for it, the file of its proof, how many of PyTorch's samples, and its traps."""

    module: str
    counterpart: str
    proof: str
    samples: int
    traps: tuple[str, ...]

    def __str__(self) -> str:
        if not self.proof:
            return f"| `{self.module}` | | {self.counterpart} | |"
        count = f", {self.samples} of PyTorch's samples" if self.samples else ""
        proof = f"[{self.proof}](../parity_tests/{self.proof}.py){count}"
        return f"| `{self.module}` | `{self.counterpart}` | {proof} | {'; '.join(self.traps)} |"


def modules() -> list[str]:
    """Every public module class of ``torch.nn``."""
    kinds = {name: kind for name, kind in vars(nn).items() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    return sorted(kinds)


def rows() -> Iterator[Row]:
    proven = {entry: suite for suite in SUITES for entry in suite.counterparts}
    for name in modules():
        if name in proven:
            yield _proven(name, proven[name])
        elif name in OTHERS:
            counterpart, proof = OTHERS[name]
            yield Row(name, counterpart, proof, 0, _traps(name, counterpart, proof))
        else:
            yield Row(name, CLOSED[name], "", 0, ())


def _proven(name: str, suite: Suite) -> Row:
    known = list(suite.samples(name))
    _, jax_side, inputs = suite.case(known[0], suite.counterparts[name])
    called = " ".join(name for name in _called(jax_side, inputs) if _is_of(suite.topic, name))
    proof = f"test_{suite.topic}__samples"
    return Row(name, called, proof, len(known), _traps(name, called, proof))


def _is_of(topic: str, name: str) -> bool:
    """Whether a function is the topic's own, and does more than to name weights."""
    return name.startswith(f"{topic}.") and not name.endswith("_weights")


def _called(function: Callable, inputs: dict[str, Any]) -> list[str]:
    """The public functions of ``jax_impl`` that a call enters, not those that they enter in turn."""
    public, found, inside = _public_names(), dict[str, None](), []

    def watch(frame: FrameType, event: str, _: Any) -> None:
        name = frame.f_code.co_qualname.split(".")[0]
        if name not in public or not frame.f_globals.get("__name__", "").startswith("jax_impl"):
            return
        if event == "call":
            if not inside:
                found[public[name]] = None
            inside.append(name)
        elif event == "return":
            inside.pop()

    arrays = jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, inputs)
    sys.setprofile(watch)
    try:
        function(**arrays)
    finally:
        sys.setprofile(None)
    return list(found)


@cache
def _public_names() -> dict[str, str]:
    """Every public function of a topic, with the topic before it."""
    topics = [importlib.import_module(f"jax_impl.{topic}") for topic in jax_impl.__all__]
    return {name: f"{topic.__name__.split('.')[-1]}.{name}" for topic in topics for name in topic.__all__}


def _traps(module: str, counterpart: str, proof: str) -> tuple[str, ...]:
    """The tests of the topic's traps that speak of the module, as sentences."""
    topic = proof.removeprefix("test_").split("__")[0]
    plain = re.sub(r"[123]d$", "", module)
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", plain).lower()
    words = {module, plain, snake, module.lower(), *counterpart.replace(".", " ").split()[1::2]}
    speaks = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b")
    return tuple(sentence for sentence, source in _trap_tests(topic) if speaks.search(source))


@cache
def _trap_tests(topic: str) -> list[tuple[str, str]]:
    """Each test of a topic's traps: its name as a sentence, and its source."""
    path = PROOFS / f"test_{topic}__traps.py"
    source = path.read_text() if path.exists() else ""
    tests = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and "test_" in node.name]
    return [(_sentence(test.name), ast.get_source_segment(source, test) or "") for test in tests]


def _sentence(test: str) -> str:
    return re.sub("^test_(trap_|divergence_)?", "", test).replace("_", " ")


def page() -> str:
    """The page: every module in a table, and how many of them stand."""
    found = list(rows())
    proven = [row for row in found if row.proof]
    sampled = [row for row in proven if row.samples]
    table = "\n".join(["| torch.nn | stands for it | proof | traps |", "|---|---|---|---|", *map(str, found)])
    closing = (
        f"{len(proven)} of {len(found)} modules have a counterpart that is proven, {len(sampled)} of them on all"
        f" {sum(row.samples for row in sampled):,} samples of PyTorch's own (PyTorch {version('torch').split('+')[0]},"
        f" JAX {version('jax')})."
    )
    return f"{TEXT}\n{table}\n\n{closing}\n"


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # several samples ask for what torch warns of
    with jax.enable_x64(True):
        PAGE.write_text(page())
    print(f"{PAGE.relative_to(ROOT)}: {PAGE.read_text().splitlines()[-1]}")
