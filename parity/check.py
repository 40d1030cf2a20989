"""`assert_equivalent`, the only function that raises on a difference, and `case`, a comparison to be run later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Unpack

from parity.compare import compare
from parity.errors import MismatchError
from parity.kinds import is_linen_module, is_torch_module
from parity.modules import compare_modules
from parity.report import Report
from parity.settings import Options

__all__ = ["Case", "assert_equivalent", "case"]


@dataclass(frozen=True)
class Case:
    """A comparison that a file declares and ``parity check`` runs.

    Attributes:
        torch_side: a function of tensors or an ``nn.Module``.
        jax_side: its port: a function of JAX arrays or a linen module.
        inputs: what both are called with.
        options: of ``compare``, or of ``compare_modules`` for modules.
    """

    torch_side: Any
    jax_side: Any
    inputs: Any
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, **options: Any) -> Report:
        """Compare the two sides; ``options`` override the declared ones."""
        port = is_linen_module(self.jax_side) or is_torch_module(self.jax_side)
        modules = is_torch_module(self.torch_side) and port
        chosen: Callable = compare_modules if modules else compare
        return chosen(self.torch_side, self.jax_side, self.inputs, **{**self.options, **options})


def case(torch_side: Any, jax_side: Any, inputs: Any, **options: Any) -> Case:
    """Declare a comparison at the top level of a file for ``parity check``; it is called what it is assigned to.

    Args:
        torch_side: a function of tensors or an ``nn.Module``.
        jax_side: its port: a function of JAX arrays or a linen module; a second ``nn.Module``.
        inputs: as for ``compare``.
        **options: see `parity.Options`; ``train=`` for modules.
    """
    return Case(torch_side, jax_side, inputs, options)


def assert_equivalent(torch_side: Any, jax_side: Any, inputs: Any, **options: Unpack[Options]) -> Report:
    """Compare two functions or two modules and raise, once, with everything that differs.

    Args:
        torch_side: a function of tensors or an ``nn.Module``.
        jax_side: its port: a function of JAX arrays or a linen module.
        inputs: as for ``compare``.
        **options: see `parity.Options`.

    Returns:
        The report, when all leaves agree.

    Raises:
        MismatchError: if any leaf differs; an AssertionError whose text is the report.
        InputError: if the comparison cannot be made.
    """
    __tracebackhide__ = True  # pytest then points at the test's own line
    report = case(torch_side, jax_side, inputs, **options).run()
    if not report.ok:
        raise MismatchError(report)
    return report
