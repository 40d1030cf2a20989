"""Rows of a table by their ids, the padding row and the cap on a row's length."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["embedding", "renormalized", "embedding_layer", "one_hot"]


def embedding(
    ids: Int[Tensor, "*shape"],
    weight: Float[Tensor, "rows features"],
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Float[Tensor, "*shape features"]:
    """Look up the rows of a table.

    Args:
        ids: which rows, from 0.
        weight: the table.
        padding_idx: the row that gets no gradient, whatever it holds; below 0 it counts from the end.
        max_norm: longer rows are shortened to it first, see `renormalized`; None for no cap. The gradient is that of
            the shortened table, as if it had been short before.
        norm_type: of the norm that ``max_norm`` bounds.
        scale_grad_by_freq: divide a row's gradient by how often its id occurs.

    Returns:
        One row an id.

    Raises:
        ValueError: if ``padding_idx`` is no row.

    Differs from its twin: with ``max_norm`` the table itself is shortened, in place.
    """
    padding = _row("embedding", padding_idx, weight.shape[0])
    cap = {"max_norm": max_norm, "norm_type": norm_type, "scale_grad_by_freq": scale_grad_by_freq}
    return functional.embedding(ids, weight, padding, **cap)


def renormalized(
    weight: Float[Tensor, "rows features"], ids: Int[Tensor, "*shape"], *, max_norm: float, norm_type: float = 2.0
) -> Float[Tensor, "rows features"]:
    r"""Shorten the rows that are asked for, where they are too long.

    $w \leftarrow w \, m / (\|w\|_p + 10^{-7})$ where $\|w\|_p > m$.

    Args:
        weight: the table.
        ids: which rows; all others stay as they are.
        max_norm: $m$.
        norm_type: $p$.

    Returns:
        The table.

    Differs from its twin: JAX returns a new table, PyTorch writes into the one that it is given.
    """
    return torch.embedding_renorm_(weight.detach(), ids.flatten(), max_norm, norm_type)


def embedding_layer(rows: int, features: int, *, padding_idx: int | None = None) -> nn.Embedding:
    r"""Build a table whose rows are born from $N(0, 1)$, the padding row from zeros.

    Args:
        rows: how many ids there are.
        features: the width of a row.
        padding_idx: the row that gets no gradient; None for none.

    Returns:
        The framework's own layer.

    Raises:
        ValueError: if ``padding_idx`` is no row.

    Differs from its twin: ``nn.Embedding`` holds its table from birth.
    """
    padding = _row("embedding_layer", padding_idx, rows)
    return nn.Embedding(rows, features, padding_idx=padding)


def one_hot(ids: Int[Tensor, "*shape"], num_classes: int = -1) -> Int[Tensor, "*shape classes"]:
    """Write each id as a row of zeros with a one at its place, in integers.

    Args:
        ids: classes, from 0.
        num_classes: how many there are; -1 for one more than the largest id.

    Returns:
        One row an id.

    Raises:
        ValueError: if ``num_classes`` is neither -1 nor above 0, or is -1 and there are no ids.

    Differs from its twin: an id that is no class raises a RuntimeError.
    """
    if num_classes < 1 and (num_classes != -1 or ids.numel() == 0):
        raise ValueError(f"one_hot: num_classes must be above 0, or -1 where there are ids, got {num_classes}.")
    return functional.one_hot(ids, num_classes)


def _row(function: str, padding_idx: int | None, rows: int) -> int | None:
    """The padding row counted from 0."""
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ValueError(f"{function}: padding_idx must be a row of {rows}, got {padding_idx}.")
    return None if padding_idx is None else padding_idx % rows
