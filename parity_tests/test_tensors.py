"""Tensors: the cells create, norm, mean, view and broadcast of the text, and every function of the topic.

NumPy is the third voice: each function is also held against its NumPy form in float64.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra import numpy as hypothesis_numpy

import jax_impl.tensors as jax_side
import torch_impl.tensors as torch_side
from oracles import agrees

LISTED = [0.1, 0.2, 0.3]
MATRIX = np.array([[1, 2], [3, 4.0]])
PIXELS = (10000, 3, 28, 28)

# name: (arguments by position from an rng, the NumPy form)
CASES = {
    "norm": (lambda rng: (rng.normal(size=(2, 3, 4)),), np.linalg.norm),
    "column_means": (lambda rng: (rng.normal(size=(5, 3)),), lambda x: np.mean(x, axis=0)),
    "sample_std": (lambda rng: (rng.normal(size=(5, 3)),), lambda x: np.std(x, axis=0, ddof=1)),
    "lower_median": (lambda rng: (rng.normal(size=6),), lambda x: np.sort(x)[(x.size - 1) // 2]),
    "flatten_pixels": (lambda rng: (rng.normal(size=(2, 3, 4, 5)),), lambda x: x.reshape(2, 3, 20)),
    "swap_axes": (lambda rng: (rng.normal(size=(2, 3, 4)), 0, -1), np.swapaxes),
    "permute": (lambda rng: (rng.normal(size=(2, 3, 4)), (1, 2, 0)), np.transpose),
    "broadcast_add": (lambda rng: (rng.normal(size=(5, 1, 4, 1)), rng.normal(size=(3, 1, 2))), np.add),
    "set_row": (lambda rng: (rng.normal(size=(4, 3)), -2, rng.normal(size=3)), lambda x, *row: set_row(x, *row)),
    "add_rows": (
        lambda rng: (rng.normal(size=(4, 3)), np.array([2, 0, 2]), rng.normal(size=(3, 3))),
        lambda x, indices, values: add_rows(x, indices, values),
    ),
    "take_rows": (lambda rng: (rng.normal(size=(4, 3)), np.array([3, 0, 3, 1, 1])), lambda x, indices: x[indices]),
}
IN_PLACE = {"set_row", "add_rows"}


def set_row(x, index, value):
    result = x.copy()
    result[index] = value
    return result


def add_rows(x, indices, values):
    result = x.copy()
    np.add.at(result, indices, values)
    return result


def torch_function(name):
    """The twin; one that writes in place gets a copy, since a leaf that asks for its gradient cannot be written."""
    function = getattr(torch_side, name)
    return (lambda x, *rest: function(x.clone(), *rest)) if name in IN_PLACE else function


@pytest.mark.parametrize(
    ("name", "magnitude"),
    [(name, 1.0) for name in CASES] + [(name, 1e-3) for name in ("norm", "column_means", "sample_std", "lower_median")],
)
def test_the_twins_agree_with_each_other_and_with_numpy(name, magnitude, parity, rng):
    draw, oracle = CASES[name]
    inputs = tuple(magnitude * x if getattr(x, "dtype", None) == np.float64 else x for x in draw(rng))
    parity.assert_equivalent(torch_function(name), getattr(jax_side, name), inputs, name=name)

    expected = oracle(*inputs)
    tensors = [torch.from_numpy(x) if isinstance(x, np.ndarray) else x for x in inputs]
    got = torch_side.to_numpy(torch_function(name)(*tensors))
    assert agrees(got, expected)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("norm", (np.zeros((2, 3)),)),
        ("norm", (np.zeros((1, 1)),)),
        ("norm", (np.full((1, 1), -2.0),)),
        ("column_means", (np.full((1, 3), 7.0),)),
        ("sample_std", (np.array([[1.0, 2.0], [1.0, 5.0], [1.0, 5.0]]),)),
        ("lower_median", (np.array([2.0]),)),
        ("lower_median", (np.array([1.0, 2.0, 2.0, 2.0, 3.0]),)),
        ("lower_median", (np.array([3.0, 3.0, 1.0, 3.0]),)),
        ("flatten_pixels", (np.ones((1, 2, 1, 3)),)),
        ("broadcast_add", (np.ones((1, 1)), np.ones(()))),
        ("add_rows", (np.ones((2, 3)), np.array([1, 1, 1, 1]), np.ones((4, 3)))),
    ],
)
def test_the_twins_agree_at_kinks_ties_and_axes_of_size_one(name, inputs, parity):
    # What a kink gives is a question of semantics, so float64 alone.
    parity.assert_equivalent(torch_function(name), getattr(jax_side, name), inputs, name=name, dtypes=("float64",))


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("norm", (np.zeros((0, 3)),)),
        ("norm", (np.array([1.0, np.nan]),)),
        ("norm", (np.array([1.0, -np.inf]),)),
        ("lower_median", (np.array([1.0, np.nan, 3.0]),)),
        ("flatten_pixels", (np.zeros((0, 3, 4, 5)),)),
        ("take_rows", (np.ones((4, 3)), np.zeros(0, int))),
        ("add_rows", (np.ones((4, 3)), np.zeros(0, int), np.zeros((0, 3)))),
    ],
)
def test_the_twins_agree_on_nan_infinities_and_empty_arrays(name, inputs, parity):
    # A gradient at NaN or infinity is not a number to hold: values only.
    options = {"edge_cases": True, "gradients": False, "dtypes": ("float64",)}
    parity.assert_equivalent(torch_function(name), getattr(jax_side, name), inputs, name=name, **options)


@pytest.mark.filterwarnings("ignore:std.*degrees of freedom")
def test_the_deviation_of_one_row_is_nan_on_both_sides():
    assert np.isnan(torch_side.to_numpy(torch_side.sample_std(torch.ones(1, 2)))).all()
    assert np.isnan(jax_side.to_numpy(jax_side.sample_std(jnp.ones((1, 2))))).all()


@settings(derandomize=True, deadline=None, max_examples=20)
@given(hypothesis_numpy.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
def test_broadcasting_follows_numpy_for_any_shapes(shapes):
    x, y = (np.arange(np.prod(shape), dtype=np.float32).reshape(shape) for shape in shapes.input_shapes)
    left = torch_side.to_numpy(torch_side.broadcast_add(torch.from_numpy(x), torch.from_numpy(y)))
    right = jax_side.to_numpy(jax_side.broadcast_add(jnp.array(x), jnp.array(y)))
    for got in (left, right):
        assert got.shape == shapes.result_shape
        assert np.array_equal(got, x + y)


def test_create_cell_from_a_list():
    """Cell "create": [0.1, 0.2, 0.3] from a list is float32, also while JAX has 64 bits on."""
    with jax.enable_x64(True):
        made = [torch_side.from_list(LISTED), jax_side.from_list(LISTED)]
    for got in (torch_side.to_numpy(made[0]), jax_side.to_numpy(made[1])):
        assert got.dtype == np.float32
        assert np.array_equal(got, np.array(LISTED, np.float32))


def test_create_cell_from_numpy():
    """Cell "create": from NumPy torch keeps float64 always, JAX only with 64 bits on."""
    array = np.array(LISTED)
    assert torch_side.from_numpy(array).dtype == torch.float64
    assert jax_side.from_numpy(array).dtype == jnp.float32
    with jax.enable_x64(True):
        wide = jax_side.from_numpy(array)
    assert wide.dtype == jnp.float64
    assert np.array_equal(jax_side.to_numpy(wide), torch_side.to_numpy(torch_side.from_numpy(array)))


def test_create_cell_back_to_numpy():
    """Cell "create": .numpy() of the float32 tensor; a torch write shows in it, and JAX's is read-only."""
    x = torch_side.from_list(LISTED)
    shared, view = torch_side.to_numpy(x), jax_side.to_numpy(jax_side.from_list(LISTED))
    assert np.array_equal(shared, view)
    x[0] = 7.0
    assert shared[0] == 7.0
    assert not view.flags.writeable


