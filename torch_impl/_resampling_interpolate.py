"""Images made larger or smaller, one axis after another, by matrices of weights that depend on sizes alone."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from torch_impl._resampling_checks import check_interpolate

__all__ = ["InterpolateOptions", "interpolate"]


class InterpolateOptions(TypedDict, total=False):
    """How pixels are placed and weighed.

    ``align_corners``: the outer pixels' centres stay where they are, and not the outer edges; of the linear and cubic
    modes alone (false). ``recompute_scale_factor``: what was asked for is the size that it leads to, and not the
    distance of two samples (false). ``antialias``: where an axis shrinks, widen the kernel so that every pixel counts;
    of ``"bilinear"`` and ``"bicubic"`` alone (false).
    """

    align_corners: bool
    recompute_scale_factor: bool
    antialias: bool


def interpolate(
    x: Float[Tensor, "batch channels *space"],
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    **options: Unpack[InterpolateOptions],
) -> Float[Tensor, "batch channels *places"]:
    r"""Sample images at the centres of larger or smaller pixels.

    Pixel $i$ of an axis lies at $s(i + \tfrac12) - \tfrac12$ of the old one, where $s$ is one over ``scale_factor``, or
    old size over new; with ``align_corners`` at $i (n - 1)/(m - 1)$. The cubic kernel is that of Keys 1981 with
    $a = -\tfrac34$, and with ``antialias`` $-\tfrac12$.

    Args:
        x: images, of one to three axes of space.
        size: of the result; or else
        scale_factor: how much larger it is, rounded down.
        mode: ``"nearest"``, ``"nearest-exact"``, ``"linear"``, ``"bilinear"``, ``"trilinear"``, ``"bicubic"``,
            ``"area"``.
        **options: see `InterpolateOptions`.

    Returns:
        The images in their new size.

    Raises:
        ValueError: if not exactly one of ``size`` and ``scale_factor`` is given, there is no such mode for so many
            axes, or an option is not one of the mode's.

    Differs from its twin: channels are the second axis.
    """
    check_interpolate(x.ndim - 2, size, scale_factor, mode, options)
    known = dict(options)
    if "linear" not in mode and mode != "bicubic":
        known.pop("align_corners", None)  # false, and torch asks for None
    if size is not None:
        known.pop("recompute_scale_factor", None)
    return functional.interpolate(x, size, scale_factor, mode, **known)  # pyright: ignore[reportArgumentType]
