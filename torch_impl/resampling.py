"""Resampling: images made larger or smaller, or read at any place.

Differs from its twin: the framework's own functions, channels second.
"""

from torch_impl._resampling_grids import affine_grid, grid_sample
from torch_impl._resampling_interpolate import InterpolateOptions, interpolate

__all__ = ["InterpolateOptions", "interpolate", "grid_sample", "affine_grid"]
