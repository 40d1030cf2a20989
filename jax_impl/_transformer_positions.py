"""Where a step stands, as numbers to add, and what it may see of those behind it."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

__all__ = ["sinusoidal_positions", "square_subsequent_mask"]


def sinusoidal_positions(
    length: int, width: int, *, base: float = 10000.0, dtype: DTypeLike | None = None
) -> Float[Array, "length width"]:
    r"""Describe each position by sines and cosines of angles that grow with it, side by side.

    $P_{p, 2k} = \sin \theta$ and $P_{p, 2k+1} = \cos \theta$ with $\theta = p \, base^{-2k/width}$
    (Vaswani et al. 2017, arXiv:1706.03762, section 3.5).

    Args:
        length: how many positions, from 0.
        width: of the vectors that they are added to; an odd one ends with a sine.
        base: the larger, the slower the last pairs turn.
        dtype: of the result; None for the framework's own.

    Returns:
        One row a position.

    Raises:
        ValueError: if ``length`` or ``width`` is below 1.
    """
    if min(length, width) < 1:
        raise ValueError(f"sinusoidal_positions: length and width must be at least 1, got {length} and {width}.")
    # In float64 whatever comes out: an angle of 5,000 is known to 2e-4 in float32.
    angles = np.arange(length)[:, None] * base ** (-np.arange(0, width, 2) / width)
    both = np.stack([np.sin(angles), np.cos(angles)], axis=-1)  # (length, pairs, 2)
    return jnp.asarray(both.reshape(length, -1)[:, :width], dtype=dtype)


def square_subsequent_mask(size: int) -> Float[Array, "size size"]:
    """Number what a step may see: 0 up to itself, minus infinity behind.

    Args:
        size: how many steps.

    Returns:
        A mask that is added to scores.

    Differs from its twin: ``nn.make_causal_mask`` of linen is boolean, and true where to look.
    """
    return jnp.where(jnp.tri(size, dtype=bool), 0.0, -jnp.inf)
