"""Gradient descent and its kin: with momentum, with an average of the iterates, by the signs alone.

Differs from its twin: each returns a class of ``torch.optim`` with its settings, to be called with parameters.
"""

from functools import partial

import torch
from torch import Tensor

from torch_impl._optimizers_checks import check_settings

__all__ = ["sgd", "asgd", "rprop"]


def sgd(
    learning_rate: float | Tensor = 1e-3,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> partial[torch.optim.SGD]:
    r"""Stochastic gradient descent, ``torch.optim.SGD``.

    $v_t = \mu v_{t-1} + (1 - \tau) g_t$ with $v_1 = g_1$, $\theta_t = \theta_{t-1} - \alpha v_t$; Nesterov's step is
    along $g_t + \mu v_t$ (Sutskever et al. 2013). The rate stands outside the velocity, so a new one acts at once.

    Args:
        learning_rate: $\alpha$.
        momentum: $\mu$; 0 keeps no velocity.
        dampening: $\tau$; the first gradient is not dampened.
        weight_decay: $\lambda$; $\lambda \theta$ is added to the gradient.
        nesterov: look ahead.

    Raises:
        ValueError: if a setting lies outside its range, or ``nesterov`` comes without momentum or with dampening.
    """
    check_settings("sgd", learning_rate=learning_rate, momentum=momentum, weight_decay=weight_decay)
    if nesterov and (momentum == 0 or dampening != 0):
        raise ValueError(f"sgd: nesterov must come with momentum and no dampening, got {momentum} and {dampening}.")
    return partial(
        torch.optim.SGD,
        lr=learning_rate,
        momentum=momentum,
        dampening=dampening,
        weight_decay=weight_decay,
        nesterov=nesterov,
    )


def asgd(
    learning_rate: float | Tensor = 1e-2,
    lambd: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: float = 0.0,
) -> partial[torch.optim.ASGD]:
    r"""Descend at a declining rate and average the iterates, ``torch.optim.ASGD`` (Polyak & Juditsky 1992).

    $\theta_t = (1 - \lambda \eta_t) \theta_{t-1} - \eta_t g_t$ with $\eta_1 = \alpha_1$ and
    $\eta_{t+1} = \alpha_t / (1 + \lambda \alpha_t t)^{0.75}$; the average $a_t$ is $\theta_t$ up to step $t_0$, and
    takes $\mu_{t+1} = 1 / \max(1, t - t_0)$ of the difference after it. A new rate acts one step late.

    Args:
        learning_rate: $\alpha$.
        lambd: $\lambda$, the decay term.
        alpha: the power of the decline.
        t0: the step at which averaging starts.
        weight_decay: times $\theta$ is added to the gradient.

    Raises:
        ValueError: if a setting lies outside its range.
    """
    check_settings("asgd", learning_rate=learning_rate, weight_decay=weight_decay)
    return partial(torch.optim.ASGD, lr=learning_rate, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay)


def rprop(
    learning_rate: float | Tensor = 1e-2,
    etas: tuple[float, float] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50.0),
) -> partial[torch.optim.Rprop]:
    r"""Resilient propagation, ``torch.optim.Rprop`` (Riedmiller & Braun 1993): only the gradient's signs count.

    Each element has its step, which grows by $\eta^+$ while the sign stays and shrinks by $\eta^-$ where it turns;
    there the gradient counts as 0, for this step and for the next comparison.

    Args:
        learning_rate: the first step of every element; a later rate has no effect.
        etas: $(\eta^-, \eta^+)$.
        step_sizes: the smallest and the largest step.

    Raises:
        ValueError: if a setting lies outside its range.
    """
    check_settings("rprop", learning_rate=learning_rate, etas=etas)
    return partial(torch.optim.Rprop, lr=learning_rate, etas=etas, step_sizes=step_sizes)
