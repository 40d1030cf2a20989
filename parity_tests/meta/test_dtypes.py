"""`parity.dtypes`: the list of operations and their dtypes, and a policy held against it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn import functional

import parity

X = np.linspace(-1, 1, 12).reshape(4, 3)
WEIGHT = np.linspace(-1, 1, 15).reshape(3, 5)


def kept_narrow(x, w):
    """Attention-like: logits and softmax in bfloat16."""
    return jax.nn.softmax(x.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)).astype(jnp.float32)


def widened(x, w):
    """The same logits; the softmax in float32."""
    return jax.nn.softmax((x.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)).astype(jnp.float32))


def under_autocast(x, w):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return functional.cross_entropy(torch.softmax(x @ w, -1), torch.tensor([0, 1, 2, 3]))


POLICY = {"matmul": "bfloat16", "softmax": "float32"}


def test_a_softmax_in_float32_keeps_the_policy():
    assert parity.dtypes(widened, (X, WEIGHT)).check(POLICY).of("softmax") == {"float32"}


def test_a_softmax_kept_in_bfloat16_breaks_it():
    with pytest.raises(parity.PolicyError, match=r"softmax must be float32, got exp bfloat16->bfloat16 \(1 x\)"):
        parity.dtypes(kept_narrow, (X, WEIGHT)).check(POLICY)


def test_numbers_cannot_tell_the_two_apart():
    """The reason for all this: with the policy broken on one side the comparison still holds."""

    def torch_widened(x, w):
        return torch.softmax((x.bfloat16() @ w.bfloat16()).float(), -1)

    report = parity.compare(torch_widened, kept_narrow, (X, WEIGHT), dtypes=("bfloat16",), gradients=False, jit=False)
    assert all(leaf.ok or leaf.problem.startswith("dtypes differ") for leaf in report.leaves)


def test_linen_computes_in_its_dtype_and_says_where():
    module = nn.Dense(5, dtype=jnp.bfloat16)
    variables = module.init(jax.random.key(0), jnp.ones((4, 3)))
    table = parity.dtypes(lambda x: module.apply(variables, x), (X,))
    product = next(operation for operation in table.operations if operation.name == "dot_general")
    assert (product.takes, product.dtype, product.where) == ("bfloat16", "bfloat16", "Dense")
    assert variables["params"]["kernel"].dtype == jnp.float32
    assert table.of("cast") == {"bfloat16"}


def test_autocast_is_listed_after_its_casts():
    """On a CPU: the product is narrowed, softmax follows its input, cross entropy is widened."""
    table = parity.dtypes(under_autocast, (X, WEIGHT))
    assert table.of("matmul") == {"bfloat16"}
    assert [op.dtype for op in table.operations if op.name == "_softmax"] == ["bfloat16"]
    assert [op.dtype for op in table.operations if op.name == "_log_softmax"] == ["float32"]
    with pytest.raises(parity.PolicyError, match="softmax must be float32, got _softmax bfloat16->bfloat16"):
        table.check({"softmax": "float32"})


def test_one_policy_holds_for_both_frameworks():
    def torch_side(x, w):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = x @ w
        return torch.softmax(logits.float(), -1)

    for side in (torch_side, widened):
        parity.dtypes(side, (X, WEIGHT)).check(POLICY)


def test_the_accumulator_is_a_policy_of_its_own():
    def accumulated(x, w):
        return jax.lax.dot(x.astype(jnp.bfloat16), w.astype(jnp.bfloat16), preferred_element_type=jnp.float32)

    table = parity.dtypes(accumulated, (X, WEIGHT))
    table.check({"matmul": "bfloat16 -> float32"})
    with pytest.raises(parity.PolicyError, match="matmul must be bfloat16, got dot_general bfloat16->float32"):
        table.check({"matmul": "bfloat16"})


def test_loops_calls_and_branches_are_entered():
    def program(x):
        def body(carry, row):
            return jax.lax.cond(row.sum() > 0, jnp.sin, jnp.cos, carry.astype(jnp.bfloat16)).astype(x.dtype), row

        return jax.jit(lambda c: jax.lax.scan(body, c, x)[0])(x[0])

    table = parity.dtypes(jax.checkpoint(program), (X,))
    assert table.of("sin") == table.of("cos") == {"bfloat16"}
    assert next(op.times for op in table.operations if op.name == "sin") == len(X)


@pytest.mark.parametrize("side", [lambda x: x @ x.T, lambda x: torch.mm(x, x.T)], ids=["jax", "torch"])
def test_gradients_are_listed_on_request(side):
    forward, both = (parity.dtypes(side, (X,), gradients=wanted) for wanted in (False, True))
    products = [sum(op.times for op in table._named("matmul")) for table in (forward, both)]
    assert products == [1, 3]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_the_inputs_are_given_in_the_dtype_asked_for(dtype):
    assert parity.dtypes(jnp.tanh, (X,), dtype=dtype).of("tanh") == {dtype}
    assert parity.dtypes(torch.tanh, (X,), dtype=dtype).of("tanh") == {dtype}


def test_a_torch_module_keeps_the_dtype_of_its_weights():
    assert parity.dtypes(torch.nn.Linear(3, 2), (X,)).of("matmul") == {"float32"}


def test_it_prints_as_a_table():
    lines = str(parity.dtypes(widened, (X, WEIGHT))).splitlines()
    assert lines[0] == "widened"
    assert lines[1].split() == ["operation", "takes", "gives", "times", "in"]
    assert lines[2].split() == ["cast", "float32", "bfloat16", "2"]


def test_a_policy_that_would_prove_nothing_is_refused():
    with pytest.raises(parity.InputError, match=r"check: policy must name operations of tanh, got conv; it has tanh\."):
        parity.dtypes(jnp.tanh, (X,)).check({"conv": "float32"})


def test_a_function_of_neither_framework_is_refused():
    with pytest.raises(parity.InputError, match=r"dtypes: fn must run on its inputs, got .* with JAX arrays and"):
        parity.dtypes(lambda x: x.no_such_method(), (X,))


def test_a_linen_module_is_refused():
    with pytest.raises(parity.InputError, match="dtypes: fn must be a function, got a linen module"):
        parity.dtypes(nn.Dense(2), (X,))


def test_integers_and_moves_are_not_listed():
    table = parity.dtypes(lambda x: jnp.argsort(x[:, 0]) + x.T.reshape(-1).astype(int)[:4], (X,))
    assert table.of("transpose") == table.of("add") == set()
