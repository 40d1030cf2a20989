"""Adam's kin: the largest gradient for the second moment, Nesterov's momentum, a rectified variance.

Differs from its twin: each returns a class of ``torch.optim`` with its settings, to be called with parameters.
"""

from functools import partial

import torch
from torch import Tensor

from torch_impl._optimizers_checks import check_settings

__all__ = ["adamax", "nadam", "radam"]


def adamax(
    learning_rate: float | Tensor = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> partial[torch.optim.Adamax]:
    r"""Adam with a maximum for the root of the second moment, ``torch.optim.Adamax``.

    $\theta_t = \theta_{t-1} - \alpha \, \hat m_t / u_t$ with $u_t = \max(\beta_2 u_{t-1}, |g_t| + \epsilon)$
    (Kingma & Ba 2015, arXiv:1412.6980, algorithm 2, which has no $\epsilon$).

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$.
        weight_decay: times $\theta$ is added to the gradient.

    Raises:
        ValueError: if a setting lies outside its range.
    """
    check_settings("adamax", learning_rate=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)
    return partial(torch.optim.Adamax, lr=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)


def nadam(
    learning_rate: float | Tensor = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
) -> partial[torch.optim.NAdam]:
    r"""Adam with Nesterov's momentum on a schedule, ``torch.optim.NAdam`` (Dozat 2016, algorithm 2).

    $\theta_t = \theta_{t-1} - \alpha \left( \frac{1 - \mu_t}{1 - \Pi_t} g_t
    + \frac{\mu_{t+1}}{1 - \Pi_t \mu_{t+1}} m_t \right) / (\sqrt{\hat v_t} + \epsilon)$
    with $\mu_t = \beta_1 (1 - \tfrac12 \, 0.96^{t \psi})$ and $\Pi_t = \mu_1 \cdots \mu_t$.

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$.
        weight_decay: times $\theta$ is added to the gradient.
        momentum_decay: $\psi$.
        decoupled_weight_decay: shrink $\theta$ by $1 - \alpha \lambda$ instead.

    Raises:
        ValueError: if a setting lies outside its range.
    """
    check_settings("nadam", learning_rate=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)
    check_settings("nadam", momentum_decay=momentum_decay)
    return partial(
        torch.optim.NAdam,
        lr=learning_rate,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        momentum_decay=momentum_decay,
        decoupled_weight_decay=decoupled_weight_decay,
    )


def radam(
    learning_rate: float | Tensor = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
) -> partial[torch.optim.RAdam]:
    r"""Adam whose adaptive step waits until its variance is tractable, ``torch.optim.RAdam``.

    $\theta_t = \theta_{t-1} - \alpha \, \hat m_t \, r_t \sqrt{1 - \beta_2^t} / (\sqrt{v_t} + \epsilon)$ once
    $\rho_t = \rho_\infty - 2 t \beta_2^t / (1 - \beta_2^t) > 5$, and $\theta_{t-1} - \alpha \, \hat m_t$ before;
    $r_t^2 = \frac{(\rho_t - 4)(\rho_t - 2) \rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}$,
    $\rho_\infty = 2 / (1 - \beta_2) - 1$ (Liu et al. 2020, arXiv:1908.03265, algorithm 2).

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$, added before the correction.
        weight_decay: times $\theta$ is added to the gradient.
        decoupled_weight_decay: shrink $\theta$ by $1 - \alpha \lambda$ instead.

    Raises:
        ValueError: if a setting lies outside its range.
    """
    check_settings("radam", learning_rate=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)
    return partial(
        torch.optim.RAdam,
        lr=learning_rate,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        decoupled_weight_decay=decoupled_weight_decay,
    )
