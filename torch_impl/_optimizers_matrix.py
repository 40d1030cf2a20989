"""Steps that see a matrix as one: a second moment of rank one, an orthogonal direction.

Differs from its twin: each returns a class of ``torch.optim`` with its settings, to be called with parameters.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from torch_impl._optimizers_checks import check_settings

__all__ = ["NewtonSchulz", "adafactor", "muon"]


class NewtonSchulz(NamedTuple):
    r"""How Muon brings the singular values of a matrix near 1: $X \leftarrow a X + (b A + c A^2) X$ with $A = X X^T$.

    Attributes:
        coefficients: $(a, b, c)$.
        steps: how often.
        eps: the least Frobenius norm that the matrix is divided by before.
    """

    coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315)
    steps: int = 5
    eps: float = 1e-7


def adafactor(
    learning_rate: float | Tensor = 1e-2,
    beta2_decay: float = -0.8,
    epsilons: tuple[float | None, float] = (None, 1e-3),
    clipping: float = 1.0,
    weight_decay: float = 0.0,
) -> partial[torch.optim.Adafactor]:
    r"""Adam without a first moment, its second of rank one, ``torch.optim.Adafactor`` (Shazeer & Stern 2018).

    $\theta_t = (1 - \alpha \lambda) \theta_{t-1} - \max(\epsilon_2, \mathrm{rms}(\theta_{t-1})) \,
    \min(\alpha, t^{-1/2}) \, u_t / \max(1, \mathrm{rms}(u_t) / d)$
    with $u_t = g_t / \sqrt{\hat v_t}$; over the last two axes $\hat v = r c^T / \bar r$ of the running means of $g^2$
    over columns and over rows, which take $t^{\gamma}$ of the new one (arXiv:1804.04235, algorithms 4 and 5).

    Args:
        learning_rate: $\alpha$, of which the least counts.
        beta2_decay: $\gamma$.
        epsilons: $(\epsilon_1, \epsilon_2)$; $\hat v$ is at least $\epsilon_1^2$, by default of the dtype's epsilon.
        clipping: $d$, torch's ``d``.
        weight_decay: $\lambda$.

    Raises:
        ValueError: if a setting lies outside its range.
    """
    check_settings("adafactor", learning_rate=learning_rate, beta2_decay=beta2_decay, epsilons=epsilons)
    check_settings("adafactor", clipping=clipping, weight_decay=weight_decay)
    return partial(
        torch.optim.Adafactor,
        lr=learning_rate,
        beta2_decay=beta2_decay,
        eps=epsilons,
        d=clipping,
        weight_decay=weight_decay,
    )


def muon(
    learning_rate: float | Tensor = 1e-3,
    weight_decay: float = 0.1,
    momentum: float = 0.95,
    nesterov: bool = True,
    newton_schulz: NewtonSchulz = NewtonSchulz(),  # noqa: B008
    adjust_lr_fn: str | None = None,
) -> partial[torch.optim.Muon]:
    r"""Momentum, made orthogonal, for matrices only, ``torch.optim.Muon`` (Jordan et al. 2024).

    $\theta_t = (1 - \alpha \lambda) \theta_{t-1} - \alpha s \, O(\tilde m_t)$ with the running mean $m_t$ of the
    gradient, $\tilde m_t = (1 - \mu) g_t + \mu m_t$ under Nesterov, $s = \sqrt{\max(1, A / B)}$ for $A$ rows and $B$
    columns, and a quintic Newton-Schulz iteration $O$ in bfloat16.

    Args:
        learning_rate: $\alpha$.
        weight_decay: $\lambda$.
        momentum: $\mu$.
        nesterov: look ahead.
        newton_schulz: torch's ``ns_coefficients``, ``ns_steps`` and ``eps``.
        adjust_lr_fn: None or "original" for $s$, "match_rms_adamw" for $0.2 \sqrt{\max(A, B)}$.

    Raises:
        ValueError: if a setting lies outside its range, or a parameter is no matrix.

    Differs from its twin: a weight is (out, in).
    """
    check_settings("muon", learning_rate=learning_rate, weight_decay=weight_decay, momentum=momentum)
    check_settings("muon", adjust_lr_fn=adjust_lr_fn, ns_steps=newton_schulz.steps, eps=newton_schulz.eps)
    return partial(
        torch.optim.Muon,
        lr=learning_rate,  # pyright: ignore[reportArgumentType]
        weight_decay=weight_decay,
        momentum=momentum,
        nesterov=nesterov,
        ns_coefficients=newton_schulz.coefficients,
        eps=newton_schulz.eps,
        ns_steps=newton_schulz.steps,
        adjust_lr_fn=adjust_lr_fn,
    )
