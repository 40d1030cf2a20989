"""Schedules that leave the first rate once, by steps, by a line or by a power, and stay where they arrive."""

from collections.abc import Callable, Sequence

from torch.optim import Optimizer, lr_scheduler

from torch_impl._schedules_checks import check_count, check_positive, check_share

__all__ = [
    "lambda_lr",
    "multiplicative_lr",
    "step_lr",
    "multi_step_lr",
    "constant_lr",
    "linear_lr",
    "exponential_lr",
    "polynomial_lr",
]


def lambda_lr(optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> lr_scheduler.LambdaLR:
    r"""Set the rate to a function of the step times the first rate: $\eta_t = \eta_0\,\lambda(t)$.

    Args:
        lr_lambda: $\lambda$.

    Returns:
        The schedule in the framework's own form.

    Differs from its twin: $\lambda$ is called with an ``int``; ``state_dict`` leaves a plain function out.
    """
    return lr_scheduler.LambdaLR(optimizer, lr_lambda)


def multiplicative_lr(optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> lr_scheduler.MultiplicativeLR:
    r"""Multiply the rate by a function of the step: $\eta_t = \eta_0 \prod_{i=1}^t \lambda(i)$.

    Args:
        lr_lambda: $\lambda$; its value at 0 is not used.

    Returns:
        The schedule in the framework's own form.

    Differs from its twin: each step multiplies once; a function of the step alone must repeat the product.
    """
    return lr_scheduler.MultiplicativeLR(optimizer, lr_lambda)


def step_lr(optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> lr_scheduler.StepLR:
    r"""Multiply the rate by a constant every so many steps: $\eta_t = \eta_0\,\gamma^{\lfloor t/s \rfloor}$.

    Args:
        step_size: $s$, at least 1.
        gamma: $\gamma$, above 0.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``step_size`` is below 1 or ``gamma`` is not above 0.
    """
    check_count("step_lr", "step_size", step_size)
    check_positive("step_lr", "gamma", gamma)
    return lr_scheduler.StepLR(optimizer, step_size, gamma)


def multi_step_lr(optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> lr_scheduler.MultiStepLR:
    r"""Multiply the rate by a constant at each milestone: $\eta_t = \eta_0\,\gamma^{\#\{m \le t\}}$.

    Args:
        milestones: the steps $m$ that have the new rate; one that is listed twice counts twice.
        gamma: $\gamma$, the factor of each.

    Returns:
        The schedule in the framework's own form.
    """
    return lr_scheduler.MultiStepLR(optimizer, milestones, gamma)


def constant_lr(optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> lr_scheduler.ConstantLR:
    r"""Hold a share of the rate for some steps: $\eta_t = f\,\eta_0$ for $t < n$, then $\eta_0$.

    Args:
        factor: $f$, above 0 and at most 1.
        total_iters: $n$; with 0 the share is never given up.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``factor`` lies outside.
    """
    # ConstantLR takes 0 too, and divides by it at step n.
    check_share("constant_lr", "factor", factor, zero=False)
    return lr_scheduler.ConstantLR(optimizer, factor, total_iters)


def linear_lr(
    optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
) -> lr_scheduler.LinearLR:
    r"""Go along a line: $\eta_t = \eta_0\,(a + (b - a) \min(t, n) / n)$.

    Args:
        start_factor: $a$, above 0 and at most 1: the first update already moves.
        end_factor: $b$, at least 0 and at most 1.
        total_iters: $n$, the step that first has $b$; with 0 the rate stays $a\,\eta_0$.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if a factor lies outside.
    """
    check_share("linear_lr", "start_factor", start_factor, zero=False)
    check_share("linear_lr", "end_factor", end_factor)
    return lr_scheduler.LinearLR(optimizer, start_factor, end_factor, total_iters)


def exponential_lr(optimizer: Optimizer, gamma: float) -> lr_scheduler.ExponentialLR:
    r"""Multiply the rate by a constant at every step: $\eta_t = \eta_0\,\gamma^t$.

    Args:
        gamma: $\gamma$, above 0.

    Returns:
        The schedule in the framework's own form.

    Raises:
        ValueError: if ``gamma`` is not above 0.
    """
    check_positive("exponential_lr", "gamma", gamma)
    return lr_scheduler.ExponentialLR(optimizer, gamma)


def polynomial_lr(optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> lr_scheduler.PolynomialLR:
    r"""Go to zero along a power: $\eta_t = \eta_0\,(1 - \min(t, n) / n)^p$.

    Args:
        total_iters: $n$, the step that first has rate 0; with 0 the rate stays.
        power: $p$.

    Returns:
        The schedule in the framework's own form.
    """
    return lr_scheduler.PolynomialLR(optimizer, total_iters, power)
