"""Planted mistakes of the less common optimizers and of clipping, from the same start."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import optax
import torch

from mistake import of_topic
from planted_optimizers import INPUTS, RATE
from stepping import by_hand, optax_steps, torch_steps

__all__ = ["MISTAKES"]

plant = partial(of_topic("optimizers"), options={"gradients": False})


def rmsprop(p, g, memory, _, *, alpha=0.99, eps_inside=False):
    v = alpha * memory[0] + (1 - alpha) * g**2
    root = jnp.sqrt(v + 1e-8) if eps_inside else jnp.sqrt(v) + 1e-8
    return p - RATE * g / root, (v, memory[1])


def adagrad(p, g, memory, _):
    """``memory`` is what by_hand starts it from: 0 in torch, 0.1 in optax."""
    total = memory[0] + g**2
    return p - RATE * g / (jnp.sqrt(total) + 1e-10), (total, memory[1])


def rprop(p, g, memory, step, *, start=RATE, back=True):
    """Signs only: a step grows by 1.2 while they agree and halves where they change."""
    previous, size = memory if step else (memory[0], jnp.full_like(p, start))
    agree = g * previous
    size = jnp.clip(size * jnp.where(agree > 0, 1.2, jnp.where(agree < 0, 0.5, 1.0)), 1e-6, 50)
    g = jnp.where(agree < 0, 0.0, g) if back else g
    return p - jnp.sign(g) * size, (g, size)


def nadam(p, g, memory, step):
    """torch's schedule of momenta, whose product corrects the bias."""
    mu = [0.9 * (1 - 0.5 * 0.96 ** (k * 0.004)) for k in range(1, step + 3)]
    product = float(np.prod(mu[:-1]))
    m, v = 0.9 * memory[0] + 0.1 * g, 0.999 * memory[1] + 0.001 * g**2
    ahead = (1 - mu[-2]) / (1 - product) * g + mu[-1] / (1 - product * mu[-1]) * m
    return p - RATE * ahead / (jnp.sqrt(v / (1 - 0.999 ** (step + 1))) + 1e-8), (m, v)


def clipped(grads, *, per_leaf=False):
    """Every step's gradients cut to norm 1, by torch's rule, which adds 1e-6 to the norm."""

    def squares(g):
        return (g**2).reshape(len(g), -1).sum(1)

    whole = sum(squares(g) for g in grads.values())
    norms = {name: jnp.sqrt(squares(g) if per_leaf else whole) for name, g in grads.items()}
    shares = {name: jnp.minimum(1.0, 1.0 / (norm + 1e-6)) for name, norm in norms.items()}
    return {name: g * shares[name].reshape(-1, *[1] * (g.ndim - 1)) for name, g in grads.items()}


def clipped_steps(**how):
    return lambda params, grads: optax_steps(optax.sgd(RATE))(params, clipped(grads, **how))


RMSPROP = torch_steps(torch.optim.RMSprop, lr=RATE)
CLIPPED = torch_steps(torch.optim.SGD, lr=RATE, clip=1.0)

MISTAKES = (
    plant(
        "each tensor clipped by its own norm",
        CLIPPED,
        clipped_steps(),
        clipped_steps(per_leaf=True),
        INPUTS,
        named=("clip", "norm", "of the sqrt is the sum"),
    ),
    plant(
        "gradients not clipped",
        CLIPPED,
        clipped_steps(),
        optax_steps(optax.sgd(RATE)),
        INPUTS,
        named=("clip", "norm"),
    ),
    plant(
        "RMSprop's decay 0.9 for 0.99",
        RMSPROP,
        by_hand(rmsprop),
        by_hand(partial(rmsprop, alpha=0.9)),
        INPUTS,
        named=("0.9", "alpha"),
    ),
    plant(
        "RMSprop's epsilon inside the root",
        RMSPROP,
        optax_steps(optax.rmsprop(RATE, decay=0.99, eps_in_sqrt=False)),
        optax_steps(optax.rmsprop(RATE, decay=0.99)),
        INPUTS,
        named=("eps",),
    ),
    plant(
        "Adagrad started from 0.1",
        torch_steps(torch.optim.Adagrad, lr=RATE),
        by_hand(adagrad),
        by_hand(adagrad, memory=0.1),
        INPUTS,
        named=("0.1", "accumulator", "initial"),
    ),
    plant(
        "Adadelta uphill, for want of a learning rate",
        torch_steps(torch.optim.Adadelta, lr=1.0),
        optax_steps(optax.adadelta(1.0)),
        optax_steps(optax.adadelta()),
        INPUTS,
        named=("sign", "uphill", "learning rate", "the plus is a minus"),
    ),
    plant(
        "NAdam by optax, whose momentum has no schedule",
        torch_steps(torch.optim.NAdam, lr=RATE),
        by_hand(nadam),
        optax_steps(optax.nadam(RATE)),
        INPUTS,
        named=("nadam", "schedule", "momentum_decay"),
    ),
    plant(
        "Rprop that does not forget a sign change",
        torch_steps(torch.optim.Rprop, lr=RATE),
        by_hand(rprop),
        by_hand(partial(rprop, back=False)),
        INPUTS,
        named=("sign change", "differ only"),
    ),
)
