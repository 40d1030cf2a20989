"""Devices: the cell CUDA of the text, and every function of the topic.

What needs an accelerator is marked `gpu` and says why it is skipped; the rest runs on any machine.
"""

import json
import os
import subprocess
import sys
from collections import namedtuple
from types import ModuleType
from unittest.mock import Mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import jax_impl.devices as jax_side
import torch_impl.devices as torch_side

SIDES = {"torch": torch_side, "jax": jax_side}
MAKE = {"torch": torch.from_numpy, "jax": jnp.array}
VALUES = np.array([0.0569, -0.0, 3.4e38, 1.2e-38, np.nan, np.inf], np.float32)

Pair = namedtuple("Pair", ["left", "right"])


@pytest.fixture(params=SIDES)
def side(request) -> str:
    return request.param


@pytest.fixture
def accelerated(side) -> str:
    """The side, where it has an accelerator."""
    available = SIDES[side].available_devices()
    if available == ["cpu"]:
        pytest.skip(f"needs an accelerator, {side} has cpu only")
    return side


def only_cpu(module: ModuleType) -> bool:
    return module.available_devices() == ["cpu"]


def test_the_cpu_closes_the_list_and_the_first_device_is_the_choice(side):
    devices = SIDES[side]
    assert devices.available_devices()[-1] == "cpu"
    assert devices.choose_device() == devices.choose_device(devices.available_devices()[0])


def test_a_device_is_chosen_by_name(side):
    chosen = SIDES[side].choose_device("cpu")
    assert chosen == {"torch": torch.device("cpu"), "jax": jax.devices("cpu")[0]}[side]


@pytest.mark.parametrize("name", ["abacus", "cpu:7", "", "cuda:99"])
def test_an_absent_device_is_refused_with_what_there_is(side, name):
    available = ", ".join(SIDES[side].available_devices())
    with pytest.raises(ValueError, match=rf"^choose_device: name must be one of {available}, got '{name}'\.$"):
        SIDES[side].choose_device(name)


def test_accelerators_come_first_and_a_bare_kind_is_its_first(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert torch_side.available_devices() == ["cuda:0", "cuda:1", "cpu"]
    assert torch_side.choose_device() == torch_side.choose_device("cuda") == torch.device("cuda:0")
    assert torch_side.choose_device("cuda:1") == torch.device("cuda:1")

    gpus, cpus = [Mock(jax.Device, platform="gpu") for _ in range(2)], [Mock(jax.Device, platform="cpu")]
    monkeypatch.setattr(jax, "local_devices", lambda backend=None: cpus if backend == "cpu" else gpus)
    assert jax_side.available_devices() == ["cuda:0", "cuda:1", "cpu"]
    assert jax_side.choose_device() == jax_side.choose_device("cuda") == gpus[0]
    assert (jax_side.choose_device("cuda:1"), jax_side.choose_device("cpu")) == (gpus[1], cpus[0])


def test_synchronize_waits_for_what_was_asked(monkeypatch):
    """On a CPU results come too soon to tell, so the calls are watched that wait."""
    waited, tree = [], {"x": jnp.ones(2)}
    monkeypatch.setattr(jax, "block_until_ready", lambda tree: waited.append(tree) or tree)
    assert jax_side.synchronize(tree) is tree
    assert waited == [tree]
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: waited.append("torch"))
    assert torch_side.synchronize(tree) is tree
    assert waited[1:] == ["torch"]


def test_cuda_cell_round_trip(side):
    """Cell "CUDA": cpu, the best device there is, cpu again: every bit as it was, NaN and -0 too."""
    x = MAKE[side](VALUES.copy())
    back = np.asarray(SIDES[side].round_trip(x))
    assert np.array_equal(back.view(np.int32), VALUES.view(np.int32))


def test_cuda_cell_without_an_accelerator(side):
    """Cell "CUDA": where the text's torch.device("cuda") would fail at the first .to, the choice itself says so."""
    if not only_cpu(SIDES[side]):
        pytest.skip(f"{side} has an accelerator here")
    with pytest.raises(ValueError, match=r"^choose_device: name must be one of cpu, got 'cuda'\.$"):
        SIDES[side].round_trip(MAKE[side](VALUES), "cuda")
    assert torch.device("cuda").type == "cuda"  # made without complaint


def test_both_sides_refuse_in_the_same_words():
    if not (only_cpu(torch_side) and only_cpu(jax_side)):
        pytest.skip("the sides may see different devices here")
    messages = []
    for devices in SIDES.values():
        with pytest.raises(ValueError, match="choose_device") as caught:
            devices.choose_device("cuda")
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_round_trip_agrees(parity, rng):
    parity.assert_equivalent(torch_side.round_trip, jax_side.round_trip, (rng.normal(size=(2, 3)), "cpu"))


