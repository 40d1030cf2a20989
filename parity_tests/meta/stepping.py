"""Optimizers run for some steps under given gradients, on either side: what the mistakes of optimizers share."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
import torch

__all__ = ["by_hand", "optax_steps", "torch_steps"]


def torch_steps(optimizer: Callable, *, clip: float = 0.0, decline: bool = False, **settings: Any) -> Callable:
    """(params, grads) to the parameters after every step of a torch optimizer.

    Args:
        optimizer: its class.
        clip: the global norm to clip to; 0 for none.
        decline: whether step k, from 0, runs at 1/(1 + k) of the learning rate.
        **settings: of the optimizer.
    """

    def run(params, grads):
        leaves = {name: value.detach().clone().requires_grad_() for name, value in params.items()}
        stepper, rows = optimizer(leaves.values(), **settings), []
        scheduler = torch.optim.lr_scheduler.LambdaLR(stepper, lambda k: 1 / (1 + k) if decline else 1.0)
        for step in range(len(grads["w"])):
            for name, leaf in leaves.items():
                leaf.grad = grads[name][step].detach().clone()
            if clip:
                torch.nn.utils.clip_grad_norm_(leaves.values(), clip)
            stepper.step()
            scheduler.step()
            rows.append({name: leaf.detach().clone() for name, leaf in leaves.items()})
        return {name: torch.stack([row[name] for row in rows]) for name in leaves}

    return run


def optax_steps(transform: optax.GradientTransformation, *, keep_state: bool = True) -> Callable:
    """The same of an optax transform; whoever does not keep the state forgets to carry it."""

    def run(params, grads):
        state, rows = transform.init(params), []
        for step in range(len(grads["w"])):
            updates, new_state = transform.update({name: g[step] for name, g in grads.items()}, state, params)
            params = optax.apply_updates(params, updates)
            state = new_state if keep_state else state
            rows.append(params)
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)

    return run


def by_hand(update: Callable, *, memory: float = 0.0) -> Callable:
    """The same of ``update(p, g, memory, step) -> p, memory``, one leaf at a time; the memory is two arrays."""

    def run(params, grads):
        def leaf(p, gradients):
            kept, rows = (jnp.full_like(p, memory), jnp.zeros_like(p)), []
            for step, gradient in enumerate(gradients):
                p, kept = update(p, gradient, kept, step)
                rows.append(p)
            return jnp.stack(rows)

        return {name: leaf(params[name], grads[name]) for name in params}

    return run
