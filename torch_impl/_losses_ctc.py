"""Connectionist temporal classification: the loss of a labelling that does not say when."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from torch_impl._losses_checks import reduction_of

__all__ = ["CTCOptions", "ctc_loss"]


class CTCOptions(TypedDict, total=False):
    """The options of `ctc_loss`: ``blank`` 0, ``reduction`` "mean", ``zero_infinity`` false by default."""

    blank: int
    reduction: str
    zero_infinity: bool


def ctc_loss(
    log_probs: Float[Tensor, "time *batch classes"],
    targets: Int[Tensor, "*labels"],
    input_lengths: Int[Tensor, "*batch"] | Sequence[int],
    target_lengths: Int[Tensor, "*batch"] | Sequence[int],
    **options: Unpack[CTCOptions],
) -> Float[Tensor, "*losses"]:
    r"""Sum the probabilities of all alignments of a labelling: $-\log \sum_\pi \prod_t p_t(\pi_t)$.

    The forward recursion over the labels with blanks between (Graves et al. 2006, doi:10.1145/1143844.1143891,
    eq. 6-8). As torch's, the gradient is that of scores whose softmax is $p$: it has $p$ itself more than that of the
    formula, which the log-softmax before it takes out again.

    Args:
        log_probs: logarithms of $p$; without a batch axis one sequence alone.
        targets: the labels, one row a sequence, or those of all sequences one after the other.
        input_lengths: how many steps of time of each sequence count.
        target_lengths: how many labels of each sequence count.
        **options: ``blank``, the class that stands for no label (0); ``zero_infinity``, whether a labelling that no
            alignment reaches costs 0, with gradient 0, instead of infinity, with gradient NaN (false); ``reduction``
            ("mean"): ``"none"``, ``"sum"``, or ``"mean"`` of the losses, each divided by its number of labels first.

    Returns:
        One loss a sequence, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    reduction_of("ctc_loss", options.get("reduction", "mean"))
    lengths = torch.as_tensor(input_lengths), torch.as_tensor(target_lengths)
    return functional.ctc_loss(log_probs, targets, *lengths, **options)
