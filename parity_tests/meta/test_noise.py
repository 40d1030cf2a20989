"""The simulated rounding noise: what it reads, that its size is that of rounding, and that exact things stay so."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

import parity
from parity.expect import Expectation
from parity.scopes import jax_scope

X = np.random.default_rng(0).normal(size=(5, 3))
SQUARE = np.random.default_rng(1).normal(size=(4, 4)) + 4 * np.eye(4)
POSITIVE = SQUARE @ SQUARE.T
WAVE = np.random.default_rng(2).normal(size=8)
IDS = jnp.array([0, 2, 2, 1, 0])


@jax.custom_vjp
def clipped(x):
    return jnp.sin(x)


clipped.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.cos(x),))


@jax.custom_jvp
def logged(x):
    return jnp.log1p(x * x)


logged.defjvp(lambda primals, tangents: (logged(*primals), 2 * primals[0] * tangents[0] / (1 + primals[0] ** 2)))


def adam_step(w, x):
    optimizer = optax.adam(1e-2)
    gradient = jax.grad(lambda w: jnp.mean(jnp.tanh(x @ w) ** 2))(w)
    updates, _ = optimizer.update(gradient, optimizer.init(w), w)
    return optax.apply_updates(w, updates)


def grown(x):
    return lax.while_loop(lambda state: state < 10, lambda state: 1.5 * state, x)


def newton(x):
    """A loop that ends by its values."""

    def body(state):
        step, y = state
        return step + 1, 0.5 * (y + x / y)

    return lax.while_loop(lambda state: state[0] < 6, body, (0, x))[1]


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.LayerNorm()(nn.Dense(4)(x))
        x = nn.Conv(3, (2,))(nn.gelu(x)[:, :, None]).mean(-1)
        return nn.BatchNorm(use_running_average=False)(x)


NETWORK = Network()
WEIGHTS = jax.tree.map(np.asarray, NETWORK.init(jax.random.key(0), jnp.asarray(X)))


def network(x):
    return NETWORK.apply(WEIGHTS, x, mutable=["batch_stats"])[0]


def gated(x):
    """linen's GRU over the rows; `param_dtype` alone does not make its carry float64, so the carry is handed over."""
    return nn.RNN(nn.GRUCell(4)).apply(GATED, x[None], initial_carry=jnp.zeros((1, 4), x.dtype))


GATED = jax.tree.map(np.asarray, nn.RNN(nn.GRUCell(4)).init(jax.random.key(0), jnp.asarray(X)[None]))

