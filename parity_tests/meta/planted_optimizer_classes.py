"""Planted mistakes of the classes of ``torch.optim``: an option lost, another framework's default, another formula."""

from functools import partial

import optax
import torch

from jax_impl import optimizers as twins
from mistake import of_topic
from planted_optimizers import INPUTS
from stepping import optax_steps, torch_steps

__all__ = ["MISTAKES"]

RATE = 0.05
plant = partial(of_topic("optimizers"), options={"gradients": False})


def declining(count):
    """A rate that falls with every step, as ``torch_steps(decline=True)``."""
    return RATE / (1 + count)


def planted(name, cls, options, right, wrong, named, decline=False):
    left = torch_steps(getattr(torch.optim, cls), lr=RATE, decline=decline, **options)
    return plant(name, left, optax_steps(right), optax_steps(wrong), INPUTS, named=named)


MISTAKES = (
    planted(
        "RMSprop with a decay of 0.9",
        "RMSprop",
        {},
        twins.rmsprop(RATE),
        twins.rmsprop(RATE, alpha=0.9),
        ("0.99", "0.9", "decay", "alpha"),
    ),
    planted(
        "RMSprop's epsilon under the root",
        "RMSprop",
        {"eps": 1e-3},
        twins.rmsprop(RATE, eps=1e-3),
        optax.rmsprop(RATE, decay=0.99, eps=1e-3),
        ("eps", "0.001"),
    ),
    planted(
        "centred RMSprop not centred",
        "RMSprop",
        {"centered": True},
        twins.rmsprop(RATE, centered=True),
        twins.rmsprop(RATE),
        ("centre", "center", "mean"),
    ),
    planted(
        "RMSprop's rate inside the velocity, under a schedule",
        "RMSprop",
        {"momentum": 0.9},
        twins.rmsprop(declining, momentum=0.9),
        optax.rmsprop(declining, decay=0.99, eps_in_sqrt=False, momentum=0.9),
        ("learning rate", "velocity", "rate inside"),
        decline=True,
    ),
    planted(
        "Adagrad's sum started at 0.1",
        "Adagrad",
        {},
        twins.adagrad(RATE),
        twins.adagrad(RATE, initial_accumulator_value=0.1),
        ("0.1", "accumulator", "start"),
    ),
    planted(
        "Adagrad's rate not declining",
        "Adagrad",
        {"lr_decay": 0.5},
        twins.adagrad(RATE, lr_decay=0.5),
        twins.adagrad(RATE),
        ("lr_decay", "learning rate", "0.5"),
    ),
    planted(
        "amsgrad of the corrected moment",
        "Adam",
        {"amsgrad": True, "betas": (0.9, 0.5)},
        twins.adam(RATE, betas=(0.9, 0.5), amsgrad=True),
        optax.amsgrad(RATE, b2=0.5),
        ("amsgrad", "correct", "max", "the factor is not there"),
    ),
    planted(
        "dampening of the first gradient too",
        "SGD",
        {"momentum": 0.9, "dampening": 0.5},
        twins.sgd(RATE, momentum=0.9, dampening=0.5),
        optax.chain(optax.scale(0.5), optax.trace(0.9), optax.scale(-RATE)),
        ("damp", "first", "0.5"),
    ),
    planted(
        "dampening ignored",
        "SGD",
        {"momentum": 0.9, "dampening": 0.5},
        twins.sgd(RATE, momentum=0.9, dampening=0.5),
        twins.sgd(RATE, momentum=0.9),
        ("damp", "0.5"),
    ),
    planted(
        "Nesterov's look ahead missing",
        "SGD",
        {"momentum": 0.9, "nesterov": True},
        twins.sgd(RATE, momentum=0.9, nesterov=True),
        twins.sgd(RATE, momentum=0.9),
        ("nesterov", "look"),
    ),
    planted(
        "NAdam by Adam with Nesterov's momentum",
        "NAdam",
        {},
        twins.nadam(RATE),
        optax.nadam(RATE),
        ("momentum", "nadam", "0.96"),
    ),
    planted(
        "RAdam adaptive from the first step",
        "RAdam",
        {},
        twins.radam(RATE),
        twins.adam(RATE),
        ("rectif", "adaptive", "variance", "second moment", "the division is left out"),
    ),
    planted(
        "RAdam's decay decoupled",
        "RAdam",
        {"weight_decay": 0.1},
        twins.radam(RATE, weight_decay=0.1),
        twins.radam(RATE, weight_decay=0.1, decoupled_weight_decay=True),
        ("decoupled", "weight decay", "decayed", "l2"),
    ),
    planted(
        "Adadelta's mean of 0.95",
        "Adadelta",
        {},
        twins.adadelta(RATE),
        twins.adadelta(RATE, rho=0.95),
        ("0.9", "0.95", "rho"),
    ),
    planted(
        "Adadelta climbing, without a rate",
        "Adadelta",
        {},
        twins.adadelta(RATE),
        optax.adadelta(),
        ("sign", "learning rate", "0.05", "negat", "the plus is a minus"),
    ),
    planted(
        "Rprop waiting at its first step",
        "Rprop",
        {},
        twins.rprop(RATE),
        optax.rprop(RATE),
        ("first", "step", "sign"),
    ),
    planted(
        "ASGD at a constant rate",
        "ASGD",
        {"lambd": 0.5},
        twins.asgd(RATE, lambd=0.5),
        twins.asgd(RATE, lambd=0.5, alpha=0.0),
        ("learning rate", "0.75", "constant", "declin"),
    ),
    planted(
        "maximize ignored",
        "AdamW",
        {"maximize": True},
        twins.maximize(twins.adamw(RATE)),
        twins.adamw(RATE),
        ("maximi", "sign", "negat"),
    ),
    planted(
        "Adamax's root of the second moment for its maximum",
        "Adamax",
        {},
        twins.adamax(RATE),
        twins.adam(RATE),
        ("max", "infinity", "adamax"),
    ),
)
