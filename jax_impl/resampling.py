"""Resampling: images made larger or smaller, or read at any place.

Differs from its twin: channels are the last axis; ``jax.image`` and ``map_coordinates`` agree in a few settings alone.
"""

from jax_impl._resampling_grids import affine_grid, grid_sample
from jax_impl._resampling_interpolate import InterpolateOptions, interpolate

__all__ = ["InterpolateOptions", "interpolate", "grid_sample", "affine_grid"]
