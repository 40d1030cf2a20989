"""Planted mistakes of optimizers: five steps from one start, under gradients over four decades."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import optax
import torch

from mistake import of_topic
from stepping import by_hand, optax_steps, torch_steps

__all__ = ["MISTAKES"]

plant = partial(of_topic("optimizers"), options={"gradients": False})

STEPS, RATE, DECAY = 5, 0.05, 0.1

draw = np.random.default_rng(8)
PARAMETERS = {"w": draw.normal(size=(3, 2)), "b": draw.normal(size=2)}
# From 1e-4 to 1: an epsilon shows in the small ones.
GRADIENTS = {
    "w": draw.normal(size=(STEPS, 3, 2)) * np.logspace(-4, 0, 6).reshape(3, 2),
    "b": draw.normal(size=(STEPS, 2)) * np.array([1e-3, 3.0]),
}
INPUTS = {"params": PARAMETERS, "grads": GRADIENTS}


def adam(p, g, memory, step, *, hat=False, correct=True):
    """Kingma & Ba; ``hat`` is TensorFlow's form, whose epsilon is added before the correction."""
    m, v = 0.9 * memory[0] + 0.1 * g, 0.999 * memory[1] + 0.001 * g**2
    one, two = (1 - 0.9 ** (step + 1), 1 - 0.999 ** (step + 1)) if correct else (1.0, 1.0)
    if hat:
        return p - RATE * two**0.5 / one * m / (jnp.sqrt(v) + 1e-8), (m, v)
    return p - RATE * (m / one) / (jnp.sqrt(v / two) + 1e-8), (m, v)


def momentum(p, g, memory, step, *, dampening=0.0, rate_inside=False):
    """The rate declines: only then does it matter where it stands."""
    rate = RATE / (1 + step)
    velocity = 0.9 * memory[0] + (1 - dampening) * (rate * g if rate_inside else g)
    return p - (velocity if rate_inside else rate * velocity), (velocity, memory[1])


ADAM = torch_steps(torch.optim.Adam, lr=RATE)
DECLINING = torch_steps(torch.optim.SGD, lr=RATE, momentum=0.9, decline=True)
SGD = torch_steps(torch.optim.SGD, lr=RATE, momentum=0.9)
DECAYED = optax.chain(optax.add_decayed_weights(DECAY), optax.adam(RATE))
EPSILON = ("eps", "1e-08", "1e-8")

MISTAKES = (
    plant(
        "Adam's epsilon inside the root",
        ADAM,
        optax_steps(optax.adam(RATE)),
        optax_steps(optax.adam(RATE, eps=0.0, eps_root=1e-8)),
        INPUTS,
        named=EPSILON,
    ),
    plant(
        "Adam's epsilon before the bias correction",
        ADAM,
        by_hand(adam),
        by_hand(partial(adam, hat=True)),
        INPUTS,
        named=EPSILON,
    ),
    plant(
        "Adam's epsilon 1e-7",
        ADAM,
        optax_steps(optax.adam(RATE)),
        optax_steps(optax.adam(RATE, eps=1e-7)),
        INPUTS,
        named=EPSILON,
    ),
    plant(
        "Adam without its bias correction",
        ADAM,
        by_hand(adam),
        by_hand(partial(adam, correct=False)),
        INPUTS,
        named=("bias correction", "correct"),
    ),
    plant(
        "Adam's second beta 0.99",
        ADAM,
        optax_steps(optax.adam(RATE)),
        optax_steps(optax.adam(RATE, b2=0.99)),
        INPUTS,
        named=("0.999", "0.99", "beta", "b2"),
    ),
    plant(
        "decoupled decay for L2 in the gradient",
        torch_steps(torch.optim.Adam, lr=RATE, weight_decay=DECAY),
        optax_steps(DECAYED),
        optax_steps(optax.adamw(RATE, weight_decay=DECAY)),
        INPUTS,
        named=("decoupled", "weight decay", "decayed", "l2"),
    ),
    plant(
        "AdamW with optax's default decay",
        torch_steps(torch.optim.AdamW, lr=RATE),
        optax_steps(optax.adamw(RATE, weight_decay=1e-2)),
        optax_steps(optax.adamw(RATE)),
        INPUTS,
        named=("0.0001", "1e-4", "0.01", "weight decay", "decayed", "decoupled"),
    ),
    plant(
        "decay added after the learning rate",
        torch_steps(torch.optim.AdamW, lr=RATE, weight_decay=DECAY),
        optax_steps(optax.adamw(RATE, weight_decay=DECAY)),
        optax_steps(optax.chain(optax.adam(RATE), optax.add_decayed_weights(DECAY))),
        INPUTS,
        named=("weight decay", "decayed", "decoupled", "-0.005", "the factor, -0.05, is not there"),
    ),
    plant(
        "biases not decayed",
        torch_steps(torch.optim.AdamW, lr=RATE, weight_decay=DECAY),
        optax_steps(optax.adamw(RATE, weight_decay=DECAY)),
        optax_steps(optax.adamw(RATE, weight_decay=DECAY, mask={"w": True, "b": False})),
        INPUTS,
        caught=("output/b",),
        named=("weight decay", "decayed", "decoupled", "mask"),
    ),
    plant(
        "momentum with the learning rate inside, under a schedule",
        DECLINING,
        by_hand(momentum),
        by_hand(partial(momentum, rate_inside=True)),
        INPUTS,
        named=("learning rate", "rate inside"),
    ),
    plant(
        "dampened momentum",
        DECLINING,
        by_hand(momentum),
        by_hand(partial(momentum, dampening=0.9)),
        INPUTS,
        named=("damp", "0.9", "0.1"),
    ),
    plant(
        "Nesterov's momentum for the plain one",
        SGD,
        optax_steps(optax.sgd(RATE, momentum=0.9)),
        optax_steps(optax.sgd(RATE, momentum=0.9, nesterov=True)),
        INPUTS,
        named=("nesterov",),
    ),
    plant(
        "the optimizer's state not carried",
        SGD,
        optax_steps(optax.sgd(RATE, momentum=0.9)),
        optax_steps(optax.sgd(RATE, momentum=0.9), keep_state=False),
        INPUTS,
        named=("state", "carried", "momentum"),
    ),
    plant(
        "the learning rate twice",
        SGD,
        optax_steps(optax.sgd(RATE, momentum=0.9)),
        optax_steps(optax.chain(optax.sgd(RATE, momentum=0.9), optax.scale(RATE))),
        INPUTS,
        named=("learning rate", "0.05", "twice"),
    ),
)
