"""The dynamic loss scale: what it remembers, how it unscales, and how it grows and backs off.

A gradient below 6e-8 is zero in float16. Multiply the loss by a large number, and every gradient grows with it; divide
before the step. The largest number that overflows nothing is found by trying.

Differs from its twin: the functions are the two kernels below ``torch.amp.GradScaler``, which a training step uses
itself; they show its rule as a function of its state.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from torch_impl._mixed_precision_checks import check_masters, check_rule

__all__ = ["ScaleRule", "LossScale", "initial_scale", "unscale", "update_scale", "scale_trajectory"]


class ScaleRule(NamedTuple):
    """How a loss scale moves.

    Attributes:
        growth_factor: times the scale after ``growth_interval`` good steps on end; above 1.
        backoff_factor: times the scale after a step that overflowed; between 0 and 1.
        growth_interval: in steps, at least 1.
    """

    growth_factor: float = 2.0
    backoff_factor: float = 0.5
    growth_interval: int = 2000


class LossScale(NamedTuple):
    """What a loss scale remembers, at one step or after each of many.

    Attributes:
        scale: times the loss.
        growth_tracker: the good steps since the scale last moved.
    """

    scale: Float[Tensor, "*steps"]
    growth_tracker: Int[Tensor, "*steps"]


def initial_scale(scale: float = 2.0**16) -> LossScale:
    """The scale before the first step.

    Args:
        scale: one that overflows is found out, and backs off.

    Returns:
        The scale in float32, and a tracker at 0.
    """
    return LossScale(torch.tensor(scale, dtype=torch.float32), torch.tensor(0, dtype=torch.int32))


def unscale(state: LossScale, gradients: list[Tensor]) -> tuple[list[Tensor], Bool[Tensor, ""]]:
    r"""Undo the scale in the gradients, and say whether one of them was lost to it.

    $g \leftarrow g \cdot \mathrm{fl}(1/s)$; infinities and NaN are looked for before that, in the scaled gradients.

    Args:
        state: its ``scale`` is $s$.
        gradients: of the scaled loss, in the dtype of the parameters.

    Returns:
        The gradients of the loss itself, and whether any of them was infinite or NaN.

    Raises:
        ValueError: if a gradient is float16: its parameter is no float32 master.

    Differs from its twin: a list, where that takes any tree; a quotient below 1.2e-38 is kept.
    """
    check_masters([str(gradient.dtype).removeprefix("torch.") for gradient in gradients])
    unscaled, found = [gradient.clone() for gradient in gradients], torch.zeros((), device=state.scale.device)
    inverse = state.scale.double().reciprocal().float()
    torch._amp_foreach_non_finite_check_and_unscale_(unscaled, found, inverse)  # pyright: ignore[reportPrivateImportUsage]
    return unscaled, found.bool()


def update_scale(state: LossScale, overflow: Bool[Tensor, ""], rule: ScaleRule) -> LossScale:
    """Back off after an overflow; grow when the last of ``growth_interval`` good steps on end is done.

    A product with a factor is taken in float64 and rounded once. There is no floor: enough overflows on end take the
    scale to 0. There is no ceiling but infinity, to which it does not grow.

    Args:
        state: before the step.
        overflow: what ``unscale`` found; with several optimizers, what it found for any of them.
        rule: the factors and the interval.

    Returns:
        The state after the step.

    Raises:
        ValueError: if ``rule`` is out of range.

    Differs from its twin: a scale below 1.2e-38 keeps halving to 1.4e-45 before it is 0.
    """
    check_rule(rule)
    scale, tracker = state.scale.clone(), state.growth_tracker.clone()
    torch._amp_update_scale_(scale, tracker, overflow.float(), *rule)  # pyright: ignore[reportPrivateImportUsage]
    return LossScale(scale, tracker)


def scale_trajectory(
    start: LossScale, scaled_gradients: Float[Tensor, " steps"], rule: ScaleRule | None = None
) -> LossScale:
    """Run the scale through a script, one scaled gradient a step.

    Args:
        start: the state before the first step.
        scaled_gradients: matters only by what is infinite or NaN in it.
        rule: the factors and the interval; None for the defaults.

    Returns:
        The state after every step.

    Raises:
        ValueError: if ``rule`` is out of range.

    Differs from its twin: ``GradScaler`` runs it, on one parameter.
    """
    scaler, parameter = _grad_scaler(start, rule or ScaleRule()), nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.0)
    scaler.scale(torch.zeros(()))  # makes the scale a tensor
    states = []
    for gradient in scaled_gradients.float().split(1):
        parameter.grad = gradient
        scaler.step(optimizer)
        scaler.update()
        states.append(_numbers(scaler))
    scales, trackers = zip(*states, strict=True)
    return LossScale(torch.tensor(scales), torch.tensor(trackers, dtype=torch.int32))


def _grad_scaler(start: LossScale, rule: ScaleRule, enabled: bool = True) -> torch.amp.GradScaler:
    check_rule(rule)
    # Named for the CPU, it serves any device: the scale goes where the loss is. "cuda" would switch itself off here.
    scaler = torch.amp.GradScaler("cpu", float(start.scale), *rule, enabled=enabled)
    if enabled:
        scaler.load_state_dict(scaler.state_dict() | {"_growth_tracker": int(start.growth_tracker)})
    return scaler


def _numbers(scaler: torch.amp.GradScaler) -> tuple[float, int]:
    memory = scaler.state_dict()  # empty where it is switched off, which leaves a scale of 1
    return memory.get("scale", 1.0), memory.get("_growth_tracker", 0)
