"""Images read at any place, and the places that an affine map leads to."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jax_impl._resampling_checks import check_word

__all__ = ["grid_sample", "affine_grid"]


def grid_sample(
    x: Float[Array, "batch *space channels"],
    grid: Float[Array, "batch *places axes"],
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Float[Array, "batch *places channels"]:
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

    Differs from its twin: channels are the last axis. ``jax.scipy.ndimage.map_coordinates`` reads one image of one
    channel at pixels, the first axis first, has no cubic order, and other names for the edges.
    """
    check_word("grid_sample", ("bilinear", "nearest", "bicubic")[: 5 - grid.shape[-1]], "mode", mode)
    check_word("grid_sample", ("zeros", "border", "reflection"), "padding_mode", padding_mode)
    space = grid.shape[-1]
    sizes = x.shape[1:-1]
    # (x, y) names the last axis first.
    places = [_place(grid[..., space - 1 - axis], sizes[axis], align_corners) for axis in range(space)]
    inside = [lambda at, size=size: _inside(at, size, padding_mode, align_corners) for size in sizes]
    if mode == "nearest":
        return _read(x, [jnp.round(fold(place)) for fold, place in zip(inside, places, strict=True)])
    cubic = mode == "bicubic"
    # A cubic kernel's taps are folded back one by one, and else the place itself.
    places = places if cubic else [fold(place) for fold, place in zip(inside, places, strict=True)]
    offsets = range(-1, 3) if cubic else range(2)
    found = jnp.zeros((), x.dtype)
    for corner in product(offsets, repeat=space):
        taps = [jnp.floor(place) + offset for place, offset in zip(places, corner, strict=True)]
        shares = [_share(place, tap, cubic) for place, tap in zip(places, taps, strict=True)]
        taps = [fold(tap) for fold, tap in zip(inside, taps, strict=True)] if cubic else taps
        found += jnp.stack(shares).prod(0)[..., None] * _read(x, taps)
    return found


def affine_grid(
    theta: Float[Array, "batch axes columns"], size: tuple[int, ...], *, align_corners: bool = False
) -> Float[Array, "batch *places axes"]:
    """Map every pixel's place: where each is read from, for ``grid_sample``.

    Args:
        theta: a matrix and, as its last column, what is added; (2, 3) for two axes, (3, 4) for three.
        size: of the images that are made, their axes of space alone.
        align_corners: as ``grid_sample`` is told.

    Returns:
        The places, $(x, y)$ or $(x, y, z)$.
    """
    axes = len(size)
    lines = [np.linspace(-1, 1, count) * (1 if align_corners else (count - 1) / count) for count in size]
    lines = [line if len(line) > 1 else np.zeros(1) for line in lines]
    places = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(size)], axis=-1)  # (*size, axes + 1)
    flat = jnp.asarray(places, theta.dtype).reshape(-1, axes + 1) @ theta.mT
    return flat.reshape(len(theta), *size, axes)


def _place(number: Array, size: int, align_corners: bool) -> Array:
    """From -1 to 1 to pixels."""
    return (number + 1) / 2 * (size - 1) if align_corners else ((number + 1) * size - 1) / 2


def _inside(place: Array, size: int, padding_mode: str, align_corners: bool) -> Array:
    """Fold a place back into the image; on the edge itself the derivative is 0, as in torch."""
    if padding_mode == "zeros":
        return place
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        if not span:
            return 0 * place
        moved = place - low
        moved = jnp.where(moved < 0, -moved, moved)  # not abs, whose derivative at 0 is 0 in torch and 1 in JAX
        turns = jax.lax.stop_gradient(jnp.floor(moved / span))
        rest = moved - turns * span
        place = jnp.where(turns % 2 == 0, rest, span - rest) + low
    return jnp.where(place <= 0, 0, jnp.where(place >= size - 1, size - 1, place))


def _share(place: Array, tap: Array, cubic: bool) -> Array:
    """The weight of a pixel by its distance, from which the derivative comes."""
    tap = jax.lax.stop_gradient(tap)
    distance = jnp.where(tap > place, tap - place, place - tap)  # at a pixel itself, the derivative to its right
    if not cubic:
        return 1 - distance
    near = (1.25 * distance - 2.25) * distance**2 + 1
    far = -0.75 * (((distance - 5) * distance + 8) * distance - 4)
    return jnp.where(distance <= 1, near, far)


def _read(x: Array, taps: list[Array]) -> Array:
    """The pixels at whole places; 0 beyond the image."""
    sizes = x.shape[1:-1]
    known = jnp.stack([(tap >= 0) & (tap < size) for tap, size in zip(taps, sizes, strict=True)]).all(0)
    indices = [jnp.clip(tap, 0, size - 1).astype(int) for tap, size in zip(taps, sizes, strict=True)]
    images = jnp.arange(len(x)).reshape(-1, *[1] * len(sizes))
    return jnp.where(known[..., None], x[(images, *indices)], 0)
