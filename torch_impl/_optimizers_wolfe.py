"""The line search of L-BFGS: a step that satisfies the strong Wolfe conditions (Nocedal & Wright 2006, section 3.5).

Differs from its twin: torch's own search, which has no public name.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import lbfgs  # pyright: ignore[reportAttributeAccessIssue]

__all__ = ["strong_wolfe"]

Found: TypeAlias = tuple[Float[Tensor, ""], Float[Tensor, " size"]]


def strong_wolfe(
    objective: Callable[[Float[Tensor, " size"]], Found],
    point: Float[Tensor, " size"],
    known: Found,
    direction: Float[Tensor, " size"],
    step: Float[Tensor, ""],
    max_evaluations: int = 25,
) -> tuple[Float[Tensor, ""], Float[Tensor, " size"], Float[Tensor, ""], int]:
    r"""Find a step along a direction that is long enough and descends enough, torch's ``strong_wolfe``.

    $f(x + t d) \le f(x) + 10^{-4} \, t \, g^T d$ and $|g(x + t d)^T d| \le 0.9 \, |g^T d|$: a bracket grows from the
    first step, and shrinks by cubic interpolation until a point in it satisfies both.

    Args:
        objective: value and gradient at a point.
        point: $x$.
        known: value and gradient there.
        direction: $d$, along which the objective falls.
        step: $t$ to begin with.
        max_evaluations: of the objective, after the first.

    Returns:
        Value, gradient and step found, and how often the objective was evaluated.
    """
    value, gradient = known
    value, gradient, step, evaluations = lbfgs._strong_wolfe(
        *(lambda x, t, d: objective(x + t * d), point, step, direction),
        *(value, gradient, gradient @ direction),
        max_ls=max_evaluations,
    )
    return value, gradient, torch.as_tensor(step, dtype=point.dtype), evaluations
