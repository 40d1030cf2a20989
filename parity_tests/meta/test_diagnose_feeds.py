"""The JAX function called with its inputs in another order, and what several leaves say together."""

import importlib

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import parity
from parity.diagnosis.fed import feeds, telling
from parity.diagnosis.findings import Finding
from parity.diagnosis.together import exchanged, strong, together

draw = np.random.default_rng(3)
A, B, W = draw.normal(size=(3, 4)), draw.normal(size=(3, 4)), draw.normal(size=(8, 8))
HEADS = W.reshape(8, 2, 4).swapaxes(1, 2).reshape(8, 8)
LAYERS = {f"layers/Dense_{n}/kernel": draw.normal(size=(2, 2)) for n in range(12)}
DOUBLED = Finding("torch == 2 x jax everywhere; look for a halved term", strong=False, lone=True)


def same(one, other):
    return np.array_equal(one, other)


def kept(inputs, path, wanted):
    """The sentences of the calls that put ``wanted`` at ``path``."""
    return [str(fed.finding) for fed in feeds(inputs) if path in fed.inputs and same(fed.inputs[path], wanted)]


@pytest.mark.parametrize(
    ("inputs", "path", "wanted", "words"),
    [
        ({"a": A, "b": B}, "a", B, "a and b change places"),
        ({"w": W}, "w", W.T, "axes 0 and 1 of w are transposed"),
        ({"a": A}, "a", A.reshape(-1, order="F").reshape(3, 4), "a is filled in the other order, columns first"),
        ({"m": A > 0}, "m", A <= 0, "the mask m is inverted"),
        ({"w": W}, "w", W[[0, 1, 2, 3, 6, 7, 4, 5]], "the 4 blocks of w are taken in the order (0, 1, 3, 2)"),
        ({"w": W}, "w", HEADS, "axis 1 of w is read as (2, 4) and transposed"),
        ({"y": np.arange(5)}, "y", np.arange(5) + 1, "y counts from one: every entry +1"),
        ({"a": A}, "a", A[::-1], "a is reversed along axis 0"),
        ({"a": A}, "a", np.roll(A, -1, 1), "a is rolled by -1 along axis 1"),
        ({"a": A}, "a", A.T, "axes 0 and 1 of a change roles"),
        (LAYERS, "layers/Dense_2/kernel", LAYERS["layers/Dense_10/kernel"], "sorted by number, not as text"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_call_in_another_order_is_made(inputs, path, wanted, words):
    assert any(words in sentence for sentence in kept(inputs, path, wanted))


def test_no_call_leaves_everything_as_it_is():
    constant = {"a": np.ones((4, 4)), "b": np.ones((4, 4)), "mask": np.ones(3, bool)}
    assert {path for fed in feeds(constant) for path in fed.inputs} == {"mask"}


def test_few_round_numbers_tell_nothing():
    assert not telling([np.array(0.25), np.array([3, 1, 3])])
    assert telling([np.array(0.2591)])
    assert telling([np.arange(7)])


def diagnosis(torch_side, jax_side, *inputs):
    return parity.compare(torch_side, jax_side, inputs, dtypes=("float64",), gradients=False).diagnosis


def test_an_operation_along_another_axis_is_named():
    def torch_side(x):
        return torch.logsumexp(x, 1, keepdim=True) - torch.sin(x)

    def jax_side(x):
        peak = x.max(0, keepdims=True)
        return jnp.log(jnp.exp(x - peak).sum(0, keepdims=True)) + peak - jnp.sin(x)

    found = diagnosis(torch_side, jax_side, W)
    assert "axes 0 and 1 of x change roles" in found or "instead of axis" in found  # with the line, if it has one


def test_axes_far_apart_are_tried_too():
    def jax_side(x):
        return jnp.tanh(jnp.stack([x[..., : i + 1].sum(-1) for i in range(x.shape[-1])], -1))

    found = diagnosis(lambda x: torch.tanh(x.cumsum(1)), jax_side, draw.normal(size=(2, 5, 3, 4)))
    assert "axes 1 and 3 of x change roles" in found


def test_time_for_batch_is_named_where_a_last_state_keeps_its_axes():
    def torch_side(x):
        state, states = torch.zeros_like(x[:, 0]), []
        for step in x.unbind(1):
            states.append(state := torch.tanh(step + 0.5 * state))
        return torch.stack(states, 1), state

    def jax_side(x):
        state, states = jnp.zeros_like(x[0]), []
        for step in x:
            states.append(state := jnp.tanh(step + 0.5 * state))
        return jnp.stack(states), state

    assert "axes 0 and 1 of x change roles" in diagnosis(torch_side, jax_side, draw.normal(size=(3, 3, 3)))


def test_one_order_of_gates_is_named_for_every_weight():
    def torch_side(x, w, b):
        keep, new = (x @ w.T + b).chunk(2, 1)
        return torch.sigmoid(keep) * torch.tanh(new)

    def jax_side(x, w, b):
        new, keep = jnp.split(x @ w.T + b, 2, axis=1)
        return jnp.tanh(new) / (1 + jnp.exp(-keep))

    w, b = draw.normal(size=(6, 4)), draw.normal(size=6)
    assert "the 2 blocks of w, b are taken in the order (1, 0)" in diagnosis(torch_side, jax_side, A, w, b)


def test_a_result_of_another_dtype_is_named_as_that():
    found = diagnosis(lambda x: x.sum(0), lambda x: x.sum(0).astype(jnp.int32), np.arange(6).reshape(2, 3))
    assert found == "output: dtypes differ: torch int64 | jax int32; look for a cast, or a default dtype"


def test_leaves_that_hold_each_other_are_named_unless_they_are_equal():
    found = {"output/a": (A, B, 1e-12), "output/b": (B, A, 1e-12)}
    assert "output/a and output/b hold each other's values" in str(next(exchanged(found)))
    assert list(exchanged({"output/a": (A, A, 1e-12), "output/b": (A, A, 1e-12)})) == []


def test_a_lone_factor_needs_every_leaf():
    agreed = [("output", DOUBLED), ("grad/x", Finding(DOUBLED.sentence))]
    assert strong(agreed)
    assert not strong([("output", DOUBLED)])
    assert not strong([("output", DOUBLED), ("grad/x", None)])


def test_gradients_that_share_one_factor_are_named_together():
    alone = Finding(DOUBLED.sentence)
    assert list(together([("grad/w", alone), ("grad/x", alone)])) == [("every gradient that differs", alone)]
    assert list(together([("grad/w", alone), ("grad/x", None)])) == [("grad/w", alone)]


def test_causes_of_later_leaves_come_before_descriptions():
    weak, sure = Finding("a description", strong=False), Finding("a cause")
    assert [path for path, _ in together([("output", None), ("grad/w", weak), ("grad/x", sure)])] == [
        "grad/x",
        "grad/w",
    ]


def test_a_report_says_that_its_allowance_came_from_perturbed_inputs(monkeypatch):
    def unreadable(*_):
        raise NotImplementedError("no rule for tomorrow_p")

    monkeypatch.setattr(importlib.import_module("parity.simulation").Simulation, "_interpreted", unreadable)
    report = parity.compare(
        lambda x: torch.sin(x) * (1 + 1e-4 * (x.dtype == torch.float32)),
        lambda x: jnp.sin(x),
        (A,),
        dtypes=("float64", "float32"),
        gradients=False,
    )
    text = str(report)
    assert "  note        float32: allowances come from perturbed inputs; the program cannot be interpreted" in text
    assert "deviations under perturbed inputs at float32, since the program cannot be interpreted: NotImpl" in text
    assert "at float64 both compute the same function; at float32 torch loses more than its own rounding" in text


def test_the_layer_whose_blocks_are_exchanged_is_named_alone():
    """Hidden features may be permuted on both sides of an activation: only the gate's halves count."""
    draw = np.random.default_rng(4)
    shapes = {"into": (3, 6), "back": (6, 3), "gate": (3, 6)}
    w = {name: {"kernel": draw.normal(size=shape)} for name, shape in shapes.items()}

    def torch_side(x, w):
        hidden = torch.tanh(x @ w["into"]["kernel"]) @ w["back"]["kernel"]
        return torch.nn.functional.glu(hidden @ w["gate"]["kernel"])

    def jax_side(x, w):
        hidden = jnp.tanh(x @ w["into"]["kernel"]) @ w["back"]["kernel"]
        gate, value = jnp.split(hidden @ w["gate"]["kernel"], 2, axis=-1)
        return value / (1 + jnp.exp(-gate))

    inputs = (draw.normal(size=(4, 3)), w)
    said = parity.compare(torch_side, jax_side, inputs, dtypes=("float64",), jit=False).diagnosis
    assert said.startswith("the gap vanishes if the 2 blocks of w/gate/kernel are taken in the order (1, 0)")
