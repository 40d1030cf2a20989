"""`compare`: one function on each side, outputs and gradients, at every dtype asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Unpack

from parity.comparison import Asked, Comparison
from parity.errors import InputError
from parity.inputs import Inputs
from parity.kinds import is_linen_module, is_torch_module
from parity.opaque import right_side
from parity.report import Report
from parity.settings import Options, Settings
from parity.vjp import TorchSide

__all__ = ["compare"]


def compare(torch_fn: Callable, jax_fn: Callable, inputs: Any, **options: Unpack[Options]) -> Report:
    """Compare a function of torch tensors with its port to JAX, or to torch or NumPy (``right=``).

    One call checks every output, the gradient of every float input under a random cotangent, and the compiled JAX
    function against itself run eagerly. At float64 the sides are held against each other; at lower dtypes each is
    held against the float64 truth. What the caller has configured in torch and JAX is as it was afterwards.

    Args:
        torch_fn: takes and returns torch tensors, in any nesting of tuples, lists, dicts and dataclasses.
        jax_fn: the same of JAX arrays; the result must be nested the same way. With ``right="torch"`` a second function
            of tensors, with ``right="numpy"`` one of NumPy arrays, which has no gradients.
        inputs: a tuple of positional arguments or a dict of keywords, each a tree of arrays (NumPy's, or any
            framework's). Floats are cast to the dtype under test; Python numbers and strings are passed as they are.
        **options: see `parity.Options`.

    Returns:
        The report; ``report.ok`` says whether everything agrees.

    Raises:
        InputError: if the comparison cannot be made: bad inputs, a function that fails, or results nested differently.

    Example:
        >>> parity.compare(torch.tanh, jnp.tanh, (np.linspace(-2, 2, 9),)).ok
        True
    """
    settings = Settings.of("compare", options)
    for argument, side in (("torch_fn", torch_fn), ("jax_fn", jax_fn)):
        _check_function(argument, side)
    named = Inputs.of("compare", inputs, (torch_fn, jax_fn), settings)
    call = f"parity.compare({_name_of(torch_fn)}, {_name_of(jax_fn)}, inputs, {settings.chosen})"
    settings = replace(settings, name=settings.name or _first_name(jax_fn, torch_fn))
    return Comparison(TorchSide(torch_fn), right_side(jax_fn, settings), named, settings, Asked(call=call)).report()


def _check_function(argument: str, side: Any) -> None:
    kind = type(side).__name__
    owns = is_torch_module(side) and [*side.parameters(), *side.buffers()]
    if owns or is_linen_module(side):
        raise InputError(
            f"compare: {argument} must be a function of the inputs, got the module {kind}."
            " parity.compare_modules carries the weights across."
        )
    if not callable(side):
        raise InputError(f"compare: {argument} must be a function, got {kind}.")


def _name_of(side: Any) -> str:
    return getattr(side, "__name__", type(side).__name__)


def _first_name(*sides: Any) -> str:
    """The first that has a name of its own."""
    return next(
        (name for name in map(_name_of, sides) if name not in ("<lambda>", "function", "partial")), "comparison"
    )