def test_norm_cell():
    """Cell "norm": √30 of the matrix in float64, 0.3741657 of the list in float32."""
    assert torch_side.norm(torch.from_numpy(MATRIX)).item() == 5.477225575051661
    with jax.enable_x64(True):
        assert jax_side.norm(jnp.array(MATRIX)).item() == 5.477225575051661
    assert np.linalg.norm(MATRIX) == 5.477225575051661
    assert torch_side.norm(torch_side.from_list(LISTED)).item() == pytest.approx(0.3741657)
    assert jax_side.norm(jax_side.from_list(LISTED)).item() == pytest.approx(0.3741657)


def test_norm_cell_erratum():
    """Cell "norm": the text prints √30 under x = [0.1, 0.2, 0.3]: it ran (In [13]) after the mean cell (In [12])."""
    x = np.array(LISTED)
    printed = 5.477225575051661
    assert np.linalg.norm(x) == pytest.approx(0.3741657)
    assert np.linalg.norm(x) != pytest.approx(printed)
    x = MATRIX  # what the mean cell binds
    assert np.linalg.norm(x) == printed


def test_mean_cell():
    """Cell "mean": [2, 3] over the 0th dimension, exactly."""
    assert np.array_equal(np.mean(MATRIX, axis=0), [2, 3])
    assert np.array_equal(torch_side.to_numpy(torch_side.column_means(torch.from_numpy(MATRIX))), [2, 3])
    assert np.array_equal(jax_side.to_numpy(jax_side.column_means(jnp.array(MATRIX))), [2, 3])


