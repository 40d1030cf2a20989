"""Dropout of every kind, on a given mask, so that both sides drop the same."""

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from torch_impl._normalization_checks import check_probability

__all__ = ["keep_mask", "dropout", "channel_dropout", "alpha_dropout", "channel_alpha_dropout"]

_LOWER = -1.7580993408473766  # SELU's limit far below 0


def keep_mask(shape: tuple[int, ...], *, p: float = 0.5, generator: Generator | None = None) -> Bool[Tensor, "*shape"]:
    """Draw which elements stay: each with the probability 1 - p.

    Args:
        shape: of the mask.
        p: how likely an element is to be dropped, 0 to 1.

    Returns:
        True where an element stays.

    Raises:
        ValueError: if ``p`` is no probability.

    Differs from its twin: ``generator`` is the global one by default, of which this takes what ``nn.Dropout`` takes.
    """
    check_probability("keep_mask", p)
    return torch.empty(shape).bernoulli_(1 - p, generator=generator).bool()


def dropout(
    x: Float[Tensor, "*shape"], keep: Bool[Tensor, "*shape"], *, p: float = 0.5, training: bool = True
) -> Float[Tensor, "*shape"]:
    """Drop elements, and scale up the others by 1 / (1 - p) (arXiv:1207.0580).

    Args:
        x: activations.
        keep: which stay.
        p: how likely it was to be dropped, 0 to 1.
        training: False returns ``x``.

    Returns:
        As many activations.

    Raises:
        ValueError: if ``p`` is no probability.

    Differs from its twin: ``nn.Dropout`` draws its mask itself, from the global generator.
    """
    check_probability("dropout", p)
    if not training or p == 0:
        return x
    return x * keep / (1 - p) if p < 1 else 0 * x


def channel_dropout(
    x: Float[Tensor, "batch channels *space"],
    keep: Bool[Tensor, "batch channels"],
    *,
    p: float = 0.5,
    training: bool = True,
) -> Float[Tensor, "batch channels *space"]:
    """Drop whole channels of an example: Dropout1d, 2d and 3d (arXiv:1411.4280).

    Args:
        x: activations.
        keep: which channels stay.
        p: how likely it was to be dropped, 0 to 1.
        training: False returns ``x``.

    Returns:
        As many activations.

    Raises:
        ValueError: if ``p`` is no probability.

    Differs from its twin: channels are axis 1.
    """
    check_probability("channel_dropout", p)
    return dropout(x, _over_space(keep, x), p=p, training=training)


def alpha_dropout(
    x: Float[Tensor, "*shape"], keep: Bool[Tensor, "*shape"], *, p: float = 0.5, training: bool = True
) -> Float[Tensor, "*shape"]:
    r"""Drop to SELU's lower end and keep mean 0 and variance 1: $a (x m + \alpha' (1 - m)) + b$ (arXiv:1706.02515).

    $\alpha' = -1.7581$, $a = ((1 - p)(1 + p \, \alpha'^2))^{-1/2}$, $b = -a \, p \, \alpha'$

    Args:
        x: activations of mean 0 and variance 1.
        keep: which stay, $m$.
        p: how likely it was to be dropped, 0 to 1.
        training: False returns ``x``.

    Returns:
        As many activations.

    Raises:
        ValueError: if ``p`` is no probability.

    Differs from its twin: ``nn.Dropout`` draws its mask itself, from the global generator.
    """
    check_probability("alpha_dropout", p)
    if not training or p == 0:
        return x
    if p == 1:
        return 0 * x
    scale = ((1 - p) * (1 + p * _LOWER**2)) ** -0.5
    return scale * (x * keep + _LOWER * ~keep - p * _LOWER)


def channel_alpha_dropout(
    x: Float[Tensor, "batch channels *space"],
    keep: Bool[Tensor, "batch channels"],
    *,
    p: float = 0.5,
    training: bool = True,
) -> Float[Tensor, "batch channels *space"]:
    """Alpha dropout of whole channels of an example: FeatureAlphaDropout.

    Args:
        x: activations of mean 0 and variance 1.
        keep: which channels stay.
        p: how likely it was to be dropped, 0 to 1.
        training: False returns ``x``.

    Returns:
        As many activations.

    Raises:
        ValueError: if ``p`` is no probability.

    Differs from its twin: channels are axis 1.
    """
    check_probability("channel_alpha_dropout", p)
    return alpha_dropout(x, _over_space(keep, x), p=p, training=training)


def _over_space(keep: Tensor, x: Tensor) -> Tensor:
    return keep.reshape(*keep.shape, *[1] * (x.ndim - 2)).expand_as(x)
