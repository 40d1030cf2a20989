"""Random correct pairs: steps of the grammar one after the other, then a loss, then perhaps an optimizer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from torch.nn import functional

from calibrate_layers import IMAGE, SEQUENCE, SIGNAL
from calibrate_steps import ALONG, ELEMENTWISE, MATRIX, Shape, Step

__all__ = ["LOW", "Program", "program"]

LOW = ("float32", "bfloat16", "float16")
SCALES = {"unit": (1.0, 0.0), "small": (1e-3, 0.0), "offset": (1.0, 30.0)}  # magnitude, then what is added


@dataclass(frozen=True)
class Program:
    """A correct pair.

    Attributes:
        name: its operations.
        torch: (x, weights, target) to the results.
        jax: the same.
        shape: of x.
        steps: whose weights it takes.
        target: draws the target of the loss; None without one.
        dtypes: that both frameworks have all its operations for.
        gradients: whether it is to be differentiated; an optimizer's step has done that inside.
    """

    name: str
    torch: Callable
    jax: Callable
    shape: Shape
    steps: tuple[Step, ...]
    target: Callable[[np.random.Generator], np.ndarray] | None = None
    dtypes: tuple[str, ...] = LOW
    gradients: bool = True

    def inputs(self, rng: np.random.Generator, dtype: str) -> tuple:
        """Another draw, at one of the scales."""
        magnitude, offset = SCALES[str(rng.choice(list(SCALES)))]
        # Compiled, JAX turns x / a / b into x / (a * b), which float16 overflows: a failure of range, not of rounding.
        offset = min(offset, 3.0) if dtype == "float16" else offset
        x = magnitude * rng.normal(size=self.shape) + offset
        weights = [
            {name: rng.normal(size=shape) / np.sqrt(shape[0]) for name, shape in step.weights.items()}
            for step in self.steps
        ]
        return (x, weights) if self.target is None else (x, weights, self.target(rng))


def program(number: int) -> Program:
    """The random program of this number."""
    rng = np.random.default_rng([7, number])
    if number % 25 == 24:
        return _linear_algebra(rng)
    steps = _steps(rng)
    if rng.random() < 0.35:
        return _chain(steps)
    trained = _with_loss(rng, _chain(steps))
    return _with_optimizer(rng, trained) if rng.random() < 0.25 and any(s.weights for s in steps) else trained


def _steps(rng: np.random.Generator) -> tuple[Step, ...]:
    """Two to four, of those that fit the shape at hand."""
    rank = int(rng.choice([2, 2, 2, 3, 4]))
    shape: Shape = tuple(int(n) for n in rng.integers((3, 4, 6, 6)[:rank], (9, 14, 10, 9)[:rank]))
    steps = [Step("input", lambda x, w: x, lambda x, w: x, shape)]
    for _ in range(int(rng.integers(2, 5))):
        own = {2: [*MATRIX, *SEQUENCE], 3: SIGNAL, 4: IMAGE}.get(len(shape), [])
        pool = [own, ELEMENTWISE, ALONG][int(rng.choice(3, p=[0.4, 0.35, 0.25]))]
        if not pool or not shape or min(shape[1:], default=1) < 4:
            pool = ELEMENTWISE
        if not shape:
            break
        steps.append(pool[int(rng.integers(len(pool)))](rng, shape))
        shape = steps[-1].shape
    return tuple(steps)


def _chain(steps: tuple[Step, ...]) -> Program:
    def torch_chain(x: Any, weights: Any) -> Any:
        for step, w in zip(steps, weights, strict=True):
            x = step.torch(x, w)
        return x

    def jax_chain(x: Any, weights: Any) -> Any:
        for step, w in zip(steps, weights, strict=True):
            x = step.jax(x, w)
        return x

    name = ", ".join(step.name for step in steps[1:])
    return Program(name, torch_chain, jax_chain, steps[0].shape, steps)


def _smooth_l1(y: Any, target: Any) -> Any:
    gap = jnp.abs(y - target)
    return jnp.where(gap < 1, 0.5 * gap * gap, gap - 0.5).mean()


_LOSSES: dict[str, tuple[Callable, Callable]] = {
    "mse": (functional.mse_loss, lambda y, t: jnp.mean((y - t) ** 2)),
    "smooth_l1": (functional.smooth_l1_loss, _smooth_l1),
    "bce": (
        lambda y, t: functional.binary_cross_entropy_with_logits(y, torch.sigmoid(t)),
        lambda y, t: optax.sigmoid_binary_cross_entropy(y, jax.nn.sigmoid(t)).mean(),
    ),
}


def _with_loss(rng: np.random.Generator, base: Program) -> Program:
    shape = base.steps[-1].shape
    if len(shape) == 2 and rng.random() < 0.5:
        return _with_cross_entropy(base, shape)
    name = str(rng.choice(list(_LOSSES)))
    torch_loss, jax_loss = _LOSSES[name]
    return Program(
        f"{base.name}, {name}",
        lambda x, weights, target: torch_loss(base.torch(x, weights), target),
        lambda x, weights, target: jax_loss(base.jax(x, weights), target),
        base.shape,
        base.steps,
        lambda rng: rng.normal(size=shape),
    )


def _with_cross_entropy(base: Program, shape: Shape) -> Program:
    def jax_loss(x: Any, weights: Any, labels: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(base.jax(x, weights), labels).mean()

    return Program(
        f"{base.name}, cross_entropy",
        lambda x, weights, labels: functional.cross_entropy(base.torch(x, weights), labels),
        jax_loss,
        base.shape,
        base.steps,
        lambda rng: rng.integers(0, shape[1], size=shape[0]),
    )


_OPTIMIZERS: dict[str, tuple[Callable, Callable]] = {
    "sgd": (lambda p: torch.optim.SGD(p, 0.1), lambda: optax.sgd(0.1)),
    "momentum": (lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), lambda: optax.sgd(0.1, momentum=0.9)),
    "adam": (lambda p: torch.optim.Adam(p, 1e-2, eps=1e-4), lambda: optax.adam(1e-2, eps=1e-4)),
}


def _with_optimizer(rng: np.random.Generator, base: Program) -> Program:
    """Two steps, returning the weights."""
    name = str(rng.choice(list(_OPTIMIZERS)))
    make_torch, make_optax = _OPTIMIZERS[name]

    def torch_steps(x: Any, weights: Any, target: Any) -> Any:
        weights = [{key: leaf.detach().clone().requires_grad_() for key, leaf in w.items()} for w in weights]
        optimizer = make_torch([leaf for w in weights for leaf in w.values()])
        for _ in range(2):
            optimizer.zero_grad()
            base.torch(x, weights, target).backward()
            optimizer.step()
        return weights

    def jax_steps(x: Any, weights: Any, target: Any) -> Any:
        optimizer = make_optax()
        state = optimizer.init(weights)
        for _ in range(2):
            gradient = jax.grad(base.jax, argnums=1)(x, weights, target)
            updates, state = optimizer.update(gradient, state, weights)
            weights = optax.apply_updates(weights, updates)
        return weights

    # Adam's second moments underflow in float16, on both sides: a failure of range, not of rounding.
    dtypes = ("float32", "bfloat16") if name == "adam" else LOW
    name = f"{base.name}, {name}"
    return Program(name, torch_steps, jax_steps, base.shape, base.steps, base.target, dtypes, gradients=False)


_ALGEBRA: dict[str, tuple[Callable, Callable]] = {
    "solve": (lambda a, b: torch.linalg.solve(a, b), lambda a, b: jnp.linalg.solve(a, b)),
    "inverse": (lambda a, b: torch.linalg.inv(a) @ b, lambda a, b: jnp.linalg.inv(a) @ b),
    "cholesky": (lambda a, b: torch.linalg.cholesky(a @ a.T) @ b, lambda a, b: jnp.linalg.cholesky(a @ a.T) @ b),
    "logdet": (lambda a, b: torch.linalg.slogdet(a)[1] + b, lambda a, b: jnp.linalg.slogdet(a)[1] + b),
}


def _linear_algebra(rng: np.random.Generator) -> Program:
    """Of 4 I + a random matrix; LAPACK has no 16-bit form."""
    name, size = str(rng.choice(list(_ALGEBRA))), int(rng.integers(2, 9))
    torch_fn, jax_fn = _ALGEBRA[name]
    step = Step(name, lambda x, w: x, lambda x, w: x, (size, 3), {"a": (size, size)})
    return Program(
        name,
        lambda x, weights: torch_fn(4 * torch.eye(size, dtype=x.dtype) + weights[0]["a"], x),
        lambda x, weights: jax_fn(4 * jnp.eye(size, dtype=x.dtype) + weights[0]["a"], x),
        (size, 3),
        (step,),
        dtypes=("float32",),
    )
