"""The table of what autocast runs in which dtype: measured in torch, held against the policy, row by row."""

from inspect import signature
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_impl import mixed_precision as jax_side
from jax_impl._mixed_precision_operations import SIZES as JAX_SIZES
from torch_impl import mixed_precision as torch_side
from torch_impl._mixed_precision_operations import SIZES
from torch_internals import internal

torch.set_num_threads(1)

NAMES = list(torch_side.OPERATIONS)
LOW = ("bfloat16", "float16")
# Rows where the two sides differ, with the reason: an operation that does not mix dtypes in torch, and does in JAX.
REFUSED_IN_TORCH = {
    ("cpu", "dot"): "torch.dot takes two dtypes only where autocast promotes them, which a CPU's does not"
}
# torch 2.11 has no rule for rms_norm on CUDA, and there it follows its argument; the JAX side keeps to 2.13's.
HAS_RULE = torch._C._dispatch_has_kernel_for_dispatch_key("aten::rms_norm", "AutocastCUDA")
WITHOUT_RULE = set() if HAS_RULE else {("cuda", "rms_norm")}
# What the lists of torch's own tests call otherwise.
LISTED_AS = {"attention": None, "square": None, "bce_with_logits": "binary_cross_entropy_with_logits"}


def tables(device, dtype):
    return [side.operation_dtypes(side.choose_policy(dtype), device) for side in (torch_side, jax_side)]


def test_both_sides_list_the_same_operations_of_the_same_arguments():
    assert list(jax_side.OPERATIONS) == NAMES
    assert JAX_SIZES == SIZES
    for name in NAMES:
        left, right = (list(signature(side.OPERATIONS[name]).parameters) for side in (torch_side, jax_side))
        assert left == right


@pytest.mark.parametrize(("device", "dtype"), list(product(("cpu", "cuda"), LOW)))
def test_every_row_of_the_table_agrees_or_is_explained(device, dtype):
    left, right = tables(device, dtype)
    differ = {(device, name) for name in NAMES if tuple(left[name]) != tuple(right[name])}
    assert differ == {row for row in {*REFUSED_IN_TORCH, *WITHOUT_RULE} if row[0] == device}
    for _, name in differ - WITHOUT_RULE:
        assert (left[name].mixed, right[name].mixed) == ("error", "float32")
        assert left[name][:2] == right[name][:2]


@pytest.mark.parametrize("dtype", LOW)
def test_what_the_devices_do_otherwise_is_one_rule(dtype):
    """The trap autocast-op-lists: CUDA widens 24 of these operations that follow their arguments on a CPU."""
    (cpu, _), (cuda, _) = tables("cpu", dtype), tables("cuda", dtype)
    moved = {(cpu[name].rule(), cuda[name].rule()) for name in NAMES if cpu[name].rule() != cuda[name].rule()}
    assert moved == {("follows", "float32")}
    assert sum(cpu[name].rule() != cuda[name].rule() for name in NAMES) == 24 - len(WITHOUT_RULE)


@pytest.mark.parametrize("rule", ["lower", "float32"])
def test_cuda_s_rules_are_those_that_torch_lists_for_its_own_tests(rule):
    """Measured on tensors without data, against torch/testing/_internal/autocast_test_lists.py."""
    lists = internal("autocast_test_lists").AutocastTestLists("cpu")
    entries = {
        "lower": lists.torch_fp16 + lists.nn_fp16 + lists.linalg_fp16,
        "float32": lists.torch_fp32 + lists.nn_fp32 + lists.methods_fp32,
    }[rule]
    listed = {entry[0] for entry in entries}
    measured = {LISTED_AS.get(name, name) for name, row in tables("cuda", "float16")[0].items() if row.rule() == rule}
    # Composites of listed operations, and two losses that the lists leave out.
    left_out = {"cross_entropy", "huber_loss", "vector_norm", "conv_transpose2d"} - listed
    assert measured - listed - left_out == {None} if rule == "lower" else {None} >= measured - listed - left_out
    known = {LISTED_AS.get(name, name) for name in NAMES}
    assert not (listed & known) - measured


@pytest.mark.parametrize("side", [torch_side, jax_side], ids=("torch", "jax"))
def test_another_device_is_refused(side):
    with pytest.raises(ValueError, match=r"^under_policy: device must be one of cpu, cuda, got 'tpu'\.$"):
        side.operation_dtypes(side.choose_policy("float16"), "tpu")


def inputs(rng, names):
    used = {size for name in names for size in signature(torch_side.OPERATIONS[name]).parameters}
    return {size: rng.uniform(0.1, 0.9, size=SIZES[size]) for size in sorted(used)}


def everything(side, names, dtype=None):
    """One function of all sizes that returns every operation's result, under a policy or plain."""

    def run(**arrays):
        results = {}
        for name in names:
            operation = side.OPERATIONS[name]
            function = operation if dtype is None else side.under_policy(name, side.choose_policy(dtype))
            results[name] = function(*(arrays[size] for size in signature(operation).parameters))
        return results

    return run


def test_a_row_is_the_same_operation_on_both_sides(parity, rng):
    """Without this the dtypes of two different functions might agree."""
    sides = (everything(side, NAMES) for side in (torch_side, jax_side))
    parity.assert_equivalent(*sides, inputs(rng, NAMES), dtypes=("float64",), gradients=False, name="operations")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", LOW)
def test_the_operations_agree_under_the_policy(parity, rng, dtype):
    """Arguments in the lower dtype, each side held against its own float64; float64 passes a policy untouched."""
    sides = (everything(side, NAMES, dtype) for side in (torch_side, jax_side))
    parity.assert_equivalent(*sides, inputs(rng, NAMES), dtypes=(dtype,), gradients=False, name=f"under {dtype}")


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", LOW)
def test_a_gpu_runs_what_was_measured_without_one(dtype):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU: torch has none here")
    left, right = tables("cuda", dtype)
    assert {("cuda", name) for name in NAMES if tuple(left[name]) != tuple(right[name])} == WITHOUT_RULE


def test_the_measuring_leaves_autocast_off():
    tables("cuda", "float16")
    assert not torch.is_autocast_enabled("cuda")
    assert not torch.is_autocast_enabled("cpu")
    assert jnp.result_type(jax.eval_shape(jax_side.OPERATIONS["exp"], jnp.ones((4, 6)))) == jnp.float32
    assert np.isfinite(SIZES["x"]).all()
