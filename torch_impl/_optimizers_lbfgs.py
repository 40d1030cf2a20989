"""L-BFGS: a quasi-Newton method that remembers its last steps.

Differs from its twin: each returns a class of ``torch.optim`` with its settings, to be called with parameters.
"""

from functools import partial

import torch
from torch import Tensor

from torch_impl._optimizers_checks import check_settings

__all__ = ["lbfgs"]


def lbfgs(
    learning_rate: float | Tensor = 1.0,
    max_iter: int = 20,
    max_eval: int | None = None,
    tolerances: tuple[float, float] = (1e-7, 1e-9),
    history_size: int = 100,
    line_search_fn: str | None = None,
) -> partial[torch.optim.LBFGS]:
    """Limited-memory BFGS, ``torch.optim.LBFGS`` (Nocedal & Wright 2006, algorithm 7.5).

    Each of up to ``max_iter`` iterations goes along $-H_k g_k$, where $H_k$ comes of the last steps $s$ and changes of
    the gradient $y$ with $y^T s > 10^{-10}$, and starts from $(y^T s / y^T y) I$; the very first step is at most 1 in
    the sum of magnitudes.

    Args:
        learning_rate: the step, or the line search's first trial.
        max_iter: iterations of one step.
        max_eval: evaluations at which a step ends; by default 5/4 of ``max_iter``.
        tolerances: a step ends where no gradient is above the first, or where the objective or every parameter
            changes by less than the second.
        history_size: how many pairs $(s, y)$ are kept.
        line_search_fn: None or "strong_wolfe".

    Raises:
        ValueError: if a setting lies outside its range.

    Differs from its twin: ``step`` takes a closure, which clears the gradients, calls ``backward``
    and returns the loss.
    """
    check_settings("lbfgs", learning_rate=learning_rate, line_search_fn=line_search_fn)
    return partial(
        torch.optim.LBFGS,
        lr=learning_rate,
        max_iter=max_iter,
        max_eval=max_eval,
        tolerance_grad=tolerances[0],
        tolerance_change=tolerances[1],
        history_size=history_size,
        line_search_fn=line_search_fn,
    )
