"""JAX's primitives in NumPy: a program of a few hundred small steps runs in a millisecond, and needs no compiler."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_letters
from typing import Any

import numpy as np
from scipy import special

from parity.diagnosis.scattered import added, written
from parity.diagnosis.sliding import convolved, pooled

__all__ = ["NUMPY"]


def _dot_general(x: Any, y: Any, dimension_numbers: Any, **_: Any) -> Any:
    (over, also_over), (batch, also_batch) = dimension_numbers
    names = iter(ascii_letters)
    left = [next(names) for _ in range(x.ndim)]
    right = [next(names) for _ in range(y.ndim)]
    for one, other in (*zip(over, also_over, strict=True), *zip(batch, also_batch, strict=True)):
        right[other] = left[one]
    out = [left[axis] for axis in batch]
    out += [left[axis] for axis in range(x.ndim) if axis not in (*over, *batch)]
    out += [right[axis] for axis in range(y.ndim) if axis not in (*also_over, *also_batch)]
    return np.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", x, y)


def _broadcast_in_dim(x: Any, *_: Any, shape: Any, broadcast_dimensions: Any, **__: Any) -> Any:
    wide = [1] * len(shape)
    for axis, place in zip(np.shape(x), broadcast_dimensions, strict=True):
        wide[place] = axis
    return np.broadcast_to(np.reshape(x, wide), shape)


def _converted(x: Any, new_dtype: Any, **_: Any) -> Any:
    wanted = np.dtype(new_dtype)
    if wanted.kind not in "biu":
        return np.asarray(x, np.complex128 if wanted.kind == "c" else np.float64)
    return np.asarray(x).astype(wanted)


def _select(which: Any, *cases: Any) -> Any:
    return np.where(which, cases[1], cases[0]) if np.asarray(which).dtype == bool else np.choose(which, cases)


def _pad(x: Any, value: Any, padding_config: Any) -> Any:
    for axis, (low, high, inner) in enumerate(padding_config):
        if inner:
            gaps = np.repeat(np.arange(1, x.shape[axis]), inner)
            x = np.insert(x, gaps, value, axis=axis)
        x = x[(slice(None),) * axis + (slice(max(-low, 0), x.shape[axis] - max(-high, 0)),)]
    return np.pad(x, [(max(low, 0), max(high, 0)) for low, high, _ in padding_config], constant_values=value)


def _slice(x: Any, start_indices: Any, limit_indices: Any, strides: Any) -> Any:
    strides = strides or (1,) * len(start_indices)
    return x[tuple(map(slice, start_indices, limit_indices, strides))]


def _dynamic_slice(x: Any, *starts: Any, slice_sizes: Any) -> Any:
    first = [int(np.clip(at, 0, axis - size)) for at, size, axis in zip(starts, slice_sizes, x.shape, strict=True)]
    return x[tuple(slice(at, at + size) for at, size in zip(first, slice_sizes, strict=True))]


def _running(function: Callable) -> Callable:
    def run(x: Any, axis: int, reverse: bool = False) -> Any:
        return np.flip(function(np.flip(x, axis), axis=axis), axis) if reverse else function(x, axis=axis)

    return run


def _reduction(function: Callable) -> Callable:
    return lambda x, axes, **_: function(x, axis=tuple(axes))


def _place(function: Callable) -> Callable:
    return lambda x, axes, index_dtype, **_: np.asarray(function(x, axis=axes[0])).astype(index_dtype)


def _split(x: Any, sizes: Any, axis: int) -> Any:
    return np.split(x, np.cumsum(sizes)[:-1], axis)


def _div(x: Any, y: Any) -> Any:
    return np.true_divide(x, y) if np.result_type(x, y).kind in "fc" else np.fix(np.true_divide(x, y)).astype(x.dtype)


def _round(x: Any, rounding_method: Any) -> Any:
    return np.round(x) if int(rounding_method) else np.trunc(x + np.copysign(0.5, x))


def _same(x: Any, **_: Any) -> Any:
    return x


def _iota(*_: Any, dtype: Any, shape: Any, dimension: int, **__: Any) -> Any:
    dtype = np.dtype(dtype) if np.dtype(dtype).kind in "biu" else np.float64
    wide = [-1 if axis == dimension else 1 for axis in range(len(shape))]
    return np.broadcast_to(np.arange(shape[dimension], dtype=dtype).reshape(wide), shape)


_UNARY = {
    **{
        name: getattr(np, name)
        for name in ["exp", "exp2", "expm1", "log", "log1p", "sqrt", "abs", "sign", "floor", "ceil", "square"]
    },
    **{
        name: getattr(np, name)
        for name in ["sin", "cos", "tan", "sinh", "cosh", "tanh", "real", "imag", "conj", "cbrt"]
    },
    **{f"a{name}": getattr(np, f"arc{name}") for name in ["sin", "cos", "tan", "sinh", "cosh", "tanh"]},
    "neg": np.negative,
    "not": np.invert,
    "is_finite": np.isfinite,
    "logistic": special.expit,
    "erf": special.erf,
    "erfc": special.erfc,
    "erf_inv": special.erfinv,
    "lgamma": special.gammaln,
    "digamma": special.psi,
    "rsqrt": lambda x: 1 / np.sqrt(x),
}
_BINARY = {
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _div,
    "pow": np.power,
    "max": np.maximum,
    "min": np.minimum,
    "rem": np.fmod,
    "atan2": np.arctan2,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
NUMPY: dict[str, Callable] = {
    **{name: lambda x, f=f, **_: f(x) for name, f in _UNARY.items()},
    **{name: lambda x, y, f=f, **_: f(x, y) for name, f in _BINARY.items()},
    **dict.fromkeys(("stop_gradient", "copy", "copy_p", "optimization_barrier"), _same),
    "round": _round,
    "integer_pow": lambda x, y: np.asarray(x) ** y if y >= 0 else 1 / np.asarray(x) ** -y,
    "select_n": _select,
    "clamp": lambda low, x, high: np.clip(x, low, high),
    "convert_element_type": _converted,
    "broadcast_in_dim": _broadcast_in_dim,
    "reshape": lambda x, new_sizes, **_: np.reshape(x, new_sizes),
    "squeeze": lambda x, dimensions: np.squeeze(x, tuple(dimensions)),
    "expand_dims": lambda x, dimensions: np.expand_dims(x, tuple(dimensions)),
    "transpose": lambda x, permutation: np.transpose(x, permutation),
    "rev": lambda x, dimensions: np.flip(x, tuple(dimensions)),
    "concatenate": lambda *xs, dimension: np.concatenate(xs, dimension),
    "pad": _pad,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "split": _split,
    "tile": lambda x, reps: np.tile(x, reps),
    "dot_general": _dot_general,
    "scatter": written,
    "scatter-add": added,
    "conv_general_dilated": convolved,
    "reduce_window_sum": pooled("sum"),
    "reduce_window_max": pooled("max"),
    "reduce_window_min": pooled("min"),
    "iota": _iota,
    **{f"cum{name}": _running(f) for name, f in {"sum": np.cumsum, "prod": np.cumprod}.items()},
    "cummax": _running(np.maximum.accumulate),
    "cummin": _running(np.minimum.accumulate),
    **{f"reduce_{name}": _reduction(getattr(np, name)) for name in ("sum", "max", "min", "prod")},
    "reduce_and": _reduction(np.all),
    "reduce_or": _reduction(np.any),
    "argmax": _place(np.argmax),
    "argmin": _place(np.argmin),
}
"""By primitive: a function of its inputs and its parameters."""
