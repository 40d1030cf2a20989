"""The two things that can go wrong, told apart: the question was wrong, or the answer is no."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parity.report import Report

__all__ = ["InputError", "MismatchError", "PolicyError"]


class InputError(ValueError):
    """A comparison that cannot be made as asked.

    The message is one sentence, ``function: argument must be RULE, got VALUE.``, and the usual remedy.
    The command line prints it alone and exits with 2.
    """


class MismatchError(AssertionError):
    """The two sides differ by more than rounding.

    Attributes:
        report: the whole comparison; the message is its text.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report


class PolicyError(AssertionError):
    """A program computes in another dtype than a policy states."""