def test_view_cell_shapes():
    """Cell "view": (10000,3,28,28) becomes (10000,3,784), with -1 for the batch; nothing that large is allocated."""
    assert torch_side.flatten_pixels(torch.empty(PIXELS, device="meta")).shape == (10000, 3, 784)
    image = jax.ShapeDtypeStruct(PIXELS, jnp.float32)
    assert jax.eval_shape(jax_side.flatten_pixels, image).shape == (10000, 3, 784)
    assert np.broadcast_to(np.float32(0), PIXELS).reshape(-1, 3, 784).shape == (10000, 3, 784)


def test_view_cell_x_keeps_its_shape():
    """Cell "view": X is not changed; in torch the view shares its memory, in JAX the result is an array of its own."""
    x = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    view = torch_side.flatten_pixels(x)
    assert x.shape == (2, 3, 4, 5)
    assert view.data_ptr() == x.data_ptr()
    view[0, 0, 0] = -1.0
    assert x[0, 0, 0, 0] == -1.0

    y = jnp.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    reshaped = jax_side.flatten_pixels(y).at[0, 0, 0].set(-1.0)
    assert y.shape == (2, 3, 4, 5)
    assert (y[0, 0, 0, 0], reshaped[0, 0, 0]) == (0.0, -1.0)


def test_view_cell_erratum():
    """Cell "view": the text reshapes with N and C before it defines them; flatten_pixels reads both from the shape."""
    with pytest.raises(NameError, match="name 'N' is not defined"):
        exec("X2.reshape(N, C, 28**2)", {"X2": np.empty((2, 3, 28, 28))})
    assert torch_side.flatten_pixels(torch.zeros(2, 3, 28, 28)).shape == (2, 3, 784)


def test_broadcast_cell():
    """Cell "broadcast": (5,1,4,1)+(3,1,2) is (5,3,4,2); gradients are summed over the stretched axes."""
    x, y = torch.empty(5, 1, 4, 1, requires_grad=True), torch.empty(3, 1, 2, requires_grad=True)
    total = torch_side.broadcast_add(x, y)
    total.sum().backward()
    assert total.shape == (5, 3, 4, 2)
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (x.shape, y.shape)]
    assert jax.eval_shape(jax_side.broadcast_add, *shapes).shape == (5, 3, 4, 2)

    gradients = jax.grad(lambda x, y: jax_side.broadcast_add(x, y).sum(), (0, 1))(
        jnp.zeros(x.shape), jnp.zeros(y.shape)
    )
    for left, right, copies in zip((x.grad, y.grad), gradients, (3 * 2, 5 * 4), strict=True):
        assert np.array_equal(torch_side.to_numpy(left), np.full(left.shape, copies))
        assert np.array_equal(jax_side.to_numpy(right), np.full(left.shape, copies))
