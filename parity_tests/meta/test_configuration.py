"""What the caller has configured is as it was, when the call returns and when it raises."""

from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import parity
from samples import VECTOR, agree, quick


def configuration():
    return {
        "default dtype": torch.get_default_dtype(),
        "grad mode": torch.is_grad_enabled(),
        "matmul TF32": torch.backends.cuda.matmul.allow_tf32,
        "cuDNN TF32": torch.backends.cudnn.allow_tf32,
        "float32 matmul": torch.get_float32_matmul_precision(),
        "x64": jax.config.jax_enable_x64,
        "matmul precision": jax.config.jax_default_matmul_precision,
        "numpy errors": np.geterr(),
    }


@contextmanager
def unusual():
    """Everything set to what is not the default."""
    before = torch.backends.cudnn.allow_tf32
    torch.set_default_dtype(torch.float16)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = not before
    try:
        with torch.no_grad(), jax.enable_x64(True), jax.default_matmul_precision("bfloat16"):
            yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = before


def test_it_is_as_it_was_after_a_return():
    with unusual():
        before = configuration()
        assert parity.compare(torch.tanh, jnp.tanh, (VECTOR,)).ok
        assert configuration() == before


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_is_as_it_was_after_the_torch_function_raised(dtype):
    def fails(x):
        torch.set_default_dtype(torch.float64)
        raise RuntimeError("no")

    with unusual():
        before = configuration()
        with pytest.raises(parity.InputError, match=r"torch_fn must run"):
            quick(fails, jnp.tanh, (VECTOR,), dtypes=(dtype,))
        assert configuration() == before


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_is_as_it_was_after_the_jax_function_raised(dtype):
    def fails(x):
        raise RuntimeError("no")

    with unusual():
        before = configuration()
        with pytest.raises(parity.InputError, match=r"jax_fn must run"):
            quick(torch.tanh, fails, (VECTOR,), dtypes=(dtype,))
        assert configuration() == before


def test_it_is_as_it_was_after_a_mismatch_was_raised():
    with unusual():
        before = configuration()
        with pytest.raises(parity.MismatchError, match=r"leaves differ"):
            parity.assert_equivalent(torch.tanh, jnp.sinh, (VECTOR,), dtypes=("float64",), jit=False)
        assert configuration() == before


@pytest.mark.parametrize("precision", ["medium", "high", "highest"])
def test_the_precision_of_float32_products_is_as_it_was(precision):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        agree(torch.tanh, jnp.tanh, (VECTOR,))
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(before)


def test_products_are_taken_in_full_float32_whatever_the_caller_allows():
    seen = []

    def spy(x):
        seen.append(torch.backends.mkldnn.matmul.fp32_precision)  # "medium" sets this CPU's products to bfloat16
        return x * 1

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        quick(spy, lambda x: x * 1, (VECTOR,), dtypes=("float32",))
    finally:
        torch.set_float32_matmul_precision(before)
    assert set(seen) == {"ieee"}


@pytest.mark.parametrize("x64", [True, False])
def test_the_result_does_not_depend_on_the_callers_x64(x64):
    with jax.enable_x64(x64):
        report = parity.compare(torch.tanh, jnp.tanh, (VECTOR,))
    assert report.ok
    assert {leaf.dtype for leaf in report.leaves} == {"float64", "float32"}


@pytest.mark.parametrize("scope", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_gradients_are_compared_whatever_the_callers_grad_mode(scope):
    with scope():
        assert agree(lambda x: x.detach(), lambda x: jax.lax.stop_gradient(x), (VECTOR,))
        assert agree(lambda x: x**2, lambda x: x**2, (VECTOR,))


def test_constants_made_inside_have_the_dtype_under_test():
    report = parity.compare(lambda x: x + torch.ones(4), lambda x: x + jnp.ones(4), (VECTOR,))
    assert report.ok


def test_numpy_may_be_set_to_raise():
    with np.errstate(all="raise"):
        agree(lambda x: x * 1e200, lambda x: -x * 1e200, (1e107 * VECTOR,))
        assert agree(lambda x: x, lambda x: x, (1e-7 * VECTOR,), dtypes=("float64", "float32", "float16"))


@pytest.mark.filterwarnings("error")
def test_values_that_are_not_finite_raise_no_warning():
    agree(lambda x: x * np.inf, lambda x: -x * np.inf, (VECTOR,))
    parity.compare(torch.log, jnp.log, (VECTOR,))


@pytest.mark.filterwarnings("error")
def test_numpy_arrays_made_inside_a_jax_function_raise_no_warning():
    constant = np.array([1.0, 2.0])
    assert quick(lambda x: torch.tensor([1.0, 2.0]), lambda x: constant, (VECTOR,), dtypes=("float32",)).ok


def test_the_callers_autocast_does_not_reach_into_the_comparison():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert agree(lambda x: x @ x, lambda x: x @ x, (VECTOR,), dtypes=("float32",))
