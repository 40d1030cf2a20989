"""Losses of one class out of many."""

from typing import TypedDict, Unpack

from jaxtyping import Float, Int, Num
from torch import Tensor
from torch.nn import functional

from torch_impl._losses_checks import reduction_of

__all__ = ["CrossEntropyOptions", "nll_loss", "cross_entropy", "linear_cross_entropy"]


class CrossEntropyOptions(TypedDict, total=False):
    """The options of `cross_entropy`, for functions that end in one; the defaults are those of `cross_entropy`."""

    weight: Tensor | None
    ignore_index: int
    reduction: str
    label_smoothing: float


def nll_loss(
    input: Float[Tensor, "*scores"],
    target: Int[Tensor, "*labels"],
    weight: Float[Tensor, " classes"] | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Float[Tensor, "*losses"]:
    r"""Take the negative logarithm of the right class's probability: $-w_y x_y$.

    The mean divides by the weights of the labels that count, $\sum_n w_{y_n}$, not by their number.

    Args:
        input: *logarithms* of probabilities; the classes are axis 1, or axis 0 where there is no batch.
        target: labels $y$, shaped as ``input`` without its classes.
        weight: the classes' weights $w$, 1 by default.
        ignore_index: a label that does not count, in the range of classes or not.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        One loss a label, 0 where it is ignored, or one in all; NaN is the mean of none.

    Raises:
        ValueError: if there is no such reduction.

    Differs from its twin: a label out of range raises an IndexError.
    """
    reduction = reduction_of("nll_loss", reduction)
    return functional.nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)


def cross_entropy(
    input: Float[Tensor, "*scores"],
    target: Num[Tensor, "*labels"],
    weight: Float[Tensor, " classes"] | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Float[Tensor, "*losses"]:
    r"""Hold the softmax of scores against labels: $-\sum_c w_c q_c \log \mathrm{softmax}(x)_c$.

    The distribution $q$ is 1 at the label, or given, and smoothed: $(1 - s) q + s / C$ (Szegedy et al. 2015,
    arXiv:1512.00567, section 7). The mean divides by the weights of the labels that count, $\sum_n w_{y_n}$; where
    distributions are given, by their number.

    Args:
        input: scores (logits) $x$; the classes are axis 1, or axis 0 where there is no batch.
        target: labels, shaped as ``input`` without its classes; or distributions $q$ shaped as ``input``.
        weight: the classes' weights $w$, 1 by default.
        ignore_index: a label that does not count, in the range of classes or not.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        label_smoothing: the share $s$ that is spread over all classes, from 0 to 1.

    Returns:
        One loss a label, 0 where it is ignored, or one in all; NaN is the mean of none.

    Raises:
        ValueError: if ``label_smoothing`` is not a share or there is no such reduction.

    Differs from its twin: a label out of range raises an IndexError.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be from 0 to 1, got {label_smoothing}.")
    reduction = reduction_of("cross_entropy", reduction)
    return functional.cross_entropy(
        input, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
    )


def linear_cross_entropy(
    input: Float[Tensor, "*batch in_features"],
    linear_weight: Float[Tensor, "classes *outputs in_features"],
    target: Num[Tensor, "*labels"],
    *,
    linear_bias: Float[Tensor, "classes *outputs"] | None = None,
    batch_chunk_size: int | None = None,
    **options: Unpack[CrossEntropyOptions],
) -> Float[Tensor, "*losses"]:
    r"""Take the cross entropy of the scores $x W^\top + b$ of a linear layer, without holding all scores at once.

    Args:
        input: activations $x$, one row an example, or one row alone.
        linear_weight: $W$ in torch's layout, one row a class; further axes are outputs with labels of their own.
        target: as in `cross_entropy`.
        linear_bias: $b$; None leaves it out.
        batch_chunk_size: how many examples' scores are held at once; None for all. Only for labels of single outputs,
            without smoothing.
        **options: of `cross_entropy`.

    Returns:
        What `cross_entropy` returns.

    Raises:
        ValueError: as `cross_entropy`.

    Differs from its twin: the gradient of a chunk is computed with its loss, so that there is only a first derivative.
    Before torch 2.13 there are no chunks.
    """
    if not hasattr(functional, "linear_cross_entropy"):  # before torch 2.13: all scores are held
        scores = functional.linear(input, linear_weight.flatten(0, -2)).unflatten(-1, linear_weight.shape[:-1])
        return cross_entropy(scores if linear_bias is None else scores + linear_bias, target, **options)
    chunks = None
    if batch_chunk_size is not None:
        from torch.nn import LinearCrossEntropyOptions  # of torch 2.13

        # A second backward over one graph is refused otherwise.
        chunks = LinearCrossEntropyOptions(batch_chunk_size=batch_chunk_size, allow_retain_graph=True)
    return functional.linear_cross_entropy(
        input, linear_weight, target, linear_bias=linear_bias, options=chunks, **options
    )