def test_move_agrees_through_a_tree(parity, rng):
    tree = {"layer": [rng.normal(size=(2, 3)), rng.normal(size=3)], "scale": (rng.normal(size=()),)}

    def mover(devices):
        return lambda tree: devices.move(tree, devices.choose_device("cpu"))

    parity.assert_equivalent(mover(torch_side), mover(jax_side), (tree,), name="move")


def test_move_walks_containers_and_leaves_the_rest_alone(side):
    devices = SIDES[side]
    x = MAKE[side](VALUES)
    tree = {"pair": Pair(x, [x]), "step": 3, "name": "digits", "none": None}
    moved = devices.move(tree, devices.choose_device("cpu"))
    assert isinstance(moved["pair"], Pair)
    assert isinstance(moved["pair"].right, list)
    assert (moved["step"], moved["name"], moved["none"]) == (3, "digits", None)
    assert type(moved["step"]) is int
    assert np.array_equal(np.asarray(moved["pair"].right[0]), VALUES, equal_nan=True)


def test_moving_to_where_an_array_is_does_not_copy():
    x, y = torch.zeros(64), jax.device_put(jnp.zeros(64), jax_side.choose_device("cpu"))
    assert torch_side.move(x, torch_side.choose_device("cpu")).data_ptr() == x.data_ptr()
    moved = jax_side.move(y, jax_side.choose_device("cpu"))
    assert moved.unsafe_buffer_pointer() == y.unsafe_buffer_pointer()


def test_synchronize_returns_its_tree_ready(side):
    tree = {"square": [MAKE[side](np.eye(64, dtype=np.float32)) @ MAKE[side](np.ones((64, 64), np.float32))]}
    waited = SIDES[side].synchronize(tree)
    assert np.array_equal(np.asarray(waited["square"][0]), np.ones((64, 64)))
    if side == "jax":
        assert waited["square"][0].is_ready()


def test_synchronize_waits_for_torchs_accelerator(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: calls.append("waited"))
    torch_side.synchronize({})
    assert calls == ["waited"]


def test_a_seed_is_one_draw_whatever_was_drawn_before(side):
    draw = SIDES[side].seeded_normal
    first = np.asarray(draw((2, 3), seed=5, name="cpu"))
    torch.randn(10)
    assert np.array_equal(first, np.asarray(draw((2, 3), seed=5, name="cpu")))
    assert not np.isin(first, np.asarray(draw((2, 3), seed=6, name="cpu"))).any()
    assert first.dtype == np.float32


def test_a_seed_does_not_transfer():
    """The trap seeds-do-not-transfer."""
    left, right = (np.asarray(devices.seeded_normal((50,), seed=0, name="cpu")) for devices in SIDES.values())
    assert not np.isin(left, right).any()


def test_full_precision_changes_nothing_on_a_cpu(parity, rng):
    def inside(devices):
        def product(x, y):
            with devices.full_float32_matmul():
                return x @ y

        return product

    inputs = (rng.normal(size=(3, 5)), rng.normal(size=(5, 2)))
    parity.assert_equivalent(inside(torch_side), inside(jax_side), inputs, name="full_float32_matmul")


TWO_DEVICES = """
import json, jax, jax.numpy as jnp, jax_impl.devices as devices
first, second = jax.devices()
free, here, there = jnp.ones(2), devices.move(jnp.ones(2), first), devices.move(jnp.ones(2), second)
facts = {"committed": [free.committed, here.committed], "follows": (free + there).device == second}
try:
    here + there
except ValueError as error:
    facts["error"] = str(error)
facts["listed"] = devices.available_devices()
print(json.dumps(facts))
"""


def test_an_uncommitted_array_follows_and_a_committed_one_refuses():
    """The trap of uncommitted arrays, on two virtual CPU devices; torch lets no two devices meet."""
    flags = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    result = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES], env=os.environ | flags, capture_output=True, text=True, check=True
    )
    facts = json.loads(result.stdout)
    assert facts["committed"] == [False, True]
    assert facts["follows"]
    assert facts["error"].startswith("Received incompatible devices")
    assert facts["listed"] == ["cpu"]

    with pytest.raises(RuntimeError, match=r"on the (expected|same) device"):
        torch.ones(2) + torch.ones(2, device="meta")


@pytest.mark.gpu
def test_a_moved_array_is_on_the_accelerator_and_returns_with_every_bit(accelerated):
    devices = SIDES[accelerated]
    x = devices.move(MAKE[accelerated](VALUES.copy()), devices.choose_device())
    assert x.device == devices.choose_device()
    back = devices.move(devices.synchronize(x), devices.choose_device("cpu"))
    assert np.array_equal(np.asarray(back).view(np.int32), VALUES.view(np.int32))
