"""Convolutions and poolings in NumPy, over a view of all windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["convolved", "plain", "pooled"]


def plain(params: Any) -> bool:
    """Whether these functions do what such a step asks."""
    return params.get("batch_group_count", 1) == 1 and all(d == 1 for d in params.get("window_dilation", ()))


def convolved(x: Any, kernel: Any, **params: Any) -> Any:
    """``lax.conv_general_dilated``, in whatever layout its dimension numbers tell."""
    numbers = params["dimension_numbers"]
    x, kernel = np.transpose(x, numbers.lhs_spec), np.transpose(kernel, numbers.rhs_spec)
    kernel = _spread(kernel, params["rhs_dilation"], 0.0)
    x = _bordered(_spread(x, params["lhs_dilation"], 0.0), ((0, 0), (0, 0), *params["padding"]), 0.0)
    axes = tuple(range(2, x.ndim))
    windows = sliding_window_view(x, kernel.shape[2:], axes)
    windows = windows[(slice(None), slice(None), *(slice(None, None, step) for step in params["window_strides"]))]
    groups, space = params["feature_group_count"], len(axes)
    outs = [
        np.tensordot(part, taps, ((1, *range(2 + space, 2 + 2 * space)), (1, *range(2, 2 + space))))
        for part, taps in zip(np.split(windows, groups, 1), np.split(kernel, groups, 0), strict=True)
    ]
    out = np.moveaxis(np.concatenate(outs, -1), -1, 1)
    return np.transpose(out, np.argsort(numbers.out_spec))


def pooled(kind: str) -> Any:
    """``reduce_window_sum`` and its like."""
    start = {"sum": 0.0, "max": -np.inf, "min": np.inf}[kind]

    def run(x: Any, **params: Any) -> Any:
        x = _bordered(_dilated(x, params["base_dilation"], start), params["padding"], start)
        windows = sliding_window_view(x, params["window_dimensions"])
        windows = windows[tuple(slice(None, None, step) for step in params["window_strides"])]
        return getattr(windows, kind)(axis=tuple(range(x.ndim, 2 * x.ndim)))

    return run


def _spread(x: Any, dilation: Any, fill: float) -> Any:
    return _dilated(x, (1, 1, *dilation), fill)


def _dilated(x: Any, dilation: Any, fill: float) -> Any:
    if all(d == 1 for d in dilation):
        return x
    wide = np.full([(size - 1) * d + 1 for size, d in zip(x.shape, dilation, strict=True)], fill)
    wide[tuple(slice(None, None, d) for d in dilation)] = x
    return wide


def _bordered(x: Any, padding: Any, fill: float) -> Any:
    cut = tuple(slice(max(-low, 0), size - max(-high, 0)) for (low, high), size in zip(padding, x.shape, strict=True))
    return np.pad(x[cut], [(max(low, 0), max(high, 0)) for low, high in padding], constant_values=fill)
