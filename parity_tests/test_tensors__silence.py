"""Tensors, fourth part: what raises in PyTorch and passes in JAX, and memory that is shared unseen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import jax_impl.tensors as jax_side
import torch_impl.tensors as torch_side

OUTSIDE = (-1, 3)  # of three rows


def test_the_mean_of_integers_raises_in_torch_and_is_a_float_in_jax():
    """The trap int-mean-error."""
    with pytest.raises(RuntimeError, match="must be either a floating point or complex dtype"):
        torch.tensor([1, 2]).mean()
    assert jnp.array([1, 2]).mean() == 1.5


def test_a_sum_of_int32_widens_in_torch_and_in_jax_only_with_64_bits_on():
    assert torch.ones(3, dtype=torch.int32).sum().dtype == torch.int64
    assert jnp.ones(3, jnp.int32).sum().dtype == jnp.int32
    with jax.enable_x64(True):
        assert jnp.ones(3, jnp.int32).sum().dtype == jnp.int64


def test_a_quotient_of_integers_is_wide_in_jax_with_64_bits_on():
    """The trap x64-changes-defaults."""
    assert (torch.tensor([1]) / torch.tensor([3])).dtype == torch.float32
    with jax.enable_x64(True):
        assert (jnp.array([1]) / jnp.array([3])).dtype == jnp.float64


@pytest.mark.parametrize(
    ("number", "arrives"),
    [(2**40, 0), (2**31 + 5, -2147483643), (2.0**24 + 1, 2.0**24), (0.1, np.float32(0.1))],
)
def test_64_bits_are_cut_without_a_word(number, arrives):
    """The trap x64-truncation: large integers wrap, and 2²⁴+1 loses its 1."""
    array = np.array([number])
    assert torch_side.from_numpy(array).item() == number
    assert jax_side.from_numpy(array).item() == arrives
    with jax.enable_x64(True):
        assert jax_side.from_numpy(array).item() == number


@pytest.mark.parametrize("index", OUTSIDE)
def test_reading_a_row_that_is_not_there(index):
    """The trap oob-read: torch raises; the twin's row is NaN, so that a loss shows it."""
    with pytest.raises(IndexError, match="index out of range in self"):
        torch_side.take_rows(torch.ones(3, 2), torch.tensor([index]))
    for read in (jax_side.take_rows, jax.jit(jax_side.take_rows)):
        assert np.array_equal(read(jnp.ones((3, 2)), jnp.array([index, 0])), [[np.nan] * 2, [1, 1]], equal_nan=True)


def test_plain_reads_out_of_range_clamp_in_jax():
    """The trap oob-read: the last value, NaN from take, the smallest integer of integers; so does the gradient."""
    x = jnp.arange(3.0)
    with pytest.raises(IndexError, match="index 10 is out of bounds for dimension 0 with size 3"):
        torch.arange(3.0)[10]
    assert x[10] == 2.0
    assert np.isnan(jnp.take(x, 10))
    assert jnp.take(jnp.arange(3), 10) == np.iinfo(np.int32).min
    assert np.array_equal(jax.grad(lambda x: x[10])(x), [0, 0, 1])


@pytest.mark.parametrize("index", OUTSIDE)
def test_adding_to_a_row_that_is_not_there(index):
    with pytest.raises(RuntimeError, match=f"index {index} is out of bounds for dimension 0 with size 3"):
        torch_side.add_rows(torch.ones(3, 2), torch.tensor([index]), torch.ones(1, 2))
    assert np.array_equal(jax_side.add_rows(jnp.ones((3, 2)), jnp.array([index]), jnp.ones((1, 2))), np.ones((3, 2)))


def test_writing_a_row_that_is_not_there():
    with pytest.raises(IndexError, match="index 3 is out of bounds for dimension 0 with size 3"):
        torch_side.set_row(torch.ones(3, 2), 3, torch.zeros(2))
    assert np.array_equal(jax_side.set_row(jnp.ones((3, 2)), 3, jnp.zeros(2)), np.ones((3, 2)))


def test_minus_one_is_the_last_row_and_no_mark_for_a_missing_one():
    """The trap negative-index-wraps: plain indexing reads and writes the last row on both sides."""
    assert (torch.arange(3)[-1].item(), jnp.arange(3)[-1].item()) == (2, 2)
    assert np.array_equal(jnp.zeros(3).at[jnp.array([-1])].add(1.0), [0, 0, 1])


def test_writing_in_place_changes_x_in_torch_alone():
    x, y = torch.zeros(2, 2), jnp.zeros((2, 2))
    assert torch_side.set_row(x, 1, torch.ones(2)) is x
    assert torch_side.add_rows(x, torch.tensor([1]), torch.ones(1, 2)) is x
    assert np.array_equal(torch_side.to_numpy(x), [[0, 0], [2, 2]])
    jax_side.set_row(y, 1, jnp.ones(2))
    assert np.array_equal(y, np.zeros((2, 2)))


def test_one_hot_of_a_label_that_is_no_class():
    """The trap one-hot-out-of-range: torch raises, JAX gives a row of zeros."""
    with pytest.raises(RuntimeError, match="Class values must be smaller than num_classes"):
        torch.nn.functional.one_hot(torch.tensor([4]), 4)
    assert np.array_equal(jax.nn.one_hot(jnp.array([4, -1]), 4), np.zeros((2, 4)))


