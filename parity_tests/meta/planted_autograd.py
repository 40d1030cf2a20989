"""Planted mistakes of the topic autograd: most leave every output right and spoil a gradient."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import lax

from mistake import Mistake

__all__ = ["MISTAKES"]

autograd = partial(Mistake, topic="autograd")

draw = np.random.default_rng(2)
VECTOR = draw.normal(size=5)
KINKED = np.array([-1.5, 0.0, 0.0, 2.0, -0.25])
TIED = np.array([[1.0, 1.0, -2.0, 0.5], [0.25, 3.0, 3.0, 3.0]])
EDGES = np.array([-1.0, -0.5, 0.25, 1.0, 2.0])


def square_root_where_positive(x):
    positive = x > 0
    return torch.where(positive, torch.sqrt(torch.where(positive, x, torch.ones_like(x))), torch.zeros_like(x))


def square_root_safely(x):
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0)


def clamped(x):
    """torch.clamp's derivative is 1 on the edges themselves; jnp.clip's is 1/2 there."""
    return jnp.where(x < -1, -1.0, jnp.where(x > 1, 1.0, x))


def first_largest(x):
    return jnp.take_along_axis(x, x.argmax(axis=1, keepdims=True), axis=1)[:, 0]


def complex_gradient(z):
    return torch.func.grad(lambda z: (z.abs() ** 2).sum())(z)


def squared_modulus(z):
    return (jnp.abs(z) ** 2).sum()


@jax.custom_vjp
def cube(x):
    return x**3


cube.defvjp(lambda x: (x**3, x), lambda x, cotangent: (3 * x * cotangent,))


MISTAKES = (
    autograd(
        name="detach left out",
        torch_side=lambda x: x * x.detach(),
        right=lambda x: x * lax.stop_gradient(x),
        wrong=lambda x: x * x,
        inputs=(VECTOR,),
        caught=("grad/x",),
        named=("detach", "stop_gradient"),
    ),
    autograd(
        name="stop_gradient too many",
        torch_side=lambda x, w: (w * x).sum() + w**2,
        right=lambda x, w: (w * x).sum() + w**2,
        wrong=lambda x, w: (lax.stop_gradient(w) * x).sum() + lax.stop_gradient(w) ** 2,
        inputs=(VECTOR, np.array(0.75)),
        caught=("grad/w",),
        named=("stop_gradient",),
    ),
    autograd(
        name="relu by maximum",
        torch_side=torch.relu,
        right=jax.nn.relu,
        wrong=lambda x: jnp.maximum(x, 0),
        inputs=(KINKED,),
        caught=("grad/x",),
        named=("tie", "differ only", "kink", "edge"),
    ),
    autograd(
        name="clip at its edges",
        torch_side=lambda x: x.clamp(-1, 1),
        right=clamped,
        wrong=lambda x: jnp.clip(x, -1, 1),
        inputs=(EDGES,),
        caught=("grad/x",),
        named=("tie", "differ only", "kink", "edge", "bound", "kink"),
    ),
    autograd(
        name="a gradient split among ties",
        torch_side=lambda x: x.max(dim=1).values,
        right=first_largest,
        wrong=lambda x: x.max(axis=1),
        inputs=(TIED,),
        caught=("grad/x",),
        named=("tie", "differ only", "kink"),
    ),
    autograd(
        name="abs at zero",
        torch_side=torch.abs,
        right=lambda x: x * jnp.sign(x),
        wrong=lambda x: jnp.where(x >= 0, x, -x),
        inputs=(KINKED,),
        caught=("grad/x",),
        named=("kink", "tie", "differ only", "zero in the input", "at zero", "edge"),
    ),
    autograd(
        name="where around a NaN gradient",
        torch_side=square_root_where_positive,
        right=square_root_safely,
        wrong=lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0),
        inputs=(np.array([4.0, 0.0, -1.0, 9.0]),),
        caught=("grad/x",),
        named=("where", "not finite", "nan"),
    ),
    autograd(
        name="norm squared at zero",
        torch_side=lambda x: torch.linalg.vector_norm(x) ** 2,
        right=lambda x: (x**2).sum(),
        wrong=lambda x: jnp.linalg.norm(x) ** 2,
        inputs=(np.zeros(3),),
        caught=("grad/x",),
        named=("not finite", "nan", "at zero"),
    ),
    autograd(
        name="a custom derivative without its square",
        torch_side=lambda x: x**3,
        right=lambda x: x**3,
        wrong=cube,
        inputs=(VECTOR,),
        caught=("grad/x",),
        named=("power", "square", "derivative"),
    ),
    autograd(
        name="a complex gradient not conjugated",
        torch_side=complex_gradient,
        right=lambda z: jax.grad(squared_modulus)(z).conj(),
        wrong=jax.grad(squared_modulus),
        inputs=(VECTOR + 1j * VECTOR[::-1],),
        caught=("output",),
        options={"gradients": False},
        named=("conjug",),
    ),
    autograd(
        name="a derivative of the wrong order",
        torch_side=torch.func.vmap(torch.func.grad(torch.func.grad(torch.sin))),
        right=jax.vmap(jax.grad(jax.grad(jnp.sin))),
        wrong=jax.vmap(jax.grad(jnp.sin)),
        inputs=(VECTOR,),
        caught=("output", "grad/x"),
        named=("derivative", "order of"),
    ),
)
