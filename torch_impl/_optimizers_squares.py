"""Steps scaled by the root of past squared gradients: a running mean, a sum, a ratio of two means.

Differs from its twin: each returns a class of ``torch.optim`` with its settings, to be called with parameters.
"""

from functools import partial

import torch
from torch import Tensor

from torch_impl._optimizers_checks import check_settings

__all__ = ["rmsprop", "adagrad", "adadelta"]


def rmsprop(
    learning_rate: float | Tensor = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
) -> partial[torch.optim.RMSprop]:
    r"""Divide by the root of a running mean of squares, ``torch.optim.RMSprop`` (Hinton 2012, lecture 6e).

    $\theta_t = \theta_{t-1} - \eta \, b_t$ with $b_t = \mu b_{t-1} + g_t / (\sqrt{v_t} + \epsilon)$ and
    $v_t = \alpha v_{t-1} + (1 - \alpha) g_t^2$; centred, $v_t$ less the square of the gradient's running mean.

    Args:
        learning_rate: $\eta$; outside the velocity, so a new one acts at once.
        alpha: $\alpha$.
        eps: $\epsilon$, outside the root.
        weight_decay: times $\theta$ is added to the gradient.
        momentum: $\mu$; 0 keeps no velocity.
        centered: divide by the standard deviation.

    Raises:
        ValueError: if a setting lies outside its range.
    """
    check_settings("rmsprop", learning_rate=learning_rate, alpha=alpha, eps=eps, weight_decay=weight_decay)
    check_settings("rmsprop", momentum=momentum)
    return partial(
        torch.optim.RMSprop,
        lr=learning_rate,
        alpha=alpha,
        eps=eps,
        weight_decay=weight_decay,
        momentum=momentum,
        centered=centered,
    )


def adagrad(
    learning_rate: float | Tensor = 1e-2,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
) -> partial[torch.optim.Adagrad]:
    r"""Divide by the root of the sum of all squares, ``torch.optim.Adagrad`` (Duchi et al. 2011, section 1.1).

    $\theta_t = \theta_{t-1} - \frac{\alpha}{1 + (t - 1) \gamma} \, g_t / (\sqrt{s_t} + \epsilon)$ with
    $s_t = s_{t-1} + g_t^2$.

    Args:
        learning_rate: $\alpha$.
        lr_decay: $\gamma$.
        weight_decay: times $\theta$ is added to the gradient.
        initial_accumulator_value: $s_0$.
        eps: $\epsilon$, outside the root.

    Raises:
        ValueError: if a setting lies outside its range.
    """
    check_settings("adagrad", learning_rate=learning_rate, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
    check_settings("adagrad", initial_accumulator_value=initial_accumulator_value)
    return partial(
        torch.optim.Adagrad,
        lr=learning_rate,
        lr_decay=lr_decay,
        weight_decay=weight_decay,
        initial_accumulator_value=initial_accumulator_value,
        eps=eps,
    )


def adadelta(
    learning_rate: float | Tensor = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
) -> partial[torch.optim.Adadelta]:
    r"""Scale by the ratio of past steps to past gradients, ``torch.optim.Adadelta`` (Zeiler 2012, arXiv:1212.5701).

    $\theta_t = \theta_{t-1} - \alpha d_t$ with $d_t = \sqrt{u_{t-1} + \epsilon} / \sqrt{v_t + \epsilon} \, g_t$; $v$
    and $u$ are running means of $g^2$ and $d^2$.

    Args:
        learning_rate: $\alpha$.
        rho: what the means keep.
        eps: $\epsilon$, inside the roots.
        weight_decay: times $\theta$ is added to the gradient.

    Raises:
        ValueError: if a setting lies outside its range.
    """
    check_settings("adadelta", learning_rate=learning_rate, rho=rho, eps=eps, weight_decay=weight_decay)
    return partial(torch.optim.Adadelta, lr=learning_rate, rho=rho, eps=eps, weight_decay=weight_decay)
