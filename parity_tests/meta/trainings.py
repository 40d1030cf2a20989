"""Small training loops, written in both frameworks, whose ports can be told to make one mistake."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional

import parity

__all__ = [
    "ADAM",
    "MOMENTUM",
    "SGD",
    "Rule",
    "batches_of",
    "both_sides",
    "double_well",
    "mean_square",
    "train",
    "weights_of",
]


@dataclass(frozen=True)
class Rule:
    """How parameters move; a mistaken port differs in one field.

    Attributes:
        kind: "sgd", "momentum" or "adam".
        rate: the step size.
        decay: of the weights, added to the gradient.
        epsilon: of Adam.
        inside: whether momentum keeps the rate inside its velocity.
        forgets: whether the moments are lost after every step.
        stale: whether the loss is that after the step.
        drops: whether a batch shorter than this is passed over.
    """

    kind: str = "sgd"
    rate: float = 0.1
    decay: float = 0.0
    epsilon: float = 1e-8
    inside: bool = False
    forgets: bool = False
    stale: bool = False
    drops: int = 0

    def __call__(self, slope: Any, state: dict) -> dict:
        """The next state; ``state`` holds "params" and what the rule remembers."""
        slope = jax.tree.map(lambda g, p: g + self.decay * p, slope, state["params"])
        return getattr(self, f"_{self.kind}")(slope, state)

    def _sgd(self, slope: Any, state: dict) -> dict:
        return {"params": jax.tree.map(lambda p, g: p - self.rate * g, state["params"], slope)}

    def _momentum(self, slope: Any, state: dict) -> dict:
        within, outside = (self.rate, 1.0) if self.inside else (1.0, self.rate)
        velocity = jax.tree.map(lambda v, g: 0.9 * v + within * g, state["velocity"], slope)
        params = jax.tree.map(lambda p, v: p - outside * v, state["params"], velocity)
        return {"params": params, "velocity": velocity}

    def _adam(self, slope: Any, state: dict) -> dict:
        count = state["count"] + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + (1 - 0.9) * g, state["first"], slope)
        second = jax.tree.map(lambda v, g: 0.999 * v + (1 - 0.999) * g**2, state["second"], slope)
        # 1 - b^t as torch's double has it; written out, float32 would lose half of its digits.
        one, two = (-jnp.expm1(count * np.log(b)) for b in (0.9, 0.999))

        def moved(p: Any, m: Any, v: Any) -> Any:
            return p - self.rate / one * m / (jnp.sqrt(v) / jnp.sqrt(two) + self.epsilon)

        params = jax.tree.map(moved, state["params"], first, second)
        return {"params": params, "first": first, "second": second, "count": count}


SGD, MOMENTUM, ADAM = Rule(), Rule("momentum", 0.05), Rule("adam", 1e-2)
_SLOTS = {"sgd": {}, "momentum": {"velocity": "momentum_buffer"}, "adam": {"first": "exp_avg", "second": "exp_avg_sq"}}


def weights_of(rng: np.random.Generator, *sizes: int) -> list[dict[str, np.ndarray]]:
    """A weight (fan_in, fan_out) and a bias for each layer, by torch's law."""
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        draw = partial(rng.uniform, -(fan_in**-0.5), fan_in**-0.5)
        layers.append({"w": draw(size=(fan_in, fan_out)).astype("float32"), "b": draw(size=fan_out).astype("float32")})
    return layers


def batches_of(rng: np.random.Generator, steps: int, size: int = 6, features: int = 3) -> list[tuple]:
    """Inputs and targets of a noisy curve, one batch a step."""
    x = rng.normal(size=(steps, size, features))
    return list(zip(x, np.sin(3 * x.sum(axis=-1, keepdims=True)), strict=True))


def _torch_step(state: Any, x: Any, y: Any) -> Any:
    model, optimizer = state
    optimizer.zero_grad()
    loss = functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.detach()


