"""`dtypes`: which operation ran in which dtype.

Numbers cannot show it. A softmax kept in bfloat16 is off by 1.1 times the noise of one that was widened to float32, and
any two correct ports differ by as much; the program itself says which of the two it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from parity.errors import InputError, PolicyError
from parity.inputs import Inputs, cotangent
from parity.kinds import is_linen_module
from parity.message import first_line
from parity.settings import Settings
from parity.vjp import JaxSide, TorchSide

__all__ = ["FAMILIES", "Dtypes", "Operation", "dtypes"]

FAMILIES = {
    "matmul": "dot_general mm addmm bmm baddbmm addbmm mv addmv dot linear matmul",
    "conv": "conv_general_dilated convolution convolution_overrideable mkldnn_convolution thnn_conv2d",
    "softmax": "exp _softmax _log_softmax _safe_softmax logsumexp",  # JAX writes it out: its exponential stands for it
    "norm": "rsqrt native_layer_norm native_batch_norm _native_batch_norm_legit native_group_norm _fused_rms_norm",
    "sum": "reduce_sum cumsum sum mean",
}
"""What a policy may call operations that the two frameworks name differently."""

# Operations that compute nothing: a move keeps the dtype it was given, whatever the policy.
_MOVES = """
    broadcast_in_dim concatenate copy dynamic_slice dynamic_update_slice expand_dims gather iota name pad reshape rev
    select_n slice split squeeze stop_gradient transpose alias as_strided cat clone detach empty_like expand full
    full_like lift_fresh new_zeros ones_like permute select stack t unsqueeze view _unsafe_view zeros zeros_like
