"""The larger operations of the calibration: convolution, pooling, recurrence, attention, look-up, batch norm."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import lax
from torch.nn import functional

from calibrate_steps import Shape, Step, wide

__all__ = ["IMAGE", "SEQUENCE", "SIGNAL"]


def conv2d(rng: np.random.Generator, shape: Shape) -> Step:
    filters, (rows, columns), stride = int(rng.integers(2, 6)), rng.integers(1, 4, size=2), int(rng.integers(1, 3))
    size = [(length - kernel) // stride + 1 for length, kernel in zip(shape[2:], (rows, columns), strict=True)]
    weights = {"w": (filters, shape[1], int(rows), int(columns)), "b": (filters,)}

    def jax_conv(x: Any, w: Any) -> Any:
        numbers = ("NCHW", "OIHW", "NCHW")
        y = lax.conv_general_dilated(x, w["w"], (stride, stride), "VALID", dimension_numbers=numbers)
        return y + w["b"][:, None, None]

    return Step(
        "conv2d",
        lambda x, w: functional.conv2d(x, w["w"], w["b"], stride),
        jax_conv,
        (shape[0], filters, *map(int, size)),
        weights,
    )


def conv1d(rng: np.random.Generator, shape: Shape) -> Step:
    filters, kernel = int(rng.integers(2, 6)), int(rng.integers(1, 4))

    def jax_conv(x: Any, w: Any) -> Any:
        numbers = ("NCH", "OIH", "NCH")
        padding = [(kernel - 1, kernel - 1)]
        return lax.conv_general_dilated(x, w["w"], (1,), padding, dimension_numbers=numbers)

    return Step(
        "conv1d",
        lambda x, w: functional.conv1d(x, w["w"], padding=kernel - 1),
        jax_conv,
        (shape[0], filters, shape[2] + kernel - 1),
        {"w": (filters, shape[1], kernel)},
    )


def _pooled(shape: Shape) -> Shape:
    return (*shape[:2], shape[2] // 2, shape[3] // 2)


def max_pool(rng: np.random.Generator, shape: Shape) -> Step:
    window = (1, 1, 2, 2)
    return Step(
        "max_pool",
        lambda x, w: functional.max_pool2d(x, 2),
        lambda x, w: lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID"),
        _pooled(shape),
    )


def avg_pool(rng: np.random.Generator, shape: Shape) -> Step:
    window = (1, 1, 2, 2)

    def jax_pool(x: Any, w: Any) -> Any:
        return (lax.reduce_window(wide(x), 0.0, lax.add, window, window, "VALID") / 4).astype(x.dtype)

    return Step("avg_pool", lambda x, w: functional.avg_pool2d(x, 2), jax_pool, _pooled(shape))


def batch_norm(rng: np.random.Generator, shape: Shape) -> Step:
    axes = (0, *range(2, len(shape)))
    ones = (1, shape[1], *[1] * (len(shape) - 2))

    def jax_norm(x: Any, w: Any) -> Any:
        y = jax.nn.standardize(wide(x), axis=axes, epsilon=1e-5)
        return (y * wide(w["g"]).reshape(ones) + wide(w["b"]).reshape(ones)).astype(x.dtype)

    return Step(
        "batch_norm",
        lambda x, w: functional.batch_norm(x, None, None, w["g"], w["b"], training=True),
        jax_norm,
        shape,
        {"g": (shape[1],), "b": (shape[1],)},
    )


def global_mean(rng: np.random.Generator, shape: Shape) -> Step:
    axes = tuple(range(2, len(shape)))
    return Step("global mean", lambda x, w: x.mean(axes), lambda x, w: x.mean(axes), shape[:2])


def attention(rng: np.random.Generator, shape: Shape) -> Step:
    """Causal, over the rows; the statistics in the working dtype on neither side."""
    rows, width = shape
    later = np.triu(np.ones((rows, rows), bool), 1)

    def torch_attention(x: Any, w: Any) -> Any:
        q, k, v = x @ w["q"], x @ w["k"], x @ w["v"]
        scores = (q @ k.T / width**0.5).masked_fill(torch.tensor(later), -torch.inf)
        return torch.softmax(scores, -1) @ v

    def jax_attention(x: Any, w: Any) -> Any:
        q, k, v = x @ w["q"], x @ w["k"], x @ w["v"]
        scores = jnp.where(later, -jnp.inf, q @ k.T / width**0.5)
        return jax.nn.softmax(scores, -1) @ v

    weights = dict.fromkeys("qkv", (width, width))
    return Step("attention", torch_attention, jax_attention, shape, weights)


def lstm(rng: np.random.Generator, shape: Shape) -> Step:
    """Over the rows, one sequence."""
    hidden = int(rng.integers(3, 9))

    def cell(library: Any, sigmoid: Any, carry: Any, x: Any, w: Any) -> Any:
        h, c = carry
        gates = x @ w["i"] + h @ w["h"] + w["b"]
        i, f, g, o = (gates[k * hidden : (k + 1) * hidden] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * library.tanh(g)
        return sigmoid(o) * library.tanh(c), c

    def torch_lstm(x: Any, w: Any) -> Any:
        carry, states = (x.new_zeros(hidden), x.new_zeros(hidden)), []
        for row in x:
            carry = cell(torch, torch.sigmoid, carry, row, w)
            states.append(carry[0])
        return torch.stack(states)

    def jax_lstm(x: Any, w: Any) -> Any:
        def body(carry: Any, row: Any) -> Any:
            carry = cell(jnp, jax.nn.sigmoid, carry, row, w)
            return carry, carry[0]

        zeros = jnp.zeros(hidden, x.dtype)
        return lax.scan(body, (zeros, zeros), x)[1]

    weights = {"i": (shape[1], 4 * hidden), "h": (hidden, 4 * hidden), "b": (4 * hidden,)}
    return Step("lstm", torch_lstm, jax_lstm, (shape[0], hidden), weights)


def gru(rng: np.random.Generator, shape: Shape) -> Step:
    """The update gate alone, over the rows."""
    hidden = int(rng.integers(3, 9))

    def cell(library: Any, sigmoid: Any, h: Any, x: Any, w: Any) -> Any:
        z = sigmoid(x @ w["z"] + h @ w["u"])
        return (1 - z) * library.tanh(x @ w["n"] + h @ w["v"]) + z * h

    def torch_gru(x: Any, w: Any) -> Any:
        h = x.new_zeros(hidden)
        for row in x:
            h = cell(torch, torch.sigmoid, h, row, w)
        return h[None]

    def jax_gru(x: Any, w: Any) -> Any:
        zeros = jnp.zeros(hidden, x.dtype)
        return lax.scan(lambda h, row: (cell(jnp, jax.nn.sigmoid, h, row, w), None), zeros, x)[0][None]

    inner, outer = (shape[1], hidden), (hidden, hidden)
    return Step("gru", torch_gru, jax_gru, (1, hidden), {"z": inner, "n": inner, "u": outer, "v": outer})


def embedding(rng: np.random.Generator, shape: Shape) -> Step:
    """Rows of a table, some of them more than once, added to the input."""
    chosen = rng.integers(0, 4, size=shape[0])
    return Step(
        "embedding",
        lambda x, w: x + functional.embedding(torch.tensor(chosen), w["t"]),
        lambda x, w: x + jnp.take(w["t"], jnp.asarray(chosen), axis=0),
        shape,
        {"t": (4, shape[1])},
    )


IMAGE = [conv2d, conv2d, max_pool, avg_pool, batch_norm, global_mean]
SIGNAL = [conv1d, conv1d, batch_norm, global_mean]
SEQUENCE = [attention, lstm, gru, embedding]