def _read(slots: dict[str, str], state: Any) -> dict:
    model, optimizer = state

    def tree(of: Callable) -> list[dict]:
        return [{"w": of(layer.weight).T, "b": of(layer.bias)} for layer in model if hasattr(layer, "weight")]

    found: dict[str, Any] = {"params": tree(lambda p: p)}
    found |= {name: tree(lambda p, slot=slot: optimizer.state[p][slot]) for name, slot in slots.items()}
    if "second" in slots:
        found["count"] = optimizer.state[model[0].weight]["step"]
    return found


def _scores(params: list, x: Any) -> Any:
    for layer in params[:-1]:
        x = jnp.tanh(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def mean_square(params: list, x: Any, y: Any) -> Any:
    """The loss."""
    return jnp.square(_scores(params, x) - y).mean()


def _jax_step(rule: Rule, state: dict, x: Any, y: Any) -> tuple[dict, Any]:
    loss, slope = jax.value_and_grad(mean_square)(state["params"], x, y)
    if len(x) < rule.drops:
        return state, loss
    after = rule(slope, state)
    if rule.forgets:
        after = {**state, "params": after["params"]}
    return after, mean_square(after["params"], x, y) if rule.stale else loss


def both_sides(
    weights: list[dict[str, np.ndarray]], rule: Rule, port: Rule | None = None
) -> tuple[parity.TorchTraining, parity.JaxTraining]:
    """A net of tanh layers, trained by ``rule`` in torch and by ``port``, the same rule by default, in JAX."""
    layers: list[torch.nn.Module] = []
    for pair in weights:
        layers.append(torch.nn.utils.skip_init(torch.nn.Linear, *pair["w"].shape))
        layers[-1].load_state_dict({"weight": torch.tensor(pair["w"].T), "bias": torch.tensor(pair["b"])})
        layers.append(torch.nn.Tanh())
    model = torch.nn.Sequential(*layers[:-1])
    make = {"sgd": torch.optim.SGD, "momentum": partial(torch.optim.SGD, momentum=0.9), "adam": torch.optim.Adam}
    optimizer = make[rule.kind](model.parameters(), lr=rule.rate, weight_decay=rule.decay)
    slots = _SLOTS[rule.kind]
    start: dict[str, Any] = {"params": weights} | {name: jax.tree.map(np.zeros_like, weights) for name in slots}
    if rule.kind == "adam":
        start["count"] = np.int32(0)
    step = partial(_jax_step, port or rule)
    return parity.TorchTraining((model, optimizer), _torch_step, partial(_read, slots)), parity.JaxTraining(start, step)


def train(rng: np.random.Generator, rule: Rule, port: Rule | None = None, **options: Any) -> parity.TrainingReport:
    """Compare the two sides on a 3-8-1 net; ``steps`` and the options of ``compare_training``."""
    batches = batches_of(rng, options.pop("steps", 24))
    return parity.compare_training(*both_sides(weights_of(rng, 3, 8, 1), rule, port), batches, **options)


def double_well(rate: float, port: float | None = None) -> tuple[parity.TorchTraining, parity.JaxTraining]:
    """Five walks down x^4 / 4 - x^2 / 2. With a rate of 1.8 they never settle: chaos, in any program."""
    x = torch.tensor([0.3, -0.45, 0.6, 0.75, -0.9], requires_grad=True)

    def torch_step(state: Any) -> Any:
        x, optimizer = state
        optimizer.zero_grad()
        loss = (x**4 / 4 - x**2 / 2).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def jax_step(x: Any) -> tuple[Any, Any]:
        loss, slope = jax.value_and_grad(lambda x: (x**4 / 4 - x**2 / 2).sum())(x)
        return x - (port or rate) * slope, loss

    state = x, torch.optim.SGD([x], lr=rate)
    return parity.TorchTraining(state, torch_step, lambda now: now[0]), parity.JaxTraining(x.detach(), jax_step)
