"""Laws that place their values: constants, identities, orthogonal and sparse matrices."""

from collections.abc import Callable

from torch import Generator, Tensor, nn

__all__ = ["constant", "ones", "zeros", "eye", "dirac", "orthogonal", "sparse"]


def constant(val: float) -> Callable[..., Tensor]:
    """Return the law of one value: ``nn.init.constant_``.

    Args:
        val: the value.

    Returns:
        An initializer in the framework's own form.
    """
    return _drawless(lambda tensor: nn.init.constant_(tensor, val))


def ones() -> Callable[..., Tensor]:
    """Return the law of ones: ``nn.init.ones_``.

    Returns:
        An initializer in the framework's own form.
    """
    return _drawless(nn.init.ones_)


def zeros() -> Callable[..., Tensor]:
    """Return the law of zeros: ``nn.init.zeros_``.

    Returns:
        An initializer in the framework's own form.
    """
    return _drawless(nn.init.zeros_)


def eye() -> Callable[..., Tensor]:
    """Return the law of the identity, as much of it as fits: ``nn.init.eye_``.

    Returns:
        An initializer in the framework's own form, of matrices.

    Raises:
        ValueError: the initializer, of anything but a matrix.
    """

    def law(tensor: Tensor, generator: Generator | None = None) -> Tensor:
        if tensor.ndim != 2:
            raise ValueError(f"eye: shape must have 2 axes, got {tensor.ndim}.")
        return nn.init.eye_(tensor)

    return law


def dirac(groups: int = 1) -> Callable[..., Tensor]:
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

    def law(tensor: Tensor, generator: Generator | None = None) -> Tensor:
        if not 3 <= tensor.ndim <= 5:
            raise ValueError(f"dirac: shape must have 3, 4 or 5 axes, got {tensor.ndim}.")
        if tensor.shape[0] % groups:
            raise ValueError(f"dirac: groups must divide the {tensor.shape[0]} outputs, got {groups}.")
        return nn.init.dirac_(tensor, groups)

    return law


def orthogonal(gain: float = 1.0) -> Callable[..., Tensor]:
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

    def law(tensor: Tensor, generator: Generator | None = None) -> Tensor:
        if tensor.ndim < 2:
            raise ValueError(f"orthogonal: shape must have at least 2 axes, got {tensor.ndim}.")
        return nn.init.orthogonal_(tensor, gain, generator=generator)

    return law


def sparse(sparsity: float, std: float = 0.01) -> Callable[..., Tensor]:
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

    Differs from its twin: the places come from the global generator, also where ``generator`` is given.
    """

    def law(tensor: Tensor, generator: Generator | None = None) -> Tensor:
        if tensor.ndim != 2:
            raise ValueError(f"sparse: shape must have 2 axes, got {tensor.ndim}.")
        return nn.init.sparse_(tensor, sparsity, std, generator=generator)

    return law


def _drawless(fill: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """Let a law without chance be called like the others."""

    def law(tensor: Tensor, generator: Generator | None = None) -> Tensor:
        return fill(tensor)

    return law
