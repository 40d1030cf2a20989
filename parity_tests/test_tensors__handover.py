"""Tensors, second part: made arrays, promoted dtypes, and arrays handed from one library to the other."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import jax_impl.tensors as jax_side
import torch_impl.tensors as torch_side

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


@pytest.mark.parametrize("name", ["zeros", "ones"])
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (2, 3, 4)])
def test_made_arrays_are_float32_whatever_the_defaults(name, shape):
    with jax.enable_x64(True):
        made = jax_side.to_numpy(getattr(jax_side, name)(shape))
    for got in (made, torch_side.to_numpy(getattr(torch_side, name)(shape))):
        assert got.dtype == np.float32
        assert np.array_equal(got, getattr(np, name)(shape))


def test_one_seed_is_two_streams_of_one_distribution():
    """The trap seeds-do-not-transfer: the numbers share nothing, mean and deviation agree within sampling error."""
    count = 20_000
    left = torch_side.to_numpy(torch_side.normal((count,), generator=torch.Generator().manual_seed(0)))
    right = jax_side.to_numpy(jax_side.normal((count,), key=jax.random.key(0)))
    assert not np.isin(left[:100], right[:100]).any()
    for draw in (left, right):
        assert draw.dtype == np.float32
        # Five standard errors of the mean, and of the deviation.
        assert abs(draw.mean()) < 5 / np.sqrt(count)
        assert abs(draw.std() - 1) < 5 / np.sqrt(2 * count)


def test_a_generator_moves_on_and_a_key_does_not():
    generator, key = torch.Generator().manual_seed(0), jax.random.key(0)
    first, second = (torch_side.normal((5,), generator=generator) for _ in range(2))
    assert not torch.equal(first, second)
    assert np.array_equal(jax_side.normal((5,), key=key), jax_side.normal((5,), key=key))
    other = jax.random.split(key)[0]
    assert not np.array_equal(jax_side.normal((5,), key=key), jax_side.normal((5,), key=other))


def test_a_named_dtype_keeps_the_draws_when_64_bits_come_on():
    """The trap x64-changes-defaults: without a dtype the same key means other numbers, up to 2.8 away in two draws."""
    key = jax.random.key(0)
    narrow, plain = jax_side.normal((2,), key=key), jax.random.normal(key, (2,))
    with jax.enable_x64(True):
        assert np.array_equal(jax_side.normal((2,), key=key), narrow)
        moved = np.asarray(jax.random.normal(key, (2,)))
    assert np.abs(moved - np.asarray(plain)).max() > 1


def test_dtypes_promote_alike_on_both_sides():
    """All 100 pairs of dtypes, 64 bits on; NumPy widens where an integer meets a narrower float."""
    differing = set()
    with jax.enable_x64(True):
        for x, y in itertools.product(DTYPES, repeat=2):
            left = torch_side.promoted_dtype(
                torch.zeros(2, dtype=getattr(torch, x)), torch.zeros(2, dtype=getattr(torch, y))
            )
            assert left == jax_side.promoted_dtype(jnp.zeros(2, x), jnp.zeros(2, y))
            if "bfloat16" not in (x, y) and left != np.result_type(x, y).name:
                differing.add(frozenset((x, y)))
    narrow = {
        ("int16", "float16"),
        ("int32", "float16"),
        ("int64", "float16"),
        ("int32", "float32"),
        ("int64", "float32"),
    }
    assert differing == {frozenset(pair) for pair in narrow}


def test_an_operand_without_axes_promotes_in_jax_only():
    with jax.enable_x64(True):
        right = jax_side.promoted_dtype(jnp.zeros(2, jnp.float32), jnp.zeros((), jnp.float64))
    left = torch_side.promoted_dtype(torch.zeros(2), torch.zeros((), dtype=torch.float64))
    assert (left, right, np.result_type(np.zeros(2, np.float32), np.float64(0)).name) == (
        "float32",
        "float64",
        "float64",
    )


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "bfloat16"])
def test_dlpack_carries_values_and_dtype_both_ways(dtype):
    numbers = np.array([[0, 1, 0], [1, 1, 0]], np.float32)
    left, right = torch.tensor(numbers).to(getattr(torch, dtype)), jnp.array(numbers).astype(dtype)
    for got in (torch_side.from_dlpack(right), torch_side.from_dlpack(left)):
        assert got.dtype == left.dtype
        assert torch.equal(got, left)
    for got in (jax_side.from_dlpack(left), jax_side.from_dlpack(right)):
        assert got.dtype == right.dtype
        assert np.array_equal(got, right)


def test_dlpack_narrows_64_bits_unless_jax_has_them_on():
    wide = torch.tensor([0.1, 0.2], dtype=torch.float64)
    assert jax_side.from_dlpack(wide).dtype == jnp.float32
    with jax.enable_x64(True):
        assert jax_side.from_dlpack(wide).dtype == jnp.float64


def test_from_numpy_shares_in_torch_and_copies_in_jax():
    array = np.zeros(64, np.float32)
    left, right = torch_side.from_numpy(array), jax_side.from_numpy(array)
    array[0] = 1.0
    assert (left[0].item(), right[0].item()) == (1.0, 0.0)


def test_dlpack_hands_jax_the_memory_of_a_tensor():
    x = torch.zeros(64)
    shared = jax_side.from_dlpack(x)
    x[0] = 1.0
    assert shared[0] == 1.0


def test_a_negative_stride_stops_torch_alone():
    backwards = np.arange(3.0)[::-1]
    with pytest.raises(ValueError, match="stride in the given numpy array is negative"):
        torch_side.from_numpy(backwards)
    assert np.array_equal(jax_side.from_numpy(backwards), [2, 1, 0])


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_bfloat16_leaves_for_numpy_as_float32():
    """The trap bf16-roundtrip: NumPy has no bfloat16; float32 holds each of its values exactly."""
    exact = np.array([1.0, -2.5, 0.0078125, 3.0e38], np.float32)
    left = torch.tensor(exact).bfloat16()
    right = jnp.array(exact).astype(jnp.bfloat16)
    got = torch_side.to_numpy(left)
    assert got.dtype == jax_side.to_numpy(right).dtype == np.float32
    assert np.array_equal(got, jax_side.to_numpy(right))
    assert np.array_equal(torch.from_numpy(got).bfloat16().view(torch.int16), left.view(torch.int16))
    with pytest.raises(TypeError, match="unsupported ScalarType BFloat16"):
        left.numpy()
    with pytest.raises(TypeError, match=r"can't convert np.ndarray of type ml_dtypes.bfloat16"):
        torch.from_numpy(np.asarray(right))


def test_a_tensor_that_asks_for_its_gradient_can_leave():
    x = torch.ones(2, requires_grad=True)
    assert np.array_equal(torch_side.to_numpy(x), [1, 1])
