"""Laws that place their values: constants, identities, orthogonal and sparse matrices."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax.linen import initializers
from jax.nn.initializers import Initializer

__all__ = ["constant", "ones", "zeros", "eye", "dirac", "orthogonal", "sparse"]


def constant(val: float) -> Initializer:
    """Return the law of one value: ``nn.init.constant_``.

    Args:
        val: the value.

    Returns:
        An initializer in the framework's own form.
    """
    return initializers.constant(val)


def ones() -> Initializer:
    """Return the law of ones: ``nn.init.ones_``.

    Returns:
        An initializer in the framework's own form.
    """
    return initializers.ones


def zeros() -> Initializer:
    """Return the law of zeros: ``nn.init.zeros_``.

    Returns:
        An initializer in the framework's own form.
    """
    return initializers.zeros


def eye() -> Initializer:
    """Return the law of the identity, as much of it as fits: ``nn.init.eye_``.

    Returns:
        An initializer in the framework's own form, of matrices.

    Raises:
        ValueError: the initializer, of anything but a matrix.
    """

    def law(key, shape, dtype=jnp.float32, out_sharding=None):
        if len(shape) != 2:
            raise ValueError(f"eye: shape must have 2 axes, got {len(shape)}.")
        return jnp.eye(*shape, dtype=dtype)

    return law


def dirac(groups: int = 1) -> Initializer:
    """Return the law of a convolution that passes its input through: ``nn.init.dirac_``.

    In each group, output channel $i$ is input channel $i$; further outputs are zero. An even window has its one
    behind the middle.

    Args:
        groups: of the convolution.

    Returns:
        An initializer in the framework's own form, of kernels with 3 to 5 axes.

    Raises:
        ValueError: the initializer, if the outputs do not divide into the groups or the axes are too few or many.
    """

    def law(key, shape, dtype=jnp.float32, out_sharding=None):
        if not 3 <= len(shape) <= 5:
            raise ValueError(f"dirac: shape must have 3, 4 or 5 axes, got {len(shape)}.")
        if shape[-1] % groups:
            raise ValueError(f"dirac: groups must divide the {shape[-1]} outputs, got {groups}.")
        *window, inputs, outputs = shape
        of_group = outputs // groups
        channel = np.arange(min(inputs, of_group))
        kernel = np.zeros(shape)
        for first in range(0, outputs, of_group):
            kernel[(*(size // 2 for size in window), channel, first + channel)] = 1
        return jnp.asarray(kernel, dtype)

    return law


def orthogonal(gain: float = 1.0) -> Initializer:
    r"""Return the law of matrices of which no orthonormal basis is preferred: ``nn.init.orthogonal_``.

    The kernel as a matrix of outputs by all else has orthonormal rows or columns, whichever are fewer, times the gain:
    $Q$ of a normal matrix, with the signs that make the diagonal of $R$ positive (Saxe et al. 2013, arXiv:1312.6120;
    Mezzadri 2006, arXiv:math-ph/0609050).

    Args:
        gain: a factor.

    Returns:
        An initializer in the framework's own form.

    Raises:
        ValueError: the initializer, of less than 2 axes.
    """
    # The last axis, linen's outputs, is the one that stands alone: the rows of torch's matrix.
    return initializers.orthogonal(gain, column_axis=-1)


def sparse(sparsity: float, std: float = 0.01) -> Initializer:
    r"""Return the law of matrices in which each input reaches few outputs: ``nn.init.sparse_``.

    Of each input's weights $\lceil s \cdot out \rceil$ are zero, at random places; the others are normal (Martens 2010,
    Deep learning via Hessian-free optimization, section 5, which keeps a number and sets the standard deviation to 1).

    Args:
        sparsity: $s$, the share of zeros.
        std: the standard deviation of the others.

    Returns:
        An initializer in the framework's own form, of matrices.

    Raises:
        ValueError: the initializer, of anything but a matrix.

    Differs from its twin: the zeros lie in each row of the (in, out) kernel. ``nn.initializers`` has no such law.
    """

    def law(key, shape, dtype=jnp.float32, out_sharding=None):
        if len(shape) != 2:
            raise ValueError(f"sparse: shape must have 2 axes, got {len(shape)}.")
        to_values, to_places = jax.random.split(key)
        places = jnp.broadcast_to(jnp.arange(shape[1]), shape)
        places = jax.random.permutation(to_places, places, axis=1, independent=True)
        values = std * jax.random.normal(to_values, shape, dtype)
        return jnp.where(places < math.ceil(sparsity * shape[1]), 0, values)

    return law
