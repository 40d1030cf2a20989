"""The instrument: does a port to JAX compute what the PyTorch original computes?

``compare`` answers for two functions, ``compare_modules`` for two modules whose weights it carries across, and
``assert_equivalent`` for a test. Importing this package loads no framework.
"""

from parity.bridge import to_linen, to_torch
from parity.check import Case, assert_equivalent, case
from parity.compare import compare
from parity.compare_optimizers import compare_optimizers
from parity.devices import on_device
from parity.dtypes import Dtypes, dtypes
from parity.errors import InputError, MismatchError, PolicyError
from parity.expect import Expectation, expect
from parity.modules import compare_modules
from parity.optimizers import optimizer_from_torch, optimizer_to_torch
from parity.report import Leaf, Report
from parity.settings import Options
from parity.training_report import Step, TrainingReport
from parity.training_sides import JaxTraining, TorchTraining
from parity.trajectory import compare_training

__all__ = [
    "compare",
    "compare_modules",
    "compare_optimizers",
    "compare_training",
    "assert_equivalent",
    "case",
    "expect",
    "dtypes",
    "on_device",
    "to_linen",
    "to_torch",
    "optimizer_from_torch",
    "optimizer_to_torch",
    "Options",
    "TorchTraining",
    "JaxTraining",
    "Report",
    "TrainingReport",
    "Leaf",
    "Step",
    "Case",
    "Expectation",
    "Dtypes",
    "InputError",
    "MismatchError",
    "PolicyError",
]
