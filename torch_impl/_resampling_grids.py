"""Images read at any place, and the places that an affine map leads to."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from torch_impl._resampling_checks import check_word

__all__ = ["grid_sample", "affine_grid"]


def grid_sample(
    x: Float[Tensor, "batch channels *space"],
    grid: Float[Tensor, "batch *places axes"],
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Float[Tensor, "batch channels *places"]:
    r"""Read images at given places, between their pixels.

    Places are pairs $(x, y)$, or triples with $z$: the last axis of space comes first, and $-1$ and $1$ are an image's
    outer edges, or its outer pixels' centres with ``align_corners``.

    Args:
        x: images, of two or three axes of space.
        grid: the places.
        mode: ``"bilinear"``, between the pixels around (eight of them in three axes), ``"nearest"``, with halves to
            even, or ``"bicubic"`` with Keys' kernel of -3/4, for two axes.
        padding_mode: what lies beyond: ``"zeros"``, the outer pixel (``"border"``), or ``"reflection"`` at the edge.
        align_corners: whether the outer places are centres of pixels.

    Returns:
        A value a place.

    Raises:
        ValueError: if there is no such mode, or none such for so many axes.

    Differs from its twin: channels are the second axis.
    """
    check_word("grid_sample", ("bilinear", "nearest", "bicubic")[: 5 - grid.shape[-1]], "mode", mode)
    check_word("grid_sample", ("zeros", "border", "reflection"), "padding_mode", padding_mode)
    return functional.grid_sample(x, grid, mode, padding_mode, align_corners)


def affine_grid(
    theta: Float[Tensor, "batch axes columns"], size: tuple[int, ...], *, align_corners: bool = False
) -> Float[Tensor, "batch *places axes"]:
    """Map every pixel's place: where each is read from, for ``grid_sample``.

    Args:
        theta: a matrix and, as its last column, what is added; (2, 3) for two axes, (3, 4) for three.
        size: of the images that are made, their axes of space alone.
        align_corners: as ``grid_sample`` is told.

    Returns:
        The places, $(x, y)$ or $(x, y, z)$.
    """
    return functional.affine_grid(theta, [len(theta), 1, *size], align_corners)
