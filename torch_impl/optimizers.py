"""Optimizers: every class of ``torch.optim``, step for step, and what goes around them.

A class is a function of its settings here, of the same name in snake case. What ``torch.optim`` calls ``foreach``,
``fused``, ``capturable`` and ``differentiable`` chooses between implementations of one rule and has no counterpart.

Differs from its twin: the functions return a class of ``torch.optim`` with its settings; called with parameters or
groups, it makes the optimizer, which owns its state and changes the parameters in place.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from torch_impl._optimizers_adam import adam, adamw, sparse_adam
from torch_impl._optimizers_adam_kin import adamax, nadam, radam
from torch_impl._optimizers_checks import check_settings
from torch_impl._optimizers_lbfgs import lbfgs
from torch_impl._optimizers_matrix import NewtonSchulz, adafactor, muon
from torch_impl._optimizers_sgd import asgd, rprop, sgd
from torch_impl._optimizers_squares import adadelta, adagrad, rmsprop
from torch_impl._optimizers_wolfe import strong_wolfe

__all__ = [
    "sgd",
    "asgd",
    "rprop",
    "adam",
    "adamw",
    "sparse_adam",
    "adamax",
    "nadam",
    "radam",
    "rmsprop",
    "adagrad",
    "adadelta",
    "NewtonSchulz",
    "adafactor",
    "muon",
    "lbfgs",
    "strong_wolfe",
    "maximize",
    "decay_matrices",
    "clip_by_global_norm",
    "valley",
    "minimise",
]


def maximize(optimizer: partial[torch.optim.Optimizer]) -> partial[torch.optim.Optimizer]:
    """Climb instead of descend: torch's ``maximize=True``, which negates each gradient before anything else.

    Args:
        optimizer: made by one of this module's functions.

    Differs from its twin: one more setting.
    """
    return partial(optimizer, maximize=True)


def decay_matrices(
    make: Callable[..., partial[torch.optim.Optimizer]], params: Iterable[Tensor], weight_decay: float = 1e-2
) -> torch.optim.Optimizer:
    """Decay what has two axes or more and leave biases and gains alone, as most recipes do.

    Args:
        make: called with ``weight_decay=`` it makes an optimizer: ``functools.partial(adamw, 3e-4)``.
        params: what will be optimized.
        weight_decay: of the matrices.

    Returns:
        The optimizer, with two groups of parameters.

    Differs from its twin: one optimizer that owns the parameters in two ``param_groups``.
    """
    decayed, plain = [], []
    for parameter in params:
        (decayed if parameter.ndim > 1 else plain).append(parameter)
    return make(weight_decay=weight_decay)([{"params": decayed}, {"params": plain, "weight_decay": 0.0}])


def clip_by_global_norm(max_norm: float) -> Callable[[Iterable[Tensor]], Tensor]:
    r"""Scale all gradients by one factor where their common norm exceeds a bound, ``clip_grad_norm_``.

    $g \leftarrow g \min(1, c / (\|g\| + 10^{-6}))$: a gradient just above the bound $c$ ends a little below it.

    Args:
        max_norm: $c$.

    Raises:
        ValueError: if it is negative.

    Differs from its twin: it is called with the parameters between ``backward`` and ``step``, changes their ``grad`` in
    place and returns the norm before.
    """
    check_settings("clip_by_global_norm", max_norm=max_norm)
    return partial(nn.utils.clip_grad_norm_, max_norm=max_norm)


def valley(point: Float[Tensor, " 2"]) -> Float[Tensor, ""]:
    r"""A curved valley: $\tfrac12 x^2 + 5 (y - \tfrac12 x^2)^2$, flat along its floor and lowest, 0, at the origin."""
    x, y = point[0], point[1]
    return 0.5 * x**2 + 5 * (y - 0.5 * x**2) ** 2


def minimise(
    objective: Callable[[Float[Tensor, " size"]], Float[Tensor, ""]],
    start: Float[np.ndarray, " size"],
    optimizer: partial[torch.optim.Optimizer],
    steps: int,
) -> Float[np.ndarray, "points size"]:
    """Walk down an objective from a point.

    Args:
        objective: to be made small.
        start: where the walk begins; its dtype is the walk's.
        optimizer: made by one of this module's functions.
        steps: how many.

    Returns:
        The points, ``start`` first: one more than ``steps``.

    Raises:
        ValueError: if ``steps`` is negative.

    Differs from its twin: a loop over ``step(closure)``, which LBFGS calls as often as it needs, the others once.
    """
    check_settings("minimise", steps=steps)
    # A copy: the caller's array must not move.
    point = nn.Parameter(torch.tensor(start))
    stepper = optimizer([point])

    def closure() -> Tensor:
        stepper.zero_grad(set_to_none=True)
        loss = objective(point)
        loss.backward()
        return loss

    walk = [start]
    for _ in range(steps):
        stepper.step(closure)  # pyright: ignore[reportArgumentType, reportCallIssue]
        walk.append(point.detach().clone().numpy())
    return np.stack(walk)
