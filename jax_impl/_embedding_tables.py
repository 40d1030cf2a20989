"""Rows of a table by their ids, the padding row and the cap on a row's length."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array, lax
from jaxtyping import Float, Int

__all__ = ["embedding", "renormalized", "embedding_layer", "one_hot"]


def embedding(
    ids: Int[Array, "*shape"],
    weight: Float[Array, "rows features"],
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Float[Array, "*shape features"]:
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

    Differs from its twin: the table stays as it is; `renormalized` returns what PyTorch would write into it. An id
    beyond the table is a row of NaN and one below 0 counts from the end, where PyTorch raises an IndexError.
    """
    padding = _row("embedding", padding_idx, weight.shape[0])
    if max_norm is not None:
        short = renormalized(weight, ids, max_norm=max_norm, norm_type=norm_type)
        weight = lax.stop_gradient(short) + _nothing(weight)
    rows = jnp.take(weight, ids, axis=0, mode="fill", fill_value=jnp.nan)
    if padding is not None:
        rows = jnp.where((ids == padding)[..., None], lax.stop_gradient(rows), rows)
    if scale_grad_by_freq:
        often = jnp.zeros(weight.shape[0], rows.dtype).at[ids].add(1)[ids]
        rows = lax.stop_gradient(rows) + _nothing(rows) / often[..., None]
    return rows


def renormalized(
    weight: Float[Array, "rows features"], ids: Int[Array, "*shape"], *, max_norm: float, norm_type: float = 2.0
) -> Float[Array, "rows features"]:
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
    norms = jnp.linalg.norm(weight, ord=norm_type, axis=-1, keepdims=True)
    asked = jnp.zeros(weight.shape[0], bool).at[ids].set(True)[:, None]
    return jnp.where(asked & (norms > max_norm), weight * (max_norm / (norms + 1e-7)), weight)


def embedding_layer(rows: int, features: int, *, padding_idx: int | None = None) -> nn.Module:
    r"""Build a table whose rows are born from $N(0, 1)$, the padding row from zeros.

    Args:
        rows: how many ids there are.
        features: the width of a row.
        padding_idx: the row that gets no gradient; None for none.

    Returns:
        The framework's own layer.

    Raises:
        ValueError: if ``padding_idx`` is no row.

    Differs from its twin: ``nn.Embed`` draws from $N(0, 1/features)$ unless told otherwise, and knows no padding row,
    so that there it is a layer of our own with the same weights.
    """
    padding = _row("embedding_layer", padding_idx, rows)
    if padding is None:
        return nn.Embed(rows, features, embedding_init=nn.initializers.normal(1.0))
    return _PaddedEmbed(rows, features, padding)


def one_hot(ids: Int[Array, "*shape"], num_classes: int = -1) -> Int[Array, "*shape classes"]:
    """Write each id as a row of zeros with a one at its place, in integers.

    Args:
        ids: classes, from 0.
        num_classes: how many there are; -1 for one more than the largest id.

    Returns:
        One row an id.

    Raises:
        ValueError: if ``num_classes`` is neither -1 nor above 0, or is -1 and there are no ids.

    Differs from its twin: an id that is no class is a row of zeros, where PyTorch raises a RuntimeError. Under ``jit``
    the classes must be given. ``jax.nn.one_hot`` itself makes floats, and takes no -1.
    """
    if num_classes < 1 and (num_classes != -1 or ids.size == 0):
        raise ValueError(f"one_hot: num_classes must be above 0, or -1 where there are ids, got {num_classes}.")
    classes = int(ids.max()) + 1 if num_classes == -1 else num_classes
    return jax.nn.one_hot(ids, classes, dtype=int)


def _row(function: str, padding_idx: int | None, rows: int) -> int | None:
    """The padding row counted from 0."""
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ValueError(f"{function}: padding_idx must be a row of {rows}, got {padding_idx}.")
    return None if padding_idx is None else padding_idx % rows


class _PaddedEmbed(nn.Module):
    num_embeddings: int
    features: int
    padding_idx: int

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
        weight = self.param("embedding", self._law, (self.num_embeddings, self.features))
        return embedding(inputs, weight, padding_idx=self.padding_idx)

    def _law(self, key: Array, shape: tuple[int, ...]) -> Array:
        return jax.random.normal(key, shape).at[self.padding_idx].set(0)


def _nothing(x: Array) -> Array:
    """Zero, whose gradient is that of ``x``."""
    return x - lax.stop_gradient(x)
