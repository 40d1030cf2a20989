"""Remedies tried on the JAX program itself: a constant of another value, a step of another kind, other wires.

A remedy counts if every leaf that differs passes, outputs and gradients, and no leaf that agreed breaks. Outputs are
tried in NumPy, step by step; derivatives are checked by differences, and by JAX's own where those cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from parity.diagnosis.axes import other_axes
from parity.diagnosis.bounds import bounds
from parity.diagnosis.counted import counted
from parity.diagnosis.entered import Entered
from parity.diagnosis.findings import Finding
from parity.diagnosis.halves import halves
from parity.diagnosis.kinks import gradient_swaps
from parity.diagnosis.labelled import smoothed
from parity.diagnosis.layouts import joined, layouts, regrouped, reread, turned
from parity.diagnosis.looped import ended, kept, lengths
from parity.diagnosis.masked import masked_means
from parity.diagnosis.mirrored import mirrored
from parity.diagnosis.moved import moved
from parity.diagnosis.optimizing import optimizers
from parity.diagnosis.paced import paced
from parity.diagnosis.passed import functions_left_out
from parity.diagnosis.proposals import Program, Proposal, grouped
from parity.diagnosis.resplit import resplit
from parity.diagnosis.rewired import Wires, Wiring
from parity.diagnosis.screen import Screen, Values
from parity.diagnosis.sites import constants, missing_constants
from parity.diagnosis.spread import spread
from parity.diagnosis.swapped import swapped
from parity.diagnosis.swaps import value_swaps
from parity.diagnosis.tables import tables
from parity.diagnosis.traced import Target, Traced, Trial
from parity.diagnosis.tuned import Tuned
from parity.diagnosis.windows import windows
from parity.jaxprs import dtypes_of, size_of

__all__ = ["remedies_tried"]

_CONSTANTS, _DERIVATIVES, _ASKED = 60, 120, 4  # tried at most; the last, of JAX itself
_LARGEST = 3_000_000  # numbers that a program may compute and still be run over and over
_LEAVES = 4  # that are looked at one by one
_SECONDS = 3.0  # for trials, about
_EVIDENCE, _NEARLY = 3, 1e-5  # of what has to pass, what may be left: an epsilon that one side adds


def remedies_tried(traced: Traced, target: Target) -> Iterator[Finding]:
    """What closes the gap, a finding for each remedy."""
    if size_of(traced.program) > _LARGEST or not target.failing:
        return
    if any(not path.startswith("grad/") for path in target.failing):
        found = list(_Values(traced, target).found())
        yield from found or _alone(traced, target)
    else:
        yield from _derivatives(traced, target)


def _alone(traced: Traced, target: Target) -> Iterator[Finding]:
    """What closes the gap of one output, where several differ: there may be more mistakes than one."""
    outputs = [path for path in target.wanted if not path.startswith("grad/")]
    failing = [path for path in outputs if path in target.failing]
    for path in failing if 1 < len(failing) <= _LEAVES else ():
        part = target.only([other for other in outputs if other == path or other not in failing])
        values = _Values(replace(traced, cotangents=None), part)
        for finding in values.plain():
            told = finding.sentence.replace("the gap", f"the gap of {path}", 1)
            yield replace(finding, sentence=f"{told}; other outputs differ still")
            return


class _Values:
    """The search where outputs differ."""

    def __init__(self, traced: Traced, target: Target) -> None:
        self._traced, self._target = traced, target
        self._screen = Screen(traced, target)
        self._program = Program(self._screen.flat)
        self._size = sum(self._screen.outputs.wanted[path].size for path in self._screen.outputs.failing)
        self._until = float("inf")
        self._asked = _ASKED
        self._partly: list[Proposal] = []

    def found(self) -> Iterator[Finding]:
        """By kinds of remedies, the simplest first; a kind that has one keeps the later ones from being tried."""
        if self._screen.outputs.passed_by(self._screen.start):
            if dtypes_of(self._traced.program) & {"float32", "bfloat16", "float16", "complex64"}:
                sentence = "the gap vanishes if every step of the JAX program runs in float64: it narrows inside"
                yield Finding(sentence, "x64-float32-leaks")
            return
        for kind in self._kinds():
            some = list(islice(kind, 2))
            yield from some
            if some:
                return
        for proposal in self._partly[:1]:
            yield Finding(
                f"the gap of the outputs vanishes if {proposal.sentence}; gradients differ still", proposal.trap
            )

    def plain(self) -> Iterator[Finding]:
        """Those of constants alone."""
        tuned = Tuned(self._screen, constants(self._program.steps)[:_CONSTANTS])
        for kind in (tuned.guessed(), tuned.coupled()):
            yield from self._confirmed(kind)

    def _kinds(self) -> Iterator[Iterator[Finding]]:
        program, steps, names = self._program, self._program.steps, self._traced.names or self._traced.paths
        tuned = Tuned(self._screen, [*constants(steps)[:_CONSTANTS], *missing_constants(steps)[:_CONSTANTS]])
        slots = dict(zip(self._program.flat.inputs, names, strict=False))
        wiring = Wiring(Wires(self._program, slots))
        yield self._confirmed(tuned.guessed())
        self._until = self._screen.spent + _SECONDS
        yield self._confirmed(tuned.coupled())
        yield from self._of_steps()
        yield self._tried(grouped(wiring.left_out()))
        yield from self._of_kinds(Entered(self._screen, self._program, names), slots)
        yield self._tried(wiring.other_inputs(), exact=True)
        yield self._tried(spread(program, slots), exact=True)
        yield self._tried(functions_left_out(program), exact=True)
        yield self._tried(grouped(turned(self._program)))
        yield self._tried(mirrored(program), exact=True)
        yield self._tried(swapped(self._program), exact=True)
        yield self._confirmed(paced(self._screen, self._program, slots))
        yield self._confirmed(tuned.shared())
        yield self._tried(counted(self._screen, program) if self._size >= _EVIDENCE else (), exact=True)
        yield self._confirmed(tuned.solved())
        yield self._tried(wiring.other_values(), exact=True)
        yield self._tried(wiring.terms(), exact=True)
        yield self._tried(wiring.terms(earlier=True), exact=True)
        yield self._confirmed(tuned.loosely())

    def _of_steps(self) -> Iterator[Iterator[Finding]]:
        """Single steps done otherwise."""
        program = self._program
        yield self._tried(grouped(value_swaps(program)))
        yield self._tried(other_axes(program))
        yield self._tried(grouped(windows(program)))
        yield self._tried(grouped(layouts(program)))
        yield self._tried(regrouped(program))
        yield self._tried(resplit(program))
        yield self._tried(halves(program))
        yield self._tried(grouped(reread(program)))
        yield self._tried(grouped(joined(program)))

    def _of_kinds(self, entered: Entered, names: Mapping[int, str]) -> Iterator[Iterator[Finding]]:
        """What loops, labels, frequencies, inputs and optimizers have of their own."""
        program = self._program
        yield self._tried(lengths(program), exact=True)
        yield self._tried(kept(program, names), exact=True)
        yield self._tried(ended(program, self._counts(names)), exact=True)
        yield self._tried(grouped(masked_means(program)), exact=True)
        yield self._tried(grouped(bounds(program)), exact=True)
        yield self._tried(smoothed(self._screen, program), exact=True)
        yield self._confirmed(tables(self._screen, program))
        yield self._tried(entered.functions())
        yield self._tried(entered.scaled())
        yield self._tried(entered.clipped(), exact=True)
        yield self._tried(moved(program), exact=True)
        yield self._tried(optimizers(program), exact=True)

    def _counts(self, names: Mapping[int, str]) -> dict[str, np.ndarray]:
        """The inputs that are rows of whole numbers."""
        values = {name: self._screen.values(slot) for slot, name in names.items()}
        return {name: value for name, value in values.items() if np.ndim(value) == 1 and value.dtype.kind in "iu"}

    def _tried(self, proposals: Iterable[Proposal], *, exact: bool = False) -> Iterator[Finding]:
        return self._confirmed(p for p in self._allowed(proposals) if self._closed(self._screen.trial(p.edits), exact))

    def _allowed(self, proposals: Iterable[Proposal]) -> Iterator[Proposal]:
        for proposal in proposals:
            if self._screen.spent > self._until:
                return
            yield proposal

    def _closed(self, results: Values | None, exact: bool) -> bool:
        """A thousandth of a lone number's gap is met by chance, among so many alternatives: it has to pass."""
        if results is None:
            return False
        target = self._screen.outputs
        if exact or self._size < _EVIDENCE:
            return target.passed_by(results) or (target.met_by(results) and target.left(results) <= _NEARLY)
        return target.met_by(results)

    def _confirmed(self, proposals: Iterable[Proposal]) -> Iterator[Finding]:
        for proposal in proposals:
            if not self._screen.holds_elsewhere(proposal.edits):
                continue
            if self._screen.derivatives_agree(proposal.edits) or self._by_jax(proposal):
                yield _finding(proposal)
            else:
                self._partly.append(proposal)

    def _by_jax(self, proposal: Proposal) -> bool:
        """Where a difference does not tell: at a kink, where a value is held constant."""
        if self._asked <= 0:
            return False
        self._asked -= 1
        trial = Trial(self._traced, [proposal])
        target = self._target.within(trial(-1))
        return bool(target.failing) and target.met_by(trial(0))