def test_an_integer_to_a_negative_power():
    """The trap int-negative-power: torch refuses; JAX gives an integer that is not 2⁻¹."""
    with pytest.raises(RuntimeError, match="Integers to negative integer powers are not allowed"):
        torch.tensor([2, 3]) ** -1
    powers = jnp.array([2, 3]) ** jnp.array([-1, -1])
    assert powers.dtype == jnp.int32
    assert not np.allclose(powers, [1 / 2, 1 / 3])


def test_two_unknown_sizes_are_an_error_of_another_kind():
    with pytest.raises(RuntimeError, match="only one dimension can be inferred"):
        torch.zeros(4).view(-1, -1)
    with pytest.raises(TypeError, match="can only specify one unknown axis size"):
        jnp.zeros(4).reshape(-1, -1)


def test_a_view_of_scattered_memory_raises_in_torch_alone():
    scattered = torch.arange(24.0).view(2, 3, 2, 2).transpose(2, 3)
    with pytest.raises(RuntimeError, match="view size is not compatible with input tensor's size and stride"):
        torch_side.flatten_pixels(scattered)
    expected = torch_side.to_numpy(scattered.reshape(2, 3, 4))
    assert np.array_equal(jax_side.flatten_pixels(jnp.array(scattered.numpy())), expected)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize("hand_over", [lambda x: torch.from_numpy(np.asarray(x)), torch_side.from_dlpack])
def test_torch_can_write_into_an_immutable_jax_array(hand_over):
    """The trap torch-mutates-jax-array."""
    x = jnp.arange(3.0)
    hand_over(x).add_(100)
    assert np.array_equal(x, [100, 101, 102])
    y = jnp.arange(3.0)
    torch.tensor(np.asarray(y)).add_(100)
    assert np.array_equal(y, [0, 1, 2])


def test_device_put_may_share_the_memory_of_a_tensor():
    """The trap device-put-alias: the copy of the weights moves with the original by exactly 1; from_numpy's stays."""
    weight = torch.zeros(64)
    shared, copied = jax.device_put(weight.numpy()), jax_side.from_numpy(weight.numpy())
    weight.add_(1)
    assert (shared[0], copied[0]) == (1.0, 0.0)


def test_svd_gives_v_or_its_transpose():
    """The trap svd-v-vs-vh: the old torch.svd returns V; read as V transposed the matrix comes back wrong.

    Three columns, since the V of two may be a reflection, which is its own transpose.
    """
    matrix = np.array([[1.0, 2, 0], [3, 4, 1], [5, 6, -2], [0, 1, 1]], np.float32)
    left, sizes, right = (torch_side.to_numpy(part) for part in torch.svd(torch.from_numpy(matrix)))
    u, s, vh = jnp.linalg.svd(jnp.array(matrix), full_matrices=False)
    rounding = 64 * np.finfo(np.float32).eps * np.abs(matrix).max()
    assert np.abs(left * sizes @ right.T - matrix).max() < rounding
    assert np.abs((u * s) @ vh - matrix).max() < rounding
    assert np.abs((u * s) @ vh.T - matrix).max() > 0.1


def test_top_k_takes_the_lowest_index_among_ties_in_jax():
    """The trap sort-ties: torch.topk may take any of them, so only its values are promised."""
    values, indices = jax.lax.top_k(jnp.zeros(100), 3)
    assert np.array_equal(indices, [0, 1, 2])
    assert np.array_equal(torch.topk(torch.zeros(100), 3).values, values)


def test_allclose_is_no_comparison():
    """The trap comparison-tool-bugs: it stretches shapes, and two NaN can pass; the instrument does neither."""
    assert np.allclose(np.zeros(3), np.zeros((3, 1)))
    np.testing.assert_allclose(np.nan, np.nan)


MISTAKES = {
    "sample_std": (lambda x: jnp.std(x, axis=0), (np.array([[1.0, 2], [4, 0], [3, 3]]),), "output"),
    "lower_median": (jnp.median, (np.array([4.0, 1, 3, 2]),), "output"),
    "norm": (lambda x: jnp.linalg.norm(x, 2), (np.array([[0.0, 1, 2], [3, 4, 5]]),), "output"),
    "column_means": (lambda x: x.mean(axis=-1), (np.array([[1.0, 2], [3, 5]]),), "output"),
    "permute": (lambda x, order: x.T, (np.arange(24.0).reshape(2, 3, 4), (2, 0, 1)), "output"),
    "take_rows": (lambda x, indices: x[indices][::-1], (np.eye(3)[:, :2], np.array([0, 1])), "grad/x"),
    "add_rows": (
        lambda x, indices, values: x.at[indices].set(x[indices] + values),
        (np.zeros((3, 2)), np.array([0, 0, 1]), np.ones((3, 2))),
        "grad/values",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_caught(name, parity):
    port, inputs, leaf = MISTAKES[name]
    original = getattr(torch_side, name)
    writes = name == "add_rows"
    options = {"dtypes": ("float64",), "jit": False, "record": False}
    report = parity.compare(lambda x, *rest: original(x.clone() if writes else x, *rest), port, inputs, **options)
    assert not report.ok
    assert leaf in {failure.path for failure in report.failures}


def test_the_norm_alone_has_no_gradient_at_zero(parity):
    """The trap norm-zero-grad: torch gives 0, jnp's norm NaN; the twin gives 0."""
    options = {"dtypes": ("float64",), "jit": False, "record": False}
    report = parity.compare(torch_side.norm, lambda x: jnp.linalg.vector_norm(x), (np.zeros(3),), **options)
    assert {failure.path for failure in report.failures} == {"grad/x"}