"""
_SILENT = frozenset(_MOVES.split())
_CASTS = {"convert_element_type": "cast", "_to_copy": "cast", "to": "cast"}


@dataclass(frozen=True)
class Operation:
    """One kind of operation in one place.

    Attributes:
        name: as the framework calls it: a primitive of JAX, an ATen operator of torch; "cast" on both.
        takes: the dtypes of its floating inputs, "bfloat16" or "bfloat16, float32".
        dtype: of its result.
        where: the scope, where the program names one, as linen modules do.
        times: how often it stands in the program, loops unrolled.
    """

    name: str
    takes: str
    dtype: str
    where: str
    times: int = 1

    def fits(self, stated: str) -> bool:
        """Whether this is what a policy states: "float32" of the result, or "bfloat16->float32" of both."""
        return stated.replace(" ", "") in (self.dtype, f"{self.takes}->{self.dtype}")

    def __str__(self) -> str:
        where = f" in {self.where}" if self.where else ""
        return f"{self.name} {self.takes}->{self.dtype}{where}"


@dataclass(frozen=True)
class Dtypes:
    """The operations of a program, in the order in which they first run; prints as a table."""

    name: str
    operations: tuple[Operation, ...]

    def of(self, name: str) -> set[str]:
        """The dtypes of the results of every operation of this name or family."""
        return {operation.dtype for operation in self._named(name)}

    def check(self, policy: Mapping[str, str]) -> Dtypes:
        """Hold the program to a policy, {"matmul": "bfloat16", "softmax": "float32"}.

        Args:
            policy: what to compute in: for an operation, as this table names it, or a family (`FAMILIES`), the dtype of
                the result, or "bfloat16->float32" of its inputs and its result.

        Raises:
            PolicyError: with every operation that breaks it.
            InputError: if the policy names an operation that the program does not have: it would prove nothing.
        """
        broken = []
        for name, stated in policy.items():
            named = self._named(name)
            if not named:
                known = ", ".join(dict.fromkeys(operation.name for operation in self.operations))
                raise InputError(f"check: policy must name operations of {self.name}, got {name}; it has {known}.")
            broken += [f"{name} must be {stated}, got {op} ({op.times} x)" for op in named if not op.fits(stated)]
        if broken:
            raise PolicyError(f"{self.name}: the policy does not hold.\n  " + "\n  ".join(broken))
        return self

    def _named(self, name: str) -> list[Operation]:
        names = FAMILIES.get(name, name).split()
        return [operation for operation in self.operations if operation.name in names]

    def __str__(self) -> str:
        rows = [("operation", "takes", "gives", "times", "in")]
        rows += [(op.name, op.takes, op.dtype, str(op.times), op.where) for op in self.operations]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([self.name, *(f"  {line}".rstrip() for line in lines)])


def dtypes(fn: Callable, inputs: Any, *, dtype: str = "float32", gradients: bool = False) -> Dtypes:
    """Which operation of a program runs in which dtype: of JAX from its jaxpr, loops entered; of torch as run.

    Under ``torch.autocast`` the operations are those after its casts. What a kernel does inside is not seen: torch's
    softmax of bfloat16 numbers adds up in float32 and is listed as bfloat16, the dtype of what it takes and gives.

    Args:
        fn: a function of JAX arrays or of torch tensors, or a torch module.
        inputs: a tuple of positional arguments or a dict of keywords, as for `parity.compare`.
        dtype: that the floats among the inputs are given in.
        gradients: list the backward pass too.

    Returns:
        The table; ``.check({"matmul": "bfloat16", "softmax": "float32"})`` asserts a policy.

    Raises:
        InputError: if the function runs in neither framework.

    Example:
        >>> parity.dtypes(jax.nn.softmax, (np.ones((2, 3)),), dtype="bfloat16").of("softmax")
        {'bfloat16'}
    """
    if is_linen_module(fn):
        raise InputError(
            "dtypes: fn must be a function, got a linen module. Pass lambda x: module.apply(variables, x)."
        )
    named = Inputs.of("dtypes", inputs, (fn, fn), Settings.of("dtypes", {"dtypes": (dtype,)})).at(dtype)
    draw = partial(cotangent, 0) if gradients else None
    said = []
    for read in (_of_jax, _of_torch):
        try:
            seen = read(fn, named, dtype, draw)
        except Exception as error:  # a function of the other framework fails in its own way
            said.append(f"{type(error).__name__}: {first_line(error)}")
            continue
        operations = tuple(Operation(*key, times=times) for key, times in seen.items())
        return Dtypes(getattr(fn, "__name__", type(fn).__name__), operations)
    raise InputError(f"dtypes: fn must run on its inputs, got {said[0]} with JAX arrays and {said[1]} with tensors.")


def _of_jax(fn: Callable, inputs: Inputs, dtype: str, draw: Any) -> Counter:
    from parity.jaxprs import equations

    program, _ = JaxSide(fn).trace(inputs, dtype, True, draw)
    seen: Counter = Counter()
    for eqn, times in equations(program):
        takes, gives = (_floats(var.aval for var in variables) for variables in (eqn.invars, eqn.outvars))
        _count(seen, eqn.primitive.name, takes, gives, where=_scope(eqn), times=times)
    return seen


def _scope(eqn: Any) -> str:
    return str(eqn.source_info.name_stack)


def _of_torch(fn: Callable, inputs: Inputs, dtype: str, draw: Any) -> Counter:
    seen: Counter = Counter()

    def recorded(*args: Any, **kwargs: Any) -> Any:
        with _recorder(seen):
            result = fn(*args, **kwargs)
            if draw is not None:
                _pull_back(result, (args, kwargs))
        return result

    TorchSide(recorded).run(inputs, dtype, True, draw)
    return seen


def _pull_back(result: Any, arguments: Any) -> None:
    import torch

    heads, leaves = ([x for x in _tensors(tree) if x.requires_grad] for tree in (result, arguments))
    if heads and leaves:
        torch.autograd.grad(heads, leaves, [torch.ones_like(x) for x in heads], allow_unused=True, retain_graph=True)


def _recorder(seen: Counter) -> AbstractContextManager:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            takes, gives = _floats(_tensors((args, kwargs))), _floats(_tensors(result))
            _count(seen, func.overloadpacket.__name__, takes, gives)
            return result

    return Recorder()


def _tensors(tree: Any) -> Iterator[Any]:
    from torch.utils._pytree import tree_leaves

    return (leaf for leaf in tree_leaves(tree) if hasattr(leaf, "dtype"))


def _floats(arrays: Any) -> list[str]:
    """The floating dtypes among them, each once, in order."""
    names = (str(getattr(array, "dtype", "")).removeprefix("torch.") for array in arrays)
    return list(dict.fromkeys(name for name in names if name.startswith(("float", "bfloat", "complex"))))


def _count(seen: Counter, name: str, takes: list[str], gives: list[str], *, where: str = "", times: int = 1) -> None:
    if gives and name not in _SILENT:
        key = (_CASTS.get(name, name), ", ".join(takes) or "-", gives[0], where)
        seen[key] += int(np.asarray(times))