READ = {
    "scan": (lambda x: lax.scan(lambda c, row: (jnp.tanh(c + row), c * row), x[0], x), (X,)),
    "scan backwards": (lambda x: lax.scan(lambda c, row: (jnp.sin(c + row), c), x[0], x, reverse=True)[0], (X,)),
    "while": (newton, (np.abs(X) + 1,)),
    "while under vmap": (jax.vmap(newton), (np.abs(X) + 1,)),
    "while of another length in each": (jax.vmap(jax.vmap(grown)), (np.abs(X) + 1,)),
    "cond": (lambda x: lax.cond(x[0, 0] > 0, jnp.sin, jnp.exp, x), (X,)),
    "switch under vmap": (lambda x: jax.vmap(lambda i, y: lax.switch(i, [jnp.sin, jnp.exp], y))(IDS % 2, x), (X,)),
    "nested jit": (jax.jit(lambda x: jax.jit(jnp.tanh)(jax.jit(jnp.sin)(x))), (X,)),
    "custom_vjp": (jax.grad(lambda x: clipped(x * x).sum()), (X,)),
    "custom_jvp": (jax.grad(lambda x: logged(x).sum()), (X,)),
    "remat": (jax.grad(lambda x: jax.checkpoint(lambda y: jnp.sin(jnp.exp(y)))(x).sum()), (X,)),
    "linen": (network, (X,)),
    "linen GRU": (gated, (X,)),
    "optax": (adam_step, (np.ones((3, 2)), X)),
    "inv": (jnp.linalg.inv, (SQUARE,)),
    "solve": (lambda a, b: jnp.linalg.solve(a, b), (SQUARE, X[:4])),
    "gradient of solve": (jax.grad(lambda a, b: jnp.linalg.solve(a, b).sum()), (SQUARE, X[:4])),
    "cholesky": (jnp.linalg.cholesky, (POSITIVE,)),
    "det": (lambda a: jnp.linalg.slogdet(a)[1] + jnp.linalg.det(a), (SQUARE,)),
    "svd": (lambda a: jnp.linalg.svd(a, compute_uv=False), (SQUARE,)),
    "qr": (lambda a: jnp.linalg.qr(a)[1], (SQUARE,)),
    "eigh": (lambda a: jnp.linalg.eigh(a)[0], (POSITIVE,)),
    "lstsq": (lambda a, b: jnp.linalg.lstsq(a, b)[0], (X, X[:, 0])),
    "fft": (lambda x: jnp.abs(jnp.fft.fft(x)), (WAVE,)),
    "complex": (lambda x: jnp.real(jnp.exp(1j * x) / (1 + 1j * x)), (WAVE,)),
    "sort": (lambda x: jnp.sort(x * x), (WAVE,)),
    "cumsum and cumprod": (lambda x: (jnp.cumsum(x), jnp.cumprod(x), lax.cumlogsumexp(x)), (WAVE,)),
    "segment_sum": (lambda x: jax.ops.segment_sum(jnp.sin(x), IDS, 3), (X,)),
    "gather and scatter": (lambda x: (x * x)[IDS].at[IDS].add(x).at[1].multiply(x[0]), (X,)),
    "gradient of a look-up": (jax.grad(lambda t: jnp.tanh(t[IDS]).sum()), (X[:3],)),
    "pooling": (lambda x: nn.max_pool(x[..., None] ** 2, (2,)) + nn.avg_pool(x[..., None], (2,)), (X,)),
    "associative_scan": (lambda x: lax.associative_scan(jnp.multiply, x), (WAVE,)),
    "map": (lambda x: lax.map(lambda row: row @ row, x), (X,)),
}


def real_errors(fn, inputs, expected: Expectation) -> dict[str, float]:
    """What float32 is off by, over the largest simulated error, by path."""
    with jax_scope("float32"):
        results = jax.jit(fn)(*[jnp.asarray(x, jnp.float32) for x in inputs])
    flat = results if isinstance(results, tuple) else (results,)
    pairs = zip(expected.truth.items(), flat, strict=True)
    off = {path: np.abs(np.asarray(value, np.float64) - truth).max() for (path, truth), value in pairs}
    return {path: error / expected.noise[path].largest for path, error in off.items()}


@pytest.mark.parametrize("name", READ)
def test_a_program_is_read_and_its_noise_is_of_the_size_of_rounding(name):
    fn, inputs = READ[name]
    expected = parity.expect(fn, inputs)
    assert {noise.unread for noise in expected.noise.values()} == {""}
    ratios = real_errors(fn, inputs, expected)
    assert max(ratios.values()) < 8
    assert max(ratios.values()) > 1e-3


def test_what_xla_adds_up_in_16_bits_is_in_the_noise():
    """A bias before a global mean: its bfloat16 gradient is a sum of equal terms, which XLA on a CPU rounds alike."""

    def gradient(image, bias):
        return jax.grad(lambda bias: (jnp.tanh((image + bias).mean((0, 1, 2))) * jnp.arange(1, 5)).sum())(bias)

    inputs = {"image": np.random.default_rng(0).normal(size=(8, 7, 7, 4)), "bias": np.zeros(4)}
    expected = parity.expect(gradient, inputs, dtype="bfloat16")
    low = [jnp.asarray(value, jnp.bfloat16) for value in inputs.values()]
    error = np.abs(np.asarray(jax.jit(gradient)(*low), np.float64) - expected.truth["output"]).max()
    noise = expected.noise["output"].largest
    assert 8 * 2.0**-8 * np.abs(expected.truth["output"]).max() < error < 8 * noise
    assert noise < np.abs(expected.truth["output"]).max() / 4
