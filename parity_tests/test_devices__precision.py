"""Devices, second part: the precision of float32 products, pinned and restored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import jax_impl.devices as jax_side
import torch_impl.devices as torch_side

SIDES = {"torch": torch_side, "jax": jax_side}
MAKE = {"torch": torch.from_numpy, "jax": jnp.array}


def torch_switches() -> tuple[str, bool]:
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32


@pytest.fixture
def loose_torch():
    """Torch's switches at their loosest, for one test."""
    products, convolutions = torch_switches()
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    yield
    torch.set_float32_matmul_precision(products)
    torch.backends.cudnn.allow_tf32 = convolutions


@pytest.mark.usefixtures("loose_torch")
def test_full_precision_is_set_inside_and_restored():
    with torch_side.full_float32_matmul():
        assert torch_switches() == ("highest", False)
    assert torch_switches() == ("medium", True)
    with jax.default_matmul_precision("bfloat16"):
        with jax_side.full_float32_matmul():
            assert jax.config.jax_default_matmul_precision == "highest"
        assert jax.config.jax_default_matmul_precision == "bfloat16"


@pytest.mark.usefixtures("loose_torch")
@pytest.mark.parametrize("devices", SIDES.values(), ids=SIDES)
def test_full_precision_is_restored_after_an_error(devices):
    before = torch_switches(), jax.config.jax_default_matmul_precision
    with pytest.raises(ValueError, match="abacus"), devices.full_float32_matmul():
        devices.choose_device("abacus")
    assert (torch_switches(), jax.config.jax_default_matmul_precision) == before


def test_full_precision_is_written_into_what_jax_compiles():
    """The trap tf32-default, as far as a CPU shows it: a product names no precision by default, the highest inside."""
    x = jnp.ones((2, 3))
    product = jax.jit(lambda x: x @ x.T)
    assert "HIGHEST" not in product.lower(x).as_text()
    with jax_side.full_float32_matmul():
        assert "HIGHEST" in product.lower(x).as_text()
    assert "HIGHEST" not in product.lower(x).as_text()


@pytest.mark.gpu
@pytest.mark.parametrize("side", SIDES)
def test_a_pinned_product_is_a_float32_product(side, rng):
    """The trap tf32-default: pinned, the accelerator keeps to float32's rounding, which TF32 does not."""
    devices = SIDES[side]
    if devices.available_devices() == ["cpu"]:
        pytest.skip(f"needs an accelerator, {side} has cpu only")
    left, right = rng.normal(size=(2, 256, 256)).astype(np.float32)
    with devices.full_float32_matmul():
        tree = devices.move([MAKE[side](left), MAKE[side](right)], devices.choose_device())
        product = np.asarray(devices.move(tree[0] @ tree[1], devices.choose_device("cpu")))
    # A float32 sum of 256 terms: at most 256 roundings of the sum of magnitudes.
    limit = 256 * np.finfo(np.float32).eps * (np.abs(left) @ np.abs(right))
    assert (np.abs(product - left.astype(np.float64) @ right) <= limit).all()
