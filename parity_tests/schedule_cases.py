"""The schedules that the proofs run: settings by function, and how a rate is read off on each side."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from jax_impl import schedules as jax_side
from torch_impl import schedules as torch_side

__all__ = ["CASES", "STEPS", "TWO", "jax_rates", "optimizer", "torch_maker", "torch_rates"]

STEPS = 100
TWO = ("cyclic_lr", "one_cycle_lr")  # of the rate and of the momentum

HALVING = {"lr_lambda": lambda step: 0.5 ** (step // 10)}
BOUNDS = {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 8}
CYCLE = {"max_lr": 1.0, "total_steps": STEPS}
INVERSE = {"scale_fn": lambda x: 1 / (1.0 + x)}

CASES: dict[str, list[dict[str, Any]]] = {
    "lambda_lr": [HALVING, {"lr_lambda": lambda step: 1 / (1.0 + step)}],
    "multiplicative_lr": [{"lr_lambda": lambda step: 1 - 0.5 / (step + 2.0)}, {"lr_lambda": lambda step: 0.95}],
    "step_lr": [{"step_size": 7}, {"step_size": 30, "gamma": 0.5}, {"step_size": 1, "gamma": 1.01}],
    "multi_step_lr": [{"milestones": [3, 9, 9, 40]}, {"milestones": [50, 0], "gamma": 0.3}, {"milestones": []}],
    "constant_lr": [{}, {"factor": 0.7, "total_iters": 40}, {"total_iters": 0}, {"factor": 1.0}],
    "linear_lr": [
        {},
        {"start_factor": 0.9, "end_factor": 0.1, "total_iters": 60},
        {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 33},
        {"total_iters": 0},
    ],
    "exponential_lr": [{"gamma": 0.93}, {"gamma": 1.01}],
    "polynomial_lr": [
        {},
        {"total_iters": 80, "power": 2.5},
        {"total_iters": 50, "power": 0.5},
        {"total_iters": 0},
    ],
    "cosine_annealing_lr": [
        {"T_max": 10},
        {"T_max": 37, "eta_min": 0.01},
        {"T_max": 1},
        {"T_max": 200, "eta_min": 0.2},
    ],
    "cosine_annealing_warm_restarts": [
        {"T_0": 10},
        {"T_0": 7, "T_mult": 2, "eta_min": 0.01},
        {"T_0": 1, "T_mult": 3},
        {"T_0": 1},
    ],
    "cyclic_lr": [
        BOUNDS,
        BOUNDS | {"step_size_down": 5, "mode": "triangular2"},
        BOUNDS | {"step_size_down": 13, "mode": "exp_range", "gamma": 0.97},
        BOUNDS | INVERSE,
        BOUNDS | INVERSE | {"scale_mode": "iterations", "base_momentum": 0.3, "max_momentum": 0.99},
    ],
    "one_cycle_lr": [
        CYCLE,
        CYCLE | {"anneal_strategy": "linear", "base_momentum": 0.5, "max_momentum": 0.9},
        CYCLE | {"three_phase": True},
        CYCLE | {"three_phase": True, "pct_start": 0.41, "anneal_strategy": "linear", "div_factor": 10.0},
        CYCLE | {"three_phase": True, "pct_start": 0.7, "final_div_factor": 100.0},
        CYCLE | {"pct_start": 0.0},
        CYCLE | {"pct_start": 1.0},
    ],
    "swa_lr": [
        {"swa_lr": 0.02},
        {"swa_lr": 0.5, "anneal_epochs": 77, "anneal_strategy": "linear"},
        {"swa_lr": 0.02, "anneal_epochs": 0},
    ],
}


def optimizer(lr: float = 0.1) -> torch.optim.SGD:
    """One with a momentum to be cycled, and nothing to optimise."""
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr, momentum=0.5)


def torch_rates(make: Callable, lr: float = 0.1, steps: int = STEPS) -> tuple[np.ndarray, np.ndarray]:
    """The rate and the momentum of every update, the scheduler stepped after each but the last."""
    stepped = optimizer(lr)
    scheduler, found = make(stepped), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in range(steps):
            group = stepped.param_groups[0]
            found.append((float(group["lr"]), float(group["momentum"])))
            stepped.step()
            if step < steps - 1:
                scheduler.step()
    rates, momenta = np.array(found).T
    return rates, momenta


def jax_rates(name: str, settings: dict[str, Any], lr: Any = 0.1, steps: Any = None) -> tuple[jax.Array, ...]:
    """The rate, and for a schedule of two the momentum, of every step."""
    made = getattr(jax_side, name)(**settings) if name in TWO else (getattr(jax_side, name)(lr, **settings),)
    # optax counts in int32, also with x64 on.
    steps = jnp.arange(STEPS, dtype=jnp.int32) if steps is None else steps
    return tuple(jnp.broadcast_to(jax.vmap(schedule)(steps), steps.shape) for schedule in made)


def torch_maker(name: str, settings: dict[str, Any]) -> Callable:
    """What makes the scheduler of these settings on an optimizer."""
    return lambda stepped: getattr(torch_side, name)(stepped, **settings)
