"""Adam, with L2 or decoupled decay, and for gradients of which most entries are missing.

Differs from its twin: each returns a class of ``torch.optim`` with its settings, to be called with parameters.
"""

from functools import partial

import torch
from torch import Tensor

from torch_impl._optimizers_checks import check_settings

__all__ = ["adam", "adamw", "sparse_adam"]


def adam(
    learning_rate: float | Tensor = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
) -> partial[torch.optim.Adam]:
    r"""Adam with its decay in the gradient, ``torch.optim.Adam``.

    $\theta_t = \theta_{t-1} - \alpha \, \hat m_t / (\sqrt{\hat v_t} + \epsilon)$ with
    $\hat m_t = m_t / (1 - \beta_1^t)$ and $\hat v_t = v_t / (1 - \beta_2^t)$
    (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1).

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$, outside the root.
        weight_decay: times $\theta$ is added to the gradient, and so goes through both moments.
        amsgrad: take the largest $v$ so far (Reddi et al. 2018), before its correction.

    Raises:
        ValueError: if a setting lies outside its range.
    """
    check_settings("adam", learning_rate=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)
    return partial(torch.optim.Adam, lr=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad)


def adamw(
    learning_rate: float | Tensor = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    amsgrad: bool = False,
) -> partial[torch.optim.AdamW]:
    r"""Adam with decoupled decay, ``torch.optim.AdamW`` (Loshchilov & Hutter 2019, arXiv:1711.05101).

    As ``adam``, and $\theta$ shrinks by $1 - \alpha \lambda$ at each step, past the moments.

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$, outside the root.
        weight_decay: $\lambda$.
        amsgrad: take the largest $v$ so far, before its correction.

    Raises:
        ValueError: if a setting lies outside its range.
    """
    check_settings("adamw", learning_rate=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)
    return partial(
        torch.optim.AdamW, lr=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad
    )


def sparse_adam(
    learning_rate: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
) -> partial[torch.optim.SparseAdam]:
    r"""Adam that moves neither moments nor parameters where there is no gradient, ``torch.optim.SparseAdam``.

    $\theta_t = \theta_{t-1} - \alpha \sqrt{1 - \beta_2^t} / (1 - \beta_1^t) \cdot m_t / (\sqrt{v_t} + \epsilon)$: here
    $\epsilon$ is added before the correction.

    Args:
        learning_rate: $\alpha$.
        betas: $(\beta_1, \beta_2)$.
        eps: $\epsilon$.

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: it takes sparse gradients only, as of ``nn.Embedding(sparse=True)``, and touches their rows.
    """
    check_settings("sparse_adam", learning_rate=learning_rate, betas=betas, eps=eps)
    return partial(torch.optim.SparseAdam, lr=learning_rate, betas=betas, eps=eps)
