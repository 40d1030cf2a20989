"""The instrument: does a port to JAX compute what the PyTorch original computes?

``compare`` answers for two functions, ``compare_modules`` for two modules whose weights it carries across, and
``assert_equivalent`` for a test. Importing this package loads no framework.
"""

from parity.bridge import to_linen, to_torch
from parity.check import Case, assert_equivalent, case
from parity.compare import compare
from parity.errors import InputError, MismatchError
from parity.expect import Expectation, expect
from parity.modules import compare_modules
from parity.report import Leaf, Report
from parity.settings import Options

__all__ = [
    "compare",
    "compare_modules",
    "assert_equivalent",
    "case",
    "expect",
    "to_linen",
    "to_torch",
    "Options",
    "Report",
    "Leaf",
    "Case",
    "Expectation",
    "InputError",
    "MismatchError",
]