def _derivatives(traced: Traced, target: Target) -> Iterator[Finding]:
    """The search where only gradients differ."""
    finite = all(np.isfinite(target.before[path]) for path in target.failing)
    swaps = gradient_swaps(Program(traced.flat), held=finite)  # a NaN is no one's stop_gradient
    proposals = list(islice(grouped(swaps), _DERIVATIVES))
    trial = Trial(traced, proposals)
    start = trial(-1)
    if target.met_by(start):
        yield from _widened(traced)
        return
    size, target = sum(target.wanted[path].size for path in target.failing), target.within(start)
    for number, proposal in enumerate(proposals if target.failing else []):
        results = trial(number)
        if target.met_by(results) if size >= _EVIDENCE else target.passed_by(results):
            yield _finding(proposal)


def _widened(traced: Traced) -> Iterator[Finding]:
    """Gradients that come right once every rule of the program's own is left out."""
    custom = [eqn for eqn in traced.program.jaxpr.eqns if eqn.primitive.name == "custom_vjp_call"]
    if custom:
        from parity.diagnosis.sites import source_of

        text = "the gap vanishes if the derivative is that of the values: the custom derivative is not"
        yield Finding(f"{text}, of the function called at {source_of(custom[0])}")


def _finding(proposal: Proposal) -> Finding:
    return Finding(f"the gap vanishes if {proposal.sentence}", proposal.trap)
